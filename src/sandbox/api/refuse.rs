//! What the real services surely refuse, as far as it is known and cheap to see: missing parents, values outside their own
//! enumerations, names, duplicates, references that stand in the way of a delete. Networks are in `refuse_network`.
//!
//! Sources: errors seen in the field, the API's own enumerations, its published naming and limit rules. Anything that is not
//! certain is accepted: the sandbox must not be stricter than OCI.

use crate::render::schema::{Block, EnumSource};

use super::super::cloud::{CloudResource, State};
use super::super::data::images;
use super::super::value::Value;
use super::error::OciError;
use super::identity::kind;
use super::network::is_private;
use super::{Region, refuse_network};

type Verdict = Result<(), OciError>;

/// What a check may look at.
pub(crate) struct Check<'a> {
    pub(crate) resource_type: &'a str,
    pub(crate) block: &'a Block,
    pub(crate) region: &'a Region,
    pub(crate) state: &'a State,
    /// as planned, unknowns included
    pub(crate) value: &'a Value,
    /// import id of the resource itself on an update
    pub(crate) own: Option<&'a str>,
}

impl Check<'_> {
    /// Text of a top-level attribute, "" when it has none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.value.get(name).as_str().unwrap_or_default()
    }

    /// Other resources of the same type.
    pub(super) fn siblings(&self) -> impl Iterator<Item = &CloudResource> {
        let others = self.state.resources().filter(|other| other.resource_type == self.resource_type);
        others.filter(|other| self.own != Some(other.id.as_str()))
    }
}

/// Judges a create or an update.
pub(crate) fn write(check: &Check<'_>) -> Verdict {
    enumerations(check.block, check.value)?;
    if check.own.is_none() {
        required(check)?;
    }
    parents(check, check.value)?;
    refuse_network::write(check)?;
    match check.resource_type {
        "oci_objectstorage_bucket" => bucket(check),
        "oci_nosql_table" => nosql(check),
        "oci_database_autonomous_database" => autonomous(check),
        "oci_load_balancer_load_balancer" => balancer(check),
        "oci_apigateway_gateway" => gateway(check),
        "oci_containerengine_cluster" => cluster(check),
        "oci_containerengine_node_pool" => node_pool(check),
        "oci_core_instance" => instance(check),
        _ => Ok(()),
    }
}

/// What the API wants on create although the schema calls it optional: type, one of these, unless this is given (a copy or a
/// restore brings it along). Only what is certain from the API reference.
const REQUIRED: [(&str, &[&str], &str); 13] = [
    ("oci_core_instance", &["shape"], "instance_configuration_id"),
    ("oci_core_instance", &["source_details", "image"], "instance_configuration_id"),
    ("oci_core_instance", &["create_vnic_details", "subnet_id"], "instance_configuration_id"),
    ("oci_containerengine_node_pool", &["node_config_details", "subnet_ids"], ""),
    ("oci_containerengine_node_pool", &["node_source_details", "node_image_id", "node_image_name"], ""),
    ("oci_database_autonomous_database", &["admin_password", "secret_id"], "source"),
    ("oci_mysql_mysql_db_system", &["admin_username"], "source"),
    ("oci_mysql_mysql_db_system", &["admin_password"], "source"),
    ("oci_psql_db_system", &["credentials"], "source"),
    ("oci_functions_function", &["image", "source_details"], ""),
    ("oci_streaming_stream", &["compartment_id", "stream_pool_id"], ""),
    ("oci_vault_secret", &["secret_content", "secret_generation_context"], "enable_auto_generation"),
    ("oci_load_balancer_load_balancer", &["subnet_ids"], ""),
];

fn required(check: &Check<'_>) -> Verdict {
    let given = |name: &&str| match check.value.get(name) {
        Value::Null | Value::Unknown(..) => false,
        Value::List(elements) => !elements.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => true,
    };
    let rules = REQUIRED.iter().filter(|(resource_type, _, unless)| *resource_type == check.resource_type && !given(unless));
    match rules.into_iter().find(|(_, names, _)| !names.iter().any(given)) {
        Some((_, names, _)) => Err(OciError::new(400, "MissingParameter", format!("{} is required", camel(names[0])))),
        None => Ok(()),
    }
}

