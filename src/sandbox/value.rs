//! Values of Terraform's type system as the provider protocol carries them: JSON plus *unknown*. Takes bytes, gives bytes;
//! an unknown of any extension type is kept as it came, so that what is not understood goes back unchanged.

use std::collections::BTreeMap;

use serde_json::{Number, Value as Json};

/// A value. Sets travel as lists; objects and maps are both [`Value::Object`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// absent
    Null,
    /// not known before apply: msgpack extension (code, body). Code 0 is the plain one, others carry refinements
    Unknown(i8, Vec<u8>),
    /// true or false
    Bool(bool),
    /// a whole number or a float
    Number(Number),
    /// text
    String(String),
    /// list, set or tuple
    List(Vec<Value>),
    /// object or map
    Object(BTreeMap<String, Value>),
}

/// Why bytes are no value.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// not msgpack
    #[error("value is not valid msgpack")]
    Decode(#[source] rmpv::decode::Error),
    /// msgpack, but not what Terraform sends
    #[error("value holds {0}, which Terraform never sends")]
    Foreign(&'static str),
    /// could not be written
    #[error("value could not be encoded as msgpack")]
    Encode(#[source] rmpv::encode::Error),
    /// not JSON
    #[error("value is not valid JSON")]
    Json(#[source] serde_json::Error),
}

static NULL: Value = Value::Null;

impl Value {
    /// The plain unknown.
    pub fn unknown() -> Value {
        Value::Unknown(0, vec![0])
    }

    /// An object without members.
    pub fn object() -> Value {
        Value::Object(BTreeMap::new())
    }

    /// Text.
    pub fn text(text: impl Into<String>) -> Value {
        Value::String(text.into())
    }

    /// Null?
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Unknown (itself, not inside)?
    pub fn is_unknown(&self) -> bool {
        matches!(self, Value::Unknown(..))
    }

    /// A member of an object; null when there is none.
    pub fn get(&self, name: &str) -> &Value {
        match self {
            Value::Object(members) => members.get(name).unwrap_or(&NULL),
            Value::Null | Value::Unknown(..) | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) => &NULL,
        }
    }

    /// What stands at a dotted path (`a.0.b`); null when there is nothing.
    pub fn at(&self, path: &str) -> &Value {
        path.split('.').fold(self, |value, step| match (value, step.parse::<usize>()) {
            (Value::List(elements), Ok(index)) => elements.get(index).unwrap_or(&NULL),
            (value, _) => value.get(step),
        })
    }

    /// The place at a dotted path, when it exists.
    pub fn at_mut(&mut self, path: &str) -> Option<&mut Value> {
        path.split('.').try_fold(self, |value, step| match value {
            Value::List(elements) => elements.get_mut(step.parse::<usize>().ok()?),
            Value::Object(members) => members.get_mut(step),
            Value::Null | Value::Unknown(..) | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })
    }

    /// Sets a member of an object; anything else stays as it is.
    pub fn set(&mut self, name: &str, value: Value) {
        if let Value::Object(members) = self {
            members.insert(name.to_owned(), value);
        }
    }

    /// Gives a place its value, when it exists and is unknown; what is known stays.
    pub fn settle(&mut self, path: &str, value: Value) {
        if let Some(place) = self.at_mut(path)
            && place.is_unknown()
        {
            *place = value;
        }
    }

    /// Text, when it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            Value::Null | Value::Unknown(..) | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Object(_) => None,
        }
    }

    /// A truth value; the provider writes some as strings ("true").
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(truth) => Some(*truth),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Unknown(..) | Value::Number(_) | Value::List(_) | Value::Object(_) => None,
        }
    }

    /// A number; strings of digits count.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Unknown(..) | Value::Bool(_) | Value::List(_) | Value::Object(_) => None,
        }
    }

    /// The elements of a list, none for anything else.
    pub fn elements(&self) -> &[Value] {
        match self {
            Value::List(elements) => elements,
            Value::Null | Value::Unknown(..) | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => &[],
        }
    }

    /// The texts in a list, others skipped.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.elements().iter().filter_map(Value::as_str)
    }

    /// Reads msgpack; no bytes are null.
    pub fn from_msgpack(bytes: &[u8]) -> Result<Value, ValueError> {
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        let mut rest = bytes;
        from_msgpack(rmpv::decode::read_value(&mut rest).map_err(ValueError::Decode)?)
    }

    /// Writes msgpack.
    pub fn to_msgpack(&self) -> Result<Vec<u8>, ValueError> {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &to_msgpack(self)).map_err(ValueError::Encode)?;
        Ok(bytes)
    }

    /// From JSON; nothing is unknown there.
    pub fn from_json(json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Bool(*truth),
            Json::Number(number) => Value::Number(number.clone()),
            Json::String(text) => Value::String(text.clone()),
            Json::Array(elements) => Value::List(elements.iter().map(Value::from_json).collect()),
            Json::Object(members) => Value::Object(members.iter().map(|(name, value)| (name.clone(), Value::from_json(value))).collect()),
        }
    }

    /// To JSON; unknown becomes null.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Null | Value::Unknown(..) => Json::Null,
            Value::Bool(truth) => Json::Bool(*truth),
            Value::Number(number) => Json::Number(number.clone()),
            Value::String(text) => Json::String(text.clone()),
            Value::List(elements) => Json::Array(elements.iter().map(Value::to_json).collect()),
            Value::Object(members) => Json::Object(members.iter().map(|(name, value)| (name.clone(), value.to_json())).collect()),
        }
    }
}

