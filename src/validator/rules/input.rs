//! What the CEL of a rule sees, built once for the design and once for each component, never once for each rule.
//!
//! The evaluator clones whatever is selected out of a map, so the scopes are flat: `config.shape` clones one text, while
//! `self.design.components` would clone the design. Keys without a value are absent, never null: `has(config.key)`.
//! Numbers of keys of type `number` are doubles, whole numbers are ints, as the service file declares them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ipnet::Ipv4Net;

use super::cel::{Context, Value};
use super::functions::usable;
use crate::api::design::{Component, Connection, DesignSpec, Target};
use crate::catalog::Catalog;
use crate::catalog::service::{NetworkRole, Service, SubnetTier, ValueType};
use crate::render::network::{ANYWHERE, Flow, Network, Peer, Placement};
use crate::validator::{ValidatedComponent, ValidatedDesign};

/// A design as the rules take it: past the structural judge, with its network laid out.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// as written, for what the person said
    pub spec: &'a DesignSpec,
    /// typed, with defaults
    pub design: &'a ValidatedDesign,
    /// the network as it will be rendered
    pub network: &'a Network,
    /// service types
    pub catalog: &'a Catalog,
    /// the compartment of the server, inside which everything is made
    pub work_compartment: &'a str,
}

/// One connection as a component sees it.
struct Seen<'a> {
    via: &'a str,
    other: usize,
}

/// The case with its indexes.
pub(super) struct Input<'a> {
    case: Case<'a>,
    index: BTreeMap<&'a str, usize>,
    given: BTreeMap<&'a str, &'a Component>,
    labels: BTreeSet<&'a str>,
    open: BTreeMap<&'a str, Vec<u16>>,
    outgoing: Vec<Vec<Seen<'a>>>,
    incoming: Vec<Vec<Seen<'a>>>,
}

/// A map of CEL.
fn map<'k>(members: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    Value::from(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<HashMap<String, Value>>())
}

/// JSON as CEL has it.
pub(super) fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::Number(number) => number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or_default()), Value::Int),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => Value::from(items.iter().map(value).collect::<Vec<_>>()),
        serde_json::Value::Object(members) => map(members.iter().map(|(key, member)| (key.as_str(), value(member)))),
    }
}

fn typed(service: Option<&Service>, key: &str, json: &serde_json::Value) -> Value {
    let number = service.and_then(|s| s.config.get(key)).is_some_and(|schema| schema.value_type == ValueType::Number);
    match json.as_f64().filter(|_| number) {
        Some(float) => Value::Float(float),
        None => value(json),
    }
}

impl<'a> Input<'a> {
    pub(super) fn new(case: Case<'a>) -> Input<'a> {
        let components = &case.design.components;
        let index: BTreeMap<&str, usize> = components.iter().enumerate().map(|(at, c)| (c.id.as_str(), at)).collect();
        let mut outgoing: Vec<Vec<Seen<'_>>> = components.iter().map(|_| Vec::new()).collect();
        let mut incoming: Vec<Vec<Seen<'_>>> = components.iter().map(|_| Vec::new()).collect();
        for connection in &case.design.connections {
            let ends = (index.get(connection.source_id.as_str()), index.get(connection.target_id.as_str()));
            let (Some(source), Some(target)) = ends else { continue };
            let via = connection.connection_type.as_str();
            if let Some(list) = outgoing.get_mut(*source) {
                list.push(Seen { via, other: *target });
            }
            if let Some(list) = incoming.get_mut(*target) {
                list.push(Seen { via, other: *source });
            }
        }
        let anywhere = Peer::Cidr(ANYWHERE.to_owned());
        let mut open: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
        for rule in case.network.rules.iter().filter(|rule| rule.flow == Flow::Ingress && rule.peer == anywhere) {
            open.entry(rule.component.as_str()).or_default().extend(rule.ports.map(|(first, _)| first));
        }
        let given = case.spec.components.iter().map(|c| (c.id.as_str(), c)).collect();
        let labels = components.iter().map(|c| c.label.as_str()).collect();
        Input { case, index, given, labels, open, outgoing, incoming }
    }

    pub(super) fn components(&self) -> &'a [ValidatedComponent] {
        &self.case.design.components
    }

