//! Types of attributes, in the JSON notation of the published schema format. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

/// The type of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// `"string"`
    String,
    /// `"number"`
    Number,
    /// `"bool"`
    Bool,
    /// `"dynamic"`; the core set has none
    Dynamic,
    /// `["list", T]`
    List(Box<Type>),
    /// `["set", T]`
    Set(Box<Type>),
    /// `["map", T]`
    Map(Box<Type>),
    /// `["object", {name: T}]`
    Object(BTreeMap<String, Type>),
}

impl Type {
    /// Reads the JSON notation; anything unknown is [`Type::Dynamic`].
    pub fn parse(json: &Value) -> Type {
        match json {
            Value::String(name) => match name.as_str() {
                "string" => Type::String,
                "number" => Type::Number,
                "bool" => Type::Bool,
                _ => Type::Dynamic,
            },
            Value::Array(parts) => match (parts.first().and_then(Value::as_str), parts.get(1)) {
                (Some("list"), Some(element)) => Type::List(Box::new(Type::parse(element))),
                (Some("set"), Some(element)) => Type::Set(Box::new(Type::parse(element))),
                (Some("map"), Some(element)) => Type::Map(Box::new(Type::parse(element))),
                (Some("object"), Some(Value::Object(fields))) => {
                    Type::Object(fields.iter().map(|(name, ty)| (name.clone(), Type::parse(ty))).collect())
                }
                _ => Type::Dynamic,
            },
            _ => Type::Dynamic,
        }
    }

    /// Whether the type is a string, a number or a bool.
    pub fn is_primitive(&self) -> bool {
        matches!(self, Type::String | Type::Number | Type::Bool)
    }
}

impl std::fmt::Display for Type {
    /// As a person writes it in HCL: `list(string)`, `object({cidr = string})`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Type::String => f.write_str("string"),
            Type::Number => f.write_str("number"),
            Type::Bool => f.write_str("bool"),
            Type::Dynamic => f.write_str("any"),
            Type::List(element) => write!(f, "list({element})"),
            Type::Set(element) => write!(f, "set({element})"),
            Type::Map(element) => write!(f, "map({element})"),
            Type::Object(fields) => {
                f.write_str("object({")?;
                for (at, (name, ty)) in fields.iter().enumerate() {
                    if at > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{name} = {ty}")?;
                }
                f.write_str("})")
            }
        }
    }
}
