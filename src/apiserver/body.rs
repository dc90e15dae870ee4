//! Request bodies: bounded in bytes and depth, JSON or YAML, duplicate members found. No IO but reading the body.

use axum::body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::status::ApiError;

/// Deepest nesting of a body. Designs need 6; the rest is room for configuration.
pub(super) const MAX_DEPTH: usize = 32;

/// A parsed body.
#[derive(Debug)]
pub(super) struct Parsed {
    /// the value; the last of duplicate members wins, as in a real API server
    pub value: Value,
    /// names of members that stood twice in one object
    pub duplicates: Vec<String>,
}

/// Reads at most `limit` bytes.
pub(super) async fn read(body: Body, limit: usize) -> Result<bytes::Bytes, ApiError> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(ApiError::new(413, "RequestEntityTooLarge", format!("the request body is larger than the limit of {limit} bytes")))
        }
        Err(error) => Err(ApiError::bad_request(format!("the request body could not be read: {error}"))),
    }
}

/// Parses JSON, or YAML when the content type says so.
pub(super) fn parse(bytes: &[u8], content_type: &str) -> Result<Parsed, ApiError> {
    if content_type.contains("yaml") {
        return parse_yaml(bytes);
    }
    let mut duplicates = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Bounded { depth: 0, duplicates: &mut duplicates }.deserialize(&mut reader);
    let value = value.and_then(|value| reader.end().map(|()| value));
    let value = value.map_err(|error| ApiError::bad_request(format!("the body is not a JSON document Galley takes: {error}")))?;
    Ok(Parsed { value, duplicates })
}

fn parse_yaml(bytes: &[u8]) -> Result<Parsed, ApiError> {
    let refused = |error: &dyn std::fmt::Display| ApiError::bad_request(format!("the body is not a YAML document Galley takes: {error}"));
    // Through its own Value: only that refuses duplicate keys.
    let yaml: serde_yaml::Value = serde_yaml::from_slice(bytes).map_err(|error| refused(&error))?;
    let value = serde_json::to_value(yaml).map_err(|error| refused(&error))?;
    if depth(&value) > MAX_DEPTH {
        return Err(refused(&format!("it is nested deeper than {MAX_DEPTH} levels")));
    }
    Ok(Parsed { value, duplicates: Vec::new() })
}

/// How deep a value is nested; a scalar is 0.
pub(super) fn depth(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Builds a `Value`, refusing to go deeper than [`MAX_DEPTH`].
struct Bounded<'a> {
    depth: usize,
    duplicates: &'a mut Vec<String>,
}

impl Bounded<'_> {
    fn deeper<E: serde::de::Error>(&mut self) -> Result<Bounded<'_>, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format!("it is nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Bounded { depth: self.depth + 1, duplicates: self.duplicates })
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;
    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is not finite"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(self.deeper::<A::Error>()?)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        if self.depth >= MAX_DEPTH {
            return Err(A::Error::custom(format!("it is nested deeper than {MAX_DEPTH} levels")));
        }
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let member = map.next_value_seed(self.deeper::<A::Error>()?)?;
            if members.insert(name.clone(), member).is_some() {
                self.duplicates.push(name);
            }
        }
        Ok(Value::Object(members))
    }
}
