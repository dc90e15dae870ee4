//! `reachable` and `unreachable`: whether traffic from one component to a port of another is let out, let in and routed, read
//! from whatever security groups, lists and tables both stand behind. Pure.
//!
//! A side is a component, one of its places (`cluster.endpoint`), or `internet`. A component without a subnet is one of OCI's
//! services: it is reached by the service gateway or the internet, and lets in by permissions, which are not looked at.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;
use serde_json::Value;

use super::checks::{Outcome, each, label};
use super::oke::{ALL, Flow, ICMP, TCP, flow, opens};
use super::places::stands;
use super::world::{Part, World, target};

const GROUP: &str = "oci_core_network_security_group";
const RULE: &str = "oci_core_network_security_group_security_rule";
const LIST: &str = "oci_core_security_list";
const SUBNET: &str = "oci_core_subnet";
const TABLE: &str = "oci_core_route_table";
const INTERNET: &str = "internet";
const ANYWHERE: &str = "0.0.0.0/0";
/// Attributes with the one address of a resource.
const HOSTS: [&str; 3] = ["private_endpoint_ip_address", "private_ip", "ip_address"];

/// Where one end of a connection stands.
#[derive(Debug, Default)]
struct Side {
    internet: bool,
    groups: BTreeSet<String>,
    subnets: Vec<Ipv4Net>,
    /// addresses of the subnets
    stands: BTreeSet<String>,
    /// Terraform addresses of its own resources
    resources: Vec<String>,
    /// its own IP addresses, as far as a cloud has given them
    hosts: Vec<String>,
}

/// `{"vm -> db": [1521], "internet -> lb": 443}`
pub(super) fn reachable(world: &World, wanted: &Value) -> Outcome {
    each(wanted, |pair, ports| {
        let (from, to) = pair_of(world, pair)?;
        let ports = numbers(ports)?;
        match ports.iter().find_map(|port| blocked(world, &from, &to, *port)) {
            Some(why) => Err(format!("{pair}: {why}")),
            None => Ok(format!("{pair} {}", list(&ports))),
        }
    })
}

/// `["internet -> db"]`: nothing lets it in, on any port.
pub(super) fn unreachable(world: &World, wanted: &Value) -> Outcome {
    let pairs: serde_json::Map<String, Value> =
        wanted.as_array().into_iter().flatten().filter_map(Value::as_str).map(|pair| (pair.to_owned(), Value::Null)).collect();
    each(&Value::Object(pairs), |pair, _| {
        let (from, to) = pair_of(world, pair)?;
        let open: Vec<&str> = world.of_kind(RULE).filter(|rule| carries(rule) && lets_in(rule, &from, &to)).map(Part::label).collect();
        let lists = world.of_kind(LIST).filter(|list| list_lets_in(world, list, &from, &to)).map(Part::label);
        let open: Vec<&str> = open.into_iter().chain(lists).collect();
        if open.is_empty() { Ok(format!("not {pair}")) } else { Err(format!("{pair} is open by {}", open.join(", "))) }
    })
}

/// Whether a rule lets more in than path MTU discovery.
fn carries(rule: &Part) -> bool {
    rule.attributes["protocol"].as_str() != Some(ICMP)
}

fn list(ports: &[Option<i64>]) -> String {
    ports.iter().map(|port| port.map_or_else(|| "any port".to_owned(), |port| port.to_string())).collect::<Vec<_>>().join(", ")
}

