//! Saving and checking an architecture.
//!
//! What breaks the *structure* (rules `structure.*`: unknown types and keys, values outside choices, dangling connections,
//! duplicate ids) is refused and nothing is written, because nobody could refer to it later. What is merely unwise is saved
//! and returned as findings, because the conversation goes on.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::PostParams;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::architecture_check::{as_argument, check_generation, check_limits, check_variables, is_structural, problem, spec_patch};
use super::documents::{keeps_changing, name_of, no_design};
use super::error::{Code, Error, Problem};
use super::hearing::SuggestionView;
use super::plan::ChangeView;
use super::session::{TARGET_ANNOTATION, target_of, target_word};
use super::text::{Text, say};
use super::{Services, status};
use crate::api::condition::clip;
use crate::api::design::{Component, Connection, Counts, DesignSpec, Finding, Findings, Policy, Severity, Target};
use crate::api::session::Language;
use crate::api::{API_VERSION, Design, Session};
use crate::validator::finding::most_telling;
use crate::validator::{Defaults, Verdict};

/// How many findings an answer lists; the counts are always whole.
pub(super) const FINDING_LIMIT: usize = 15;

/// How many suggestions an answer lists.
const SUGGESTION_LIMIT: usize = 8;

/// Mark in a schema: another tool's schema says what is inside.
pub(crate) const SPELLED_OUT_ELSEWHERE: &str = "x-spelled-out-elsewhere";

/// One component, in the words of the users' files.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct ComponentInput {
    /// Your own id, stable over edits.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,63}$"))]
    pub id: String,
    /// Type of the catalogue: vcn, subnet, compute, adb …
    #[schemars(length(min = 1, max = 63))]
    pub service_type: String,
    /// Name for people, any language.
    #[schemars(length(max = 255))]
    pub display_name: Option<String>,
    /// Settings of the type; refusals list the known keys.
    #[serde(default)]
    pub config: BTreeMap<String, Value>,
}

/// One connection, in the words of the users' files.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct ConnectionInput {
    /// Component id it starts at.
    #[schemars(length(min = 1, max = 63))]
    pub source_id: String,
    /// Component id it ends at.
    #[schemars(length(min = 1, max = 63))]
    pub target_id: String,
    /// deployed_in (placement), private_endpoint, public …
    #[schemars(length(min = 1, max = 63))]
    pub connection_type: String,
    /// Free text.
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
}

/// Arguments of save_architecture.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct SaveArchitecture {
    /// Session id.
    pub session_id: String,
    /// The whole list, at most 200.
    pub components: Vec<ComponentInput>,
    /// The whole list, at most 600.
    #[serde(default)]
    pub connections: Vec<ConnectionInput>,
    /// OCI region such as ap-osaka-1.
    #[schemars(regex(pattern = r"^[a-z]{2,}(-[a-z0-9]+)+$"), length(max = 32))]
    pub region: Option<String>,
    /// Compartment OCID; the server's when absent.
    #[schemars(regex(pattern = r"^ocid1\.(compartment|tenancy)\.[A-Za-z0-9._-]+$"), length(max = 255))]
    pub compartment_id: Option<String>,
    /// sandbox (simulated) or oci (real); fixed by the first save.
    pub target: Option<Target>,
    /// Terraform variables, no secrets; replaces the former ones.
    pub variables: Option<BTreeMap<String, String>>,
    /// Refuse when the design is at another generation (0 = none yet).
    pub expected_generation: Option<i64>,
}

/// Arguments of validate_architecture.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct ValidateArchitecture {
    /// Session id.
    pub session_id: String,
    /// As in save_architecture; the saved ones when absent.
    #[schemars(extend("x-spelled-out-elsewhere" = true))]
    pub components: Option<Vec<ComponentInput>>,
    /// As in save_architecture; the saved ones when absent.
    #[schemars(extend("x-spelled-out-elsewhere" = true))]
    pub connections: Option<Vec<ConnectionInput>>,
}

/// Findings, bounded.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct FindingsView {
    /// how many errors (nothing is planned until they are mended)
    pub errors: usize,
    /// how many warnings
    pub warnings: usize,
    /// how many notes
    pub infos: usize,
    /// the first ones, errors first
    pub items: Vec<Finding>,
}

