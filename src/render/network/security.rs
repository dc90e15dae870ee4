//! Security groups: one per component that can carry one, one rule per connection and port on each end, plus what the
//! catalogue lets out. Nothing is open to the internet unless the component stands in a public subnet and its service
//! file (or its config) says so.

use serde_json::Value;

use super::{ANYWHERE, Derivation, Flow, Host, Nsg, Peer, Placement, Rule};
use crate::api::design::Connection;
use crate::catalog::mapping::{Expr, OverConnections, Source};
use crate::catalog::service::{Egress, FlowWord, NetworkRole, PeerWord, Port, PortSpan, Protocol, RuleMapping, RulePeer, Service};
use crate::validator::ValidatedComponent;
use crate::validator::finding::{both, quoted};

/// One rule in words; [`Derivation::rule`] gives it a label.
struct Wanted<'w> {
    owner: &'w ValidatedComponent,
    at: Option<&'w str>,
    flow: Flow,
    peer: Peer,
    protocol: Protocol,
    ports: Option<(u16, u16)>,
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

/// Where a target that stands in no subnet is reached: `service_gateway`, and anything from a private subnet, by the names
/// of OCI services; else over the internet gateway.
fn outside(from: Option<&Placement>, connection_type: &str) -> Option<Peer> {
    let by_services = !from?.public || connection_type == "service_gateway";
    Some(if by_services { Peer::Services } else { Peer::Cidr(ANYWHERE.to_owned()) })
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
            let label = self.group(component, None, vcn);
            if let Some(placement) = self.network.placements.get_mut(&component.id) {
                placement.nsg = Some(label);
            }
            let others = self.service(component).and_then(|s| s.placement.as_ref()).map(|p| &p.others);
            for (name, _) in others.into_iter().flat_map(|others| others.iter()).filter(|(_, spot)| spot.nsg) {
                let key = (component.id.clone(), name.to_owned());
                let Some(vcn) = self.network.spots.get(&key).map(|p| p.vcn.clone()) else { continue };
                let label = self.group(component, Some(name), vcn);
                if let Some(placement) = self.network.spots.get_mut(&key) {
                    placement.nsg = Some(label);
                }
            }
        }
        self.brought_groups();
        for connection in &self.design.connections {
            self.connection(connection);
        }
        for component in &self.design.components {
            if let (Some(service), Some(placement)) = (self.service(component), self.network.placements.get(&component.id).cloned()) {
                self.standing(component, service, &placement);
            }
        }
    }

    /// Groups that the person brought: each stands in the VCN of what it is attached to, and joins the groups there.
    fn brought_groups(&mut self) {
        for group in self.of_role(NetworkRole::SecurityGroup) {
            let attached: Vec<&ValidatedComponent> = self
                .design
                .connections
                .iter()
                .filter(|c| c.source_id == group.id && c.connection_type == "attached_to")
                .filter_map(|c| self.component(&c.target_id))
                .collect();
            let said = self.linked(&group.id, NetworkRole::Vcn).first().map(|vcn| vcn.label.clone());
            let of_first = attached.iter().find_map(|c| self.network.placements.get(&c.id)).map(|place| place.vcn.clone());
            let Some(vcn) = said.or(of_first).or_else(|| self.first_vcn()) else { continue };
            self.network.vcn_of.insert(group.label.clone(), vcn.clone());
            for component in attached {
                let Some(place) = self.network.placements.get_mut(&component.id) else { continue };
                if place.vcn == vcn {
                    place.further_nsgs.push(group.label.clone());
                    continue;
                }
                let (name, of) = (quoted(&group.id), quoted(&component.id));
                self.findings
                    .error(
                        "network.group-elsewhere",
                        format!("components[{}]", group.id),
                        both(
                            format!("{name} と {of} は別の VCN にあります。NSG は同じ VCN の部品にだけ付けられます"),
                            format!("{name} and {of} stand in different VCNs: a group serves its own VCN only"),
                        ),
                    )
                    .advise(both("VCN ごとに NSG を分けてください", "use one group for each VCN"))
                    .add();
            }
        }
    }

    fn group(&mut self, component: &ValidatedComponent, spot: Option<&str>, vcn: String) -> String {
        let part = spot.map(|name| format!("_{name}")).unwrap_or_default();
        let label = self.registry.give(&format!("{}{part}_nsg", component.label));
        let name = component.display_name.chars().take(200).collect::<String>();
        let display_name = format!("{name}{} NSG", part.replace('_', " "));
        self.network.nsgs.push(Nsg { label: label.clone(), display_name, vcn, component: component.id.clone() });
        label
    }

    fn rule(&mut self, wanted: Wanted<'_>) {
        let Wanted { owner, at, flow, peer, protocol, ports, name, description } = wanted;
        let Some(nsg) = self.network.place(&owner.id, at).and_then(|p| p.nsg.clone()) else { return };
        let same = |r: &Rule| r.nsg == nsg && r.flow == flow && r.peer == peer && r.protocol == protocol && r.ports == ports;
        if self.network.rules.iter().any(same) {
            return;
        }
        let label = self.registry.give(&name);
        // OCI keeps at most 255 characters of a rule's description.
        let description = description.chars().take(255).collect();
        self.network.rules.push(Rule { label, nsg, component: owner.id.clone(), flow, peer, protocol, ports, description });
    }

    fn connection(&mut self, connection: &Connection) {
        let (Some(source), Some(target)) = (self.component(&connection.source_id), self.component(&connection.target_id)) else { return };
        let (Some(out), Some(service)) = (self.service(source), self.service(target)) else { return };
        for port in service.ports.iter().filter(|port| port.via.contains(&connection.connection_type)) {
            self.reach(connection, source, target, port);
        }
        for port in &out.ports {
            let type_of = |id: &str| self.component(id).map(|c| c.service_type.as_str());
            if port.pulled.as_ref().is_some_and(|over| over.joins(connection, &source.id, type_of)) {
                self.reach(connection, target, source, port);
            }
        }
    }

    /// Both ends of one way: `caller` out to the port, the port in from `caller`.
    fn reach(&mut self, connection: &Connection, caller: &'a ValidatedComponent, listener: &'a ValidatedComponent, port: &Port) {
        let from = self.network.placements.get(&caller.id).cloned();
        let to = self.network.place(&listener.id, port.at.as_deref()).filter(|_| !port.outside).cloned();
        let apart = matches!((&from, &to), (Some(from), Some(to)) if from.vcn != to.vcn);
        if let (Some(from), Some(to), true) = (&from, &to, apart)
            && !self.peered(&from.vcn, &to.vcn)
        {
            return self.other_vcn(connection);
        }
        let description = format!("{}: {} to {}", connection.connection_type, caller.label, listener.label);
        for number in ports(port, listener) {
            let ports = Some((number, number));
            let out = match &to {
                Some(to) => self.end(to, apart),
                None => outside(from.as_ref(), &connection.connection_type),
            };
            if let Some(peer) = out {
                let name = format!("{}_to_{}_{}", caller.label, listener.label, number);
                let (flow, protocol, description) = (Flow::Egress, port.protocol, description.clone());
                self.rule(Wanted { owner: caller, at: None, flow, peer, protocol, ports, name, description });
            }
            let own = self.host(caller).filter(|_| from.as_ref().is_some_and(|from| from.nsg.is_none()));
            let peer = from.as_ref().filter(|_| to.is_some()).and_then(|from| own.map(Peer::Host).or_else(|| self.end(from, apart)));
            if let Some(peer) = peer {
                let name = format!("{}_from_{}_{}", listener.label, caller.label, number);
                let (at, flow, protocol, description) = (port.at.as_deref(), Flow::Ingress, port.protocol, description.clone());
                self.rule(Wanted { owner: listener, at, flow, peer, protocol, ports, name, description });
            }
        }
    }

    /// A place as the other end of a rule: its group, or its subnet's addresses when it has none or stands in a peered VCN,
    /// where groups cannot be named.
    fn end(&self, place: &Placement, apart: bool) -> Option<Peer> {
        match &place.nsg {
            Some(nsg) if !apart => Some(Peer::Nsg(nsg.clone())),
            Some(_) | None => self.network.subnets.get(&place.subnet).map(|subnet| Peer::Cidr(subnet.cidr.to_string())),
        }
    }

    /// The one address of a component, when its service file names it.
    fn host(&self, component: &ValidatedComponent) -> Option<Host> {
        let service = self.service(component)?;
        let hosts = service.hosts.as_ref().filter(|hosts| hosts.count.is_none())?;
        let Source::Resource(key, attribute) = &hosts.value.source else { return None };
        let resource = service.resources.iter().find(|resource| resource.key == *key)?;
        let label = format!("{}{}", component.label, resource.suffix);
        Some(Host { resource_type: resource.resource_type.clone(), label, attribute: attribute.clone() })
    }

    fn other_vcn(&mut self, connection: &Connection) {
        let path = format!("connections[{} -> {}]", connection.source_id, connection.target_id);
        // Said once, however many ports the connection has.
        if self.findings.items.iter().any(|finding| finding.path == path) {
            return;
        }
        let (source, target) = (quoted(&connection.source_id), quoted(&connection.target_id));
        self.findings
            .warning(
                "network.other-vcn",
                path,
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
            if port.needs.as_ref().is_some_and(|needs| !self.has(component, needs)) {
                continue;
            }
            for number in ports(port, component) {
                let source = port.from.as_ref().and_then(|key| component.config.get(key)).and_then(Value::as_str);
                let anyone = (port.public && placement.public).then_some(ANYWHERE);
                for cidr in source.into_iter().chain(anyone) {
                    let name = format!("{label}_{}_{number}", port.name);
                    let description = format!("{} {number} from {cidr}", port.name);
                    let (flow, peer, protocol, ports) = (Flow::Ingress, Peer::Cidr(cidr.to_owned()), port.protocol, Some((number, number)));
                    self.rule(Wanted { owner: component, at: None, flow, peer, protocol, ports, name, description });
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
                let (flow, peer, protocol, ports) = (Flow::Egress, peer.clone(), Protocol::Tcp, Some((*number, *number)));
                self.rule(Wanted { owner: component, at: None, flow, peer, protocol, ports, name, description });
            }
        }
        for rule in service.rules.iter().filter(|rule| rule.when.holds(&component.config, Some(placement.public))) {
            self.fixed(component, rule, placement);
        }
    }

    /// A fixed rule of the service file.
    fn fixed(&mut self, component: &'a ValidatedComponent, rule: &'a RuleMapping, main: &Placement) {
        let peer = match &rule.peer {
            RulePeer::Word(PeerWord::Main) => main.nsg.clone().map(Peer::Nsg),
            RulePeer::Word(PeerWord::Services) => Some(Peer::Services),
            RulePeer::Word(PeerWord::Anywhere) => Some(Peer::Cidr(ANYWHERE.to_owned())),
            RulePeer::Word(PeerWord::Vcn) => self.network.vcns.get(&main.vcn).map(|cidr| Peer::Cidr(cidr.to_string())),
            RulePeer::Spot(spot) => self.network.place(&component.id, Some(&spot.spot)).and_then(|p| p.nsg.clone()).map(Peer::Nsg),
            RulePeer::Config(key) => component.config.get(&key.config).and_then(Value::as_str).map(|cidr| Peer::Cidr(cidr.to_owned())),
        };
        let Some(peer) = peer else { return };
        let flow = match rule.flow {
            FlowWord::Ingress => Flow::Ingress,
            FlowWord::Egress => Flow::Egress,
        };
        let ports = rule.port.map(|span| match span {
            PortSpan::One(port) => (port, port),
            PortSpan::Span([first, last]) => (first, last),
        });
        let name = format!("{}_{}", component.label, rule.name);
        let (at, protocol, description) = (rule.at.as_deref(), rule.protocol, rule.why.clone());
        self.rule(Wanted { owner: component, at, flow, peer, protocol, ports, name, description });
    }

    /// Whether a component has such a connection.
    pub(super) fn has(&self, component: &ValidatedComponent, wanted: &OverConnections) -> bool {
        let type_of = |id: &str| self.component(id).map(|c| c.service_type.as_str());
        self.design.connections.iter().any(|connection| wanted.joins(connection, &component.id, type_of))
    }

    /// Whether the subnet has a way to the internet; only then "anywhere" covers the OCI services too.
    fn has_internet(&self, placement: &Placement) -> bool {
        let table = self.network.subnets.get(&placement.subnet).map(|s| s.route_table.clone()).unwrap_or_default();
        let routes = self.network.routes.get(&table).map(Vec::as_slice).unwrap_or_default();
        routes.iter().any(|r| matches!(r.gateway, NetworkRole::InternetGateway | NetworkRole::NatGateway))
    }
}
