//! Between the generated messages and the sandbox's own values: dynamic values, paths, diagnostics, schemas.

use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use super::super::plan::Step;
use super::super::value::{Value, ValueError};

/// The generated tfplugin5 messages and server.
#[allow(
    dead_code,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated from proto/tfplugin5.proto"
)]
pub(crate) mod tf {
    tonic::include_proto!("tfplugin5");
}

/// The generated go-plugin messages and servers.
#[allow(
    dead_code,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated from proto/goplugin.proto"
)]
pub(crate) mod plugin {
    tonic::include_proto!("plugin");
}

/// Reads a dynamic value: msgpack, or JSON where Terraform sends that; nothing is null.
pub(crate) fn decode(value: Option<&tf::DynamicValue>) -> Result<Value, ValueError> {
    match value {
        None => Ok(Value::Null),
        Some(value) if !value.msgpack.is_empty() => Value::from_msgpack(&value.msgpack),
        Some(value) if !value.json.is_empty() => json(&value.json),
        Some(_) => Ok(Value::Null),
    }
}

/// Reads JSON.
pub(crate) fn json(bytes: &[u8]) -> Result<Value, ValueError> {
    serde_json::from_slice::<Json>(bytes).map(|json| Value::from_json(&json)).map_err(ValueError::Json)
}

/// Writes a dynamic value.
pub(crate) fn encode(value: &Value) -> Result<tf::DynamicValue, ValueError> {
    Ok(tf::DynamicValue { msgpack: value.to_msgpack()?, json: Vec::new() })
}

/// A path.
pub(crate) fn path(steps: &[Step]) -> tf::AttributePath {
    use tf::attribute_path::{Step as Message, step::Selector};
    let steps = steps.iter().map(|step| Message {
        selector: Some(match step {
            Step::Name(name) => Selector::AttributeName(name.clone()),
            Step::Index(index) => Selector::ElementKeyInt(*index),
        }),
    });
    tf::AttributePath { steps: steps.collect() }
}

/// An error diagnostic.
pub(crate) fn diagnostic(summary: impl Into<String>, detail: impl Into<String>, at: Option<&[Step]>) -> tf::Diagnostic {
    tf::Diagnostic {
        severity: tf::diagnostic::Severity::Error.into(),
        summary: summary.into(),
        detail: detail.into(),
        attribute: at.map(path),
    }
}

/// A failure of the sandbox itself, with its causes.
pub(crate) fn failure(error: &dyn std::error::Error) -> tf::Diagnostic {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    diagnostic("The sandbox could not answer", text, None)
}

#[derive(Deserialize)]
struct RawSchema<'a> {
    #[serde(default)]
    version: i64,
    #[serde(borrow)]
    block: RawBlock<'a>,
}

#[derive(Deserialize)]
struct RawBlock<'a> {
    #[serde(borrow, default)]
    attributes: BTreeMap<&'a str, RawAttribute<'a>>,
    #[serde(borrow, default)]
    block_types: BTreeMap<&'a str, RawNested<'a>>,
    #[serde(default)]
    deprecated: bool,
}

#[derive(Deserialize)]
struct RawAttribute<'a> {
    #[serde(borrow, rename = "type")]
    ty: &'a RawValue,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    computed: bool,
    #[serde(default)]
    sensitive: bool,
    #[serde(default)]
    deprecated: bool,
}

#[derive(Deserialize)]
struct RawNested<'a> {
    nesting_mode: &'a str,
    #[serde(default)]
    min_items: i64,
    #[serde(default)]
    max_items: i64,
    #[serde(borrow)]
    block: RawBlock<'a>,
}

/// The schema message from the published format; descriptions are left out.
pub(crate) fn schema(raw: &RawValue) -> Result<tf::Schema, ValueError> {
    let raw: RawSchema<'_> = serde_json::from_str(raw.get()).map_err(ValueError::Json)?;
    Ok(tf::Schema { version: raw.version, block: Some(block(raw.block)) })
}

fn block(raw: RawBlock<'_>) -> tf::schema::Block {
    use tf::schema::nested_block::NestingMode;
    let attributes = raw.attributes.into_iter().map(|(name, attribute)| tf::schema::Attribute {
        name: name.to_owned(),
        r#type: attribute.ty.get().as_bytes().to_vec(),
        required: attribute.required,
        optional: attribute.optional,
        computed: attribute.computed,
        sensitive: attribute.sensitive,
        deprecated: attribute.deprecated,
    });
    let attributes = attributes.collect();
    let block_types = raw.block_types.into_iter().map(|(name, nested)| tf::schema::NestedBlock {
        type_name: name.to_owned(),
        nesting: match nested.nesting_mode {
            "single" => NestingMode::Single,
            "set" => NestingMode::Set,
            "map" => NestingMode::Map,
            "group" => NestingMode::Group,
            _ => NestingMode::List,
        }
        .into(),
        min_items: nested.min_items,
        max_items: nested.max_items,
        block: Some(block(nested.block)),
    });
    tf::schema::Block { version: 0, attributes, block_types: block_types.collect(), deprecated: raw.deprecated }
}
