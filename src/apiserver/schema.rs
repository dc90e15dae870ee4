//! Structural schemas as a real API server applies them: prune, default, check. Pure.
//!
//! Takes the openAPIV3Schema of a CRD and JSON values. CEL rules are evaluated from the same schema text by
//! [`check_rules`]; nothing here knows a particular kind.

use kube::core::cel::{ErrorKind, validate_compiled};
use serde_json::{Map, Value};

use super::kinds::Kind;
use super::status::{Cause, shown};

/// Removes members the schema does not know (their paths go to `unknown`) and nulls where null is not allowed.
pub(super) fn prune(schema: &Value, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    match value {
        Value::Object(members) => {
            let properties = schema["properties"].as_object();
            let additional = schema.get("additionalProperties").filter(|additional| additional.is_object());
            if properties.is_none() && additional.is_none() {
                return;
            }
            members.retain(|name, member| {
                let child = properties.and_then(|properties| properties.get(name)).or(additional);
                let Some(child) = child else {
                    unknown.push(join(path, name));
                    return false;
                };
                if member.is_null() && child["nullable"] != true && child["x-kubernetes-preserve-unknown-fields"] != true {
                    return false;
                }
                prune(child, member, &join(path, name), unknown);
                true
            });
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                prune(&schema["items"], item, &format!("{path}[{index}]"), unknown);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Fills in defaults, also below what a default put there.
pub(super) fn fill(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(properties) = schema["properties"].as_object() {
                for (name, child) in properties {
                    if let Some(default) = child.get("default")
                        && !members.contains_key(name)
                    {
                        members.insert(name.clone(), default.clone());
                    }
                    if let Some(member) = members.get_mut(name) {
                        fill(child, member);
                    }
                }
            } else if schema["additionalProperties"].is_object() {
                for member in members.values_mut() {
                    fill(&schema["additionalProperties"], member);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                fill(&schema["items"], item);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Checks types, enums, required members, lengths, counts, bounds, patterns and formats.
pub(super) fn check(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if let Some(wanted) = schema["type"].as_str()
        && !is_type(wanted, value)
    {
        let found = type_name(value);
        let why = format!("{path} must be of type {wanted}: {found:?}");
        causes.push(Cause::new("FieldValueTypeInvalid", path, format!("Invalid value: {found:?}: {why}")));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let list = allowed.iter().filter(|one| !one.is_null()).map(shown).collect::<Vec<_>>().join(", ");
        let message = format!("Unsupported value: {}: supported values: {list}", shown(value));
        causes.push(Cause::new("FieldValueNotSupported", path, message));
    }
    match value {
        Value::Object(members) => check_members(schema, members, path, causes),
        Value::Array(items) => {
            check_count(schema, items.len(), path, causes);
            for (index, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{path}[{index}]"), causes);
            }
        }
        Value::String(text) => check_text(schema, text, value, path, causes),
        Value::Number(_) => check_bounds(schema, value, path, causes),
        Value::Null | Value::Bool(_) => {}
    }
}

fn check_members(schema: &Value, members: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(required) {
            causes.push(Cause::required(join(path, required)));
        }
    }
    if let Some(most) = schema["maxProperties"].as_u64()
        && members.len() as u64 > most
    {
        causes.push(Cause::new("FieldValueTooMany", path, format!("Too many: {}: must have at most {most} properties", members.len())));
    }
    let additional = schema.get("additionalProperties").filter(|additional| additional.is_object());
    for (name, member) in members {
        if let Some(child) = schema["properties"].get(name).or(additional) {
            check(child, member, &join(path, name), causes);
        }
    }
}

fn check_count(schema: &Value, count: usize, path: &str, causes: &mut Vec<Cause>) {
    // schemars writes `length` of a list as maxItems; a list-map would say so as well.
    if let Some(most) = schema["maxItems"].as_u64()
        && count as u64 > most
    {
        causes.push(Cause::new("FieldValueTooMany", path, format!("Too many: {count}: must have at most {most} items")));
    }
    if let Some(least) = schema["minItems"].as_u64()
        && (count as u64) < least
    {
        causes.push(Cause::new("FieldValueInvalid", path, format!("Invalid value: {count}: {path} should have at least {least} items")));
    }
}

fn check_text(schema: &Value, text: &str, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    // JSON Schema counts characters, not bytes: a Japanese title has as many as it shows.
    let length = text.chars().count() as u64;
    if let Some(most) = schema["maxLength"].as_u64()
        && length > most
    {
        let message = format!("Too long: {}: may not be more than {most} characters, has {length}", shown(value));
        causes.push(Cause::new("FieldValueTooLong", path, message));
    }
    if let Some(least) = schema["minLength"].as_u64()
        && length < least
    {
        causes.push(Cause::invalid(path, value, format!("{path} should be at least {least} chars long")));
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        // A pattern this crate cannot read comes from our own types; it must not let values through unseen.
        let matches = regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text));
        if !matches {
            causes.push(Cause::invalid(path, value, format!("{path} should match '{pattern}'")));
        }
    }
    if schema["format"] == "date-time" && text.parse::<k8s_openapi::jiff::Timestamp>().is_err() {
        causes.push(Cause::invalid(path, value, format!("{path} must be a date and time of RFC 3339, such as 2026-01-31T09:00:00Z")));
    }
}

fn check_bounds(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(number) = value.as_f64() else { return };
    if let Some(least) = schema["minimum"].as_f64()
        && number < least
    {
        causes.push(Cause::invalid(path, value, format!("{path} should be greater than or equal to {least}")));
    }
    if let Some(most) = schema["maximum"].as_f64()
        && number > most
    {
        causes.push(Cause::invalid(path, value, format!("{path} should be less than or equal to {most}")));
    }
}

/// Evaluates the CEL rules of the kind; transition rules too when there is an old object.
pub(super) fn check_rules(kind: &Kind, object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let Some(rules) = &kind.rules else { return };
    let Err(errors) = validate_compiled(rules, object, old) else { return };
    for error in errors.iter() {
        let field = if error.field_path.is_empty() { "<nil>".to_owned() } else { error.field_path.clone() };
        let value = locate(object, &error.field_path).unwrap_or(&Value::Null);
        let why = match &error.kind {
            ErrorKind::ValidationFailure => error.message.clone(),
            other => format!("{} ({other:?} of rule `{}`)", error.message, error.rule),
        };
        // A whole object would only hide the sentence.
        let message = if value.is_object() || value.is_array() {
            format!("Invalid value: {:?}: {why}", type_name(value))
        } else {
            format!("Invalid value: {}: {why}", shown(value))
        };
        causes.push(Cause::new("FieldValueInvalid", field, message));
    }
}

/// Finds `spec.components[3].id`.
fn locate<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split(['.', '[', ']']).filter(|step| !step.is_empty()).try_fold(object, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => value.get(step),
    })
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn is_type(wanted: &str, value: &Value) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        // 3.0 is an integer in JSON Schema.
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        _ => true,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
