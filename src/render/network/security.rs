//! Security groups: one per component that can carry one, one rule per connection and port on each end, plus what the
//! catalogue lets out. Nothing is open to the internet unless the component stands in a public subnet and its service
//! file (or its config) says so.

use serde_json::Value;

use super::{ANYWHERE, Derivation, Flow, Nsg, Peer, Placement, Rule};
use crate::api::design::Connection;
use crate::catalog::mapping::{Expr, Source};
use crate::catalog::service::{Egress, NetworkRole, Port, Protocol, Service};
use crate::validator::ValidatedComponent;
use crate::validator::finding::{both, quoted};

/// One rule in words; [`Derivation::rule`] gives it a label.
struct Wanted<'w> {
    owner: &'w ValidatedComponent,
    flow: Flow,
    peer: Peer,
    protocol: Protocol,
    port: u16,
    name: String,
    description: String,
}

/// Ports of a component: a config key may be one port or a list of them.
fn ports(port: &Port, component: &ValidatedComponent) -> Vec<u16> {
    let value = match &port.port {
        Expr { source: Source::Literal(value), .. } => Some(value),
        Expr { source: Source::Config(key), .. } => component.config.get(key),
        Expr { .. } => None,
    };
    let one = |value: &Value| value.as_u64().and_then(|number| u16::try_from(number).ok());
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(one).collect(),
        Some(value) => one(value).into_iter().collect(),
        None => Vec::new(),
    }
}

impl<'a> Derivation<'a> {
    /// Groups and their rules.
    pub(super) fn groups(&mut self) {
        for component in &self.design.components {
            let carries = self.service(component).and_then(|s| s.placement.as_ref()).is_some_and(|p| p.nsg);
            if !carries {
                continue;
            }
            let Some(vcn) = self.network.placements.get(&component.id).map(|p| p.vcn.clone()) else { continue };
            let label = self.registry.give(&format!("{}_nsg", component.label));
            let display_name = format!("{} NSG", component.display_name.chars().take(240).collect::<String>());
            self.network.nsgs.push(Nsg { label: label.clone(), display_name, vcn, component: component.id.clone() });
            if let Some(placement) = self.network.placements.get_mut(&component.id) {
                placement.nsg = Some(label);
            }
        }
        for connection in &self.design.connections {
            self.connection(connection);
        }
        for component in &self.design.components {
            if let (Some(service), Some(placement)) = (self.service(component), self.network.placements.get(&component.id).cloned()) {
                self.standing(component, service, &placement);
            }
        }
    }

    fn rule(&mut self, wanted: Wanted<'_>) {
        let Wanted { owner, flow, peer, protocol, port, name, description } = wanted;
        let Some(nsg) = self.network.placements.get(&owner.id).and_then(|p| p.nsg.clone()) else { return };
        let same = |r: &Rule| r.nsg == nsg && r.flow == flow && r.peer == peer && r.protocol == protocol && r.port == port;
        if self.network.rules.iter().any(same) {
            return;
        }
        let label = self.registry.give(&name);
        // OCI keeps at most 255 characters of a rule's description.
        let description = description.chars().take(255).collect();
        self.network.rules.push(Rule { label, nsg, component: owner.id.clone(), flow, peer, protocol, port, description });
    }

    fn connection(&mut self, connection: &Connection) {
        let (Some(source), Some(target)) = (self.component(&connection.source_id), self.component(&connection.target_id)) else { return };
        let Some(service) = self.service(target) else { return };
        let from = self.network.placements.get(&source.id).cloned();
        let to = self.network.placements.get(&target.id).cloned();
        if let (Some(from), Some(to)) = (&from, &to)
            && from.vcn != to.vcn
        {
            return self.other_vcn(connection);
        }
        let description = format!("{}: {} to {}", connection.connection_type, source.label, target.label);
        for port in service.ports.iter().filter(|port| port.via.contains(&connection.connection_type)) {
            for number in ports(port, target) {
                let out = match to.as_ref().map(|p| p.nsg.clone()) {
                    Some(Some(nsg)) => Some(Peer::Nsg(nsg)),
                    Some(None) | None => self.outside(from.as_ref(), source, number),
                };
                if let Some(peer) = out {
                    let name = format!("{}_to_{}_{}", source.label, target.label, number);
                    let (flow, protocol, description) = (Flow::Egress, port.protocol, description.clone());
                    self.rule(Wanted { owner: source, flow, peer, protocol, port: number, name, description });
                }
                if let Some(nsg) = from.as_ref().and_then(|p| p.nsg.clone()) {
                    let name = format!("{}_from_{}_{}", target.label, source.label, number);
                    let (flow, protocol, description) = (Flow::Ingress, port.protocol, description.clone());
                    self.rule(Wanted { owner: target, flow, peer: Peer::Nsg(nsg), protocol, port: number, name, description });
                }
            }
        }
    }