impl FindingsView {
    pub(super) fn of(findings: &[Finding], limit: usize) -> Self {
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        let items = most_telling(findings.to_vec(), limit).iter().map(bounded).collect();
        FindingsView { errors: count(Severity::Error), warnings: count(Severity::Warning), infos: count(Severity::Info), items }
    }
    /// The same from a status, whose counts are of more findings than it lists.
    pub(super) fn of_status(findings: &Findings, limit: usize) -> Self {
        let Findings { errors, warnings, infos, items } = findings;
        FindingsView { errors: *errors, warnings: *warnings, infos: *infos, items: items.iter().take(limit).map(bounded).collect() }
    }
}

/// A finding as an answer carries it: long texts and long lists cut.
fn bounded(finding: &Finding) -> Finding {
    Finding {
        path: as_argument(&finding.path),
        message: clip(&finding.message, 400),
        recommendation: finding.recommendation.as_deref().map(|text| clip(text, 300)),
        allowed: finding.allowed.iter().take(20).cloned().collect(),
        ..finding.clone()
    }
}

/// What the structural diff expects.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct PreviewView {
    /// expected counts
    pub counts: Counts,
    /// the first changes
    pub changes: Vec<ChangeView>,
}

/// What an edit of a spec came to.
pub(super) struct Written {
    pub(super) design: Design,
    pub(super) changed: bool,
    pub(super) findings: Vec<Finding>,
}

/// What was saved.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct SavedArchitecture {
    #[serde(skip)]
    pub(super) summary: String,
    /// session
    pub session_id: String,
    /// generation of the design after the save
    pub generation: i64,
    /// false when the design was exactly this before
    pub changed: bool,
    /// findings
    pub findings: FindingsView,
    /// what the hearing suggests, ready for edit_architecture
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<SuggestionView>,
    /// the design's own Terraform files with their sizes
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, usize>,
    /// what the structural diff expects, when it is there already
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<PreviewView>,
    /// what to call next
    pub next_actions: Vec<String>,
}

/// What the judge says.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct CheckedArchitecture {
    #[serde(skip)]
    pub(super) summary: String,
    /// session
    pub session_id: String,
    /// true when nothing is an error
    pub valid: bool,
    /// true when save_architecture would refuse it
    pub refused: bool,
    /// findings
    pub findings: FindingsView,
    /// what the hearing suggests, ready for edit_architecture
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<SuggestionView>,
    /// what the structural diff expects (of the saved design)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<PreviewView>,
    /// what to call next
    pub next_actions: Vec<String>,
}

impl Services {
    /// Creates or replaces the components and connections of the session's design. desiredState, policy and files stay.
    ///
    /// # Errors
    /// `session_not_found`, `invalid_argument`, `invalid_design` (structure; nothing is written), `conflict`
    /// (expected_generation), `storage_unavailable`.
    pub async fn save_architecture(&self, input: SaveArchitecture) -> Result<SavedArchitecture, Error> {
        let session = self.living_session(&input.session_id).await?;
        let language = session.spec.language;
        check_limits(&input.components, &input.connections, language)?;
        check_variables(input.variables.as_ref(), language)?;
        let change = |spec: &mut DesignSpec| {
            check_target(spec, input.target, language)?;
            overlay(spec, &input);
            self.judged(spec, language)
        };
        let written = self.put_spec(&session, input.target, input.expected_generation, change).await?;
        self.saved(&session, written).await
    }

    /// The answer to an edit of the architecture, with the controller's preview if that comes at once.
    pub(super) async fn saved(&self, session: &Session, written: Written) -> Result<SavedArchitecture, Error> {
        let language = session.spec.language;
        let Written { design, changed, mut findings } = written;
        let generation = design.metadata.generation.unwrap_or_default();
        let wanted = move |design: &Design| observed(design) >= generation;
        let design = match wanted(&design) {
            true => design,
            false => self.until_design(name_of(session), self.parts().settings.preview_wait, wanted).await.unwrap_or(design),
        };
        let (suggested, suggestions) = self.suggestions(session, &design.spec);
        findings.extend(suggested);
        let view = FindingsView::of(&findings, FINDING_LIMIT);
        let values = [
            ("generation", generation.to_string()),
            ("components", design.spec.components.len().to_string()),
            ("connections", design.spec.connections.len().to_string()),
            ("errors", view.errors.to_string()),
            ("warnings", view.warnings.to_string()),
        ];
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let text = if changed { Text::ArchitectureSaved } else { Text::ArchitectureUnchanged };
        let next_actions = match view.errors {
            0 => status::next_after_edit(language, &design),
            _ => vec![say(language, Text::NextMend, &[])],
        };
        let summary = with_findings(say(language, text, &values), &view, &suggestions, &next_actions);
        let preview = preview_of(&design);
        let files = design.spec.files.iter().map(|(name, text)| (name.clone(), text.len())).collect();
        let session_id = name_of(session).to_owned();
        let suggestions = bounded_suggestions(suggestions);
        Ok(SavedArchitecture { summary, session_id, generation, changed, findings: view, suggestions, files, preview, next_actions })
    }

