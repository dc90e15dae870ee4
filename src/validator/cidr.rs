//! Addresses: CIDR syntax, sizes, private ranges, subnets inside their VCN and apart from each other.

use ipnet::Ipv4Net;
use serde_json::Value;

use super::ValidatedComponent;
use super::finding::{Findings, both, quoted};
use crate::api::design::{Connection, DesignSpec};
use crate::catalog::Catalog;
use crate::catalog::service::NetworkRole;

/// Sizes OCI accepts for a VCN.
const VCN_SIZES: std::ops::RangeInclusive<u8> = 16..=28;
/// Sizes OCI accepts for a subnet.
const SUBNET_SIZES: std::ops::RangeInclusive<u8> = 16..=30;

/// Whether a text is an IPv4 network: address of its first host, no host bits.
pub(super) fn is_cidr(key: &str, text: &str, vcn: bool, path: &str, findings: &mut Findings) -> bool {
    let shown = quoted(text);
    let Ok(net) = text.parse::<Ipv4Net>() else {
        let message = both(format!("{key} {shown} は IPv4 の CIDR ではありません"), format!("{key} {shown} is not an IPv4 CIDR"));
        findings.error("network.cidr", path, message).advise(both("例: 10.0.0.0/16", "for example 10.0.0.0/16")).add();
        return false;
    };
    if net.trunc() != net {
        let right = net.trunc();
        let message =
            both(format!("{key} {shown} はネットワークのアドレスではありません"), format!("{key} {shown} is not the address of a network"));
        findings
            .error("network.cidr", path, message)
            .advise(both(format!("{right} のことですか"), format!("did you mean {right}?")))
            .allow([right.to_string()])
            .add();
        return false;
    }
    if vcn && !VCN_SIZES.contains(&net.prefix_len()) {
        let message = both(format!("VCN の {key} は /16 から /28 です ({shown})"), format!("{key} of a VCN is /16 to /28, not {shown}"));
        findings.error("network.vcn-size", path, message).allow(["/16../28"]).add();
        return false;
    }
    true
}

fn cidr_of(component: &ValidatedComponent) -> Option<Ipv4Net> {
    component.config.get("cidr_block").and_then(Value::as_str).and_then(|text| text.parse().ok())
}

fn is_private(net: Ipv4Net) -> bool {
    // RFC 1918 and the shared space of RFC 6598
    let ranges = [([10, 0, 0, 0], 8), ([172, 16, 0, 0], 12), ([192, 168, 0, 0], 16), ([100, 64, 0, 0], 10)];
    ranges.iter().any(|(address, prefix)| Ipv4Net::new((*address).into(), *prefix).is_ok_and(|range| range.contains(&net)))
}

/// Checks the addresses of VCNs and subnets, and that everything knows its VCN.
pub(super) fn check(
    spec: &DesignSpec,
    catalog: &Catalog,
    components: &[ValidatedComponent],
    connections: &[Connection],
    findings: &mut Findings,
) {
    let role = |c: &ValidatedComponent| catalog.service(&c.service_type).and_then(|s| s.network);
    let of = |wanted| components.iter().filter(move |c| role(c) == Some(wanted)).collect::<Vec<_>>();
    let (vcns, subnets) = (of(NetworkRole::Vcn), of(NetworkRole::Subnet));
    for vcn in &vcns {
        if let Some(net) = cidr_of(vcn).filter(|net| !is_private(*net)) {
            let message = both(format!("{net} は私設アドレスの範囲ではありません"), format!("{net} is not a private address range"));
            let advice = both(
                "10.0.0.0/8、172.16.0.0/12、192.168.0.0/16 から選んでください",
                "choose from 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
            );
            findings.warning("network.public-range", format!("components[{}].config.cidr_block", vcn.id), message).advise(advice).add();
        }
    }
    let vcn_ids = |id: &str| -> Vec<&ValidatedComponent> {
        let linked = |c: &&Connection| c.source_id == id || c.target_id == id;
        let other = |c: &Connection| if c.source_id == id { c.target_id.clone() } else { c.source_id.clone() };
        let ids: Vec<String> = connections.iter().filter(linked).map(other).collect();
        vcns.iter().copied().filter(|vcn| ids.contains(&vcn.id)).collect()
    };
    let mut placed: Vec<(&ValidatedComponent, Ipv4Net, Option<&ValidatedComponent>)> = Vec::new();
    for subnet in &subnets {
        let linked = vcn_ids(&subnet.id);
        if linked.len() > 1 {
            let list = linked.iter().map(|v| v.id.as_str()).collect::<Vec<_>>().join(", ");
            let message =
                both(format!("サブネットが複数の VCN に属しています: {list}"), format!("the subnet belongs to more than one VCN: {list}"));
            findings.error("network.subnet-vcns", format!("components[{}]", subnet.id), message).add();
        }
        let Some(net) = cidr_of(subnet) else { continue };
        let holder = linked.first().copied().or(if let [only] = vcns.as_slice() { Some(*only) } else { None });
        let holder = holder.or_else(|| vcns.iter().copied().find(|vcn| cidr_of(vcn).is_some_and(|v| v.contains(&net))));
        inside(subnet, net, holder, findings);
        placed.push((subnet, net, holder));
    }
    overlaps(&placed, findings);
    if vcns.len() > 1 {
        unplaced(spec, catalog, components, connections, findings);
    }
}

