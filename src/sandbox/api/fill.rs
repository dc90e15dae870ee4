//! What the service adds to a resource: every unknown of the plan gets a value. Generic rules here, what one service does in
//! `network`, `compute`, `database` and `edge`. Only unknowns are touched: what was planned is what is made.
//!
//! Rather null than invented: an optional value that the service would not set stays empty, as the real provider leaves it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value as Json;

use crate::render::schema::{Attribute, Block, Nesting, Type};

use super::super::cloud::State;
use super::super::conform::conform_type;
use super::super::value::Value;
use super::identity::{kind, namespace, ocid, random};
use super::region::availability_domains;
use super::{Region, compute, database, edge, network};

/// What filling may look at.
pub(crate) struct Context<'a> {
    pub(crate) resource_type: &'a str,
    pub(crate) block: &'a Block,
    pub(crate) region: &'a Region,
    pub(crate) state: &'a State,
    pub(crate) now: jiff::Timestamp,
    /// the id that was minted
    pub(crate) id: &'a str,
}

impl Context<'_> {
    /// An attribute of another resource in the cloud, by the `id` of that resource.
    pub(crate) fn other(&self, id: &Value) -> Option<Value> {
        let resource = self.state.get(id.as_str()?)?;
        Some(Value::from_json(&resource.attributes))
    }

    /// A time as the provider prints it: `2026-11-23 12:00:00.123 +0000 UTC`.
    pub(crate) fn time(&self) -> String {
        self.now.strftime("%Y-%m-%d %H:%M:%S%.3f +0000 UTC").to_string()
    }
}

type Table = BTreeMap<String, BTreeMap<String, Json>>;

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| serde_json::from_str(include_str!("../../../rules/provider/server-values.json")).unwrap_or_default())
}

/// Fills every unknown.
pub(crate) fn fill(context: &Context<'_>, value: &mut Value) {
    value.settle("id", Value::text(context.id));
    network::fill(context, value);
    compute::fill(context, value);
    database::fill(context, value);
    edge::fill(context, value);
    generic(context, context.block, "", value);
    value_inside(context.block, value);
}

/// Inside nested blocks nothing is nothing: the SDK of the real provider writes zero for every text, number and truth that
/// neither the configuration nor the service gives.
fn value_inside(block: &Block, value: &mut Value) {
    for (name, nested) in block.blocks.iter().filter(|(_, nested)| nested.nesting != Nesting::Single) {
        let Some(Value::List(elements)) = value.at_mut(name) else { continue };
        for element in elements {
            for (name, attribute) in &nested.block.attributes {
                if element.get(name).is_null() {
                    element.set(name, zero(&attribute.ty));
                }
            }
            value_inside(&nested.block, element);
        }
    }
}

/// Zero of a text, a number, a truth; collections stay what they were planned to be.
fn zero(ty: &Type) -> Value {
    match ty {
        Type::String => Value::text(""),
        Type::Number => Value::Number(0.into()),
        Type::Bool => Value::Bool(false),
        Type::List(_) | Type::Set(_) | Type::Map(_) | Type::Object(_) | Type::Dynamic => Value::Null,
    }
}

/// The members of objects that the service gives as a whole: zero, too, and empty collections.
fn whole(ty: &Type, value: Value) -> Value {
    match (ty, value) {
        (Type::List(inner) | Type::Set(inner), Value::List(elements)) => {
            Value::List(elements.into_iter().map(|element| whole(inner, element)).collect())
        }
        (Type::Object(fields), Value::Object(mut members)) => {
            for (name, ty) in fields {
                let given = members.remove(name).unwrap_or(Value::Null);
                let given = match ty {
                    Type::List(_) | Type::Set(_) if given.is_null() => Value::List(Vec::new()),
                    Type::Map(_) if given.is_null() => Value::object(),
                    _ if given.is_null() => zero(ty),
                    _ => whole(ty, given),
                };
                members.insert(name.clone(), given);
            }
            Value::Object(members)
        }
        (_, value) => value,
    }
}

/// Sets a top-level attribute from JSON, fitted to its type.
pub(crate) fn put_json(context: &Context<'_>, value: &mut Value, name: &str, json: &Json) {
    if let Some(attribute) = context.block.attributes.get(name) {
        value.settle(name, whole(&attribute.ty, conform_type(&attribute.ty, &Value::from_json(json))));
    }
}

