//! Ids: OCIDs with the right resource part and region, composite import ids, request ids, generated names.

use std::collections::BTreeMap;

use rand::RngExt;

use super::super::value::Value;
use super::Region;
use super::error::split;

/// Resource part of an OCID where it is not the type's own name without underscores.
const KINDS: [(&str, &str); 22] = [
    ("oci_core_dhcp_options", "dhcpoptions"),
    ("oci_containerengine_cluster", "cluster"),
    ("oci_container_instances_container_instance", "computecontainerinstance"),
    ("oci_mysql_mysql_db_system", "mysqldbsystem"),
    ("oci_mysql_mysql_backup", "mysqlbackup"),
    ("oci_psql_db_system", "postgresqldbsystem"),
    ("oci_psql_configuration", "postgresqlconfiguration"),
    ("oci_database_db_system", "dbsystem"),
    ("oci_load_balancer_load_balancer", "loadbalancer"),
    ("oci_load_balancer", "loadbalancer"),
    ("oci_network_load_balancer_network_load_balancer", "networkloadbalancer"),
    ("oci_apigateway_gateway", "apigateway"),
    ("oci_apigateway_deployment", "apideployment"),
    ("oci_apigateway_api", "apigatewayapi"),
    ("oci_apigateway_certificate", "apigatewaycertificate"),
    ("oci_functions_application", "fnapp"),
    ("oci_functions_function", "fnfunc"),
    ("oci_ons_notification_topic", "onstopic"),
    ("oci_ons_subscription", "onssubscription"),
    ("oci_vault_secret", "vaultsecret"),
    ("oci_artifacts_container_repository", "containerrepo"),
    ("oci_waf_web_app_firewall_policy", "webappfirewallpolicy"),
];

/// Types whose OCIDs carry no region.
const GLOBAL: [&str; 7] = ["compartment", "dynamicgroup", "policy", "group", "tagnamespace", "user", "tenancy"];

/// The resource part of a type's OCIDs.
pub(crate) fn kind(resource_type: &str) -> String {
    if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == resource_type) {
        return (*kind).to_owned();
    }
    split(resource_type).1.replace('_', "")
}

/// A new OCID.
pub(crate) fn ocid(kind: &str, region: &Region) -> String {
    let region_part = if GLOBAL.contains(&kind) { "" } else { &region.id };
    format!("ocid1.{kind}.{}.{region_part}.aaaaaaaa{}", region.realm, random(52))
}

/// An OCID that is the same for the same seed: for what the cloud has from the start (images, service objects).
pub(crate) fn stable_ocid(kind: &str, region: &Region, seed: &str) -> String {
    let region_part = if GLOBAL.contains(&kind) { "" } else { &region.id };
    format!("ocid1.{kind}.{}.{region_part}.aaaaaaaa{}", region.realm, digest(seed, 52))
}

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Random characters of the alphabet of OCIDs.
pub(crate) fn random(length: usize) -> String {
    let mut source = rand::rng();
    (0..length).map(|_| char::from(ALPHABET[source.random_range(0..ALPHABET.len())])).collect()
}

/// Characters that depend on the seed only.
pub(crate) fn digest(seed: &str, length: usize) -> String {
    use sha2::Digest;
    let hash = |round: usize| sha2::Sha256::digest(format!("{round}:{seed}").as_bytes());
    let bytes = (0..).flat_map(|round| hash(round).to_vec());
    bytes.take(length).map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).collect()
}

/// The Object Storage namespace: one for the tenancy, whatever compartment is asked about.
pub(crate) fn namespace() -> String {
    format!("ax{}", digest("tenancy", 10))
}

/// A random opc-request-id: three groups of 32 hex digits.
pub(crate) fn request_id() -> String {
    let group = || uuid::Uuid::new_v4().simple().to_string().to_ascii_uppercase();
    format!("{}/{}/{}", group(), group(), group())
}

/// Id attribute and import id of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// the attribute `id`
    pub(crate) id: String,
    /// what `terraform import` takes; the cloud's key
    pub(crate) import: String,
}

