//! The rules without which nodes of a cluster never register or nothing reaches them, checked in whatever security groups a
//! cluster and its nodes stand in. The table is Oracle's (oracle-terraform-modules/terraform-oci-oke, `nsg-*.tf`). Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use super::world::{Part, World, target};

const GROUP: &str = "oci_core_network_security_group";
const RULE: &str = "oci_core_network_security_group_security_rule";

/// Who stands behind a group, and what else a rule can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Endpoint,
    Nodes,
    Pods,
    Balancers,
    /// OCI services through the service gateway
    Services,
    /// 0.0.0.0/0
    Anywhere,
    /// any CIDR: who may use kubectl, whom a load balancer serves
    Cidr,
}

use Who::{Anywhere, Balancers, Cidr, Endpoint, Nodes, Pods, Services};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    In,
    Out,
}

use Flow::{In, Out};

/// (group, flow, peer, protocol, ports, only with VCN-native pods)
type Need = (Who, Flow, Who, &'static str, Option<(i64, i64)>, bool);

pub(super) const TCP: &str = "6";
const UDP: &str = "17";
pub(super) const ICMP: &str = "1";
pub(super) const ALL: &str = "all";

/// What must be open, row for row.
const NEEDS: &[Need] = &[
    (Endpoint, In, Nodes, TCP, Some((6443, 6443)), false),
    (Endpoint, In, Nodes, TCP, Some((12250, 12250)), false),
    (Endpoint, In, Cidr, TCP, Some((6443, 6443)), false),
    (Endpoint, In, Nodes, ICMP, None, false),
    (Endpoint, Out, Nodes, ICMP, None, false),
    (Endpoint, In, Endpoint, TCP, Some((6443, 6443)), false),
    (Endpoint, Out, Endpoint, TCP, Some((6443, 6443)), false),
    (Endpoint, Out, Services, TCP, None, false),
    (Endpoint, Out, Nodes, TCP, Some((10250, 10250)), false),
    (Endpoint, Out, Nodes, TCP, Some((12250, 12250)), false),
    (Nodes, In, Nodes, ALL, None, false),
    (Nodes, Out, Nodes, ALL, None, false),
    (Nodes, In, Endpoint, ALL, None, false),
    (Nodes, Out, Endpoint, TCP, Some((6443, 6443)), false),
    (Nodes, Out, Endpoint, TCP, Some((12250, 12250)), false),
    (Nodes, Out, Endpoint, TCP, Some((10250, 10250)), false),
    (Nodes, Out, Services, TCP, None, false),
    (Nodes, In, Anywhere, ICMP, None, false),
    (Nodes, Out, Anywhere, ICMP, None, false),
    (Nodes, In, Balancers, TCP, Some((30000, 32767)), false),
    (Nodes, In, Balancers, UDP, Some((30000, 32767)), false),
    (Nodes, In, Balancers, TCP, Some((10256, 10256)), false),
    (Balancers, In, Cidr, TCP, Some((443, 443)), false),
    (Balancers, Out, Nodes, TCP, Some((30000, 32767)), false),
    (Balancers, Out, Nodes, UDP, Some((30000, 32767)), false),
    (Balancers, Out, Nodes, TCP, Some((10256, 10256)), false),
    (Balancers, Out, Nodes, ICMP, None, false),
    (Endpoint, In, Pods, TCP, Some((6443, 6443)), true),
    (Endpoint, In, Pods, TCP, Some((12250, 12250)), true),
    (Endpoint, Out, Pods, ALL, None, true),
    (Nodes, In, Pods, ALL, None, true),
    (Nodes, Out, Pods, ALL, None, true),
    (Pods, In, Nodes, ALL, None, true),
    (Pods, Out, Nodes, ALL, None, true),
    (Pods, In, Endpoint, ALL, None, true),
    (Pods, In, Pods, ALL, None, true),
    (Pods, Out, Pods, ALL, None, true),
    (Pods, In, Balancers, ALL, None, true),
    (Pods, Out, Services, TCP, None, true),
    (Pods, Out, Endpoint, TCP, Some((6443, 6443)), true),
    (Balancers, Out, Pods, ALL, None, true),
];

/// The groups of one cluster.
struct Groups {
    endpoint: BTreeSet<String>,
    nodes: BTreeSet<String>,
    pods: BTreeSet<String>,
    balancers: BTreeSet<String>,
}

impl Groups {
    fn of(&self, who: Who) -> Option<&BTreeSet<String>> {
        match who {
            Endpoint => Some(&self.endpoint),
            Nodes => Some(&self.nodes),
            Pods => Some(&self.pods),
            Balancers => Some(&self.balancers),
            Services | Anywhere | Cidr => None,
        }
    }
}

/// How many rows of the table hold, over every cluster; or each row that does not.
pub fn check(world: &World) -> Result<usize, Vec<String>> {
    let rules: Vec<&Part> = world.of_kind(RULE).collect();
    let (mut held, mut missing) = (0, Vec::new());
    for cluster in world.of_kind("oci_containerengine_cluster") {
        let pools: Vec<&Part> = world
            .of_kind("oci_containerengine_node_pool")
            .filter(|pool| pool.refers("cluster_id", "oci_containerengine_cluster").contains(&cluster.address))
            .collect();
        let gathered = |path: &str| pools.iter().flat_map(|pool| pool.refers(path, GROUP)).collect::<BTreeSet<_>>();
        let mut groups = Groups {
            endpoint: cluster.refers("endpoint_config.nsg_ids", GROUP),
            nodes: gathered("node_config_details.nsg_ids"),
            pods: gathered("node_config_details.node_pool_pod_network_option_details.pod_nsg_ids"),
            balancers: BTreeSet::new(),
        };
        // nothing names the group of the load balancers that Kubernetes makes, but they are who may reach every node port
        groups.balancers = rules
            .iter()
            .filter(|rule| within(rule, &groups.nodes) && flow(rule) == Some(In) && opens(rule, TCP, Some((30000, 32767))))
            .filter_map(|rule| target(rule.text("source")?, GROUP))
            .collect();
        let native = cluster.text("cluster_pod_network_options.cni_type") == Some("OCI_VCN_IP_NATIVE");
        for need in NEEDS.iter().filter(|(.., only_native)| native || !only_native) {
            if rules.iter().any(|rule| satisfies(rule, need, &groups)) {
                held += 1;
            } else {
                let (at, flow, peer, protocol, ports, _) = need;
                missing.push(format!("{}: no rule {at:?} {flow:?} {peer:?} protocol {protocol} ports {ports:?}", cluster.address));
            }
        }
    }
    if missing.is_empty() { Ok(held) } else { Err(missing) }
}

fn within(rule: &Part, groups: &BTreeSet<String>) -> bool {
    rule.refers("network_security_group_id", GROUP).iter().any(|group| groups.contains(group))
}

pub(super) fn flow(rule: &Part) -> Option<Flow> {
    match rule.attributes["direction"].as_str() {
        Some("INGRESS") => Some(In),
        Some("EGRESS") => Some(Out),
        _ => None,
    }
}

fn satisfies(rule: &Part, need: &Need, groups: &Groups) -> bool {
    let (at, wanted_flow, peer, protocol, ports, _) = need;
    let end = match wanted_flow {
        In => "source",
        Out => "destination",
    };
    let text = rule.attributes[end].as_str().unwrap_or_default();
    let cidr = rule.attributes[format!("{end}_type")].as_str() == Some("CIDR_BLOCK");
    let peer_fits = match peer {
        Services => rule.attributes[format!("{end}_type")].as_str() == Some("SERVICE_CIDR_BLOCK"),
        Anywhere => cidr && text == "0.0.0.0/0",
        Cidr => cidr,
        Endpoint | Nodes | Pods | Balancers => {
            target(text, GROUP).is_some_and(|group| groups.of(*peer).is_some_and(|known| known.contains(&group)))
        }
    };
    groups.of(*at).is_some_and(|known| within(rule, known))
        && flow(rule) == Some(*wanted_flow)
        && peer_fits
        && opens(rule, protocol, *ports)
}

/// Is at least this open? A rule without ports opens all of its protocol.
pub(super) fn opens(rule: &Part, protocol: &str, ports: Option<(i64, i64)>) -> bool {
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    match rule.attributes["protocol"].as_str() {
        Some(ALL) => return true,
        Some(found) if found == protocol => {}
        Some(_) | None => return false,
    }
    if protocol == ICMP {
        let options = &rule.attributes["icmp_options"][0];
        let (kind, code) = (number(&options["type"]), number(&options["code"]));
        return kind.is_none() || (kind == Some(3) && matches!(code, None | Some(4 | -1)));
    }
    let options = if protocol == UDP { "udp_options" } else { "tcp_options" };
    let range = &rule.attributes[options][0]["destination_port_range"][0];
    match (number(&range["min"]), number(&range["max"]), ports) {
        (None, None, _) => true,
        (Some(least), Some(most), Some((from, to))) => least <= from && most >= to,
        _ => false,
    }
}