fn generic(context: &Context<'_>, block: &Block, prefix: &str, value: &mut Value) {
    let Value::Object(members) = value else { return };
    for (name, attribute) in &block.attributes {
        let Some(slot) = members.get_mut(name).filter(|slot| slot.is_unknown()) else { continue };
        let path = format!("{prefix}{name}");
        *slot = known(context, &path, name, attribute);
    }
    for (name, nested) in &block.blocks {
        let Some(slot) = members.get_mut(name) else { continue };
        let prefix = format!("{prefix}{name}.");
        match (nested.nesting, slot) {
            (Nesting::List | Nesting::Set, slot @ Value::Unknown(..)) => *slot = Value::List(Vec::new()),
            (Nesting::Single, slot @ Value::Unknown(..)) => *slot = Value::Null,
            (_, Value::List(elements)) => {
                elements.iter_mut().for_each(|element| generic(context, &nested.block, &prefix, element));
            }
            (_, element) => generic(context, &nested.block, &prefix, element),
        }
    }
}

fn known(context: &Context<'_>, path: &str, name: &str, attribute: &Attribute) -> Value {
    let rows = [context.resource_type, "*"].into_iter().filter_map(|row| table().get(row));
    if let Some(json) = rows.into_iter().find_map(|row| row.get(path)) {
        return conform_type(&attribute.ty, &Value::from_json(&expand(json, context.region)));
    }
    match &attribute.ty {
        Type::String => text(context, name, attribute),
        Type::Number if attribute.optional => Value::Null,
        Type::Number => Value::Number(0.into()),
        Type::Bool => Value::Bool(false),
        Type::List(_) | Type::Set(_) => Value::List(Vec::new()),
        Type::Map(_) => Value::object(),
        Type::Object(_) | Type::Dynamic => Value::Null,
    }
}

/// `{region}` and `{hash}` in table texts.
fn expand(json: &Json, region: &Region) -> Json {
    match json {
        Json::String(text) if text.contains('{') => Json::String(text.replace("{region}", &region.id).replace("{hash}", &random(12))),
        other => other.clone(),
    }
}

fn text(context: &Context<'_>, name: &str, attribute: &Attribute) -> Value {
    match name {
        "state" | "lifecycle_state" | "key_state" => Value::text(state_of(context.resource_type)),
        "time_created" | "time_updated" | "created_time" => Value::text(context.time()),
        "display_name" => Value::text(format!("{}{}", kind(context.resource_type), context.now.strftime("%Y%m%d%H%M%S"))),
        "region" => Value::text(&context.region.id),
        "namespace" if attribute.is_read_only() => Value::text(namespace()),
        "etag" => Value::text(uuid::Uuid::new_v4().to_string()),
        "availability_domain" if attribute.is_read_only() => {
            availability_domains(context.region).into_iter().next().map_or(Value::Null, Value::String)
        }
        "vnic_id" => minted(context, "vnic"),
        "boot_volume_id" => minted(context, "bootvolume"),
        "container_id" => minted(context, "container"),
        "bucket_id" => minted(context, "bucket"),
        "export_set_id" => minted(context, "exportset"),
        "default_config_id" => minted(context, "postgresqldefaultconfiguration"),
        "container_instance_id" | "topic_id" => Value::text(context.id),
        "current_key_version" => minted(context, "keyversion"),
        "current_version_number" => Value::text("1"),
        "hostname" | "endpoint_fqdn" | "fqdn" if attribute.is_read_only() => {
            Value::text(format!("{}.{}.oci.oraclecloud.com", random(12), context.region.id))
        }
        url if attribute.is_read_only() && (url.ends_with("_url") || url == "endpoint" || url.ends_with("_endpoint")) => {
            Value::text(format!("https://{}.{}.oci.oraclecloud.com", random(12), context.region.id))
        }
        _ => Value::Null,
    }
}

fn minted(context: &Context<'_>, kind: &str) -> Value {
    Value::text(ocid(kind, context.region))
}

/// The lifecycle state of a finished resource: core resources are AVAILABLE, most others ACTIVE.
fn state_of(resource_type: &str) -> &'static str {
    if resource_type.starts_with("oci_core_") { "AVAILABLE" } else { "ACTIVE" }
}
