//! Designs that try the whole catalogue: every type with what it requires, the neighbours among which a key matters, values
//! that a key takes, everything connected with everything. The tests of the library and `tests/provider` share this file.
//! Pure: nothing here starts anything. Whoever includes it uses what it needs.
#![allow(dead_code, missing_docs, reason = "two programs include this file, and each uses its part")]

use std::collections::{BTreeMap, BTreeSet};

use galley::api::design::{Component, Connection, DesignSpec};
use galley::api::session::Language;
use galley::catalog::service::{ConfigKey, Service, ValueType};
use galley::catalog::{Catalog, DEPENDS_ON};
use galley::render::{RenderContext, Rendered, render};
use galley::validator::rules::Rules;
use galley::validator::{Defaults, Verdict, validate};
use serde_json::{Value, json};

/// The shipped catalogue, read once: a thousand designs are judged against it.
pub static CATALOG: std::sync::LazyLock<Catalog> = std::sync::LazyLock::new(|| Catalog::embedded().unwrap());

pub fn spec(document: &Value) -> DesignSpec {
    let text = |v: &Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
    let components = document["components"].as_array().cloned().unwrap_or_default();
    let connections = document["connections"].as_array().cloned().unwrap_or_default();
    DesignSpec {
        session_ref: "s-01h".to_owned(),
        components: components
            .iter()
            .map(|c| Component {
                id: text(c, "id"),
                service_type: text(c, "service_type"),
                display_name: c["display_name"].as_str().map(str::to_owned),
                config: c["config"].as_object().cloned().unwrap_or_default().into_iter().collect(),
            })
            .collect(),
        connections: connections
            .iter()
            .map(|c| Connection {
                source_id: text(c, "source_id"),
                target_id: text(c, "target_id"),
                connection_type: text(c, "connection_type"),
                description: None,
            })
            .collect(),
        ..DesignSpec::default()
    }
}

pub fn judge(spec: &DesignSpec) -> Verdict {
    let defaults =
        Defaults { region: "ap-osaka-1".to_owned(), compartment_id: "ocid1.compartment.oc1..aaaa".to_owned(), language: Language::En };
    // No rules: what is looked at here is rendering, of values that OCI would refuse in some regions, too.
    validate(spec, &CATALOG, &Rules::default(), &defaults)
}

pub fn context() -> RenderContext {
    RenderContext { session: "s-01h".to_owned(), design_uid: "11111111-2222-3333-4444-555555555555".to_owned() }
}

/// A component with what its service requires: example values of required keys, and the components (`<id>_<type>`) of the
/// connections it cannot be made without. (components, the asked one first; connections)
pub fn whole(id: &str, kind: &str, config: Value) -> (Vec<Value>, Vec<Value>) {
    let service = CATALOG.service(kind).unwrap_or_else(|| panic!("no type {kind}"));
    let mut config = config;
    for (key, schema) in service.config.iter().filter(|(_, schema)| schema.required) {
        if config.get(key).is_none() {
            // The first for one component, the last for another: some values are unique in a design.
            let example = if id == "peer" { schema.examples.last() } else { schema.examples.first() };
            config[key] = example.or(schema.choices.first()).unwrap_or_else(|| panic!("{kind}.{key} has no example")).clone();
        }
    }
    let mut components = vec![json!({"id": id, "service_type": kind, "config": config})];
    let mut connections = Vec::new();
    for over in &service.requires {
        let peer = format!("{id}_{}", over.with[0]);
        let first = |value: &Value| value.as_array().map_or_else(|| value.clone(), |any| any[0].clone());
        let config: serde_json::Map<String, Value> = over.config.iter().map(|(key, value)| (key.clone(), first(value))).collect();
        let (others, links) = whole(&peer, &over.with[0], config.into());
        components.extend(others);
        connections.extend(links);
        let (source, target) = match over.direction {
            galley::catalog::mapping::Direction::Out => (id, peer.as_str()),
            galley::catalog::mapping::Direction::In => (peer.as_str(), id),
        };
        connections.push(json!({"source_id": source, "target_id": target, "connection_type": over.types[0]}));
    }
    (components, connections)
}

