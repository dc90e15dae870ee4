//! What `galley sandbox list|set|delete|fail|clear` do: checked edits of a [`Cloud`] behind Terraform's back. Errors say what
//! is allowed. Blocking, as the cloud is.

use std::time::Duration;

use serde_json::Value as Json;

use crate::render::schema::{Attribute, Block, NestedBlock, Node, Schema};

use super::cloud::{CannedFault, Cloud, CloudResource, Error, Fault, FaultOperation};
use super::conform::{conform_type, fits};
use super::value::Value;

/// What stands for a secret value.
pub const MASK: &str = "(sensitive)";

/// Every resource, optionally of one type, secret values masked.
pub fn list(cloud: &Cloud, resource_type: Option<&str>) -> Result<Vec<CloudResource>, Error> {
    let all = cloud.list()?;
    let wanted = all.into_iter().filter(|resource| resource_type.is_none_or(|wanted| wanted == resource.resource_type));
    Ok(wanted.map(masked).collect())
}

/// One resource by id, by its `id` attribute or by the Terraform address in its tags; secret values masked.
pub fn get(cloud: &Cloud, key: &str) -> Result<CloudResource, Error> {
    find(cloud, key).map(masked)
}

/// Sets an attribute (`display_name`, `route_rules.0.destination`, `freeform_tags.owner`); returns the old value. The path
/// must exist in the schema and the value must fit. `id` and secret attributes cannot be set: Terraform would not see it.
pub fn set(cloud: &Cloud, key: &str, path: &str, value: Json) -> Result<Json, Error> {
    let resource = find(cloud, key)?;
    let value = checked(&resource, path, &value)?;
    cloud.set(&resource.id, path, value)
}

/// Deletes a resource, whatever refers to it.
pub fn delete(cloud: &Cloud, key: &str) -> Result<CloudResource, Error> {
    let resource = find(cloud, key)?;
    cloud.delete(&resource.id).map(masked)
}

/// Adds a fault by its name ([`CannedFault::ALL`]) for a resource type or `*`. `operation` overrides the usual one, `times`
/// bounds it.
pub fn fail(cloud: &Cloud, name: &str, resource_type: &str, operation: Option<&str>, times: Option<u64>) -> Result<Fault, Error> {
    let canned = CannedFault::parse(name).ok_or_else(|| Error::UnknownWord {
        what: "fault",
        value: name.to_owned(),
        allowed: CannedFault::ALL.map(CannedFault::name).join(", "),
    })?;
    known_type(resource_type)?;
    let mut fault = canned.on(resource_type);
    if let Some(operation) = operation {
        fault.operation = parse_operation(operation)?;
    }
    fault.times = times;
    cloud.fail(fault.clone())?;
    Ok(fault)
}

/// Makes an operation (`create`, `read`, `update`, `delete`, `any`) on a resource type or `*` slow.
pub fn delay(cloud: &Cloud, operation: &str, resource_type: &str, delay: Duration) -> Result<(), Error> {
    known_type(resource_type)?;
    cloud.delay(parse_operation(operation)?, resource_type, delay)
}

/// Removes all faults and delays; says how many there were.
pub fn clear(cloud: &Cloud) -> Result<usize, Error> {
    cloud.clear_faults()
}

fn parse_operation(name: &str) -> Result<FaultOperation, Error> {
    FaultOperation::parse(name).ok_or_else(|| Error::UnknownWord {
        what: "operation",
        value: name.to_owned(),
        allowed: FaultOperation::NAMES.join(", "),
    })
}

/// Whether there is such a type (or `*`); the refusal names near ones.
pub fn known_type(resource_type: &str) -> Result<(), Error> {
    let schema = Schema::builtin();
    if resource_type == "*" || schema.resource(resource_type).is_some() || schema.data_source(resource_type).is_some() {
        return Ok(());
    }
    let last = resource_type.rsplit('_').next().unwrap_or_default();
    let near: Vec<&str> = schema.resource_types().filter(|name| !last.is_empty() && name.contains(last)).take(5).collect();
    let hint = if near.is_empty() { String::new() } else { format!(" (near: {})", near.join(", ")) };
    Err(Error::UnknownType { resource_type: resource_type.to_owned(), hint })
}

