//! Data sources of the simulated cloud: those that rendered designs use, and a generic answer for the others (the resources
//! of that type that the cloud has, or nothing). Same question, same answer: ids do not change between reads.

use serde_json::{Value as Json, json};

use crate::render::schema::{Block, Schema, Type};

use super::api::{OciError, Region, availability_domains, digest, namespace, stable_ocid};
use super::cloud::{CloudResource, State};
use super::conform::{conform, conform_type};
use super::value::Value;

mod filter;
pub(crate) mod images;
mod listed;

/// A question to a data source.
pub(crate) struct Question<'a> {
    pub(crate) name: &'a str,
    pub(crate) block: &'a Block,
    pub(crate) config: &'a Value,
    pub(crate) region: &'a Region,
    pub(crate) state: &'a State,
}

impl Question<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.config.get(name).as_str()
    }
}

/// Answers: the configuration with every computed attribute set.
pub(crate) fn read(question: &Question<'_>) -> Result<Value, OciError> {
    let known = answer(question)?;
    let mut value = conform(question.block, question.config);
    for (name, attribute) in &question.block.attributes {
        if !attribute.computed || !value.get(name).is_null() {
            continue;
        }
        let given = known.get(name).map(|json| conform_type(&attribute.ty, &Value::from_json(json)));
        let given = match (given, &attribute.ty) {
            (Some(given), _) if !given.is_null() => given,
            (_, Type::List(_) | Type::Set(_)) => Value::List(Vec::new()),
            (_, Type::Map(_)) => Value::object(),
            (_, Type::Bool) => Value::Bool(false),
            (_, Type::String | Type::Number | Type::Object(_) | Type::Dynamic) => Value::Null,
        };
        value.set(name, given);
    }
    if value.get("id").is_null() {
        value.set("id", Value::text(id(question)));
    }
    filter::apply(question, &mut value);
    Ok(value)
}

/// `CoreServicesDataSource-<number>`: 0 without arguments, else a hash of them, as the real provider makes it.
fn id(question: &Question<'_>) -> String {
    let name = question.name.strip_prefix("oci_").unwrap_or(question.name);
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    });
    let words: String = words.collect();
    let Value::Object(members) = question.config else { return format!("{words}DataSource-0") };
    let given: Vec<String> = members
        .iter()
        .filter(|(name, value)| !value.is_null() && name.as_str() != "filter")
        .map(|(name, value)| format!("{name}={}", value.to_json()))
        .collect();
    if given.is_empty() {
        return format!("{words}DataSource-0");
    }
    let number = digest(&given.join("&"), 8).bytes().fold(0_u64, |sum, byte| sum * 32 + u64::from(byte % 32));
    format!("{words}DataSource-{}", number % 4_294_967_296)
}

