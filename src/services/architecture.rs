//! Saving and checking an architecture.
//!
//! What breaks the *structure* (rules `structure.*`: unknown types and keys, values outside choices, dangling connections,
//! duplicate ids) is refused and nothing is written, because nobody could refer to it later. What is merely unwise is saved
//! and returned as findings, because the conversation goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::PostParams;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::documents::{keeps_changing, name_of, no_design};
use super::error::{Code, Error, Problem};
use super::plan::ChangeView;
use super::session::{TARGET_ANNOTATION, target_of, target_word};
use super::text::{Text, say};
use super::{Services, arguments, status};
use crate::api::condition::clip;
use crate::api::design::{Component, Connection, Counts, DesignSpec, Finding, MAX_COMPONENTS, MAX_CONNECTIONS, Policy, Severity, Target};
use crate::api::session::Language;
use crate::api::{API_VERSION, Design, Session};
use crate::validator::Defaults;

/// How long a save waits for the controller's preview. The edit is durable already; this only spares the model a call.
const PREVIEW_WAIT: Duration = Duration::from_millis(500);
/// How many findings an answer lists; the counts are always whole.
pub(super) const FINDING_LIMIT: usize = 15;
/// Most variables of a design.
const MAX_VARIABLES: usize = 100;

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
        let mut items = findings.to_vec();
        items.sort_by_key(|finding| finding.severity);
        items.truncate(limit);
        FindingsView { errors: count(Severity::Error), warnings: count(Severity::Warning), infos: count(Severity::Info), items }
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
        let (design, changed, findings) = self.put_architecture(&session, &input).await?;
        let generation = design.metadata.generation.unwrap_or_default();
        let wanted = move |design: &Design| observed(design) >= generation;
        let design = match wanted(&design) {
            true => design,
            false => self.until_design(name_of(&session), PREVIEW_WAIT, wanted).await.unwrap_or(design),
        };
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
            0 => status::next_after_save(language, &design),
            _ => vec![say(language, Text::NextMend, &[])],
        };
        let summary = with_findings(say(language, text, &values), &view, &next_actions);
        let preview = preview_of(&design);
        Ok(SavedArchitecture { summary, session_id: input.session_id, generation, changed, findings: view, preview, next_actions })
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
        let findings = self.judge(&spec, language);
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
            summary: with_findings(say(language, Text::ArchitectureChecked, &values), &view, &next_actions),
            session_id: input.session_id,
            valid: view.errors == 0,
            refused: findings.iter().any(is_structural),
            preview: design.as_ref().filter(current).and_then(preview_of),
            findings: view,
            next_actions,
        })
    }

    /// Creates the design or edits it; reads again when somebody else was faster.
    async fn put_architecture(&self, session: &Session, input: &SaveArchitecture) -> Result<(Design, bool, Vec<Finding>), Error> {
        let language = session.spec.language;
        // At most: lost the creation to somebody, found it deleted again, created.
        for _ in 0..3 {
            if let Some(design) = self.design_opt(session).await? {
                return self.merge_architecture(session, &design, input).await;
            }
            check_generation(input.expected_generation, 0, language)?;
            let mut spec = self.fresh_spec(session, input.target);
            overlay(&mut spec, input);
            let findings = self.judged(&spec, language)?;
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
                Ok(design) => return Ok((design, true, findings)),
                Err(kube::Error::Api(status)) if status.code == 409 => tracing::debug!("somebody else created the design"),
                Err(error) => return Err(Error::kube(language, &error, name_of(session))),
            }
        }
        Err(keeps_changing(language))
    }

    async fn merge_architecture(
        &self,
        session: &Session,
        first: &Design,
        input: &SaveArchitecture,
    ) -> Result<(Design, bool, Vec<Finding>), Error> {
        let language = session.spec.language;
        if let Some(target) = input.target
            && target != first.spec.target
        {
            let values = [("from", target_word(first.spec.target)), ("to", target_word(target))];
            return Err(Error::argument(
                language,
                Problem {
                    path: "target".into(),
                    message: say(language, Text::TargetFixed, &values),
                    value: Some(target_word(target).into()),
                    allowed: vec![target_word(first.spec.target).to_owned()],
                    hint: Some(say(language, Text::HintTarget, &[])),
                },
            ));
        }
        let edit = |design: &Design| {
            check_generation(input.expected_generation, design.metadata.generation.unwrap_or_default(), language)?;
            let mut spec = design.spec.clone();
            overlay(&mut spec, input);
            self.judged(&spec, language)?;
            Ok(spec_patch(&design.spec, &spec))
        };
        let (design, changed) = self.edit_design(session, edit).await?;
        let findings = self.judge(&design.spec, language);
        Ok((design, changed, findings))
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

    fn judge(&self, spec: &DesignSpec, language: Language) -> Vec<Finding> {
        let parts = self.parts();
        let defaults = Defaults { region: parts.settings.region.clone(), compartment_id: parts.settings.compartment_id.clone(), language };
        (parts.judge)(spec, &parts.catalog, &defaults).findings
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

/// Refused at the door: a structural error.
fn is_structural(finding: &Finding) -> bool {
    finding.severity == Severity::Error && finding.rule.starts_with("structure.")
}

fn problem(finding: &Finding, spec: &DesignSpec) -> Problem {
    Problem {
        path: finding.path.clone(),
        message: finding.message.clone(),
        value: value_at(spec, &finding.path).map(|value| arguments::shown(&value)),
        allowed: finding.allowed.iter().take(60).cloned().collect(),
        hint: finding.recommendation.clone(),
    }
}

/// The value a finding's path points at: `components[vm].config.shape`, `connections[3].target_id`, camelCase or not.
fn value_at(spec: &DesignSpec, path: &str) -> Option<Value> {
    let mut value = serde_json::to_value(spec).ok()?;
    for part in path.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, rest)) => (name, rest.strip_suffix(']')),
            None => (part, None),
        };
        let name = match value.get(name) {
            Some(_) => name.to_owned(),
            None => camel(name),
        };
        value = value.get(&name)?.clone();
        if let Some(index) = index {
            let list = value.as_array()?;
            let by_id = list.iter().find(|item| item.get("id").and_then(Value::as_str) == Some(index));
            value = by_id.or_else(|| list.get(index.parse::<usize>().ok()?)).cloned()?;
        }
    }
    (!value.is_object() && !value.is_array()).then_some(value)
}

