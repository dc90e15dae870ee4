//! Peering of VCNs: each `vcn_peering` becomes two gateways, and routes between the two in every table.

use super::transit::remote;
use super::{Derivation, Peer, Peering, Route};
use crate::catalog::service::NetworkRole;
use crate::validator::ValidatedComponent;
use crate::validator::finding::{both, quoted};

/// The connection type between VCNs.
const VCN_PEERING: &str = "vcn_peering";
/// The connection type between gateways that the person brought.
const PEERS_WITH: &str = "peers_with";

impl Derivation<'_> {
    /// Both ends of every peering: those the person brought, then those of `vcn_peering`.
    pub(super) fn peerings(&mut self) {
        self.brought_peerings();
        for connection in self.design.connections.iter().filter(|c| c.connection_type == VCN_PEERING) {
            let (Some(one), Some(two)) = (self.component(&connection.source_id), self.component(&connection.target_id)) else { continue };
            if self.peered(&one.label, &two.label) {
                continue;
            }
            if self.overlapping(&one.label, &two.label, &two.id) {
                continue;
            }
            let far = self.registry.give(&format!("{}_peering_{}", two.label, one.label));
            let near = self.registry.give(&format!("{}_peering_{}", one.label, two.label));
            let name = |from: &str, to: &str| format!("{} to {}", short(from), short(to));
            self.network.peerings.push(Peering {
                label: near,
                display_name: name(&one.display_name, &two.display_name),
                vcn: one.label.clone(),
                to: two.label.clone(),
                peer: Some(far.clone()),
                component: one.id.clone(),
                brought: false,
            });
            self.network.peerings.push(Peering {
                label: far,
                display_name: name(&two.display_name, &one.display_name),
                vcn: two.label.clone(),
                to: one.label.clone(),
                peer: None,
                component: two.id.clone(),
                brought: false,
            });
        }
    }

    /// Gateways that the person brought: two that `peers_with` joins are the ends of one peering.
    fn brought_peerings(&mut self) {
        for connection in self.design.connections.iter().filter(|c| c.connection_type == PEERS_WITH) {
            let (Some(one), Some(two)) = (self.component(&connection.source_id), self.component(&connection.target_id)) else { continue };
            if [one, two].iter().any(|end| self.role(end) != Some(NetworkRole::LocalPeering)) {
                continue;
            }
            let vcn = |end: &ValidatedComponent| self.network.vcn_of.get(&end.label).cloned();
            let (Some(near), Some(far)) = (vcn(one), vcn(two)) else { continue };
            if self.overlapping(&near, &far, &two.id) {
                continue;
            }
            for (end, other, from, to) in [(one, Some(two), &near, &far), (two, None, &far, &near)] {
                self.network.peerings.push(Peering {
                    label: end.label.clone(),
                    display_name: end.display_name.clone(),
                    vcn: from.clone(),
                    to: to.clone(),
                    peer: other.map(|other| other.label.clone()),
                    component: end.id.clone(),
                    brought: true,
                });
            }
        }
    }

    /// Two VCNs with common addresses cannot be joined: said at the second one, or at what would join them.
    pub(super) fn overlapping(&mut self, one: &str, two: &str, at: &str) -> bool {
        let (Some(a), Some(b)) = (self.network.vcns.get(one).copied(), self.network.vcns.get(two).copied()) else { return false };
        if !(a.contains(&b) || b.contains(&a)) {
            return false;
        }
        let (first, second) = (quoted(one), quoted(two));
        let component = self.component(at);
        let path = match component.and_then(|c| self.role(c)) {
            Some(NetworkRole::Vcn) => format!("components[{at}].config.cidr_block"),
            Some(_) | None => format!("components[{at}]"),
        };
        self.findings
            .error(
                "network.peering-overlap",
                path,
                both(
                    format!("{first} ({a}) と {second} ({b}) の CIDR が重なるので、結べません"),
                    format!("{first} ({a}) and {second} ({b}) overlap, so they cannot be peered"),
                ),
            )
            .advise(both("どちらかの CIDR を変えてください", "change the CIDR of one of them"))
            .add();
        true
    }

    /// Whether two VCNs reach each other: peered, or attached to one dynamic routing gateway.
    pub(super) fn peered(&self, one: &str, two: &str) -> bool {
        self.network.peerings.iter().any(|p| p.vcn == one && p.to == two)
            || self.network.transits.iter().any(|t| t.vcn == one && t.to.as_deref() == Some(two))
    }

    /// Routes of a VCN's tables to the VCNs it is peered with.
    pub(super) fn peering_routes(&self, vcn: &str) -> Vec<Route> {
        let own = self.network.peerings.iter().filter(|p| p.vcn == vcn);
        let route = |p: &Peering| {
            let cidr = self.network.vcns.get(&p.to)?;
            Some(Route { destination: Peer::Cidr(cidr.to_string()), gateway: NetworkRole::LocalPeering, label: p.label.clone() })
        };
        let routes: Vec<Route> = own.filter_map(route).collect();
        let ends = self.of_role(NetworkRole::LocalPeering).filter(|end| self.network.vcn_of.get(&end.label).is_some_and(|v| v == vcn));
        let beyond = ends.flat_map(|end| remote(end).into_iter().map(|cidr| (cidr, end.label.clone())));
        let beyond =
            beyond.map(|(cidr, label)| Route { destination: Peer::Cidr(cidr.to_string()), gateway: NetworkRole::LocalPeering, label });
        routes.into_iter().chain(beyond).collect()
    }
}

/// Two of these and a word fit into OCI's 255 characters.
fn short(text: &str) -> String {
    text.chars().take(120).collect()
}
