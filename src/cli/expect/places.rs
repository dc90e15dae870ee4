//! Where components stand, held against both views. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use super::checks::{CLUSTER, Outcome, SUBNET, each, label, short, texts};
use super::world::{World, target};

/// Does a component's subnet stand at this path? `spot` is what follows the dot in `app_cluster.nodes`.
pub(super) fn stands(spot: Option<&str>, kind: &str, path: &str) -> Result<bool, String> {
    let cluster = matches!(kind, CLUSTER | "oci_containerengine_node_pool");
    Ok(match spot {
        // a cluster without a spot means its nodes
        Some("nodes") => path.ends_with("placement_configs.subnet_id"),
        Some("endpoint") => path.ends_with("endpoint_config.subnet_id"),
        Some("pods") => path.ends_with("pod_subnet_ids"),
        Some("balancers" | "load_balancers" | "lb") => path.ends_with("service_lb_subnet_ids"),
        Some(other) => return Err(format!("{other} is no place of a component: endpoint, nodes, pods, balancers")),
        None if cluster => path.ends_with("placement_configs.subnet_id"),
        None => path.ends_with("subnet_id") || path.ends_with("subnet_ids"),
    })
}

/// Addresses of the subnets a component, or one of its places, stands in.
fn subnets_of(world: &World, place: &str) -> Result<BTreeSet<String>, String> {
    let (component, spot) = place.split_once('.').map_or((place, None), |(component, spot)| (component, Some(spot)));
    let own = label(component);
    if world.labelled(&own).next().is_none() {
        return Err(format!("{component} has no resource"));
    }
    let mut found = BTreeSet::new();
    for part in world.labelled(&own) {
        for (path, text) in part.texts() {
            if let Some(subnet) = target(text, SUBNET)
                && stands(spot, &part.kind, &path)?
            {
                found.insert(subnet);
            }
        }
    }
    Ok(found)
}

pub(super) fn placed(world: &World, place: &str, wanted: &Value) -> Result<String, String> {
    let found: BTreeSet<String> = subnets_of(world, place)?.iter().map(|subnet| short(subnet).to_owned()).collect();
    let expected: BTreeSet<String> = texts(wanted).into_iter().map(label).collect();
    if found == expected {
        Ok(format!("{place} in {}", found.into_iter().collect::<Vec<_>>().join(", ")))
    } else {
        Err(format!("{place} stands in {found:?}, expected {expected:?}"))
    }
}

/// Components, or places of them, that stand in public or in private subnets.
pub(super) fn kind_of_place(world: &World, wanted: &Value, private: bool) -> Outcome {
    let members = texts(wanted).into_iter().map(|place| (place.to_owned(), Value::Null)).collect();
    each(&Value::Object(members), |place, _| {
        let subnets = subnets_of(world, place)?;
        let closed = |address: &String| world.at(address).is_some_and(|s| s.attributes["prohibit_public_ip_on_vnic"] == Value::Bool(true));
        let word = if private { "private" } else { "public" };
        match subnets.iter().find(|address| closed(address) != private) {
            None if subnets.is_empty() => Err(format!("{place} stands in no subnet")),
            None => Ok(format!("{place} is {word}")),
            Some(address) => Err(format!("{place} stands in {address}, which is not {word}")),
        }
    })
}

pub(super) fn addressed(world: &World, subnet: &str, wanted: &Value) -> Result<String, String> {
    let address = format!("{SUBNET}.{}", label(subnet));
    let found = world.at(&address).map(|part| &part.attributes["cidr_block"]).ok_or_else(|| format!("there is no {address}"))?;
    if found == wanted { Ok(format!("{subnet} {found}")) } else { Err(format!("{subnet} has {found}, expected {wanted}")) }
}