fn answer(question: &Question<'_>) -> Result<Json, OciError> {
    let region = question.region;
    let compartment = question.text("compartment_id");
    Ok(match question.name {
        "oci_core_services" => services(region),
        "oci_identity_availability_domains" => {
            let domains: Vec<Json> = availability_domains(region)
                .into_iter()
                .map(|name| json!({"name": name, "id": stable_ocid("availabilitydomain", region, &name), "compartment_id": compartment}))
                .collect();
            json!({"availability_domains": domains})
        }
        "oci_identity_availability_domain" => availability_domain(question),
        "oci_identity_fault_domains" => {
            let domain = question.text("availability_domain").unwrap_or_default();
            let domains: Vec<Json> = (1..=3)
                .map(|n| {
                    let name = format!("FAULT-DOMAIN-{n}");
                    let id = stable_ocid("faultdomain", region, &format!("{domain}:{name}"));
                    json!({"name": name, "id": id, "compartment_id": compartment, "availability_domain": domain})
                })
                .collect();
            json!({"fault_domains": domains})
        }
        "oci_identity_regions" => {
            let regions: Vec<Json> = Region::all(&region.realm).into_iter().map(|(name, key)| json!({"name": name, "key": key})).collect();
            json!({"regions": regions})
        }
        "oci_identity_region_subscriptions" => json!({"region_subscriptions": [
            {"is_home_region": true, "region_key": region.key.to_ascii_uppercase(), "region_name": region.id, "state": "READY"}
        ]}),
        "oci_identity_tenancy" => json!({"name": "sandbox", "home_region_key": region.key.to_ascii_uppercase(), "description": "Sandbox"}),
        "oci_core_images" => platform_images(question),
        "oci_core_image" => {
            let image = images::find(region, question.text("image_id").unwrap_or_default()).ok_or_else(OciError::not_found)?;
            image_json(&image, compartment)
        }
        "oci_objectstorage_namespace" => json!({"namespace": namespace()}),
        "oci_containerengine_cluster_option" => json!({
            "kubernetes_versions": kubernetes_versions(),
            "cluster_pod_network_options": [{"cni_type": "FLANNEL_OVERLAY"}, {"cni_type": "OCI_VCN_IP_NATIVE"}],
        }),
        "oci_containerengine_node_pool_option" => node_pool_options(question),
        "oci_containerengine_cluster_kube_config" => {
            let cluster = question.state.get(question.text("cluster_id").unwrap_or_default()).ok_or_else(OciError::not_found)?;
            json!({"content": kube_config(cluster)})
        }
        "oci_core_vnic_attachments" => vnic_attachments(question),
        "oci_core_private_ips" => private_ips(question),
        "oci_core_vnic" => vnic(question).ok_or_else(OciError::not_found)?,
        "oci_core_shapes" => {
            json!({"shapes": SHAPES.iter().map(|name| json!({"name": name, "is_flexible": name.ends_with(".Flex")})).collect::<Vec<_>>()})
        }
        // Oracle's own policies; nobody made them.
        "oci_core_volume_backup_policies" if compartment.is_none() => {
            let policy = |name: &str| json!({"id": stable_ocid("volumebackuppolicy", region, name), "display_name": name});
            let policies = ["bronze", "silver", "gold"].map(policy);
            json!({"volume_backup_policies": policies})
        }
        "oci_load_balancer_shapes" => json!({"shapes": [{"name": "flexible"}]}),
        "oci_load_balancer_policies" => json!({"policies": [{"name": "ROUND_ROBIN"}, {"name": "LEAST_CONNECTIONS"}, {"name": "IP_HASH"}]}),
        "oci_load_balancer_protocols" => json!({"protocols": [{"name": "HTTP"}, {"name": "HTTP2"}, {"name": "TCP"}, {"name": "GRPC"}]}),
        "oci_container_instances_container_instance_shapes" => json!({"container_instance_shape_collection": [{"items": [
            {"name": "CI.Standard.A1.Flex"}, {"name": "CI.Standard.E3.Flex"}, {"name": "CI.Standard.E4.Flex"}
        ]}]}),
        // Quotas are never short here unless a fault says so.
        "oci_limits_resource_availability" => {
            json!({"used": 0, "available": 1_000, "fractional_availability": 1_000, "effective_quota_value": 1_000})
        }
        _ => listed::answer(question)?,
    })
}

/// Shapes that every region has.
const SHAPES: [&str; 6] = [
    "VM.Standard.E5.Flex",
    "VM.Standard.E4.Flex",
    "VM.Standard.E3.Flex",
    "VM.Standard3.Flex",
    "VM.Standard.A1.Flex",
    "VM.Standard.E2.1.Micro",
];