/// The service's own enumerations: exact values, letter case matters. The provider does not know them.
fn enumerations(block: &Block, value: &Value) -> Verdict {
    for (name, attribute) in &block.attributes {
        if attribute.enum_source != Some(EnumSource::Sdk) || attribute.enum_values.is_empty() {
            continue;
        }
        let given = value.get(name);
        for text in given.as_str().into_iter().chain(given.texts()) {
            if !text.is_empty() && !attribute.enum_values.iter().any(|allowed| allowed == text) {
                return Err(OciError::invalid(format!("{} must be valid", camel(name))));
            }
        }
    }
    for (name, nested) in &block.blocks {
        value.get(name).elements().iter().try_for_each(|element| enumerations(&nested.block, element))?;
    }
    Ok(())
}

/// `endpoint_type` → `endpointType`
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| {
        let mut letters = word.chars();
        text + &letters.next().map(|letter| letter.to_ascii_uppercase().to_string()).unwrap_or_default() + letters.as_str()
    })
}

/// Kinds whose OCIDs only this cloud makes: one that is not here does not exist.
const OWN_KINDS: [&str; 16] = [
    "oci_core_vcn",
    "oci_core_subnet",
    "oci_core_network_security_group",
    "oci_core_internet_gateway",
    "oci_core_nat_gateway",
    "oci_core_service_gateway",
    "oci_core_drg",
    "oci_core_instance",
    "oci_core_volume",
    "oci_core_route_table",
    "oci_core_security_list",
    "oci_core_dhcp_options",
    "oci_load_balancer_load_balancer",
    "oci_network_load_balancer_network_load_balancer",
    "oci_containerengine_cluster",
    "oci_apigateway_gateway",
];

/// Every OCID of an own kind that the value refers to must exist.
fn parents(check: &Check<'_>, value: &Value) -> Verdict {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let refers = name.ends_with("_id") || name.ends_with("_ids");
                let texts = member.as_str().into_iter().chain(member.texts());
                if refers && !texts.filter(|text| !text.is_empty()).all(|text| exists(check.state, text)) {
                    return Err(OciError::not_found());
                }
                parents(check, member)?;
            }
            Ok(())
        }
        Value::List(elements) => elements.iter().try_for_each(|element| parents(check, element)),
        Value::Null | Value::Unknown(..) | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn exists(state: &State, id: &str) -> bool {
    let Some(kind_of_id) = id.strip_prefix("ocid1.").and_then(|rest| rest.split('.').next()) else { return true };
    if !OWN_KINDS.iter().any(|resource_type| kind(resource_type) == kind_of_id) || state.get(id).is_some() {
        return true;
    }
    // Default children of a VCN exist without being resources of their own.
    let defaults = ["default_route_table_id", "default_security_list_id", "default_dhcp_options_id"];
    state
        .resources()
        .any(|resource| resource.resource_type == "oci_core_vcn" && defaults.iter().any(|name| resource.text(name) == Some(id)))
}

fn bucket(check: &Check<'_>) -> Verdict {
    let (namespace, name) = (check.text("namespace"), check.text("name"));
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        let message = format!("The name {name} may contain only letters, numbers, dashes and underscores");
        return Err(OciError::new(400, "InvalidBucketName", message));
    }
    if check.siblings().any(|other| other.text("namespace") == Some(namespace) && other.text("name") == Some(name)) {
        let message =
            format!("Either the bucket \"{name}\" in namespace \"{namespace}\" already exists or you are not authorized to create it");
        return Err(OciError::new(409, "BucketAlreadyExists", message));
    }
    Ok(())
}

fn nosql(check: &Check<'_>) -> Verdict {
    if check.text("name").bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' || byte == b':') {
        return Ok(());
    }
    Err(OciError::invalid("Table, index and unquoted field names may contain only alphanumeric values plus the character \"_\""))
}

fn autonomous(check: &Check<'_>) -> Verdict {
    if check.value.get("is_access_control_enabled").as_bool() == Some(true) && check.value.get("is_dedicated").as_bool() != Some(true) {
        return Err(OciError::invalid("Configure access control for Autonomous AI Database is not supported."));
    }
    let name = check.text("db_name");
    if !name.starts_with(|first: char| first.is_ascii_alphabetic())
        || !name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        || name.len() > 30
    {
        return Err(OciError::invalid(format!(
            "The Autonomous Database name {name} is not valid: it must begin with a letter and can contain a maximum of 30 alphanumeric characters."
        )));
    }
    if check.siblings().any(|other| other.text("db_name").is_some_and(|other| other.eq_ignore_ascii_case(name))) {
        return Err(OciError::invalid(format!("An Autonomous Database with name {name} already exists.")));
    }
    let password = check.text("admin_password");
    if !password.is_empty() && !good_password(password) {
        return Err(OciError::invalid(
            "The password does not meet the requirements: 12 to 30 characters, at least one uppercase letter, one lowercase letter and one number, no double quote and no username \"admin\".",
        ));
    }
    Ok(())
}