fn find(cloud: &Cloud, key: &str) -> Result<CloudResource, Error> {
    if let Some(resource) = cloud.get(key)? {
        return Ok(resource);
    }
    let mut others = cloud.list()?.into_iter().filter(|resource| resource.text("id") == Some(key) || resource.address() == Some(key));
    others.next().ok_or_else(|| Error::NotFound { id: key.to_owned() })
}

fn checked(resource: &CloudResource, path: &str, value: &Json) -> Result<Json, Error> {
    let resource_type = || resource.resource_type.clone();
    let block = Schema::builtin().resource(&resource.resource_type);
    let block = block.ok_or_else(|| Error::UnknownType { resource_type: resource_type(), hint: String::new() })?;
    let refuse = |reason| Error::NotEditable { resource_type: resource_type(), path: path.to_owned(), reason };
    if path == "id" || path == "timeouts" || path.starts_with("timeouts.") {
        return Err(refuse("it identifies the resource or is not the cloud's"));
    }
    let unknown =
        |allowed: Vec<String>| Error::UnknownPath { resource_type: resource_type(), path: path.to_owned(), allowed: allowed.join(", ") };
    let attribute = match lookup(&block, path) {
        Ok(attribute) => attribute,
        Err(allowed) => return Err(unknown(allowed)),
    };
    if attribute.sensitive {
        return Err(refuse("it is secret: the service never returns it, so Terraform would not see the change"));
    }
    let steps: Vec<&str> = path.split('.').collect();
    let ty = element_type(&attribute.ty, &steps, &block);
    let converted = conform_type(ty, &Value::from_json(value));
    if (converted.is_null() && !value.is_null()) || !fits(ty, &converted) {
        return Err(Error::WrongType { resource_type: resource_type(), path: path.to_owned(), expected: ty.to_string() });
    }
    // A list index must exist; the schema does not know that.
    let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
    let stored = Value::from_json(&resource.attributes);
    if !parent.is_empty() && stored.at(parent).is_null() {
        return Err(unknown(vec![format!("nothing at {parent}")]));
    }
    Ok(converted.to_json())
}

/// The attribute that a path leads to, or the names that would have been possible where it leaves the schema.
fn lookup<'a>(block: &'a Block, path: &str) -> Result<&'a Attribute, Vec<String>> {
    let mut block = block;
    for name in path.split('.').filter(|step| step.parse::<usize>().is_err()) {
        if let Some(attribute) = block.attributes.get(name) {
            return Ok(attribute);
        }
        match block.blocks.get(name) {
            Some(NestedBlock { block: inner, .. }) => block = inner,
            None => return Err(names(block)),
        }
    }
    Err(names(block))
}

fn names(block: &Block) -> Vec<String> {
    block.attributes.keys().chain(block.blocks.keys()).cloned().collect()
}

/// The type at the end of a path that may go on into a map or a list of an attribute (`freeform_tags.owner`).
fn element_type<'a>(ty: &'a crate::render::schema::Type, steps: &[&str], block: &Block) -> &'a crate::render::schema::Type {
    use crate::render::schema::Type;
    let depth = (1..=steps.len()).find(|depth| matches!(block.find(&steps[..*depth].join(".")), Some(Node::Attribute(_))));
    let rest = depth.map_or(&[][..], |depth| &steps[depth..]);
    rest.iter().fold(ty, |ty, step| match ty {
        Type::List(element) | Type::Set(element) | Type::Map(element) => element,
        Type::Object(fields) => fields.get(*step).unwrap_or(ty),
        Type::String | Type::Number | Type::Bool | Type::Dynamic => ty,
    })
}

fn masked(mut resource: CloudResource) -> CloudResource {
    if let Some(block) = Schema::builtin().resource(&resource.resource_type) {
        mask(&block, &mut resource.attributes);
    }
    resource
}