/// Connection types that say where something stands or when it is made; they have rows of their own.
pub const STANDING: [&str; 4] = ["deployed_in", "attached_to", "depends_on", "vcn_peering"];

pub fn link(source: &str, target: &str, kind: &str) -> Value {
    json!({"source_id": source, "target_id": target, "connection_type": kind})
}

pub fn part(id: &str, kind: &str, config: Value) -> Value {
    json!({"id": id, "service_type": kind, "config": config})
}

/// Files of a design; None when it is refused.
pub fn files(components: &[Value], connections: &[Value]) -> Option<BTreeMap<String, String>> {
    let design = judge(&spec(&json!({"components": components, "connections": connections}))).design?;
    Some(render(&design, &CATALOG, &context()).unwrap_or_else(|f| panic!("{f:#?}\n{components:#?}")).files)
}

/// Whether anything but spelling differs.
pub fn differ(one: &BTreeMap<String, String>, two: &BTreeMap<String, String>) -> bool {
    let parsed = |text: &String| hcl::parse(text).unwrap();
    one.keys().collect::<Vec<_>>() != two.keys().collect::<Vec<_>>()
        || one.iter().any(|(name, text)| two[name] != *text && (!name.ends_with(".tf") || parsed(&two[name]) != parsed(text)))
}

/// A component `x` among others: (components but x, connections).
pub type Scene = (Vec<Value>, Vec<Value>);

/// Places and neighbours in which a key of a service may matter.
pub fn scenes(service: &Service) -> Vec<Scene> {
    let kind = service.service_type.as_str();
    let mut base = vec![part("pub", "subnet", json!({})), part("app", "subnet", json!({"prohibit_public_ip": true}))];
    if kind != "vcn" {
        base.insert(0, part("vcn", "vcn", json!({})));
    }
    let mut neighbours: Vec<Scene> = vec![(Vec::new(), Vec::new())];
    let mut beside = |other: &str, source: &str, target: &str, name: &str| {
        let (components, mut connections) = whole("peer", other, json!({}));
        connections.push(link(source, target, name));
        neighbours.push((components, connections));
    };
    // What one workload is attached to is a neighbour like others, unless it cannot be without it.
    let attached = |name: &str| name == "attached_to" && service.network.is_none() && service.requires.is_empty();
    for (name, targets) in service.connections.iter().filter(|(name, _)| !STANDING.contains(name) || attached(name)) {
        targets.iter().for_each(|target| beside(target, "x", "peer", name));
    }
    for other in CATALOG.services() {
        for (name, _) in other.connections.iter().filter(|(name, targets)| !STANDING.contains(name) && targets.iter().any(|t| t == kind)) {
            beside(&other.service_type, "peer", "x", name);
        }
    }
    // Whoever requires the same neighbour: a key may speak of what both do with it.
    for over in &service.requires {
        let shared = &over.with[0];
        let with_same = |other: &&Service| other.service_type != kind && matches!(&other.requires[..], [one] if one.with[0] == *shared);
        for other in CATALOG.services().filter(with_same) {
            let third = part("third", &other.service_type, whole("third", &other.service_type, json!({})).0[0]["config"].clone());
            neighbours.push((vec![third], vec![link("third", &format!("x_{shared}"), &other.requires[0].types[0])]));
        }
    }
    let places: &[Option<&str>] = if service.placement.is_some() { &[None, Some("pub"), Some("app")] } else { &[None] };
    let mut scenes = Vec::new();
    for place in places {
        for (components, connections) in &neighbours {
            let placed = place.map(|subnet| link("x", subnet, "deployed_in"));
            scenes.push((base.iter().chain(components).cloned().collect(), connections.iter().cloned().chain(placed).collect()));
        }
    }
    scenes
}