/// The ports; `None` is any.
fn numbers(value: &Value) -> Result<Vec<Option<i64>>, String> {
    let one = |value: &Value| value.as_i64().map(Some).ok_or_else(|| format!("{value} is no port"));
    match value {
        Value::Null | Value::Bool(true) => Ok(vec![None]),
        Value::Array(items) => items.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

fn pair_of(world: &World, pair: &str) -> Result<(Side, Side), String> {
    let ends = pair.split_once("->").or_else(|| pair.split_once('→'));
    let (from, to) = ends.ok_or_else(|| format!("{pair:?} is not written `from -> to`"))?;
    Ok((side(world, from.trim())?, side(world, to.trim())?))
}

fn side(world: &World, place: &str) -> Result<Side, String> {
    if place == INTERNET {
        return Ok(Side { internet: true, ..Side::default() });
    }
    let (component, spot) = place.split_once('.').map_or((place, None), |(component, spot)| (component, Some(spot)));
    let own = label(component);
    let mut side = Side::default();
    let mut there = false;
    for part in world.labelled(&own).filter(|part| !matches!(part.kind.as_str(), GROUP | SUBNET | TABLE | LIST)) {
        there = true;
        side.resources.push(part.address.clone());
        side.hosts.extend(HOSTS.iter().filter_map(|name| part.attributes[*name].as_str()).map(str::to_owned));
        for (path, text) in part.texts() {
            if let Some(subnet) = target(text, SUBNET)
                && stands(spot, &part.kind, &path)?
            {
                side.stands.insert(subnet);
            }
            if let Some(group) = target(text, GROUP)
                && groups_at(spot, &part.kind, &path)
            {
                side.groups.insert(group);
            }
        }
    }
    if !there {
        return Err(format!("{component} has no resource"));
    }
    let cidr = |address: &String| world.at(address)?.attributes["cidr_block"].as_str()?.parse().ok();
    side.subnets = side.stands.iter().filter_map(cidr).collect();
    Ok(side)
}

/// Whether the groups of a place stand at this path: beside its subnet.
fn groups_at(spot: Option<&str>, kind: &str, path: &str) -> bool {
    let cluster = kind.starts_with("oci_containerengine_");
    match spot {
        Some("endpoint") => path.ends_with("endpoint_config.nsg_ids"),
        Some("pods") => path.ends_with("pod_nsg_ids"),
        Some(_) => path.ends_with("node_config_details.nsg_ids"),
        None if cluster => path.ends_with("node_config_details.nsg_ids"),
        None => path.ends_with("nsg_ids") || path.ends_with("network_security_group_ids"),
    }
}

/// Why traffic does not get through; None when it does.
fn blocked(world: &World, from: &Side, to: &Side, port: Option<i64>) -> Option<String> {
    let fits = |rule: &Part| match port {
        Some(port) => opens(rule, TCP, Some((port, port))),
        None => matches!(rule.attributes["protocol"].as_str(), Some(TCP | ALL)),
    };
    let rules = || world.of_kind(RULE).filter(|rule| fits(rule));
    let service = to.stands.is_empty() && !to.internet;
    let shown = port.map_or_else(|| "any port".to_owned(), |port| format!("port {port}"));
    if !from.groups.is_empty() && !rules().any(|rule| lets_out(rule, from, to)) {
        return Some(format!("no rule lets {shown} out"));
    }
    if service {
        let ways = ["oci_core_service_gateway", "oci_core_nat_gateway", "oci_core_internet_gateway"];
        let leads = from.stands.is_empty() || routes(world, from).any(|(_, entity)| ways.iter().any(|way| target(entity, way).is_some()));
        return (!leads).then(|| "no route leads to OCI services".to_owned());
    }
    let listed = || world.of_kind(LIST).any(|list| list_lets_in(world, list, from, to));
    if !to.groups.is_empty() && !rules().any(|rule| lets_in(rule, from, to)) && !listed() {
        return Some(format!("no rule lets {shown} in"));
    }
    if from.internet {
        let leads = routes(world, to).any(|(_, entity)| target(entity, "oci_core_internet_gateway").is_some());
        return (!leads).then(|| "no route leads to the internet gateway".to_owned());
    }
    (apart(world, from, to) && !(leads_to(world, from, to) && leads_to(world, to, from)))
        .then(|| "no route leads there and back".to_owned())
}

fn group_of(rule: &Part, groups: &BTreeSet<String>) -> bool {
    rule.refers("network_security_group_id", GROUP).iter().any(|group| groups.contains(group))
}

fn lets_out(rule: &Part, from: &Side, to: &Side) -> bool {
    flow(rule) == Some(Flow::Out) && group_of(rule, &from.groups) && names(rule, "destination", to)
}

fn lets_in(rule: &Part, from: &Side, to: &Side) -> bool {
    flow(rule) == Some(Flow::In) && group_of(rule, &to.groups) && names(rule, "source", from)
}

fn list_lets_in(world: &World, list: &Part, from: &Side, to: &Side) -> bool {
    let here = |address: &String| world.at(address).is_some_and(|s| s.refers("security_list_ids", LIST).contains(&list.address));
    let rules = list.attributes["ingress_security_rules"].as_array();
    to.stands.iter().any(here) && rules.into_iter().flatten().any(|rule| covers(rule["source"].as_str().unwrap_or_default(), from))
}

/// Whether the other end of a rule is this side: its group, its addresses, or OCI's services where it stands in no subnet.
fn names(rule: &Part, end: &str, side: &Side) -> bool {
    let text = rule.attributes[end].as_str().unwrap_or_default();
    match rule.attributes[format!("{end}_type")].as_str() {
        Some("SERVICE_CIDR_BLOCK") => side.stands.is_empty() && !side.internet,
        Some("NETWORK_SECURITY_GROUP") => target(text, GROUP).is_some_and(|group| side.groups.contains(&group)),
        Some("CIDR_BLOCK") => covers(text, side),
        Some(_) | None => false,
    }
}

fn covers(cidr: &str, side: &Side) -> bool {
    // One address: of a resource that is made first, or what the cloud gave it.
    let one = |address: &String| cidr.starts_with("${") && cidr.contains(&format!("{address}."));
    if side.resources.iter().any(one) || side.hosts.iter().any(|host| cidr == format!("{host}/32")) {
        return true;
    }
    let Ok(net) = cidr.parse::<Ipv4Net>() else { return false };
    if side.internet || side.stands.is_empty() {
        return cidr == ANYWHERE;
    }
    side.subnets.iter().all(|subnet| net.contains(subnet)) && !side.subnets.is_empty()
}

fn vcn(world: &World, side: &Side) -> BTreeSet<String> {
    side.stands.iter().filter_map(|address| world.at(address)).flat_map(|subnet| subnet.refers("vcn_id", "oci_core_vcn")).collect()
}

fn apart(world: &World, from: &Side, to: &Side) -> bool {
    vcn(world, from).is_disjoint(&vcn(world, to))
}

/// Destination and gateway of every route of a side's tables.
fn routes<'w>(world: &'w World, side: &'w Side) -> impl Iterator<Item = (&'w str, &'w str)> {
    let tables = side.stands.iter().filter_map(|address| world.at(address)).flat_map(|subnet| subnet.refers("route_table_id", TABLE));
    tables.filter_map(|address| world.at(&address)).flat_map(|table| {
        let rules = table.attributes["route_rules"].as_array();
        let ends = |rule: &'w Value| Some((rule["destination"].as_str()?, rule["network_entity_id"].as_str()?));
        rules.into_iter().flatten().filter_map(ends)
    })
}

fn leads_to(world: &World, from: &Side, to: &Side) -> bool {
    let joins = ["oci_core_local_peering_gateway", "oci_core_drg_attachment", "oci_core_drg"];
    routes(world, from).any(|(destination, entity)| covers(destination, to) && joins.iter().any(|kind| target(entity, kind).is_some()))
}