    pub(super) fn connections(&self) -> &'a [Connection] {
        &self.case.design.connections
    }

    pub(super) fn by_id(&self, id: &str) -> Option<&'a ValidatedComponent> {
        self.index.get(id).and_then(|at| self.case.design.components.get(*at))
    }

    /// Names of every scope.
    pub(super) fn fill_design(&self, scope: &mut Context<'_>) {
        let Case { spec, design, network, catalog, work_compartment } = self.case;
        let target = match design.target {
            Target::Sandbox => "sandbox",
            Target::Oci => "oci",
        };
        let number = |count: usize| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        let names = |names: Vec<&String>| Value::from(names.into_iter().map(|name| Value::from(name.as_str())).collect::<Vec<_>>());
        let about = [
            ("target", Value::from(target)),
            ("region", Value::from(design.region.as_str())),
            ("compartment", Value::from(spec.compartment_id.as_deref().unwrap_or_default())),
            ("work_compartment", Value::from(work_compartment)),
            ("components", number(design.components.len())),
            ("connections", number(design.connections.len())),
            ("variables", names(design.variables.keys().collect())),
            ("files", names(design.files.keys().collect())),
        ];
        scope.add_variable_from_value("design", map(about));
        let mut count: BTreeMap<&str, usize> = catalog.service_types().into_iter().map(|name| (name, 0)).collect();
        design.components.iter().for_each(|c| *count.entry(c.service_type.as_str()).or_default() += 1);
        scope.add_variable_from_value("count", map(count.into_iter().map(|(name, many)| (name, number(many)))));
        let all: Vec<Value> = design.components.iter().map(|c| self.whole(c)).collect();
        scope.add_variable_from_value("components", Value::from(all));
        let type_of = |id: &str| Value::from(self.by_id(id).map(|c| c.service_type.as_str()).unwrap_or_default());
        let link = |c: &Connection| {
            map([
                ("from", Value::from(c.source_id.as_str())),
                ("via", Value::from(c.connection_type.as_str())),
                ("to", Value::from(c.target_id.as_str())),
                ("from_type", type_of(&c.source_id)),
                ("to_type", type_of(&c.target_id)),
            ])
        };
        scope.add_variable_from_value("links", Value::from(design.connections.iter().map(link).collect::<Vec<_>>()));
        let own = |role: NetworkRole, vcn: &str| {
            let is = |c: &&ValidatedComponent| catalog.service(&c.service_type).and_then(|s| s.network) == Some(role) && self.vcn(c) == vcn;
            Value::from(design.components.iter().filter(is).map(|c| Value::from(c.id.as_str())).collect::<Vec<_>>())
        };
        let vcns = network.vcns.iter().map(|(label, cidr)| {
            map([
                ("label", Value::from(label.as_str())),
                ("cidr", Value::from(cidr.to_string())),
                ("internet_gateways", own(NetworkRole::InternetGateway, label)),
                ("nat_gateways", own(NetworkRole::NatGateway, label)),
                ("service_gateways", own(NetworkRole::ServiceGateway, label)),
            ])
        });
        scope.add_variable_from_value("vcns", Value::from(vcns.collect::<Vec<_>>()));
        let subnets = network.subnets.keys().map(|label| self.subnet(label));
        scope.add_variable_from_value("subnets", Value::from(subnets.collect::<Vec<_>>()));
    }

    /// Names in the scope of a component.
    pub(super) fn fill_component(&self, scope: &mut Context<'_>, at: usize, component: &ValidatedComponent) {
        scope.add_variable_from_value("id", component.id.as_str());
        scope.add_variable_from_value("type", component.service_type.as_str());
        scope.add_variable_from_value("name", component.display_name.as_str());
        scope.add_variable_from_value("label", component.label.as_str());
        scope.add_variable_from_value("config", self.config(component));
        scope.add_variable_from_value("said", self.said(component));
        scope.add_variable_from_value("place", self.place(component));
        scope.add_variable_from_value("places", self.places(component));
        scope.add_variable_from_value("vcn", self.vcn(component));
        scope.add_variable_from_value("incoming", self.seen(self.incoming.get(at)));
        scope.add_variable_from_value("outgoing", self.seen(self.outgoing.get(at)));
        scope.add_variable_from_value("open_ports", self.open_ports(component));
    }

    /// Names in the scope of a connection.
    pub(super) fn fill_pair(&self, scope: &mut Context<'_>, source: &ValidatedComponent, via: &str, target: &ValidatedComponent) {
        scope.add_variable_from_value("source", self.whole(source));
        scope.add_variable_from_value("target", self.whole(target));
        scope.add_variable_from_value("via", via);
    }

    fn config(&self, component: &ValidatedComponent) -> Value {
        let service = self.case.catalog.service(&component.service_type);
        map(component.config.iter().map(|(key, json)| (key.as_str(), typed(service, key, json))))
    }

    /// Config keys the person gave a value, by their real names.
    fn said(&self, component: &ValidatedComponent) -> Value {
        let given = self.given.get(component.id.as_str());
        let service = self.case.catalog.service(&component.service_type);
        let keys = given.into_iter().flat_map(|c| &c.config).filter(|(_, json)| !json.is_null());
        let real = keys.map(|(key, _)| service.and_then(|s| s.key(key)).map_or(key.as_str(), |(real, _)| real));
        Value::from(real.map(Value::from).collect::<Vec<_>>())
    }

    fn whole(&self, component: &ValidatedComponent) -> Value {
        map([
            ("id", Value::from(component.id.as_str())),
            ("type", Value::from(component.service_type.as_str())),
            ("name", Value::from(component.display_name.as_str())),
            ("label", Value::from(component.label.as_str())),
            ("config", self.config(component)),
            ("said", self.said(component)),
            ("place", self.place(component)),
            ("places", self.places(component)),
            ("vcn", Value::from(self.vcn(component))),
        ])
    }

    /// Label of the VCN that a part of the network belongs to, or that a component stands in; empty for none.
    fn vcn(&self, component: &ValidatedComponent) -> &'a str {
        let network = self.case.network;
        let stands = || network.placements.get(&component.id).map(|placement| placement.vcn.as_str());
        network.vcn_of.get(&component.label).map(String::as_str).or_else(stands).unwrap_or_default()
    }

    fn seen(&self, list: Option<&Vec<Seen<'a>>>) -> Value {
        let one = |seen: &Seen<'_>| {
            let other = self.case.design.components.get(seen.other)?;
            let place = self.case.network.placements.get(&other.id);
            Some(map([
                ("via", Value::from(seen.via)),
                ("id", Value::from(other.id.as_str())),
                ("type", Value::from(other.service_type.as_str())),
                ("config", self.config(other)),
                ("placed", Value::Bool(place.is_some())),
                ("public", Value::Bool(place.is_some_and(|p| p.public))),
                ("subnet", Value::from(place.map(|p| p.subnet.as_str()).unwrap_or_default())),
                ("vcn", Value::from(place.map(|p| p.vcn.as_str()).unwrap_or_default())),
            ]))
        };
        Value::from(list.into_iter().flatten().filter_map(one).collect::<Vec<_>>())
    }

    fn place(&self, component: &ValidatedComponent) -> Value {
        self.case.network.placements.get(&component.id).map_or(Value::Null, |placement| self.standing(placement))
    }

    fn places(&self, component: &ValidatedComponent) -> Value {
        let service = self.case.catalog.service(&component.service_type).and_then(|s| s.placement.as_ref());
        let names = service.into_iter().flat_map(|p| p.others.iter()).map(|(name, _)| name);
        map(names.filter_map(|name| self.case.network.place(&component.id, Some(name)).map(|placement| (name, self.standing(placement)))))
    }

    fn standing(&self, placement: &Placement) -> Value {
        let network = self.case.network;
        let known = network.subnets.get(&placement.subnet);
        let cidr = known.map(|s| s.cidr.to_string()).unwrap_or_default();
        let routes = known.and_then(|s| network.routes.get(&s.route_table)).map(Vec::as_slice).unwrap_or_default();
        let has = |role| routes.iter().any(|route| route.gateway == role);
        // A route to some other network is no way to the internet.
        let anywhere = |role| routes.iter().any(|r| r.gateway == role && r.destination == Peer::Cidr(ANYWHERE.to_owned()));
        let internet = match (anywhere(NetworkRole::InternetGateway), anywhere(NetworkRole::NatGateway)) {
            (true, _) => "igw",
            (false, true) => "nat",
            (false, false) => "",
        };
        let lists = known.map(|s| s.security_lists.as_slice()).unwrap_or_default();
        let vcn = network.vcns.get(&placement.vcn);
        map([
            ("subnet", Value::from(placement.subnet.as_str())),
            ("cidr", Value::from(cidr)),
            ("prefix", Value::Int(known.map_or(0, |s| s.cidr.prefix_len().into()))),
            ("usable", Value::Int(known.map_or(0, |s| usable(s.cidr)))),
            ("public", Value::Bool(placement.public)),
            ("tier", Value::from(tier(known.and_then(|s| s.tier)))),
            ("brought", Value::Bool(self.brought(&placement.subnet))),
            ("vcn", Value::from(placement.vcn.as_str())),
            ("vcn_cidr", Value::from(vcn.map(Ipv4Net::to_string).unwrap_or_default())),
            ("internet", Value::from(internet)),
            ("services", Value::Bool(has(NetworkRole::ServiceGateway))),
            (
                "lists",
                Value::from(lists.iter().filter(|list| self.brought(list)).map(|list| Value::from(list.as_str())).collect::<Vec<_>>()),
            ),
            ("table", Value::from(known.map(|s| s.route_table.as_str()).filter(|table| self.brought(table)).unwrap_or_default())),
            ("nsg", Value::Bool(placement.nsg.is_some())),
        ])
    }

    /// Whether the person's own component has this label.
    fn brought(&self, label: &str) -> bool {
        self.labels.contains(label)
    }

    fn subnet(&self, label: &str) -> Value {
        let known = self.case.network.subnets.get(label);
        let network = self.case.network;
        let here = network.placements.values().chain(network.spots.values()).filter(|p| p.subnet == label).count();
        map([
            ("label", Value::from(label)),
            ("cidr", Value::from(known.map(|s| s.cidr.to_string()).unwrap_or_default())),
            ("public", Value::Bool(known.is_some_and(|s| s.public))),
            ("tier", Value::from(tier(known.and_then(|s| s.tier)))),
            ("vcn", Value::from(known.map(|s| s.vcn.as_str()).unwrap_or_default())),
            ("brought", Value::Bool(self.brought(label))),
            ("here", Value::Int(i64::try_from(here).unwrap_or(i64::MAX))),
        ])
    }

    /// First ports that the component's own groups open to the whole internet.
    fn open_ports(&self, component: &ValidatedComponent) -> Value {
        let ports = self.open.get(component.id.as_str()).map(Vec::as_slice).unwrap_or_default();
        Value::from(ports.iter().map(|port| Value::Int((*port).into())).collect::<Vec<_>>())
    }
}

fn tier(tier: Option<SubnetTier>) -> &'static str {
    match tier {
        Some(SubnetTier::Public) => "public",
        Some(SubnetTier::App) => "app",
        Some(SubnetTier::Db) => "db",
        None => "",
    }
}
