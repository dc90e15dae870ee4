//! What the controllers know about designs, wired together: judge, renderer, structural diff, provider schema.

use std::sync::Arc;

use crate::api::design::{DesignSpec, Finding, Preview, Target};
use crate::api::session::Language;
use crate::config::Settings;
use crate::controllers::Knowledge;
use crate::plan::{StateView, looked_up, structural_diff};
use crate::render::looked_up::LookedUp;
use crate::render::schema::{Node, Schema};
use crate::render::{RenderContext, Rendered, RenderedResource, render};
use crate::validator::finding::{Findings, both, quoted};
use crate::validator::{Defaults, ValidatedDesign, Verdict, validate};

use super::library::Library;

/// Services, rules and the server's defaults.
pub struct Expertise {
    library: Arc<Library>,
    region: String,
    sandbox_compartment: String,
    oci_compartment: Option<String>,
}

impl Expertise {
    /// With the defaults of the server.
    pub fn new(library: Arc<Library>, settings: &Settings) -> Self {
        Expertise {
            library,
            region: settings.region.clone(),
            sandbox_compartment: settings.work_compartment(Target::Sandbox).unwrap_or_default().to_owned(),
            oci_compartment: settings.work_compartment(Target::Oci).ok().map(str::to_owned),
        }
    }

    fn defaults(&self, target: Target, language: Language) -> Defaults {
        let compartment_id = match target {
            Target::Sandbox => self.sandbox_compartment.clone(),
            // without a work compartment nothing is ever built in a tenancy: the judge refuses the empty one
            Target::Oci => self.oci_compartment.clone().unwrap_or_default(),
        };
        Defaults { region: self.region.clone(), compartment_id, language }
    }
}

impl Knowledge for Expertise {
    fn validate(&self, spec: &DesignSpec, language: Language) -> Verdict {
        validate(spec, &self.library.catalog().get(), &self.library.rules(), &self.defaults(spec.target, language))
    }

    fn render(&self, design: &ValidatedDesign, context: &RenderContext) -> Result<Rendered, Vec<Finding>> {
        render(design, &self.library.catalog().get(), context)
    }

    fn preview(&self, rendered: &[RenderedResource], state: Option<&StateView>) -> Preview {
        structural_diff(rendered, state, forces_new)
    }

    fn without_effect(&self, wishes: &[LookedUp], state: &StateView, language: Language) -> Vec<Finding> {
        let mut findings = Findings::new(language);
        for one in looked_up::without_effect(wishes, state) {
            let (key, id) = (one.keys.join(", "), quoted(&one.component));
            let message = both(
                format!("{id} は既にあり、{key} は作るときだけ効きます。今の {id} は別のイメージから作られています"),
                format!("{id} exists, and {key} counts only when it is made: it was made of another image"),
            );
            let advice = both(
                "作り直すには、部品の id を変えるか、一度外して適用してから戻してください",
                "to make it again give the component another id, or take it out, apply, and put it back",
            );
            findings.warning("config.at-creation", format!("components[{}].config.{key}", one.component), message).advise(advice).add();
        }
        findings.items
    }

    fn provider_version(&self) -> String {
        crate::render::schema::PROVIDER_VERSION.to_owned()
    }

    fn revision(&self) -> u64 {
        self.library.revision()
    }
}

/// Whether a change of what stands at a dotted path destroys the resource and makes it anew.
fn forces_new(resource_type: &str, path: &str) -> bool {
    let block = Schema::builtin().resource(resource_type);
    block.as_deref().and_then(|block| block.find(path)).is_some_and(|node| match node {
        Node::Attribute(attribute) => attribute.force_new,
        Node::Block(block) => block.force_new,
    })
}