    /// Judges the given architecture, or the saved one. Writes nothing.
    ///
    /// # Errors
    /// `session_not_found`, `invalid_argument`, `invalid_design` (limits, or nothing saved and nothing given).
    pub async fn validate_architecture(&self, input: ValidateArchitecture) -> Result<CheckedArchitecture, Error> {
        let session = self.session(&input.session_id).await?;
        let language = session.spec.language;
        let design = self.design_opt(&session).await?;
        if design.is_none() && input.components.is_none() {
            return Err(no_design(&session));
        }
        let saved_only = input.components.is_none() && input.connections.is_none();
        let mut spec = design.as_ref().map_or_else(|| self.fresh_spec(&session, None), |design| design.spec.clone());
        if let Some(components) = input.components {
            check_limits(&components, &[], language)?;
            spec.components = components.into_iter().map(component).collect();
        }
        if let Some(connections) = input.connections {
            check_limits(&[], &connections, language)?;
            spec.connections = connections.into_iter().map(connection).collect();
        }
        let mut findings = self.judge(&spec, language);
        let (suggested, suggestions) = self.suggestions(&session, &spec);
        findings.extend(suggested);
        let view = FindingsView::of(&findings, FINDING_LIMIT);
        let values = [
            ("components", spec.components.len().to_string()),
            ("connections", spec.connections.len().to_string()),
            ("errors", view.errors.to_string()),
            ("warnings", view.warnings.to_string()),
        ];
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let next = match (view.errors, saved_only) {
            (0, true) => Text::NextPlan,
            (0, false) => Text::NextSave,
            (_, _) => Text::NextMend,
        };
        let next_actions = vec![say(language, next, &[])];
        let current = |design: &&Design| saved_only && observed(design) >= design.metadata.generation.unwrap_or_default();
        Ok(CheckedArchitecture {
            summary: with_findings(say(language, Text::ArchitectureChecked, &values), &view, &suggestions, &next_actions),
            suggestions: bounded_suggestions(suggestions),
            session_id: input.session_id,
            valid: view.errors == 0,
            refused: findings.iter().any(is_structural),
            preview: design.as_ref().filter(current).and_then(preview_of),
            findings: view,
            next_actions,
        })
    }

    /// Creates the design of a session or edits it: `change` edits a spec and judges it. Reads again when somebody else was
    /// faster.
    pub(super) async fn put_spec(
        &self,
        session: &Session,
        target: Option<Target>,
        expected_generation: Option<i64>,
        change: impl Fn(&mut DesignSpec) -> Result<Vec<Finding>, Error> + Send + Sync,
    ) -> Result<Written, Error> {
        let language = session.spec.language;
        // At most: lost the creation to somebody, found it deleted again, created.
        for _ in 0..3 {
            if self.design_opt(session).await?.is_some() {
                let edit = |design: &Design| {
                    check_generation(expected_generation, design.metadata.generation.unwrap_or_default(), language)?;
                    let mut spec = design.spec.clone();
                    change(&mut spec)?;
                    Ok(spec_patch(&design.spec, &spec))
                };
                let (design, changed) = self.edit_design(session, edit).await?;
                let findings = self.judge(&design.spec, language);
                return Ok(Written { design, changed, findings });
            }
            check_generation(expected_generation, 0, language)?;
            let mut spec = self.fresh_spec(session, target);
            let findings = change(&mut spec)?;
            let mut design = Design::new(name_of(session), spec);
            design.metadata.owner_references = Some(vec![OwnerReference {
                api_version: API_VERSION.to_owned(),
                kind: "Session".to_owned(),
                name: name_of(session).to_owned(),
                uid: session.metadata.uid.clone().unwrap_or_default(),
                controller: Some(true),
                block_owner_deletion: Some(true),
            }]);
            match self.designs().create(&PostParams::default(), &design).await {
                Ok(design) => return Ok(Written { design, changed: true, findings }),
                Err(kube::Error::Api(status)) if status.code == 409 => tracing::debug!("somebody else created the design"),
                Err(error) => return Err(Error::kube(language, &error, name_of(session))),
            }
        }
        Err(keeps_changing(language))
    }

