//! What the real provider's own code adds to its schema when it plans a change: replacements that depend on what changed,
//! and values that become unknown with another one. Pure. Only what rendered designs use; `make test-real` shows the rest.

use super::super::value::Value;
use super::Step;

/// Keys of an instance's metadata that only its first start reads: another value is another instance.
const FIRST_START: [&str; 2] = ["ssh_authorized_keys", "user_data"];

/// Completes the plan of an update. A replacement is planned again by Terraform, so nothing more follows from one.
pub(super) fn customize(resource_type: &str, prior: &Value, planned: &mut Value, replace: &mut Vec<Vec<Step>>) {
    let name = |name: &str| Step::Name(name.to_owned());
    let changed = |planned: &Value, path: &str| prior.at(path) != planned.at(path);
    let mut needs = |path: Vec<Step>| {
        if !replace.contains(&path) {
            replace.push(path);
        }
    };
    match resource_type {
        "oci_core_instance" => {
            let text = |value: &Value, key: &str| value.get("metadata").get(key).as_str().unwrap_or_default().to_owned();
            if planned.get("metadata").is_unknown() || FIRST_START.iter().any(|key| text(prior, key) != text(planned, key)) {
                needs(vec![name("metadata")]);
            }
        }
        "oci_containerengine_cluster" => {
            let path = "endpoint_config.0.subnet_id";
            if changed(planned, path) && prior.at(path).as_str().is_some_and(|id| !id.is_empty()) {
                needs(vec![name("endpoint_config"), Step::Index(0), name("subnet_id")]);
            }
        }
        // Galley gives addresses of version 4 only; version 6 and a change of version are another story there.
        "oci_load_balancer_load_balancer" | "oci_network_load_balancer_network_load_balancer" if changed(planned, "reserved_ips") => {
            needs(vec![name("reserved_ips")]);
        }
        "oci_functions_function" if changed(planned, "image") && prior.get("image_digest") == planned.get("image_digest") => {
            planned.set("image_digest", Value::unknown());
        }
        "oci_vault_secret" if changed(planned, "secret_content") => planned.set("current_version_number", Value::unknown()),
        _ => {}
    }
}