    /// Where a target that stands in no subnet is reached: through the service gateway from a private subnet, over the
    /// internet gateway from a public one. None when the source may go to that port anyway.
    fn outside(&self, from: Option<&Placement>, source: &ValidatedComponent, port: u16) -> Option<Peer> {
        let placement = from?;
        let web = self.service(source).is_some_and(|s| s.egress.contains(&Egress::Web)) && matches!(port, 80 | 443);
        let peer = if placement.public { Peer::Cidr(ANYWHERE.to_owned()) } else { Peer::Services };
        (!web).then_some(peer)
    }

    fn other_vcn(&mut self, connection: &Connection) {
        let (source, target) = (quoted(&connection.source_id), quoted(&connection.target_id));
        self.findings
            .warning(
                "network.other-vcn",
                format!("connections[{} -> {}]", connection.source_id, connection.target_id),
                both(
                    format!("{source} と {target} は別の VCN にあり、この接続の通り道がありません"),
                    format!("{source} and {target} stand in different VCNs: nothing carries this connection"),
                ),
            )
            .advise(both("同じ VCN に置くか、VCN 同士を結んでください", "place them in one VCN, or peer the VCNs"))
            .add();
    }

    /// Rules that do not come from connections.
    fn standing(&mut self, component: &'a ValidatedComponent, service: &'a Service, placement: &Placement) {
        let label = &component.label;
        for port in &service.ports {
            for number in ports(port, component) {
                let source = port.from.as_ref().and_then(|key| component.config.get(key)).and_then(Value::as_str);
                let anyone = (port.public && placement.public).then_some(ANYWHERE);
                for cidr in source.into_iter().chain(anyone) {
                    let name = format!("{label}_{}_{number}", port.name);
                    let description = format!("{} {number} from {cidr}", port.name);
                    let (flow, peer, protocol) = (Flow::Ingress, Peer::Cidr(cidr.to_owned()), port.protocol);
                    self.rule(Wanted { owner: component, flow, peer, protocol, port: number, name, description });
                }
            }
        }
        for egress in &service.egress {
            let (peer, numbers): (Peer, &[u16]) = match egress {
                Egress::Web => (Peer::Cidr(ANYWHERE.to_owned()), &[80, 443]),
                Egress::Services if placement.public => (Peer::Cidr(ANYWHERE.to_owned()), &[443]),
                Egress::Services => (Peer::Services, &[443]),
            };
            if *egress == Egress::Services && service.egress.contains(&Egress::Web) && self.has_internet(placement) {
                continue;
            }
            for number in numbers {
                let what = if matches!(peer, Peer::Services) { "services" } else { "web" };
                let name = format!("{label}_out_{what}_{number}");
                let description = format!("{label} to {what} {number}");
                let (flow, peer, protocol) = (Flow::Egress, peer.clone(), Protocol::Tcp);
                self.rule(Wanted { owner: component, flow, peer, protocol, port: *number, name, description });
            }
        }
    }

    /// Whether the subnet has a way to the internet; only then "anywhere" covers the OCI services too.
    fn has_internet(&self, placement: &Placement) -> bool {
        let table = self.network.subnets.get(&placement.subnet).map(|s| s.route_table.clone()).unwrap_or_default();
        let routes = self.network.routes.get(&table).map(Vec::as_slice).unwrap_or_default();
        routes.iter().any(|r| matches!(r.gateway, NetworkRole::InternetGateway | NetworkRole::NatGateway))
    }
}
