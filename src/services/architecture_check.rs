//! Checks and comparisons of save_architecture: limits, variables, generations, refusals, and the patch between two specs.
//! Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::architecture::{ComponentInput, ConnectionInput};
use super::arguments;
use super::error::{Code, Error, Problem};
use super::text::{Text, say};
use crate::api::condition::clip;
use crate::api::design::{DesignSpec, Finding, MAX_COMPONENTS, MAX_CONNECTIONS, Severity};
use crate::api::session::Language;

/// Most variables of a design.
const MAX_VARIABLES: usize = 100;

/// Refused at the door: a structural error.
pub(super) fn is_structural(finding: &Finding) -> bool {
    finding.severity == Severity::Error && ["structure.", "config."].iter().any(|family| finding.rule.starts_with(family))
}

pub(super) fn problem(finding: &Finding, spec: &DesignSpec) -> Problem {
    Problem {
        path: as_argument(&finding.path),
        message: finding.message.clone(),
        value: value_at(spec, &finding.path).map(|value| arguments::shown(&value)),
        allowed: finding.allowed.iter().take(60).cloned().collect(),
        hint: finding.recommendation.clone(),
    }
}

/// The path of a document as the arguments of a tool spell it: a caller looks for what it wrote.
pub(super) fn as_argument(path: &str) -> String {
    let fields = [
        ("serviceType", "service_type"),
        ("displayName", "display_name"),
        ("sourceId", "source_id"),
        ("targetId", "target_id"),
        ("connectionType", "connection_type"),
        ("compartmentId", "compartment_id"),
    ];
    let (head, last) = path.rsplit_once('.').unwrap_or(("", path));
    // A key of a config is the catalogue's word, not a field.
    if head.ends_with(".config") {
        return path.to_owned();
    }
    let last = fields.iter().find(|(document, _)| *document == last).map_or(last, |(_, argument)| argument);
    if head.is_empty() { last.to_owned() } else { format!("{head}.{last}") }
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

pub(super) fn check_limits(components: &[ComponentInput], connections: &[ConnectionInput], language: Language) -> Result<(), Error> {
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
pub(super) fn check_variables(variables: Option<&BTreeMap<String, String>>, language: Language) -> Result<(), Error> {
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

/// The merge patch from one spec to another, over the fields the architecture's tools may change; None when they are equal.
pub(super) fn spec_patch(before: &DesignSpec, after: &DesignSpec) -> Option<Value> {
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
    for (field, before, after) in [("variables", &before.variables, &after.variables), ("files", &before.files, &after.files)] {
        let map = map_patch(before, after);
        if !map.is_empty() {
            patch.insert(field.into(), Value::Object(map));
        }
    }
    Some(Value::Object(patch))
}

/// A merge patch merges maps: what is gone has to be named with null.
fn map_patch(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Map<String, Value> {
    let gone = before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    let new = after.iter().filter(|(name, value)| before.get(*name) != Some(value)).map(|(name, value)| (name.clone(), json!(value)));
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::design::{Component, Connection};

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
    fn a_path_is_spelt_as_the_caller_wrote_it() {
        for (document, argument) in [
            ("components[a].serviceType", "components[a].service_type"),
            ("connections[3].targetId", "connections[3].target_id"),
            ("compartmentId", "compartment_id"),
            ("components[a].config.sourceId", "components[a].config.sourceId"),
            ("components[a].config.shape", "components[a].config.shape"),
        ] {
            assert_eq!(as_argument(document), argument);
        }
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