/// The ids of a resource that is about to be made from these attributes.
pub(crate) fn mint(resource_type: &str, attributes: &Value, region: &Region) -> Identity {
    if let Some(composite) = composite(resource_type, attributes) {
        return Identity { id: composite.clone(), import: composite };
    }
    let id = match resource_type {
        "oci_core_network_security_group_security_rule" => {
            format!("{:06X}", rand::rng().random_range(0..0x100_0000_u32))
        }
        _ => ocid(&kind(resource_type), region),
    };
    let import = import_id(resource_type, attributes, &id);
    Identity { id, import }
}

/// The import id of an existing resource: from its attributes and its `id`.
pub(crate) fn import_id(resource_type: &str, attributes: &Value, id: &str) -> String {
    let text = |name: &str| attributes.get(name).as_str().unwrap_or_default();
    match resource_type {
        "oci_core_network_security_group_security_rule" if !id.contains('/') => {
            format!("networkSecurityGroups/{}/securityRules/{id}", text("network_security_group_id"))
        }
        "oci_kms_key" if !id.contains('/') => format!("managementEndpoint/{}/keys/{id}", text("management_endpoint")),
        "oci_logging_log" if !id.contains('/') => format!("logGroupId/{}/logId/{id}", text("log_group_id")),
        _ => id.to_owned(),
    }
}

/// What an imported state holds before it is read: the id, and the parts of a composite id that the read needs.
pub(crate) fn imported(resource_type: &str, import: &str) -> BTreeMap<String, Value> {
    let parts = |names: [&str; 2], pattern: [&str; 2]| -> Option<BTreeMap<String, Value>> {
        let rest = import.strip_prefix(pattern[0])?;
        let (parent, id) = rest.rsplit_once(pattern[1])?;
        Some(BTreeMap::from([(names[0].to_owned(), Value::text(parent)), (names[1].to_owned(), Value::text(id))]))
    };
    let composite = match resource_type {
        "oci_core_network_security_group_security_rule" => {
            parts(["network_security_group_id", "id"], ["networkSecurityGroups/", "/securityRules/"])
        }
        "oci_kms_key" => parts(["management_endpoint", "id"], ["managementEndpoint/", "/keys/"]),
        "oci_logging_log" => parts(["log_group_id", "id"], ["logGroupId/", "/logId/"]),
        _ => None,
    };
    composite.unwrap_or_else(|| BTreeMap::from([("id".to_owned(), Value::text(import))]))
}