fn camel(snake: &str) -> String {
    let mut parts = snake.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let mut letters = part.chars();
        let head: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        text + &head + letters.as_str()
    })
}

fn check_limits(components: &[ComponentInput], connections: &[ConnectionInput], language: Language) -> Result<(), Error> {
    let over = |path: &str, text, count: usize, limit: usize| {
        let values = [("count", count.to_string()), ("limit", limit.to_string())];
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        Problem {
            path: path.to_owned(),
            message: say(language, text, &values),
            value: Some(count.into()),
            hint: Some(say(language, Text::HintSplit, &[])),
            ..Problem::default()
        }
    };
    let mut problems = Vec::new();
    if components.len() > MAX_COMPONENTS {
        problems.push(over("components", Text::TooManyComponents, components.len(), MAX_COMPONENTS));
    }
    if connections.len() > MAX_CONNECTIONS {
        problems.push(over("connections", Text::TooManyConnections, connections.len(), MAX_CONNECTIONS));
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::problems(Code::InvalidDesign, language, problems)),
    }
}

/// Variables are ordinary document fields: named like Terraform names them, and never secret.
fn check_variables(variables: Option<&BTreeMap<String, String>>, language: Language) -> Result<(), Error> {
    let Some(variables) = variables else { return Ok(()) };
    let mut problems = Vec::new();
    if variables.len() > MAX_VARIABLES {
        let values = [("count", variables.len().to_string()), ("limit", MAX_VARIABLES.to_string())];
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        problems.push(Problem { path: "variables".into(), message: say(language, Text::TooMany, &values), ..Problem::default() });
    }
    for name in variables.keys() {
        let path = format!("variables.{}", clip(name, 63));
        let legal = name.len() <= 63
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if !legal {
            let message = say(language, Text::BadPattern, &[("pattern", "^[A-Za-z_][A-Za-z0-9_-]{0,62}$")]);
            problems.push(Problem { path, message, ..Problem::default() });
        } else if is_secret_name(name) {
            let message = say(language, Text::SecretVariable, &[]);
            let hint = Some(say(language, Text::HintSecretVariable, &[]));
            problems.push(Problem { path, message, hint, ..Problem::default() });
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::problems(Code::InvalidArgument, language, problems)),
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    ["password", "passphrase", "passwd", "private_key"].iter().any(|word| name.contains(word))
        || name.ends_with("secret")
        || name.ends_with("token")
}

pub(super) fn check_generation(expected: Option<i64>, actual: i64, language: Language) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != actual => {
            let values = [("expected", expected.to_string()), ("actual", actual.to_string())];
            let pairs: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
            Err(Error::new(Code::Conflict, say(language, Text::GenerationMoved, &pairs), say(language, Text::HintGeneration, &[]))
                .with(json!({ "expected_generation": expected, "generation": actual })))
        }
        Some(_) | None => Ok(()),
    }
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