/// Values of a key: every choice, both truths, the bounds and a neighbour of the default, the examples of its file.
pub fn values(service: &str, key: &str, schema: &ConfigKey) -> Vec<Value> {
    let list = matches!(schema.value_type, ValueType::Integers | ValueType::Strings);
    if !schema.choices.is_empty() {
        return if list { schema.choices.iter().map(|choice| json!([choice])).collect() } else { schema.choices.clone() };
    }
    if !schema.examples.is_empty() {
        return schema.examples.clone();
    }
    let number = |n: f64| json!(n as i64);
    match schema.value_type {
        ValueType::Boolean => vec![json!(true), json!(false)],
        ValueType::Integers => vec![json!([8443]), json!([80, 443])],
        ValueType::Integer | ValueType::Number => {
            let beside = schema.default.as_ref().and_then(Value::as_f64).or(schema.minimum).map(|n| n + 1.0);
            [schema.minimum, schema.maximum, beside].into_iter().flatten().map(number).collect()
        }
        ValueType::String | ValueType::Strings => panic!("{service}.{key} needs `examples` in its service file"),
    }
}

/// Components and connections of a design under construction.
#[derive(Clone, Default)]
pub struct Draft {
    pub components: Vec<Value>,
    pub connections: Vec<Value>,
}

impl Draft {
    /// Every type once, with what it requires; its id is its type.
    pub fn of_every_type() -> Draft {
        let mut draft = Draft::default();
        for kind in CATALOG.service_types() {
            let (components, connections) = whole(kind, kind, json!({}));
            draft.components.extend(components);
            draft.connections.extend(connections);
        }
        draft
    }

    /// In a region with three availability domains, because some keys count them.
    pub fn spec(&self) -> DesignSpec {
        let document = json!({"components": self.components, "connections": self.connections});
        DesignSpec { region: Some("us-ashburn-1".to_owned()), ..spec(&document) }
    }

    pub fn rendered(&self) -> Option<Rendered> {
        render(&judge(&self.spec()).design?, &CATALOG, &context()).ok()
    }

    /// The design with other values: of every key of every workload one that the judge takes beside the others.
    pub fn edited(&self) -> Draft {
        let mut edits = Vec::new();
        for (at, component) in self.components.iter().enumerate() {
            let service = CATALOG.service(component["service_type"].as_str().unwrap()).unwrap();
            let stays = stays(service);
            let keys = service.config.iter().filter(|(key, _)| service.network.is_none() && !stays.contains(*key));
            edits.extend(keys.filter_map(|(key, schema)| Some((at, key, other_value(schema)?))));
        }
        let mut draft = self.clone();
        let edit = |draft: &mut Draft, (at, key, value): &(usize, &str, Value)| draft.components[*at]["config"][*key] = value.clone();
        draft.take(&edits, &edit, &|draft| judge(&draft.spec()).design.is_some());
        draft
    }

    /// Adds every connection that the catalogue allows between two of the types, unless the judge refuses it beside the
    /// others or it makes a circle. How many were added.
    pub fn connect_everything(&mut self) -> usize {
        let mut possible = Vec::new();
        for service in CATALOG.services() {
            for (name, targets) in service.connections.iter().filter(|(name, _)| *name != DEPENDS_ON) {
                for target in targets.iter().filter(|target| **target != service.service_type) {
                    possible.push(json!({"source_id": service.service_type, "target_id": target, "connection_type": name}));
                }
            }
        }
        let before = self.connections.len();
        self.take(&possible, &|draft, connection| draft.connections.push(connection.clone()), &|draft| draft.rendered().is_some());
        self.connections.len() - before
    }

    /// Makes the edits that are accepted beside those before them. Many at once: a half that is refused is halved again.
    fn take<T>(&mut self, edits: &[T], edit: &dyn Fn(&mut Draft, &T), accepted: &dyn Fn(&Draft) -> bool) {
        let mut with = self.clone();
        edits.iter().for_each(|one| edit(&mut with, one));
        if accepted(&with) {
            *self = with;
        } else if edits.len() > 1 {
            let (first, second) = edits.split_at(edits.len() / 2);
            self.take(first, edit, accepted);
            self.take(second, edit, accepted);
        }
    }
}

/// Keys that decide whether it stands in a subnet at all: OCI keeps the subnet of a database whose configuration drops it.
pub fn stays(service: &Service) -> BTreeSet<&str> {
    let when = service.placement.as_ref().map(|placement| &placement.when.config).into_iter().flatten().map(|(key, _)| key);
    let under = |key: &str| service.config.get(key).into_iter().flat_map(|schema| &schema.default_when);
    when.flat_map(|key| under(key).flat_map(|default| default.when.config.keys()).chain([key])).map(String::as_str).collect()
}