/// Ids that are made of names.
fn composite(resource_type: &str, attributes: &Value) -> Option<String> {
    let text = |name: &str| match attributes.get(name) {
        Value::Number(number) => number.to_string(),
        value => value.as_str().unwrap_or_default().to_owned(),
    };
    let bucket = || format!("n/{}/b/{}", text("namespace"), text("bucket"));
    Some(match resource_type {
        "oci_objectstorage_bucket" => format!("n/{}/b/{}", text("namespace"), text("name")),
        "oci_objectstorage_object" => format!("{}/o/{}", bucket(), text("object")),
        "oci_objectstorage_object_lifecycle_policy" => format!("{}/l", bucket()),
        "oci_objectstorage_preauthrequest" => format!("{}/p/{}", bucket(), random(28)),
        "oci_core_default_route_table" | "oci_core_default_security_list" => text("manage_default_resource_id"),
        "oci_load_balancer_backend_set" => format!("loadBalancers/{}/backendSets/{}", text("load_balancer_id"), text("name")),
        "oci_load_balancer_listener" => format!("loadBalancers/{}/listeners/{}", text("load_balancer_id"), text("name")),
        "oci_load_balancer_rule_set" => format!("loadBalancers/{}/ruleSets/{}", text("load_balancer_id"), text("name")),
        "oci_load_balancer_certificate" => {
            format!("loadBalancers/{}/certificates/{}", text("load_balancer_id"), text("certificate_name"))
        }
        "oci_load_balancer_backend" => format!(
            "loadBalancers/{}/backendSets/{}/backends/{}:{}",
            text("load_balancer_id"),
            text("backendset_name"),
            text("ip_address"),
            text("port")
        ),
        "oci_network_load_balancer_backend_set" => {
            format!("networkLoadBalancers/{}/backendSets/{}", text("network_load_balancer_id"), text("name"))
        }
        "oci_network_load_balancer_listener" => {
            format!("networkLoadBalancers/{}/listeners/{}", text("network_load_balancer_id"), text("name"))
        }
        "oci_network_load_balancer_backend" => {
            let name = [text("name"), format!("{}{}:{}", text("target_id"), text("ip_address"), text("port"))];
            let name = name.iter().find(|name| !name.is_empty()).cloned().unwrap_or_default();
            format!("networkLoadBalancers/{}/backendSets/{}/backends/{name}", text("network_load_balancer_id"), text("backend_set_name"))
        }
        "oci_containerengine_addon" => format!("clusters/{}/addons/{}", text("cluster_id"), text("addon_name")),
        "oci_nosql_index" => format!("tables/{}/indexes/{}", text("table_name_or_id"), text("name")),
        "oci_identity_tag" => format!("tagNamespaces/{}/tags/{}", text("tag_namespace_id"), text("name")),
        "oci_dns_rrset" => format!("zoneNameOrId/{}/domain/{}/rtype/{}", text("zone_name_or_id"), text("domain"), text("rtype")),
        "oci_mysql_heat_wave_cluster" => format!("dbSystem/{}/heatWaveCluster", text("db_system_id")),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ocids_have_the_resource_part_and_the_region_and_are_unique() {
        let region = Region::named("kix");
        for (resource_type, start) in [
            ("oci_core_network_security_group", "ocid1.networksecuritygroup.oc1.ap-osaka-1.aaaaaaaa"),
            ("oci_containerengine_node_pool", "ocid1.nodepool.oc1.ap-osaka-1."),
            ("oci_container_instances_container_instance", "ocid1.computecontainerinstance.oc1.ap-osaka-1."),
            ("oci_identity_policy", "ocid1.policy.oc1..aaaaaaaa"),
            ("oci_load_balancer_load_balancer", "ocid1.loadbalancer.oc1."),
        ] {
            let one = mint(resource_type, &Value::object(), &region);
            let two = mint(resource_type, &Value::object(), &region);
            assert!(one.id.starts_with(start) && one.id != two.id && one.id == one.import, "{one:?}");
        }
        assert_eq!(stable_ocid("image", &region, "x"), stable_ocid("image", &region, "x"));
        assert_ne!(stable_ocid("image", &region, "x"), stable_ocid("image", &region, "y"));
    }

    #[test]
    fn composite_ids_lead_back_to_what_the_read_needs() {
        let region = Region::named("ap-osaka-1");
        let bucket = mint("oci_objectstorage_bucket", &Value::from_json(&json!({"namespace": "ns", "name": "b"})), &region);
        assert_eq!(bucket.id, "n/ns/b/b");
        let rule_type = "oci_core_network_security_group_security_rule";
        let rule = mint(rule_type, &Value::from_json(&json!({"network_security_group_id": "ocid1.nsg"})), &region);
        assert_eq!(rule.import, format!("networkSecurityGroups/ocid1.nsg/securityRules/{}", rule.id));
        let state = Value::Object(imported(rule_type, &rule.import));
        assert_eq!(import_id(rule_type, &state, state.get("id").as_str().unwrap()), rule.import);
        let key = Value::Object(imported("oci_kms_key", "managementEndpoint/https://x/keys/ocid1.key"));
        assert_eq!((key.get("management_endpoint").as_str(), key.get("id").as_str()), (Some("https://x"), Some("ocid1.key")));
        let lb = mint(
            "oci_load_balancer_backend",
            &Value::from_json(&json!({"load_balancer_id": "l", "backendset_name": "s", "ip_address": "10.0.0.2", "port": 80})),
            &region,
        );
        assert_eq!(lb.id, "loadBalancers/l/backendSets/s/backends/10.0.0.2:80");
    }
}
