//! Dynamic routing gateways: VCNs attached to one reach each other, and what its attachments and remote peerings say
//! lies behind it (`remote_cidrs`). Every table of an attached VCN gets routes there. The gateway's own route tables are
//! OCI's: by default each attachment learns the routes of all others.

use ipnet::Ipv4Net;
use serde_json::Value;

use super::{Derivation, Peer, Route, Transit};
use crate::catalog::service::NetworkRole;
use crate::validator::ValidatedComponent;
use crate::validator::finding::{both, quoted};

/// Addresses that a component says lie behind it.
pub(super) fn remote(component: &ValidatedComponent) -> Vec<Ipv4Net> {
    let list = component.config.get("remote_cidrs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).filter_map(|text| text.parse::<Ipv4Net>().ok()).map(|net| net.trunc()).collect()
}

impl<'a> Derivation<'a> {
    /// Every way through a gateway.
    pub(super) fn transits(&mut self) {
        for drg in self.of_role(NetworkRole::Drg) {
            let attachments = self.linked(&drg.id, NetworkRole::DrgAttachment);
            let behind: Vec<Ipv4Net> = self.linked(&drg.id, NetworkRole::RemotePeering).into_iter().flat_map(remote).collect();
            for attachment in &attachments {
                self.ways(attachment, &attachments, &behind);
            }
        }
    }

    /// Ways of one attached VCN: to the VCNs of the other attachments, to what lies behind itself and the remote peerings.
    fn ways(&mut self, attachment: &'a ValidatedComponent, all: &[&'a ValidatedComponent], behind: &[Ipv4Net]) {
        let Some(vcn) = self.network.vcn_of.get(&attachment.label).cloned() else { return };
        let mut ways: Vec<(Ipv4Net, Option<String>)> = Vec::new();
        for other in all.iter().filter(|other| other.id != attachment.id) {
            let Some(far) = self.network.vcn_of.get(&other.label).cloned() else { continue };
            if far == vcn {
                self.attached_twice(attachment);
                continue;
            }
            // Said once, at the later of the two.
            let later = all.iter().position(|a| a.id == attachment.id) > all.iter().position(|a| a.id == other.id);
            if later && self.overlapping(&far, &vcn, &attachment.id) {
                continue;
            }
            ways.extend(self.network.vcns.get(&far).map(|cidr| (*cidr, Some(far.clone()))));
        }
        ways.extend(remote(attachment).into_iter().chain(behind.iter().copied()).map(|cidr| (cidr, None)));
        for (destination, to) in ways {
            let own = self.network.vcns.get(&vcn).copied();
            if to.is_none() && own.is_some_and(|own| own.contains(&destination)) {
                self.own_addresses(attachment, destination);
                continue;
            }
            let known = self.network.transits.iter().any(|t| t.vcn == vcn && t.destination == destination);
            if !known {
                self.network.transits.push(Transit { vcn: vcn.clone(), attachment: attachment.label.clone(), destination, to });
            }
        }
    }

    fn attached_twice(&mut self, attachment: &ValidatedComponent) {
        let name = quoted(&attachment.id);
        self.findings
            .error(
                "network.attached-twice",
                format!("components[{}]", attachment.id),
                both(
                    format!("{name} の VCN はこの DRG にもうつながっています"),
                    format!("the VCN of {name} is attached to this DRG already"),
                ),
            )
            .advise(both("片方のアタッチメントを消すか、別の VCN に置いてください", "remove one attachment, or deploy it in another VCN"))
            .add();
    }

    fn own_addresses(&mut self, attachment: &ValidatedComponent, cidr: Ipv4Net) {
        let name = quoted(&attachment.id);
        self.findings
            .error(
                "network.remote-overlap",
                format!("components[{}]", attachment.id),
                both(
                    format!("{name} の先にある {cidr} は、自分の VCN のアドレスです"),
                    format!("{cidr} behind {name} are addresses of its own VCN"),
                ),
            )
            .advise(both("remote_cidrs には VCN の外の CIDR を書いてください", "remote_cidrs names networks outside the VCN"))
            .add();
    }

    /// Routes of a VCN's tables through its attachments.
    pub(super) fn transit_routes(&self, vcn: &str) -> Vec<Route> {
        let own = self.network.transits.iter().filter(|t| t.vcn == vcn);
        own.map(|t| Route {
            destination: Peer::Cidr(t.destination.to_string()),
            gateway: NetworkRole::DrgAttachment,
            label: t.attachment.clone(),
        })
        .collect()
    }
}
