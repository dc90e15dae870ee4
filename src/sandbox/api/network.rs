//! What the network service adds: default children of a VCN, domain names, router addresses, addresses inside a subnet.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use serde_json::{Value as Json, json};

use super::super::cloud::State;
use super::super::value::Value;
use super::fill::{Context, put_json};
use super::identity::ocid;

pub(super) fn fill(context: &Context<'_>, value: &mut Value) {
    match context.resource_type {
        "oci_core_vcn" => vcn(context, value),
        "oci_core_subnet" => subnet(context, value),
        "oci_core_nat_gateway" => {
            let reserved = context.other(value.get("public_ip_id")).map(|ip| ip.get("ip_address").clone());
            value.settle("nat_ip", reserved.unwrap_or_else(|| Value::text(public_address())));
            value.settle("block_traffic", Value::Bool(false));
        }
        "oci_core_service_gateway" => value.settle("block_traffic", Value::Bool(false)),
        "oci_core_public_ip" => {
            value.settle("ip_address", Value::text(public_address()));
            let state = if value.get("private_ip_id").as_str().is_some() { "ASSIGNED" } else { "UNASSIGNED" };
            value.settle("state", Value::text(state));
        }
        "oci_core_local_peering_gateway" | "oci_core_remote_peering_connection" => {
            // The end that names the other one joins the two; the other waits until then.
            let status = if value.get("peer_id").as_str().is_some() { "PEERED" } else { "NEW" };
            value.settle("peering_status", Value::text(status));
        }
        "oci_core_network_security_group_security_rule" => {
            // The service answers with empty text for the side that a rule does not have.
            for name in ["description", "source", "source_type", "destination", "destination_type"] {
                value.settle(name, Value::text(""));
            }
        }
        "oci_core_drg_attachment" => {
            let vcn = value.at("network_details.0.id").clone();
            value.settle("vcn_id", vcn);
        }
        _ => {}
    }
}

fn vcn(context: &Context<'_>, value: &mut Value) {
    let first = value.get("cidr_blocks").elements().first().cloned();
    if let Some(first) = first {
        value.settle("cidr_block", first);
    }
    let single = value.get("cidr_block").clone();
    value.settle("cidr_blocks", Value::List(vec![single]));
    for (name, kind) in
        [("default_route_table_id", "routetable"), ("default_security_list_id", "securitylist"), ("default_dhcp_options_id", "dhcpoptions")]
    {
        value.settle(name, Value::text(ocid(kind, context.region)));
    }
    let domain = value.get("dns_label").as_str().map(|label| format!("{label}.oraclevcn.com"));
    value.settle("vcn_domain_name", domain.map_or(Value::Null, Value::String));
}

fn subnet(context: &Context<'_>, value: &mut Value) {
    let vcn = context.other(value.get("vcn_id")).unwrap_or(Value::Null);
    value.settle("route_table_id", vcn.get("default_route_table_id").clone());
    value.settle("dhcp_options_id", vcn.get("default_dhcp_options_id").clone());
    value.settle("security_list_ids", Value::List(vec![vcn.get("default_security_list_id").clone()]));
    let label = (value.get("dns_label").as_str(), vcn.get("dns_label").as_str());
    let domain = if let (Some(subnet), Some(vcn)) = label { Value::text(format!("{subnet}.{vcn}.oraclevcn.com")) } else { Value::Null };
    value.settle("subnet_domain_name", domain);
    let router = cidr(value.get("cidr_block")).and_then(|net| net.hosts().next());
    value.settle("virtual_router_ip", router.map_or(Value::Null, |ip| Value::text(ip.to_string())));
    value.settle("virtual_router_mac", Value::text("00:00:17:B7:4A:5D"));
    // Either of the two follows the other; both are false when neither is given.
    let given = ["prohibit_public_ip_on_vnic", "prohibit_internet_ingress"].map(|name| value.get(name).as_bool());
    let prohibited = Value::Bool(given.into_iter().flatten().next().unwrap_or(false));
    value.settle("prohibit_public_ip_on_vnic", prohibited.clone());
    value.settle("prohibit_internet_ingress", prohibited);
}