/// Rule of the API reference for `adminPassword` of an Autonomous Database.
fn good_password(password: &str) -> bool {
    (12..=30).contains(&password.chars().count())
        && password.chars().any(|c| c.is_ascii_uppercase())
        && password.chars().any(|c| c.is_ascii_lowercase())
        && password.chars().any(|c| c.is_ascii_digit())
        && !password.contains('"')
        && !password.to_ascii_lowercase().contains("admin")
}

fn balancer(check: &Check<'_>) -> Verdict {
    if check.text("shape") == "flexible" && check.value.get("shape_details").elements().is_empty() {
        return Err(OciError::invalid("shapeDetails is required when the shape is flexible"));
    }
    if check.value.get("is_private").as_bool().unwrap_or(false) {
        return Ok(());
    }
    match check.value.get("subnet_ids").texts().find(|subnet| is_private(check.state, subnet) == Some(true)) {
        Some(subnet) => Err(OciError::invalid(format!("Private subnet {subnet} is not allowed in a public loadbalancer"))),
        None => Ok(()),
    }
}

fn gateway(check: &Check<'_>) -> Verdict {
    if check.text("endpoint_type") == "PUBLIC" && is_private(check.state, check.text("subnet_id")) == Some(true) {
        return Err(OciError::invalid("A public gateway must be in a public subnet"));
    }
    Ok(())
}

fn cluster(check: &Check<'_>) -> Verdict {
    let endpoint = check.value.at("endpoint_config.0");
    let subnet = endpoint.get("subnet_id").as_str().unwrap_or_default();
    if endpoint.get("is_public_ip_enabled").as_bool() == Some(true) && is_private(check.state, subnet) == Some(true) {
        return Err(OciError::invalid(format!("Invalid endpointConfig.subnetId: {subnet} must be a public subnet if public ip enabled.")));
    }
    Ok(())
}

/// Images of this cloud say what they run on; one that is not ours is believed.
fn node_pool(check: &Check<'_>) -> Verdict {
    let image = check.value.at("node_source_details.0.image_id").as_str().unwrap_or_default();
    let shape = check.text("node_shape");
    let fits = match images::find(check.region, image) {
        Some(known) => known.for_nodes && known.arch == images::Arch::of_shape(shape),
        None => true,
    };
    if fits { Ok(()) } else { Err(OciError::invalid("Invalid nodeShape: Node shape and image are not compatible.")) }
}

fn instance(check: &Check<'_>) -> Verdict {
    let shape = check.text("shape");
    if shape.ends_with(".Flex") && check.value.get("shape_config").elements().is_empty() {
        return Err(OciError::invalid(format!("shapeConfig is required for the flexible shape {shape}")));
    }
    let image = check.value.at("source_details.0.source_id").as_str().unwrap_or_default();
    if images::find(check.region, image).is_some_and(|known| known.arch != images::Arch::of_shape(shape)) {
        return Err(OciError::invalid(format!("Shape {shape} is not valid for image {image}.")));
    }
    let vnic = check.value.at("create_vnic_details.0");
    let subnet = vnic.get("subnet_id").as_str().unwrap_or_default();
    if vnic.get("assign_public_ip").as_bool() == Some(true) && is_private(check.state, subnet) == Some(true) {
        return Err(OciError::invalid("Public IP assignment is prohibited in subnet with prohibitPublicIpOnVnic set to true."));
    }
    Ok(())
}

/// Judges a delete: nothing that is referred to goes away.
pub(crate) fn delete(state: &State, resource: &CloudResource) -> Verdict {
    if resource.resource_type == "oci_objectstorage_bucket" {
        let prefix = format!("{}/o/", resource.id);
        if state.resources().any(|other| other.id.starts_with(&prefix)) {
            let name = resource.text("name").unwrap_or_default();
            let message = format!("Bucket named '{name}' is not empty. Delete all object versions first.");
            return Err(OciError::new(409, "BucketNotEmpty", message));
        }
    }
    refuse_network::delete(state, resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_follow_the_published_rule() {
        for (password, good) in [
            ("Galley-Sandbox-01", true),
            ("short1A", false),
            ("alllowercase123", false),
            ("MyAdminPassw0rd", false),
            ("With\"Quote1234", false),
            ("Abcdefghijklmnopqrstuvwxyz12345", false),
        ] {
            assert_eq!(good_password(password), good, "{password}");
        }
    }

    #[test]
    fn names_are_spelled_as_the_api_spells_them() {
        assert_eq!(camel("endpoint_type"), "endpointType");
        assert_eq!(camel("shape"), "shape");
    }
}
