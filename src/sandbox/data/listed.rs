//! The generic data sources: one resource by its id, or all of a type that fit the arguments.

use serde_json::{Map, Value as Json, json};

use crate::render::schema::{Schema, Type};

use super::super::api::OciError;
use super::super::cloud::CloudResource;
use super::{Question, sensitive};

/// Attributes of the answer.
pub(super) fn answer(question: &Question<'_>) -> Result<Json, OciError> {
    if Schema::builtin().resource(question.name).is_some() {
        return one(question);
    }
    let Some((name, element)) = list_attribute(question) else { return Ok(json!({})) };
    let items = match singular(question.name) {
        Some(resource_type) => many(question, &resource_type),
        None => Vec::new(),
    };
    // Newer services wrap their lists: `<name>_collection[0].items`.
    let wrapped = matches!(element, Type::Object(fields) if fields.contains_key("items"));
    Ok(json!({ name: if wrapped { json!([{"items": items}]) } else { json!(items) } }))
}

/// A data source that is named as its resource type: by the id it asks for, or by the names that make the id.
fn one(question: &Question<'_>) -> Result<Json, OciError> {
    let same_type = question.state.resources().filter(|resource| resource.resource_type == question.name);
    let required: Vec<&str> =
        question.block.attributes.iter().filter(|(_, attribute)| attribute.required).map(|(name, _)| name.as_str()).collect();
    let is_it = |resource: &&CloudResource| {
        required.iter().all(|name| {
            let wanted = question.text(name);
            let names_it = name.ends_with("_id") && (wanted == Some(resource.id.as_str()) || wanted == resource.text("id"));
            names_it || *name == "id" && wanted == Some(resource.id.as_str()) || wanted == resource.text(name)
        })
    };
    let mut found = same_type.filter(is_it);
    found.next().map(shown).ok_or_else(OciError::not_found)
}

fn many(question: &Question<'_>, resource_type: &str) -> Vec<Json> {
    let fits = |resource: &&CloudResource| {
        resource.resource_type == resource_type
            && question.block.attributes.iter().all(|(name, attribute)| {
                let Some(wanted) = question.text(name).filter(|_| attribute.ty == Type::String && name != "id") else { return true };
                // Arguments that are no attribute of the resource (sort_by, …) do not select.
                !resource.attributes.as_object().is_some_and(|members| members.contains_key(name)) || resource.text(name) == Some(wanted)
            })
    };
    question.state.resources().filter(fits).map(listed).collect()
}

/// What the call that lists a type leaves out, although the provider's schema of the list has a place for it (summaries of
/// the Go SDK). A design that looks for it there fails in a tenancy: it must fail here.
const NOT_LISTED: &[(&str, &[&str])] = &[("oci_containerengine_node_pool", &["nodes"])];

/// Attributes of a resource as a list shows them.
fn listed(resource: &CloudResource) -> Json {
    let mut members = shown(resource);
    let left_out = NOT_LISTED.iter().filter(|(resource_type, _)| *resource_type == resource.resource_type);
    if let Some(members) = members.as_object_mut() {
        left_out.flat_map(|(_, names)| *names).for_each(|name| drop(members.remove(*name)));
    }
    members
}

/// Attributes of a resource without secret ones.
fn shown(resource: &CloudResource) -> Json {
    let mut members: Map<String, Json> = resource.attributes.as_object().cloned().unwrap_or_default();
    for name in sensitive(&resource.resource_type) {
        members.remove(&name);
    }
    Json::Object(members)
}

/// The computed list of objects of a plural data source.
fn list_attribute<'a>(question: &'a Question<'_>) -> Option<(&'a str, &'a Type)> {
    question.block.attributes.iter().find_map(|(name, attribute)| match &attribute.ty {
        Type::List(element) if attribute.computed && matches!(**element, Type::Object(_)) => Some((name.as_str(), &**element)),
        _ => None,
    })
}

/// `oci_core_vcns` → `oci_core_vcn`, when there is such a type.
fn singular(name: &str) -> Option<String> {
    let candidates = [name.strip_suffix("ies").map(|stem| format!("{stem}y")), name.strip_suffix('s').map(str::to_owned)];
    let bucket = (name == "oci_objectstorage_bucket_summaries").then(|| "oci_objectstorage_bucket".to_owned());
    candidates.into_iter().flatten().chain(bucket).find(|candidate| Schema::builtin().resource(candidate).is_some())
}
