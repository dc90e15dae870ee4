//! What a person wrote → the same design in the catalogue's words: service types and connection types in any spelling, and
//! connections of belonging whose ends are turned round. Only what has one meaning is read; the rest is left for the judge to
//! refuse with what is allowed. Number and order of components and connections stay, so paths stay right. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::connections::allowed_connections;
use super::finding::{Findings, both, quoted};
use crate::api::design::{Connection, DesignSpec};
use crate::catalog::Catalog;

/// Connections that say where something belongs. Which end is which follows from what the two ends are, and where two types
/// have one such connection, "attached to" can mean no other.
const BELONGING: [&str; 10] =
    ["deployed_in", "attached_to", "stored_in", "encrypted_with", "protects", "mounts", "grants_to", "covers", "logs", "resolves_to"];
/// Words that people use for any belonging → the connections of belonging they may stand for.
const LOOSE: [(&str, &[&str]); 2] = [("attached_to", &BELONGING), ("deployed_in", &["attached_to", "stored_in"])];

/// A word or a direction that was read as another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// where
    path: String,
    /// as it is written
    written: String,
    /// as it is read
    read: String,
}

/// The design in the catalogue's words, and what was read otherwise than by letter case and separators.
pub fn read<'a>(spec: &'a DesignSpec, catalog: &Catalog) -> (Cow<'a, DesignSpec>, Vec<Reading>) {
    let mut read = Cow::Borrowed(spec);
    let mut readings = Vec::new();
    for (at, component) in spec.components.iter().enumerate() {
        let written = component.service_type.as_str();
        let Some(name) = catalog.named(written).filter(|name| *name != written) else { continue };
        if let Some(component) = read.to_mut().components.get_mut(at) {
            name.clone_into(&mut component.service_type);
        }
        note(&mut readings, format!("components[{}].serviceType", component.id), written, name);
    }
    let types: BTreeMap<String, String> = read.components.iter().map(|c| (c.id.clone(), c.service_type.clone())).collect();
    for (at, connection) in spec.connections.iter().enumerate() {
        let Some(meant) = connection_read(connection, &types, catalog) else { continue };
        if let Some(connection) = read.to_mut().connections.get_mut(at) {
            connection.clone_from(&meant);
        }
        let turned = meant.source_id != connection.source_id;
        let shown = |c: &Connection| match turned {
            true => format!("{} {} {}", c.source_id, c.connection_type, c.target_id),
            false => c.connection_type.clone(),
        };
        note(&mut readings, format!("connections[{at}]"), &shown(connection), &shown(&meant));
    }
    (read, readings)
}

/// Says what was read as what.
pub(super) fn tell(readings: Vec<Reading>, findings: &mut Findings) {
    for Reading { path, written, read } in readings {
        let (one, two) = (quoted(&written), quoted(&read));
        let text = both(format!("{one} を {two} と読みます"), format!("{one} is read as {two}"));
        let advice = both("違うなら書き直してください", "write it otherwise if that is not what is meant");
        findings.info("reading.other-words", path, text).advise(advice).add();
    }
}

/// Letter case and separators are nobody's meaning.
fn note(readings: &mut Vec<Reading>, path: String, written: &str, read: &str) {
    let bare = crate::catalog::spelling::bare;
    if bare(written) != bare(read) {
        readings.push(Reading { path, written: written.to_owned(), read: read.to_owned() });
    }
}