/// An IPv4 network in a value.
pub(crate) fn cidr(value: &Value) -> Option<Ipv4Net> {
    value.as_str()?.parse().ok()
}

/// Whether a subnet forbids public addresses; `None` when there is no such subnet.
pub(crate) fn is_private(state: &State, subnet_id: &str) -> Option<bool> {
    let subnet = state.get(subnet_id)?;
    Some(subnet.attributes.get("prohibit_public_ip_on_vnic").and_then(Json::as_bool).unwrap_or(false))
}

/// Where resources keep addresses that they take from a subnet.
const ADDRESS_KEYS: [&str; 6] =
    ["private_ip", "ip_address", "private_endpoint_ip", "private_ip_address", "primary_db_endpoint_private_ip", "private_endpoint"];

/// Hands out addresses of one subnet: the network's first two and the last are the service's (network, router, broadcast).
pub(crate) struct Addresses {
    net: Option<Ipv4Net>,
    used: BTreeSet<Ipv4Addr>,
}

impl Addresses {
    /// The free addresses of a subnet.
    pub(crate) fn of(state: &State, subnet_id: &str) -> Addresses {
        let net = state.get(subnet_id).and_then(|subnet| subnet.text("cidr_block")).and_then(|text| text.parse::<Ipv4Net>().ok());
        let mut used = BTreeSet::new();
        if let Some(net) = net {
            for resource in state.resources() {
                collect(&resource.attributes, &net, &mut used);
            }
        }
        Addresses { net, used }
    }

    /// The next free address, or none when the subnet is full or unknown.
    pub(crate) fn next(&mut self) -> Option<String> {
        let net = self.net?;
        let free = net.hosts().skip(1).find(|ip| !self.used.contains(ip))?;
        self.used.insert(free);
        Some(free.to_string())
    }

    /// The next free address as a value; null when there is none.
    pub(crate) fn next_value(&mut self) -> Value {
        self.next().map_or(Value::Null, Value::String)
    }
}

fn collect(json: &Json, net: &Ipv4Net, used: &mut BTreeSet<Ipv4Addr>) {
    match json {
        Json::Object(members) => {
            for (name, value) in members {
                let text = value.as_str().filter(|_| ADDRESS_KEYS.contains(&name.as_str()));
                match text.and_then(|text| text.split(':').next()).and_then(|text| text.parse::<Ipv4Addr>().ok()) {
                    Some(ip) if net.contains(&ip) => {
                        used.insert(ip);
                    }
                    Some(_) | None => collect(value, net, used),
                }
            }
        }
        Json::Array(elements) => elements.iter().for_each(|element| collect(element, net, used)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// An address of a range that is reserved for documentation: never a real host.
pub(crate) fn public_address() -> String {
    use rand::RngExt;
    let mut source = rand::rng();
    let net = [[192, 0, 2], [198, 51, 100], [203, 0, 113]][source.random_range(0..3_usize)];
    IpAddr::from([net[0], net[1], net[2], source.random_range(1..255_u8)]).to_string()
}

/// Addresses of a load balancer, in the two shapes that its attributes have.
pub(super) fn balancer(context: &Context<'_>, value: &mut Value, subnet_id: &str) {
    let private = value.get("is_private").as_bool().unwrap_or(false);
    let mut addresses = Addresses::of(context.state, subnet_id);
    let reserved = context.other(value.at("reserved_ips.0.id")).and_then(|ip| ip.get("ip_address").as_str().map(str::to_owned));
    let address = if private { addresses.next() } else { reserved.or_else(|| Some(public_address())) };
    let Some(address) = address else { return };
    if context.resource_type == "oci_network_load_balancer_network_load_balancer" {
        put_json(context, value, "ip_addresses", &json!([{"ip_address": address, "ip_version": "IPV4", "is_public": !private}]));
    } else {
        put_json(context, value, "ip_addresses", &json!([address]));
        put_json(context, value, "ip_address_details", &json!([{"ip_address": address, "is_public": !private}]));
    }
}
