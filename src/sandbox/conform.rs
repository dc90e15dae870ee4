//! Makes a value fit a schema block exactly: every attribute present, nothing else, lists of blocks never null. Pure.
//!
//! Needed wherever a value did not come from Terraform itself: from a state file, from the cloud's JSON, from an import.

use std::collections::BTreeMap;

use crate::render::schema::{Block, Nesting, Type};

use super::value::Value;

/// Fits a value to a block. Null and unknown stay what they are.
pub fn conform(block: &Block, value: &Value) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let mut object = BTreeMap::new();
    for (name, attribute) in &block.attributes {
        object.insert(name.clone(), conform_type(&attribute.ty, members.get(name).unwrap_or(&Value::Null)));
    }
    for (name, nested) in &block.blocks {
        let value = members.get(name).unwrap_or(&Value::Null);
        let fitted = match (nested.nesting, value) {
            (_, Value::Unknown(..)) => value.clone(),
            (Nesting::Single, Value::Object(_)) => conform(&nested.block, value),
            (Nesting::Single, _) => Value::Null,
            (Nesting::List | Nesting::Set, Value::List(elements)) => {
                Value::List(elements.iter().map(|element| conform(&nested.block, element)).collect())
            }
            (Nesting::List | Nesting::Set, _) => Value::List(Vec::new()),
        };
        object.insert(name.clone(), fitted);
    }
    Value::Object(object)
}

/// Fits a value to a type, converting as Terraform does (number and bool to string and back).
pub fn conform_type(ty: &Type, value: &Value) -> Value {
    match (ty, value) {
        (_, Value::Null | Value::Unknown(..)) => value.clone(),
        (Type::String, Value::Number(number)) => Value::String(number.to_string()),
        (Type::String, Value::Bool(truth)) => Value::String(truth.to_string()),
        (Type::Number, Value::String(text)) => match (text.parse::<i64>(), text.parse::<f64>().ok().and_then(serde_json::Number::from_f64))
        {
            (Ok(whole), _) => Value::Number(whole.into()),
            (Err(_), Some(float)) => Value::Number(float),
            (Err(_), None) => Value::Null,
        },
        (Type::Bool, Value::String(text)) => text.parse().map(Value::Bool).unwrap_or(Value::Null),
        (Type::List(element) | Type::Set(element), Value::List(elements)) => {
            Value::List(elements.iter().map(|value| conform_type(element, value)).collect())
        }
        (Type::Map(element), Value::Object(members)) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), conform_type(element, value))).collect())
        }
        (Type::Object(fields), Value::Object(members)) => Value::Object(
            fields.iter().map(|(name, ty)| (name.clone(), conform_type(ty, members.get(name).unwrap_or(&Value::Null)))).collect(),
        ),
        (Type::String, Value::String(_))
        | (Type::Number, Value::Number(_))
        | (Type::Bool, Value::Bool(_))
        | (Type::Dynamic, Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) | Value::Object(_)) => value.clone(),
        // A value of another shape cannot be what the schema says: it is dropped rather than sent and refused by Terraform.
        (
            Type::String | Type::Number | Type::Bool | Type::List(_) | Type::Set(_) | Type::Map(_) | Type::Object(_),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) | Value::Object(_),
        ) => Value::Null,
    }
}

/// Whether a JSON-born value has the shape of a type (null always has).
pub fn fits(ty: &Type, value: &Value) -> bool {
    match (ty, value) {
        (_, Value::Null) | (Type::Dynamic, _) => true,
        (Type::String, Value::String(_)) | (Type::Number, Value::Number(_)) | (Type::Bool, Value::Bool(_)) => true,
        (Type::List(element) | Type::Set(element), Value::List(elements)) => elements.iter().all(|value| fits(element, value)),
        (Type::Map(element), Value::Object(members)) => members.values().all(|value| fits(element, value)),
        (Type::Object(fields), Value::Object(members)) => {
            members.iter().all(|(name, value)| fields.get(name).is_some_and(|ty| fits(ty, value)))
        }
        (
            Type::String | Type::Number | Type::Bool | Type::List(_) | Type::Set(_) | Type::Map(_) | Type::Object(_),
            Value::Unknown(..) | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) | Value::Object(_),
        ) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::schema::Schema;

    #[test]
    fn missing_members_are_added_and_foreign_ones_dropped() {
        let block = Schema::builtin().resource("oci_core_route_table").unwrap();
        let fitted =
            conform(&block, &Value::from_json(&json!({"display_name": "x", "gone": 1, "route_rules": [{"destination": "0.0.0.0/0"}]})));
        assert_eq!(fitted.get("display_name").as_str(), Some("x"));
        assert!(fitted.get("vcn_id").is_null() && fitted.get("timeouts").is_null());
        assert!(matches!(&fitted, Value::Object(m) if !m.contains_key("gone") && m.contains_key("vcn_id")));
        assert_eq!(fitted.at("route_rules.0.destination").as_str(), Some("0.0.0.0/0"));
        let empty = conform(&block, &Value::object());
        assert_eq!(empty.get("route_rules"), &Value::List(vec![]), "a list of blocks is never null");
    }

    #[test]
    fn primitives_are_converted_as_terraform_does() {
        assert_eq!(conform_type(&Type::String, &Value::from_json(&json!(5))), Value::text("5"));
        assert_eq!(conform_type(&Type::Number, &Value::text("5")), Value::from_json(&json!(5)));
        assert_eq!(conform_type(&Type::Bool, &Value::text("true")), Value::Bool(true));
        assert_eq!(conform_type(&Type::String, &Value::List(vec![])), Value::Null);
    }
}