/// The connection that is meant, when it is another than the one written.
fn connection_read(written: &Connection, types: &BTreeMap<String, String>, catalog: &Catalog) -> Option<Connection> {
    let (source, target) = (types.get(&written.source_id)?, types.get(&written.target_id)?);
    let allows = |from: &str, to: &str, name: &str| catalog.service(from).is_some_and(|s| s.targets(name).iter().any(|t| t == to));
    if allows(source, target, &written.connection_type) {
        return None;
    }
    let (name, turned) = catalog.connection_named(&written.connection_type)?;
    let straight = |name: &str| Connection { connection_type: name.to_owned(), ..written.clone() };
    let round = |name: &str| Connection { source_id: written.target_id.clone(), target_id: written.source_id.clone(), ..straight(name) };
    if !turned && allows(source, target, name) {
        return Some(straight(name));
    }
    if BELONGING.contains(&name) && allows(target, source, name) {
        return Some(round(name));
    }
    let known = catalog.service(target).and_then(|service| service.read_as.get(name)).map(Vec::as_slice).unwrap_or_default();
    if let Some(meant) = known.iter().find(|meant| allows(source, target, meant)) {
        return Some(straight(meant));
    }
    let (_, meanings) = LOOSE.iter().find(|(word, _)| *word == name)?;
    let meant = |from: &str, to: &str| allowed_connections(catalog, from, to).into_iter().filter(|n| meanings.contains(&n.as_str()));
    let mut all = meant(source, target).map(|n| straight(&n)).chain(meant(target, source).map(|n| round(&n)));
    let only = all.next()?;
    all.next().is_none().then_some(only)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::tests::{CATALOG, judge, spec};

    /// What a connection between two types is read as.
    fn reads(source: &str, name: &str, target: &str) -> Option<(String, String)> {
        let document = json!({"components": [{"id": "a", "service_type": source}, {"id": "b", "service_type": target}],
            "connections": [{"source_id": "a", "target_id": "b", "connection_type": name}]});
        let written = spec(&document);
        let (read, _) = read(&written, &CATALOG);
        let Connection { source_id, connection_type, .. } = read.connections[0].clone();
        (read.connections[0] != written.connections[0]).then_some((source_id, connection_type))
    }

    #[test]
    fn belonging_is_read_from_either_end_and_traffic_is_not() {
        let rows = [
            ("compute", "Deployed-In", "subnet", Some(("a", "deployed_in")), "another spelling"),
            ("compute", "located_in", "subnet", Some(("a", "deployed_in")), "another word"),
            ("vcn", "deployed_in", "subnet", Some(("b", "deployed_in")), "a VCN stands in no subnet"),
            ("vcn", "contains", "subnet", Some(("b", "deployed_in")), "said from the other end"),
            ("subnet", "contains", "compute", Some(("b", "deployed_in")), "said from the other end"),
            ("vcn", "attached_to", "internet_gateway", Some(("b", "attached_to")), "a VCN is attached to no gateway"),
            ("loadbalancer", "attached_to", "subnet", Some(("a", "deployed_in")), "the only way a balancer belongs to a subnet"),
            ("key", "attached_to", "vault", Some(("a", "stored_in")), "the only way a key belongs to a vault"),
            ("vault", "contains", "key", Some(("b", "stored_in")), "said from the other end"),
            ("loadbalancer", "attached_to", "waf", Some(("b", "protects")), "a firewall stands before it"),
            ("file_storage", "attached_to", "compute", Some(("b", "mounts")), "who mounts whom is no question"),
            ("adb", "private_endpoint", "compute", None, "who calls whom is a question"),
            ("compute", "http", "loadbalancer", None, "allowed as it is written"),
            ("functions", "http", "apigateway", Some(("a", "https")), "a gateway listens to https alone"),
            ("compute", "routes_to", "apigateway", None, "who calls whom is a question"),
            ("compute", "uses", "mysql", None, "a word that says nothing about the network"),
            ("compute", "deployed_in", "adb", None, "nothing stands in a database"),
            ("objectstorage", "deployed_in", "subnet", None, "a bucket stands in no subnet"),
            ("subnet", "attached_to", "vcn", None, "allowed as it is written"),
            ("streaming", "deployed_in", "functions", None, "an event is no place"),
            ("apigateway", "https", "functions", Some(("a", "routes_to")), "a gateway calls a function in one way"),
            ("compute", "https", "functions", Some(("a", "public")), "a function is called at an endpoint of OCI"),
            ("oke", "https", "objectstorage", Some(("a", "public")), "a bucket is reached by https in any case"),
            ("functions", "private_endpoint", "nosql", Some(("a", "service_gateway")), "privately is by the service gateway"),
            ("functions", "event", "streaming", Some(("a", "public")), "who produces sends"),
            ("compute", "https", "mysql", None, "MySQL speaks no https"),
            ("compute", "public", "mysql", None, "MySQL has no public endpoint"),
        ];
        for (source, name, target, expected, reason) in rows {
            let expected = expected.map(|(from, name)| (from.to_owned(), name.to_owned()));
            assert_eq!(reads(source, name, target), expected, "{reason}: {source} {name} {target}");
        }
    }

    #[test]
    fn what_is_read_otherwise_is_told_and_places_what_it_means() {
        let verdict = judge(&spec(&json!({
            "components": [
                {"id": "net", "service_type": "VCN"},
                {"id": "app", "service_type": "Subnet", "config": {"cidr_block": "10.0.1.0/24", "private": "true"}},
                {"id": "vm", "service_type": "virtual_machine"},
            ],
            "connections": [
                {"source_id": "net", "target_id": "app", "connection_type": "contains"},
                {"source_id": "vm", "target_id": "app", "connection_type": "hosted_in"},
            ],
        })));
        let design = verdict.design.unwrap();
        let types: Vec<&str> = design.components.iter().map(|c| c.service_type.as_str()).collect();
        assert_eq!(types, ["vcn", "subnet", "compute"]);
        let network = crate::render::network::derive(&design, &CATALOG, crate::api::session::Language::En);
        assert_eq!(network.placements["vm"].subnet, "app");
        let told: Vec<(&str, &str)> =
            verdict.findings.iter().filter(|f| f.rule == "reading.other-words").map(|f| (f.path.as_str(), f.message.as_str())).collect();
        assert_eq!(
            told,
            [
                ("components[vm].serviceType", "`virtual_machine` is read as `compute`"),
                ("connections[0]", "`net contains app` is read as `app deployed_in net`"),
                ("connections[1]", "`hosted_in` is read as `deployed_in`"),
            ],
            "letter case alone is not told"
        );
    }

    #[test]
    fn a_design_in_the_catalogues_words_is_not_copied() {
        let written = spec(&json!({"components": [{"id": "a", "service_type": "vcn"}, {"id": "b", "service_type": "subnet"}],
            "connections": [{"source_id": "b", "target_id": "a", "connection_type": "deployed_in"}]}));
        assert!(matches!(read(&written, &CATALOG), (Cow::Borrowed(_), readings) if readings.is_empty()));
    }
}