/// The merge patch from one spec to another, over the fields save_architecture may change; None when they are equal.
fn spec_patch(before: &DesignSpec, after: &DesignSpec) -> Option<Value> {
    if before == after {
        return None;
    }
    let mut patch = Map::new();
    if before.components != after.components {
        patch.insert("components".into(), json!(after.components));
    }
    if before.connections != after.connections {
        patch.insert("connections".into(), json!(after.connections));
    }
    if before.region != after.region {
        patch.insert("region".into(), json!(after.region));
    }
    if before.compartment_id != after.compartment_id {
        patch.insert("compartmentId".into(), json!(after.compartment_id));
    }
    // A merge patch merges maps: what is gone has to be named with null.
    let mut variables = Map::new();
    for name in before.variables.keys().filter(|name| !after.variables.contains_key(*name)) {
        variables.insert(name.clone(), Value::Null);
    }
    for (name, value) in after.variables.iter().filter(|(name, value)| before.variables.get(*name) != Some(value)) {
        variables.insert(name.clone(), json!(value));
    }
    if !variables.is_empty() {
        patch.insert("variables".into(), Value::Object(variables));
    }
    Some(Value::Object(patch))
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
fn with_findings(mut text: String, view: &FindingsView, next_actions: &[String]) -> String {
    for finding in view.items.iter().filter(|finding| finding.severity != Severity::Info).take(3) {
        text.push_str(&format!("\n{}: {}", finding.path, clip(&finding.message, 200)));
    }
    if let Some(next) = next_actions.first() {
        text.push('\n');
        text.push_str(next);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_path_leads_to_the_value_in_either_spelling() {
        let spec = DesignSpec {
            components: vec![Component {
                id: "vm".into(),
                service_type: "compute".into(),
                config: BTreeMap::from([("shape".to_owned(), json!("VM.Bad"))]),
                ..Component::default()
            }],
            connections: vec![Connection { source_id: "vm".into(), target_id: "gone".into(), ..Connection::default() }],
            ..DesignSpec::default()
        };
        assert_eq!(value_at(&spec, "components[vm].config.shape"), Some(json!("VM.Bad")));
        assert_eq!(value_at(&spec, "components[vm].service_type"), Some(json!("compute")));
        assert_eq!(value_at(&spec, "connections[0].target_id"), Some(json!("gone")));
        assert_eq!(value_at(&spec, "connections[0].targetId"), Some(json!("gone")));
        assert_eq!(value_at(&spec, "components[nobody].config"), None);
    }

    #[test]
    fn a_removed_variable_is_named_with_null_and_an_equal_spec_is_no_patch() {
        let before = DesignSpec { variables: [("a".into(), "1".into()), ("b".into(), "2".into())].into(), ..DesignSpec::default() };
        let after = DesignSpec { variables: [("b".into(), "3".into())].into(), ..DesignSpec::default() };
        assert_eq!(spec_patch(&before, &after), Some(json!({"variables": {"a": null, "b": "3"}})));
        assert_eq!(spec_patch(&after, &after), None);
    }

    #[test]
    fn names_that_promise_a_secret_are_refused_as_variables() {
        for (name, refused) in [
            ("adb_admin_password", true),
            ("api_token", true),
            ("ssh_private_key", true),
            ("client_secret", true),
            ("ssh_public_key", false),
            ("secret_name", false),
        ] {
            let variables = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
            assert_eq!(check_variables(Some(&variables), Language::En).is_err(), refused, "{name}");
        }
    }
}
