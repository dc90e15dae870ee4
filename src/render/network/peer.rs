//! Peering of VCNs: each `vcn_peering` becomes two gateways, and routes between the two in every table.

use super::{Derivation, Peer, Peering, Route};
use crate::catalog::service::NetworkRole;
use crate::validator::finding::{both, quoted};

/// The connection type.
const VCN_PEERING: &str = "vcn_peering";

impl Derivation<'_> {
    /// Both ends of every peering.
    pub(super) fn peerings(&mut self) {
        for connection in self.design.connections.iter().filter(|c| c.connection_type == VCN_PEERING) {
            let (Some(one), Some(two)) = (self.component(&connection.source_id), self.component(&connection.target_id)) else { continue };
            if self.peered(&one.label, &two.label) {
                continue;
            }
            let nets = (self.network.vcns.get(&one.label).copied(), self.network.vcns.get(&two.label).copied());
            if let (Some(a), Some(b)) = nets
                && (a.contains(&b) || b.contains(&a))
            {
                let (first, second) = (quoted(&one.id), quoted(&two.id));
                self.findings
                    .error(
                        "network.peering-overlap",
                        format!("components[{}].config.cidr_block", two.id),
                        both(
                            format!("{first} ({a}) と {second} ({b}) の CIDR が重なるので、結べません"),
                            format!("{first} ({a}) and {second} ({b}) overlap, so they cannot be peered"),
                        ),
                    )
                    .advise(both("どちらかの CIDR を変えてください", "change the CIDR of one of them"))
                    .add();
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
            });
            self.network.peerings.push(Peering {
                label: far,
                display_name: name(&two.display_name, &one.display_name),
                vcn: two.label.clone(),
                to: one.label.clone(),
                peer: None,
                component: two.id.clone(),
            });
        }
    }

    /// Whether two VCNs are peered.
    pub(super) fn peered(&self, one: &str, two: &str) -> bool {
        self.network.peerings.iter().any(|p| p.vcn == one && p.to == two)
    }

    /// Routes of a VCN's tables to the VCNs it is peered with.
    pub(super) fn peering_routes(&self, vcn: &str) -> Vec<Route> {
        let own = self.network.peerings.iter().filter(|p| p.vcn == vcn);
        let route = |p: &Peering| {
            let cidr = self.network.vcns.get(&p.to)?;
            Some(Route { destination: Peer::Cidr(cidr.to_string()), gateway: NetworkRole::LocalPeering, label: p.label.clone() })
        };
        own.filter_map(route).collect()
    }
}

/// Two of these and a word fit into OCI's 255 characters.
fn short(text: &str) -> String {
    text.chars().take(120).collect()
}
