//! What the provider refuses before it calls anything: values outside its own enumerations, arguments that exclude each
//! other, text that is no JSON. Pure. Unknown values always pass. Wording is that of the SDK the real provider is built on.
//!
//! What only the *service* refuses (its own enumerations, what it requires beyond the schema) is in `api/refuse.rs`: the
//! real provider does not know it either.

use crate::render::schema::{Attribute, Block, EnumSource, NestedBlock, Nesting};

use super::plan::Step;
use super::value::Value;

/// A refusal with the place it concerns.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// into the configuration
    pub path: Vec<Step>,
    /// headline
    pub summary: String,
    /// explanation, may be empty
    pub detail: String,
}

/// Checks a configuration; empty means accepted.
pub fn validate(block: &Block, config: &Value) -> Vec<Refusal> {
    let mut found = Vec::new();
    walk(block, config, config, &mut Vec::new(), &mut found);
    found
}

fn walk(block: &Block, root: &Value, config: &Value, at: &mut Vec<Step>, found: &mut Vec<Refusal>) {
    for (name, attribute) in &block.attributes {
        let value = config.get(name);
        if value.is_null() || value.is_unknown() {
            continue;
        }
        at.push(Step::Name(name.clone()));
        check_attribute(attribute, root, value, at, found);
        at.pop();
    }
    for (name, nested) in &block.blocks {
        let elements = config.get(name).elements();
        if elements.is_empty() {
            continue;
        }
        at.push(Step::Name(name.clone()));
        check_block(nested, root, at, found);
        for (index, element) in (0_i64..).zip(elements) {
            let before = found.len();
            at.push(Step::Index(index));
            walk(&nested.block, root, element, at, found);
            at.pop();
            if nested.nesting == Nesting::Set {
                // Elements of a set have no index: the place is the block.
                found[before..].iter_mut().for_each(|refusal| refusal.path.truncate(at.len()));
            }
        }
        at.pop();
    }
}

fn check_attribute(attribute: &Attribute, root: &Value, value: &Value, at: &[Step], found: &mut Vec<Refusal>) {
    if attribute.enum_source == Some(EnumSource::ProviderValidate) {
        let texts = value.as_str().into_iter().chain(value.texts());
        for text in texts.filter(|text| !attribute.enum_values.iter().any(|allowed| allowed.eq_ignore_ascii_case(text))) {
            let allowed: Vec<String> = attribute.enum_values.iter().map(|value| format!("{value:?}")).collect();
            let summary = format!("expected {} to be one of [{}], got {text}", dotted(at), allowed.join(" "));
            found.push(Refusal { path: at.to_vec(), summary, detail: String::new() });
        }
    }
    if attribute.json_string && value.as_str().is_some_and(|text| serde_json::from_str::<serde_json::Value>(text).is_err()) {
        let summary = format!("{:?} contains an invalid JSON", dotted(at));
        found.push(Refusal { path: at.to_vec(), summary, detail: String::new() });
    }
    conflicts(&attribute.conflicts_with, root, at, found);
}

fn check_block(nested: &NestedBlock, root: &Value, at: &[Step], found: &mut Vec<Refusal>) {
    conflicts(&nested.conflicts_with, root, at, found);
}

fn conflicts(paths: &[String], root: &Value, at: &[Step], found: &mut Vec<Refusal>) {
    for path in paths {
        let other = root.at(path);
        if other.is_null() || other.is_unknown() || matches!(other, Value::List(elements) if elements.is_empty()) {
            continue;
        }
        found.push(Refusal {
            path: at.to_vec(),
            summary: "Conflicting configuration arguments".to_owned(),
            detail: format!("{:?}: conflicts with {path}", dotted(at)),
        });
    }
}

/// `source_details.0.source_type`
pub fn dotted(path: &[Step]) -> String {
    let steps: Vec<String> = path
        .iter()
        .map(|step| match step {
            Step::Name(name) => name.clone(),
            Step::Index(index) => index.to_string(),
        })
        .collect();
    steps.join(".")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::render::schema::Schema;

    fn refused(resource_type: &str, config: Json) -> Vec<(String, String)> {
        let block = Schema::builtin().resource(resource_type).unwrap();
        let found = validate(&block, &Value::from_json(&config));
        found.into_iter().map(|refusal| (dotted(&refusal.path), format!("{} {}", refusal.summary, refusal.detail))).collect()
    }

    #[test]
    fn configurations_are_judged_as_the_real_provider_judges_them() {
        let rows = [
            ("a value the provider knows", "oci_core_instance", json!({"source_details": [{"source_type": "image"}]}), None),
            ("letter case is ignored", "oci_core_instance", json!({"source_details": [{"source_type": "IMAGE"}]}), None),
            (
                "a value it does not know",
                "oci_core_instance",
                json!({"source_details": [{"source_type": "disk"}]}),
                Some((
                    "source_details.0.source_type",
                    r#"expected source_details.0.source_type to be one of ["bootVolume" "image"], got disk "#,
                )),
            ),
            ("an enumeration that only the service checks", "oci_apigateway_gateway", json!({"endpoint_type": "public"}), None),
            ("two arguments that exclude each other", "oci_streaming_stream", json!({"compartment_id": "c"}), None),
            ("one of them not set", "oci_vault_secret", json!({"secret_content": []}), None),
            (
                "text that is no JSON",
                "oci_events_rule",
                json!({"condition": "{"}),
                Some(("condition", r#""condition" contains an invalid JSON "#)),
            ),
        ];
        for (reason, resource_type, config, expected) in rows {
            let found = refused(resource_type, config);
            let expected: Vec<(String, String)> = expected.into_iter().map(|(p, s)| (p.to_owned(), s.to_owned())).collect();
            assert_eq!(found, expected, "{reason}");
        }
        let both = refused("oci_streaming_stream", json!({"compartment_id": "c", "stream_pool_id": "p"}));
        assert_eq!(both.len(), 2, "each side names the other: {both:?}");
        assert_eq!(both[0].1, r#"Conflicting configuration arguments "compartment_id": conflicts with stream_pool_id"#);
    }

    #[test]
    fn unknown_values_pass() {
        let block = Schema::builtin().resource("oci_streaming_stream").unwrap();
        let mut config = Value::from_json(&json!({"compartment_id": "c"}));
        config.set("stream_pool_id", Value::unknown());
        assert_eq!(validate(&block, &config), []);
    }
}
