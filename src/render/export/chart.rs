//! Makes what the diagrams show from the design as written, so that unknown types and designs with errors are drawn, too;
//! placement comes from the derived network. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Subject;
use super::model::{Category, Chart, Link, Node, Subnet, Vcn};
use super::text::clean;
use crate::api::design::{Component, DesignSpec};
use crate::catalog::Catalog;
use crate::catalog::service::{NetworkRole, SubnetTier};
use crate::render::network::{self, Network};
use crate::validator::{ValidatedComponent, ValidatedDesign, labels};

/// The network of a subject: of the validated design, or, when there are errors, of what can be understood.
pub fn understood(subject: &Subject<'_>) -> (ValidatedDesign, Network) {
    let design = subject.verdict.design.clone().unwrap_or_else(|| lenient(subject));
    let network = network::derive(&design, subject.catalog, subject.language);
    (design, network)
}

/// Components of known types with the values they were given and the catalogue's plain defaults; the first of an id wins.
fn lenient(subject: &Subject<'_>) -> ValidatedDesign {
    let DesignSpec { session_ref, target, components, connections, variables, files, .. } = subject.spec;
    let labels = labels::labels(components);
    let mut seen = BTreeSet::new();
    let known = components.iter().zip(labels).filter_map(|(component, label)| {
        let service = subject.catalog.service(&component.service_type)?;
        seen.insert(&component.id).then_some(())?;
        let mut config: BTreeMap<String, Value> =
            service.config.iter().filter_map(|(key, schema)| schema.default.clone().map(|value| (key.to_owned(), value))).collect();
        for (name, value) in &component.config {
            if let (Some((key, _)), false) = (service.key(name), value.is_null()) {
                config.insert(key.to_owned(), value.clone());
            }
        }
        let display_name = display_name(component);
        Some(ValidatedComponent { id: component.id.clone(), label, service_type: component.service_type.clone(), display_name, config })
    });
    ValidatedDesign {
        session: session_ref.clone(),
        target: *target,
        region: subject.region().to_owned(),
        compartment_id: String::new(),
        components: known.collect(),
        connections: connections.clone(),
        variables: variables.clone(),
        files: files.clone(),
        secrets: BTreeMap::new(),
    }
}

fn display_name(component: &Component) -> String {
    let given = component.display_name.as_deref().map(clean).filter(|name| !name.is_empty());
    given.unwrap_or_else(|| clean(&component.id))
}

/// By the part a service plays in a network, else by the file its resources go to: what an overlay adds has a pictogram.
fn category(service_type: &str, catalog: &Catalog) -> Category {
    let Some(service) = catalog.service(service_type) else { return Category::Other };
    match service.network {
        Some(NetworkRole::RouteTable) => return Category::Routes,
        Some(NetworkRole::SecurityList | NetworkRole::SecurityGroup) => return Category::Security,
        Some(_) => return Category::Network,
        None => {}
    }
    match (service_type, service.tier.as_str()) {
        ("waf", _) | (_, "security" | "iam") => Category::Security,
        (_, "network") => Category::Network,
        (_, "compute") => Category::Compute,
        (_, "containers" | "oke") => Category::Containers,
        (_, "functions") => Category::Functions,
        (_, "database") => Category::Database,
        (_, "storage") => Category::Storage,
        (_, "edge") => Category::Edge,
        (_, "integration") => Category::Messaging,
        (_, "observability") => Category::Monitoring,
        (_, _) => Category::Other,
    }
}

/// Where things go while the chart is made.
struct Builder<'a> {
    subject: &'a Subject<'a>,
    network: Network,
    /// label → key
    keys: BTreeMap<String, usize>,
}

/// Makes the picture.
pub fn chart(subject: &Subject<'_>) -> Chart {
    let (design, network) = understood(subject);
    let mut keys = BTreeMap::new();
    for component in &design.components {
        if let Some(at) = subject.spec.components.iter().position(|c| c.id == component.id) {
            keys.insert(component.label.clone(), at);
        }
    }
    for (at, derived) in network.derived.iter().enumerate() {
        keys.insert(derived.label.clone(), subject.spec.components.len() + at);
    }
    Builder { subject, network, keys }.build()
}