fn from_msgpack(value: rmpv::Value) -> Result<Value, ValueError> {
    Ok(match value {
        rmpv::Value::Nil => Value::Null,
        rmpv::Value::Boolean(truth) => Value::Bool(truth),
        rmpv::Value::Integer(whole) => match (whole.as_i64(), whole.as_u64()) {
            (Some(number), _) => Value::Number(number.into()),
            (None, Some(number)) => Value::Number(number.into()),
            (None, None) => return Err(ValueError::Foreign("an integer beyond 64 bits")),
        },
        rmpv::Value::F32(float) => number(f64::from(float))?,
        rmpv::Value::F64(float) => number(float)?,
        rmpv::Value::String(text) => Value::String(text.into_str().ok_or(ValueError::Foreign("text that is not UTF-8"))?),
        rmpv::Value::Binary(_) => return Err(ValueError::Foreign("binary data")),
        rmpv::Value::Array(elements) => Value::List(elements.into_iter().map(from_msgpack).collect::<Result<_, _>>()?),
        rmpv::Value::Map(members) => {
            let mut object = BTreeMap::new();
            for (name, value) in members {
                let name = name.as_str().ok_or(ValueError::Foreign("a member without a name"))?.to_owned();
                object.insert(name, from_msgpack(value)?);
            }
            Value::Object(object)
        }
        rmpv::Value::Ext(code, body) => Value::Unknown(code, body),
    })
}

fn number(float: f64) -> Result<Value, ValueError> {
    Number::from_f64(float).map(Value::Number).ok_or(ValueError::Foreign("an infinite number"))
}

/// Largest whole number a double holds exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn to_msgpack(value: &Value) -> rmpv::Value {
    match value {
        Value::Null => rmpv::Value::Nil,
        Value::Unknown(code, body) => rmpv::Value::Ext(*code, body.clone()),
        Value::Bool(truth) => rmpv::Value::Boolean(*truth),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), _, _) => rmpv::Value::from(whole),
            (None, Some(whole), _) => rmpv::Value::from(whole),
            // Terraform sends whole floats as integers and compares what comes back.
            (None, None, Some(float)) if float.fract() == 0.0 && float.abs() < EXACT => rmpv::Value::from(float as i64),
            (None, None, Some(float)) => rmpv::Value::from(float),
            (None, None, None) => rmpv::Value::Nil,
        },
        Value::String(text) => rmpv::Value::from(text.as_str()),
        Value::List(elements) => rmpv::Value::Array(elements.iter().map(to_msgpack).collect()),
        Value::Object(members) => {
            rmpv::Value::Map(members.iter().map(|(name, value)| (rmpv::Value::from(name.as_str()), to_msgpack(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_round_trips_and_an_unknown_keeps_its_extension() {
        let value = Value::from_json(&serde_json::json!({
            "text": "名前 ${x}", "whole": -3, "big": 18_446_744_073_709_551_615u64, "float": 1.5, "list": [true, null], "map": {"a": "b"}
        }));
        assert_eq!(Value::from_msgpack(&value.to_msgpack().unwrap()).unwrap(), value);
        for unknown in [Value::unknown(), Value::Unknown(12, vec![0x81, 1, 0xc2]), Value::Unknown(-1, vec![])] {
            let value = Value::List(vec![unknown.clone()]);
            assert_eq!(Value::from_msgpack(&value.to_msgpack().unwrap()).unwrap(), value, "{unknown:?}");
        }
    }

    #[test]
    fn what_terraform_never_sends_is_an_error_and_no_panic() {
        for bytes in [&[0x92_u8, 1][..], &[0xc4, 1, 0], &[0x81, 1, 2], &[0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]] {
            assert!(Value::from_msgpack(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(Value::from_msgpack(&[]).unwrap(), Value::Null);
    }

    #[test]
    fn whole_floats_are_sent_as_integers() {
        let value = Value::Number(Number::from_f64(16.0).unwrap());
        assert_eq!(value.to_msgpack().unwrap(), [16]);
    }

    #[test]
    fn paths_reach_into_lists() {
        let mut value = Value::from_json(&serde_json::json!({"a": [{"b": "c"}]}));
        assert_eq!(value.at("a.0.b").as_str(), Some("c"));
        assert!(value.at("a.1.b").is_null() && value.at("a.x").is_null());
        *value.at_mut("a.0.b").unwrap() = Value::text("d");
        assert_eq!(value.at("a.0.b").as_str(), Some("d"));
    }
}