    fn fresh_spec(&self, session: &Session, target: Option<Target>) -> DesignSpec {
        let settings = &self.parts().settings;
        let annotated = session.metadata.annotations.as_ref().and_then(|map| map.get(TARGET_ANNOTATION)).and_then(|word| target_of(word));
        let default = Policy::default();
        DesignSpec {
            session_ref: name_of(session).to_owned(),
            target: target.or(annotated).unwrap_or(settings.default_target),
            policy: Policy { approval: default.approval.max(settings.min_approval), ..default },
            ..DesignSpec::default()
        }
    }

    pub(super) fn judge(&self, spec: &DesignSpec, language: Language) -> Vec<Finding> {
        self.verdict(spec, language).findings
    }

    /// What the judge says about a spec, under the server's defaults.
    pub(super) fn verdict(&self, spec: &DesignSpec, language: Language) -> Verdict {
        let parts = self.parts();
        let defaults = Defaults { region: parts.settings.region.clone(), compartment_id: parts.settings.compartment_id.clone(), language };
        (parts.judge)(spec, &parts.catalog.get(), &defaults)
    }

    /// The findings, or `invalid_design` when the structure is broken.
    fn judged(&self, spec: &DesignSpec, language: Language) -> Result<Vec<Finding>, Error> {
        let findings = self.judge(spec, language);
        let problems: Vec<Problem> =
            findings.iter().filter(|finding| is_structural(finding)).map(|finding| problem(finding, spec)).collect();
        match problems.is_empty() {
            true => Ok(findings),
            false => Err(Error::problems(Code::InvalidDesign, language, problems)),
        }
    }
}

/// The target of a design is fixed by its first save.
fn check_target(spec: &DesignSpec, target: Option<Target>, language: Language) -> Result<(), Error> {
    let Some(target) = target.filter(|target| *target != spec.target) else { return Ok(()) };
    let values = [("from", target_word(spec.target)), ("to", target_word(target))];
    Err(Error::argument(
        language,
        Problem {
            path: "target".into(),
            message: say(language, Text::TargetFixed, &values),
            value: Some(target_word(target).into()),
            allowed: vec![target_word(spec.target).to_owned()],
            hint: Some(say(language, Text::HintTarget, &[])),
        },
    ))
}

fn component(input: ComponentInput) -> Component {
    let ComponentInput { id, service_type, display_name, config } = input;
    Component { id, service_type, display_name, config }
}

fn connection(input: ConnectionInput) -> Connection {
    let ConnectionInput { source_id, target_id, connection_type, description } = input;
    Connection { source_id, target_id, connection_type, description }
}

/// Puts what the tool may change over a spec.
fn overlay(spec: &mut DesignSpec, input: &SaveArchitecture) {
    spec.components = input.components.iter().cloned().map(component).collect();
    spec.connections = input.connections.iter().cloned().map(connection).collect();
    if let Some(region) = &input.region {
        spec.region = Some(region.clone());
    }
    if let Some(compartment) = &input.compartment_id {
        spec.compartment_id = Some(compartment.clone());
    }
    if let Some(variables) = &input.variables {
        spec.variables = variables.clone();
    }
}

fn observed(design: &Design) -> i64 {
    design.status.as_ref().and_then(|status| status.observed_generation).unwrap_or_default()
}

/// The controller's structural preview, when it belongs to the present generation.
fn preview_of(design: &Design) -> Option<PreviewView> {
    let status = design.status.as_ref()?;
    if status.observed_generation.unwrap_or_default() < design.metadata.generation.unwrap_or_default() {
        return None;
    }
    let preview = status.preview.as_ref()?;
    Some(PreviewView { counts: preview.counts, changes: preview.changes.iter().take(20).map(ChangeView::of).collect() })
}

/// The summary, the first findings and the next step: what a host that shows only text needs.
fn with_findings(mut text: String, view: &FindingsView, suggestions: &[SuggestionView], next_actions: &[String]) -> String {
    for finding in view.items.iter().filter(|finding| finding.severity != Severity::Info).take(3) {
        text.push_str(&format!("\n{}: {}", finding.path, clip(&finding.message, 200)));
    }
    for suggestion in suggestions.iter().take(3) {
        text.push_str(&format!("\n{}: {}", suggestion.id, suggestion.message));
    }
    if let Some(next) = next_actions.first() {
        text.push('\n');
        text.push_str(next);
    }
    text
}

/// As many suggestions as one looks at: the rest comes when these are taken over or turned down.
fn bounded_suggestions(mut suggestions: Vec<SuggestionView>) -> Vec<SuggestionView> {
    suggestions.truncate(SUGGESTION_LIMIT);
    suggestions
}