fn services(region: &Region) -> Json {
    let key = region.key.to_ascii_uppercase();
    let low = region.key.to_ascii_lowercase();
    json!({"services": [
        {
            "id": stable_ocid("service", region, "objectstorage"), "name": format!("OCI {key} Object Storage"),
            "description": format!("OCI {key} Object Storage"), "cidr_block": format!("oci-{low}-objectstorage"),
        },
        {
            "id": stable_ocid("service", region, "all"), "name": format!("All {key} Services In Oracle Services Network"),
            "description": format!("All {key} Services In Oracle Services Network"),
            "cidr_block": format!("all-{low}-services-in-oracle-services-network"),
        },
    ]})
}

fn availability_domain(question: &Question<'_>) -> Json {
    let domains = availability_domains(question.region);
    let number = question.config.get("ad_number").as_f64().unwrap_or(1.0) as usize;
    let wanted = question.text("id");
    let id = |name: &str| stable_ocid("availabilitydomain", question.region, name);
    let found = match wanted {
        Some(wanted) => domains.iter().position(|name| id(name) == wanted),
        None => number.checked_sub(1).filter(|at| *at < domains.len()),
    };
    found.map_or_else(|| json!({}), |at| json!({"name": domains[at], "id": id(&domains[at]), "ad_number": at + 1}))
}

fn platform_images(question: &Question<'_>) -> Json {
    let os = question.text("operating_system");
    let version = question.text("operating_system_version");
    let shape = question.text("shape");
    let name = question.text("display_name");
    let fits = |image: &images::Image| {
        !image.for_nodes
            && os.is_none_or(|os| os == image.os)
            && version.is_none_or(|version| version == image.version)
            && shape.is_none_or(|shape| images::Arch::of_shape(shape) == image.arch)
            && name.is_none_or(|name| name == image.name)
    };
    let mut found: Vec<images::Image> = images::all(question.region).into_iter().filter(fits).collect();
    // The service sorts by time, newest first, unless told otherwise.
    let ascending = question.text("sort_order").is_some_and(|order| order.eq_ignore_ascii_case("ASC"));
    if question.text("sort_by").is_some_and(|by| by.eq_ignore_ascii_case("DISPLAYNAME")) {
        found.sort_by(|a, b| a.name.cmp(&b.name));
        if !ascending && question.text("sort_order").is_some() {
            found.reverse();
        }
    } else {
        found.sort_by(|a, b| if ascending { a.date.cmp(b.date) } else { b.date.cmp(a.date) });
    }
    let found: Vec<Json> = found.iter().map(|image| image_json(image, None)).collect();
    json!({"images": found})
}

fn image_json(image: &images::Image, compartment: Option<&str>) -> Json {
    json!({
        "id": image.id, "display_name": image.name, "operating_system": image.os, "operating_system_version": image.version,
        "state": "AVAILABLE", "launch_mode": "NATIVE", "listing_type": "NONE", "size_in_mbs": "47694", "billable_size_in_gbs": "8",
        "create_image_allowed": true, "compartment_id": compartment, "time_created": format!("{} 00:00:00 +0000 UTC", image.date.replace('.', "-")),
    })
}

fn kubernetes_versions() -> Vec<String> {
    images::KUBERNETES.iter().map(|version| format!("v{version}")).collect()
}

fn node_pool_options(question: &Question<'_>) -> Json {
    let version = question.text("node_pool_k8s_version").map(|version| version.trim_start_matches('v').to_owned());
    let arch = question
        .text("node_pool_os_arch")
        .map(|arch| if arch.eq_ignore_ascii_case("AARCH64") { images::Arch::Arm } else { images::Arch::X86 });
    let nodes: Vec<images::Image> = images::all(question.region)
        .into_iter()
        .filter(|image| image.for_nodes && arch.is_none_or(|arch| arch == image.arch))
        .filter(|image| version.as_deref().is_none_or(|version| image.kubernetes == Some(version)))
        .collect();
    let sources: Vec<Json> =
        nodes.iter().map(|image| json!({"image_id": image.id, "source_name": image.name, "source_type": "IMAGE"})).collect();
    json!({"kubernetes_versions": kubernetes_versions(), "shapes": SHAPES, "images": [], "sources": sources})
}