fn mask(block: &Block, json: &mut Json) {
    let Some(members) = json.as_object_mut() else { return };
    for (name, attribute) in &block.attributes {
        if let Some(value) = members.get_mut(name).filter(|value| attribute.sensitive && !value.is_null()) {
            *value = Json::String(MASK.to_owned());
        }
    }
    for (name, nested) in &block.blocks {
        let Some(value) = members.get_mut(name) else { continue };
        if nested.sensitive && !value.as_array().is_none_or(Vec::is_empty) {
            *value = Json::String(MASK.to_owned());
            continue;
        }
        value.as_array_mut().into_iter().flatten().for_each(|element| mask(&nested.block, element));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::cloud::tags_of;

    fn cloud(dir: &std::path::Path) -> Cloud {
        let cloud = Cloud::open(dir).unwrap();
        let put = |id: &str, resource_type: &str, attributes: Json| {
            let tags = tags_of(&attributes);
            let (id, resource_type) = (id.to_owned(), resource_type.to_owned());
            let resource = CloudResource { id, resource_type, attributes, created_at: String::new(), tags };
            cloud.transact(|t| t.put(resource)).unwrap();
        };
        let tags = json!({"galley-address": "oci_core_vcn.main"});
        put("v", "oci_core_vcn", json!({"id": "v", "display_name": "a", "freeform_tags": tags, "cidr_blocks": ["10.0.0.0/16"]}));
        put("d", "oci_database_autonomous_database", json!({"id": "d", "admin_password": "S3cret-pass", "compute_count": 2}));
        cloud
    }

    #[test]
    fn edits_are_checked_against_the_schema_and_errors_say_what_is_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = cloud(dir.path());
        let rows = [
            ("an attribute by address", "oci_core_vcn.main", "display_name", json!("b"), None),
            ("a number as text", "d", "compute_count", json!("4"), None),
            ("a tag that is new", "v", "freeform_tags.owner", json!("me"), None),
            ("a list element", "v", "cidr_blocks.0", json!("10.1.0.0/16"), None),
            ("no such resource", "x", "display_name", json!("b"), Some("no resource x in this cloud")),
            ("no such attribute", "v", "nam", json!("b"), Some("oci_core_vcn has no attribute at nam; it has byoipv6cidr_blocks")),
            ("wrong type", "d", "compute_count", json!({"a": 1}), Some("compute_count of oci_database_autonomous_database takes a number")),
            ("the id", "v", "id", json!("w"), Some("id of oci_core_vcn cannot be set")),
            ("a secret", "d", "admin_password", json!("x"), Some("it is secret")),
            ("no such element", "v", "byoipv6cidr_details.0.ipv6cidr_block", json!("x"), Some("nothing at byoipv6cidr_details.0")),
        ];
        for (reason, key, path, value, error) in rows {
            let result = set(&cloud, key, path, value).map_err(|e| e.to_string());
            match error {
                None => assert!(result.is_ok(), "{reason}: {result:?}"),
                Some(text) => assert!(result.as_ref().is_err_and(|e| e.contains(text)), "{reason}: {result:?}"),
            }
        }
        let vcn = get(&cloud, "v").unwrap();
        assert_eq!((vcn.attributes["display_name"].as_str(), vcn.tags["owner"].as_str()), (Some("b"), "me"));
        assert_eq!(get(&cloud, "d").unwrap().attributes["compute_count"], 4);
    }

    #[test]
    fn secrets_are_masked_for_everybody_who_looks() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = cloud(dir.path());
        let listed = list(&cloud, Some("oci_database_autonomous_database")).unwrap();
        assert_eq!((listed.len(), &listed[0].attributes["admin_password"]), (1, &json!(MASK)));
        assert_eq!(cloud.get("d").unwrap().unwrap().attributes["admin_password"], "S3cret-pass", "the cloud itself keeps it");
        assert_eq!(delete(&cloud, "d").unwrap().attributes["admin_password"], MASK);
    }

    #[test]
    fn faults_are_named_and_unknown_names_are_answered_with_the_known_ones() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = cloud(dir.path());
        let fault = fail(&cloud, "throttled", "oci_core_vcn", Some("create"), Some(1)).unwrap();
        assert_eq!((fault.error.unwrap().status, fault.times), (429, Some(1)));
        let error = fail(&cloud, "boom", "*", None, None).unwrap_err().to_string();
        assert!(error.starts_with("boom is no fault; allowed are limit-exceeded, out-of-capacity"), "{error}");
        let error = fail(&cloud, "throttled", "oci_vcn", None, None).unwrap_err().to_string();
        assert!(error.contains("near: oci_core_vcn"), "{error}");
        let error = delay(&cloud, "make", "*", Duration::ZERO).unwrap_err().to_string();
        assert_eq!(error, "make is no operation; allowed are any, create, read, update, delete");
        assert_eq!(clear(&cloud).unwrap(), 1);
    }
}