/// A value that is not the default.
pub fn other_value(schema: &ConfigKey) -> Option<Value> {
    let number = || schema.default.as_ref().and_then(Value::as_f64).or(schema.minimum).map(|n| json!(n as i64 + 1));
    match schema.value_type {
        ValueType::Boolean => Some(json!(schema.default != Some(json!(true)))),
        _ if !schema.choices.is_empty() => schema.choices.iter().rev().find(|choice| schema.default.as_ref() != Some(choice)).cloned(),
        ValueType::Integer | ValueType::Number => number(),
        ValueType::String | ValueType::Strings | ValueType::Integers => schema.examples.first().cloned(),
    }
}

/// A value that every password rule of the catalogue takes.
pub fn password(length: usize, symbols: &str) -> String {
    let symbol = symbols.chars().next().map(String::from).unwrap_or_default();
    let start = format!("Ab1{symbol}Xy2{symbol}");
    start.chars().chain("kQ7mZ4".chars().cycle()).take(length.max(12)).collect()
}

/// Three VCNs: two at a gateway that also leads on premises and to another region, the third peered in both ways there are.
pub fn several_vcns() -> Draft {
    let part = |id: &str, kind: &str, config: Value| json!({"id": id, "service_type": kind, "config": config});
    let link = |source: &str, target: &str, kind: &str| json!({"source_id": source, "target_id": target, "connection_type": kind});
    let mut draft = Draft::default();
    for (net, cidr) in [("one", "10.0.0.0/16"), ("two", "10.1.0.0/24"), ("three", "10.2.0.0/28")] {
        let vm = format!("vm_{net}");
        draft.components.extend([part(net, "vcn", json!({"cidr_block": cidr})), part(&vm, "compute", json!({}))]);
        draft.connections.push(link(&vm, net, "deployed_in"));
    }
    draft.components.extend([
        part("hub", "drg", json!({})),
        part("at_one", "drg_attachment", json!({"remote_cidrs": ["192.168.0.0/16"]})),
        part("at_two", "drg_attachment", json!({})),
        part("far", "remote_peering", json!({"peer_id": "ocid1.remotepeeringconnection.oc1.iad.aaaa", "remote_cidrs": ["172.30.0.0/16"]})),
        part("end_two", "local_peering", json!({})),
        part("end_three", "local_peering", json!({})),
        part("mine", "nsg", json!({"ingress_ports": [8080, 8443], "allow_all_egress": true})),
        part("nlb", "network_loadbalancer", json!({"is_private": true})),
    ]);
    draft.connections.extend([
        link("at_one", "one", "deployed_in"),
        link("at_two", "two", "deployed_in"),
        link("at_one", "hub", "attached_to"),
        link("at_two", "hub", "attached_to"),
        link("far", "hub", "attached_to"),
        link("end_two", "two", "deployed_in"),
        link("end_three", "three", "deployed_in"),
        link("end_two", "end_three", "peers_with"),
        link("one", "three", "vcn_peering"),
        link("mine", "vm_one", "attached_to"),
        link("nlb", "one", "deployed_in"),
        link("nlb", "vm_one", "https"),
        link("nlb", "vm_two", "http"),
        link("vm_one", "vm_two", "ssh"),
    ]);
    draft
}

/// Lines that Terraform 1.5.7, the newest that OCI Resource Manager has, does not know, or that tie a stack to one place.
pub fn beyond_1_5(files: &BTreeMap<String, String>) -> Vec<String> {
    let starts = ["removed ", "ephemeral ", "check ", "moved ", "  backend \"", "  cloud {", "  provider_meta "];
    let functions = ["provider::", "templatestring(", "issensitive(", "ephemeralasnull("];
    let beyond = |line: &&str| {
        let write_only = line.split_whitespace().next().is_some_and(|word| word.ends_with("_wo"));
        write_only || starts.iter().any(|start| line.starts_with(start)) || functions.iter().any(|function| line.contains(function))
    };
    let tf = files.iter().filter(|(name, _)| name.ends_with(".tf"));
    tf.flat_map(|(name, text)| text.lines().filter(beyond).map(move |line| format!("{name}: {line}"))).collect()
}