fn instances<'a>(question: &'a Question<'_>) -> impl Iterator<Item = &'a CloudResource> {
    question.state.resources().filter(|resource| resource.resource_type == "oci_core_instance")
}

/// The primary VNIC of an instance has an id that follows from the instance's.
fn vnic_id(question: &Question<'_>, instance: &str) -> String {
    stable_ocid("vnic", question.region, instance)
}

fn vnic_attachments(question: &Question<'_>) -> Json {
    let wanted = |instance: &&CloudResource| {
        question.text("instance_id").is_none_or(|id| id == instance.id)
            && question.text("compartment_id").is_none_or(|id| instance.text("compartment_id") == Some(id))
            && question.text("vnic_id").is_none_or(|id| id == vnic_id(question, &instance.id))
    };
    let primary = instances(question).filter(wanted).map(|instance| {
        json!({
            "id": stable_ocid("vnicattachment", question.region, &instance.id), "instance_id": instance.id,
            "vnic_id": vnic_id(question, &instance.id), "subnet_id": instance.text("subnet_id"), "state": "ATTACHED", "nic_index": 0,
            "compartment_id": instance.text("compartment_id"), "availability_domain": instance.text("availability_domain"),
            "time_created": instance.text("time_created"),
        })
    });
    json!({"vnic_attachments": primary.collect::<Vec<_>>()})
}

/// The primary address of each instance; its id follows from the instance's.
fn private_ips(question: &Question<'_>) -> Json {
    let wanted = |instance: &&CloudResource| {
        question.text("ip_address").is_none_or(|ip| instance.text("private_ip") == Some(ip))
            && question.text("subnet_id").is_none_or(|id| instance.text("subnet_id") == Some(id))
            && question.text("vnic_id").is_none_or(|id| id == vnic_id(question, &instance.id))
    };
    let primary = instances(question).filter(wanted).map(|instance| {
        json!({
            "id": stable_ocid("privateip", question.region, &instance.id), "ip_address": instance.text("private_ip"), "is_primary": true,
            "vnic_id": vnic_id(question, &instance.id), "subnet_id": instance.text("subnet_id"), "ip_state": "ASSIGNED",
            "compartment_id": instance.text("compartment_id"), "availability_domain": instance.text("availability_domain"),
            "time_created": instance.text("time_created"),
        })
    });
    json!({"private_ips": primary.collect::<Vec<_>>()})
}

fn vnic(question: &Question<'_>) -> Option<Json> {
    let wanted = question.text("vnic_id")?;
    let instance = instances(question).find(|instance| vnic_id(question, &instance.id) == wanted)?;
    Some(json!({
        "id": wanted, "display_name": instance.text("display_name"), "private_ip_address": instance.text("private_ip"),
        "public_ip_address": instance.text("public_ip"), "subnet_id": instance.text("subnet_id"), "is_primary": true, "state": "AVAILABLE",
        "compartment_id": instance.text("compartment_id"), "availability_domain": instance.text("availability_domain"),
        "time_created": instance.text("time_created"), "mac_address": "02:00:17:00:00:01",
    }))
}

fn kube_config(cluster: &CloudResource) -> String {
    let server = cluster.attributes.pointer("/endpoints/0/kubernetes").and_then(Json::as_str).unwrap_or_default();
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "sandbox",
        "clusters": [{"name": "sandbox", "cluster": {"server": format!("https://{server}")}}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox"}}],
        "users": [{"name": "sandbox", "user": {}}],
    })
    .to_string()
}

/// The schema's block of a resource type, for what must not be shown.
fn sensitive(resource_type: &str) -> Vec<String> {
    let block = Schema::builtin().resource(resource_type);
    let names = block.iter().flat_map(|block| block.attributes.iter().filter(|(_, a)| a.sensitive).map(|(name, _)| name.clone()));
    names.collect()
}

#[cfg(test)]
mod tests;