impl Builder<'_> {
    fn node(&self, key: usize) -> Option<Node> {
        let own = self.subject.spec.components.get(key);
        let derived = || self.network.derived.get(key.checked_sub(self.subject.spec.components.len())?);
        let (name, service_type) = match own {
            Some(component) => (display_name(component), component.service_type.as_str()),
            None => derived().map(|part| (clean(&part.display_name), part.service_type.as_str()))?,
        };
        let service = self.subject.catalog.service(service_type);
        Some(Node {
            key,
            name,
            service: service.map_or_else(|| clean(service_type), |s| s.names.get(self.subject.language).to_owned()),
            category: category(service_type, self.subject.catalog),
            derived: own.is_none(),
            known: service.is_some(),
        })
    }

    fn role(&self, service_type: &str) -> Option<NetworkRole> {
        self.subject.catalog.service(service_type).and_then(|service| service.network)
    }

    /// Every component, brought and derived, with its key, label and role; a repeated id has no label of its own.
    fn all(&self) -> Vec<(usize, Option<String>, Option<NetworkRole>)> {
        let own = self.subject.spec.components.iter().enumerate().map(|(key, c)| {
            let label = self.keys.iter().find(|(_, k)| **k == key).map(|(label, _)| label.clone());
            (key, label, self.role(&c.service_type))
        });
        let first = self.subject.spec.components.len();
        let derived =
            self.network.derived.iter().enumerate().map(|(at, c)| (first + at, Some(c.label.clone()), self.role(&c.service_type)));
        own.chain(derived).collect()
    }

    fn build(self) -> Chart {
        let all = self.all();
        let mut vcns = self.vcns(&all);
        let mut regional = Vec::new();
        let mut guests = Vec::new();
        for (key, label, role) in &all {
            let Some(node) = self.node(*key) else { continue };
            let vcn_label = label.as_ref().and_then(|label| self.network.vcn_of.get(label));
            let vcn_key = vcn_label.and_then(|vcn| self.keys.get(vcn)).copied();
            let home = vcns.iter_mut().find(|vcn| Some(vcn.node.key) == vcn_key);
            match (role, home) {
                (Some(NetworkRole::Vcn), _) => {
                    if !vcns.iter().any(|vcn| vcn.node.key == *key) {
                        regional.push(node);
                    }
                }
                (Some(NetworkRole::Subnet), Some(_)) => {}
                (
                    Some(
                        NetworkRole::InternetGateway
                        | NetworkRole::NatGateway
                        | NetworkRole::ServiceGateway
                        | NetworkRole::LocalPeering
                        | NetworkRole::DrgAttachment,
                    ),
                    Some(vcn),
                ) => {
                    vcn.gateways.push(node);
                }
                (Some(NetworkRole::Drg | NetworkRole::RemotePeering), Some(_)) => regional.push(node),
                (Some(NetworkRole::RouteTable | NetworkRole::SecurityList | NetworkRole::SecurityGroup), Some(vcn)) => {
                    // derived tables are in the summary; in the picture they say nothing the subnet does not say
                    if !node.derived {
                        vcn.tables.push(node);
                    }
                }
                (Some(_), None) => regional.push(node),
                (None, _) => guests.extend(self.place(node, &mut vcns, &mut regional)),
            }
        }
        for (node, host) in guests {
            beside(node, host, &mut vcns, &mut regional);
        }
        let links = self.links(&vcns);
        Chart { title: clean(self.subject.title), region: clean(self.subject.region()), vcns, regional, links }
    }

    fn vcns(&self, all: &[(usize, Option<String>, Option<NetworkRole>)]) -> Vec<Vcn> {
        let mut vcns = Vec::new();
        for (key, label, role) in all {
            let (Some(label), Some(NetworkRole::Vcn), Some(node)) = (label, role, self.node(*key)) else { continue };
            let cidr = self.network.vcns.get(label).map(ToString::to_string).unwrap_or_default();
            let mut subnets: Vec<Subnet> = all
                .iter()
                .filter(|(_, l, r)| *r == Some(NetworkRole::Subnet) && l.as_ref().and_then(|l| self.network.vcn_of.get(l)) == Some(label))
                .filter_map(|(key, label, _)| self.subnet(*key, label.as_ref()?))
                .collect();
            subnets.sort_by_key(|subnet| subnet.tier);
            vcns.push(Vcn { node, cidr, gateways: Vec::new(), subnets, loose: Vec::new(), tables: Vec::new() });
        }
        vcns
    }

    fn subnet(&self, key: usize, label: &str) -> Option<Subnet> {
        let node = self.node(key)?;
        let known = self.network.subnets.get(label);
        let tier = match known {
            Some(subnet) if subnet.public => SubnetTier::Public,
            Some(subnet) => subnet.tier.unwrap_or(SubnetTier::App),
            None => SubnetTier::App,
        };
        let tables = known.into_iter().flat_map(|subnet| std::iter::once(&subnet.route_table).chain(&subnet.security_lists));
        let attached =
            tables.filter_map(|table| self.node(*self.keys.get(table)?)).filter(|table| !table.derived).map(|table| table.name).collect();
        Some(Subnet { node, cidr: known.map(|s| s.cidr.to_string()).unwrap_or_default(), tier, attached, cards: Vec::new() })
    }

    /// A workload goes where the derived network puts it, else where its `deployed_in` says, else beside what it is
    /// attached to (given back with that one's key, which may not have its place yet), else beside the VCNs.
    fn place(&self, node: Node, vcns: &mut [Vcn], regional: &mut Vec<Node>) -> Option<(Node, usize)> {
        let id = self.subject.spec.components.get(node.key).map(|c| c.id.as_str()).unwrap_or_default();
        let placed = self.network.placements.get(id).and_then(|placement| self.keys.get(&placement.subnet)).copied();
        let said = |kind: &'static str| {
            let ends = self.subject.spec.connections.iter().filter(move |c| c.source_id == id && c.connection_type == kind);
            ends.filter_map(|c| self.key_of(&c.target_id))
        };
        let homes: Vec<usize> = placed.into_iter().chain(said("deployed_in")).collect();
        for home in &homes {
            for vcn in vcns.iter_mut() {
                if let Some(subnet) = vcn.subnets.iter_mut().find(|subnet| subnet.node.key == *home) {
                    subnet.cards.push(node);
                    return None;
                }
            }
        }
        if let Some(vcn) = vcns.iter_mut().find(|vcn| homes.contains(&vcn.node.key)) {
            vcn.loose.push(node);
            return None;
        }
        let host = said("attached_to").find(|host| *host != node.key);
        match host {
            Some(host) => Some((node, host)),
            None => {
                regional.push(node);
                None
            }
        }
    }

    fn key_of(&self, id: &str) -> Option<usize> {
        self.subject.spec.components.iter().position(|c| c.id == id)
    }

    /// Connections that are drawn: ends exist and differ, and nesting does not show them already. One line per pair.
    fn links(&self, vcns: &[Vcn]) -> Vec<Link> {
        let mut parent: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut tables = BTreeSet::new();
        for vcn in vcns {
            let inside = vcn.gateways.iter().chain(&vcn.loose).chain(&vcn.tables).chain(vcn.subnets.iter().map(|s| &s.node));
            inside.for_each(|node| parent.entry(node.key).or_default().push(vcn.node.key));
            tables.extend(vcn.tables.iter().map(|table| table.key));
            for subnet in &vcn.subnets {
                subnet.cards.iter().for_each(|card| parent.entry(card.key).or_default().extend([subnet.node.key, vcn.node.key]));
            }
        }
        let inside = |child: usize, box_key: usize| parent.get(&child).is_some_and(|parents| parents.contains(&box_key));
        let is_subnet = |key: usize| vcns.iter().any(|vcn| vcn.subnets.iter().any(|subnet| subnet.node.key == key));
        let mut links: Vec<Link> = Vec::new();
        for connection in &self.subject.spec.connections {
            let (Some(from), Some(to)) = (self.key_of(&connection.source_id), self.key_of(&connection.target_id)) else { continue };
            let nests = matches!(connection.connection_type.as_str(), "deployed_in" | "attached_to");
            let listed = (tables.contains(&from) && is_subnet(to)) || (tables.contains(&to) && is_subnet(from));
            if from == to || nests && (inside(from, to) || inside(to, from) || listed) {
                continue;
            }
            let kind = clean(&connection.connection_type);
            match links.iter_mut().find(|link| link.from == from && link.to == to) {
                Some(link) if link.kinds.contains(&kind) => {}
                Some(link) => link.kinds.push(kind),
                None => links.push(Link { from, to, kinds: vec![kind] }),
            }
        }
        links
    }
}

/// Puts a component right behind its host, wherever that stands.
fn beside(node: Node, host: usize, vcns: &mut [Vcn], regional: &mut Vec<Node>) {
    let inside = vcns.iter_mut().flat_map(|vcn| vcn.subnets.iter_mut().map(|subnet| &mut subnet.cards).chain([&mut vcn.loose]));
    for group in inside.chain([&mut *regional]) {
        if let Some(at) = group.iter().position(|card| card.key == host) {
            group.insert(at + 1, node);
            return;
        }
    }
    regional.push(node);
}