fn inside(subnet: &ValidatedComponent, net: Ipv4Net, holder: Option<&ValidatedComponent>, findings: &mut Findings) {
    let path = format!("components[{}].config.cidr_block", subnet.id);
    if !SUBNET_SIZES.contains(&net.prefix_len()) {
        let message =
            both(format!("サブネットの CIDR は /16 から /30 です ({net})"), format!("the CIDR of a subnet is /16 to /30, not {net}"));
        findings.error("network.subnet-size", path.clone(), message).add();
    }
    let Some((vcn, range)) = holder.and_then(|vcn| cidr_of(vcn).map(|range| (vcn, range))) else { return };
    if !range.contains(&net) {
        let id = quoted(&vcn.id);
        let message = both(
            format!("サブネット {net} は VCN {id} の {range} の外にあります"),
            format!("subnet {net} lies outside {range} of VCN {id}"),
        );
        let advice = both(
            format!("{range} の中から選ぶか、cidr_block を省いて割り当てさせてください"),
            format!("choose one inside {range}, or leave cidr_block out and it is allocated"),
        );
        findings.error("network.subnet-outside", path, message).advise(advice).add();
    }
}

fn overlaps(placed: &[(&ValidatedComponent, Ipv4Net, Option<&ValidatedComponent>)], findings: &mut Findings) {
    for (index, (subnet, net, vcn)) in placed.iter().enumerate() {
        for (other, other_net, other_vcn) in placed.iter().take(index) {
            let same = vcn.map(|v| &v.id) == other_vcn.map(|v| &v.id);
            if same && (net.contains(other_net) || other_net.contains(net)) {
                let id = quoted(&other.id);
                let message = both(
                    format!("サブネット {net} は {id} の {other_net} と重なります"),
                    format!("subnet {net} overlaps {other_net} of {id}"),
                );
                findings.error("network.subnet-overlap", format!("components[{}].config.cidr_block", subnet.id), message).add();
            }
        }
    }
}

/// With several VCNs nothing may be guessed: what needs one says which.
fn unplaced(spec: &DesignSpec, catalog: &Catalog, components: &[ValidatedComponent], connections: &[Connection], findings: &mut Findings) {
    let ids: Vec<&str> = spec.components.iter().filter(|c| c.service_type == "vcn").map(|c| c.id.as_str()).collect();
    for component in components {
        let Some(service) = catalog.service(&component.service_type) else { continue };
        let needs = match (&service.network, &service.placement) {
            (Some(NetworkRole::Vcn), _) => false,
            (Some(role), _) => role.in_vcn(),
            (None, Some(placement)) => placement.when.holds(&component.config, None),
            (None, None) => false,
        };
        let placing = |c: &Connection| matches!(c.connection_type.as_str(), "deployed_in" | "attached_to" | "routes_to");
        // What stands in no VCN itself says nothing about where its neighbour does.
        let nowhere = |id: &str| {
            let other = components.iter().find(|c| c.id == id).and_then(|c| catalog.service(&c.service_type));
            other.is_some_and(|s| s.network.map_or(s.placement.is_none(), |role| !role.in_vcn()))
        };
        let ends =
            |c: &Connection| c.source_id == component.id && !nowhere(&c.target_id) || c.target_id == component.id && !nowhere(&c.source_id);
        let said = connections.iter().any(|c| placing(c) && ends(c));
        if needs && !said {
            let name = quoted(&component.id);
            let message = both(
                format!("VCN が複数あり、{name} がどれに属するか決まりません"),
                format!("there are several VCNs and nothing says which one {name} belongs to"),
            );
            let advice =
                both("接続 deployed_in で VCN かサブネットを示してください", "say it with a deployed_in connection to a VCN or subnet");
            findings.error("network.which-vcn", format!("components[{}]", component.id), message).advise(advice).allow(ids.clone()).add();
        }
    }
}
