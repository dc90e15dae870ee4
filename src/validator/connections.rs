//! Connections: both ends exist, the type is allowed for the pair, nothing is deployed twice or in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Both, Findings, both, did_you_mean, quoted};
use crate::api::design::{Connection, DesignSpec};
use crate::catalog::service::NetworkRole;
use crate::catalog::{Catalog, DEPENDS_ON};

/// The type that says where a component stands.
const DEPLOYED_IN: &str = "deployed_in";

/// What people draw outside the cloud.
const OUTSIDE: [&str; 12] =
    ["internet", "user", "users", "client", "clients", "browser", "public", "world", "external", "インターネット", "ユーザー", "利用者"];

/// Connection types the catalogue allows from one service type to another.
pub fn allowed_connections(catalog: &Catalog, source_type: &str, target_type: &str) -> Vec<String> {
    let Some(service) = catalog.service(source_type) else { return Vec::new() };
    let reaches = |targets: &Vec<String>| targets.iter().any(|target| target == target_type);
    service.connections.iter().filter(|(_, targets)| reaches(targets)).map(|(name, _)| name.to_owned()).collect()
}

/// Checks all connections; gives the ones that may be relied on.
pub(super) fn check(spec: &DesignSpec, catalog: &Catalog, findings: &mut Findings) -> Vec<Connection> {
    let types: BTreeMap<&str, &str> = spec.components.iter().map(|c| (c.id.as_str(), c.service_type.as_str())).collect();
    let mut seen = BTreeSet::new();
    let mut good = Vec::new();
    for (index, connection) in spec.connections.iter().enumerate() {
        let key = (&connection.source_id, &connection.target_id, &connection.connection_type);
        let path = format!("connections[{index}]");
        let ends = [("sourceId", &connection.source_id), ("targetId", &connection.target_id)];
        let missing: Vec<_> = ends.into_iter().filter(|(_, id)| !types.contains_key(id.as_str())).collect();
        for (field, id) in &missing {
            let shown = quoted(id);
            let text = both(format!("部品 {shown} がありません"), format!("there is no component {shown}"));
            let draft =
                findings.error("structure.dangling-connection", format!("{path}.{field}"), text).allow(types.keys().copied().take(50));
            match did_you_mean(id, types.keys().copied()) {
                _ if OUTSIDE.contains(&id.to_lowercase().as_str()) => draft
                    .advise(both(
                        "インターネットや利用者は部品ではありません。消してください。公開の部品はそれだけで外から届きます (source_cidr で絞れます)",
                        "the internet and its users are no components: remove this connection. What is public is reached from outside by itself (source_cidr narrows it)",
                    ))
                    .add(),
                Some(near) => draft.advise(both(format!("{near} のことですか"), format!("did you mean {near}?"))).add(),
                None => draft.add(),
            }
        }
        if !missing.is_empty() {
            continue;
        }
        if connection.source_id == connection.target_id {
            let text = both("部品が自分自身につながっています", "a component is connected with itself");
            findings.error("structure.self-connection", path, text).add();
        } else if !seen.insert(key) {
            let text = both("同じ接続がすでにあります", "the same connection is there already");
            findings.warning("structure.duplicate-connection", path, text).advise(both("片方を消してください", "remove one of them")).add();
        } else if is_allowed(connection, &path, &types, catalog, findings) {
            good.push(connection.clone());
        }
    }
    deployed_once(&good, &types, catalog, findings);
    circles(&good, findings);
    good
}

fn is_allowed(connection: &Connection, path: &str, types: &BTreeMap<&str, &str>, catalog: &Catalog, findings: &mut Findings) -> bool {
    let of = |id: &str| types.get(id).copied().unwrap_or_default();
    let (source, target) = (of(&connection.source_id), of(&connection.target_id));
    // An unknown type has its own finding; a second one about its connections would only hide it.
    let (Some(service), Some(_)) = (catalog.service(source), catalog.service(target)) else { return false };
    if service.targets(&connection.connection_type).iter().any(|allowed| allowed == target) {
        return true;
    }
    // An order is possible between any two, so it says nothing about which pair was meant.
    let said = |list: Vec<String>| list.into_iter().filter(|name| name != DEPENDS_ON).collect::<Vec<_>>();
    let allowed = said(allowed_connections(catalog, source, target));
    let shown = quoted(&connection.connection_type);
    let text = both(
        format!("{source} から {target} への接続に {shown} は使えません"),
        format!("a connection from {source} to {target} cannot be {shown}"),
    );
    let backwards = said(allowed_connections(catalog, target, source));
    let advice = match never(catalog, source, target, &connection.connection_type) {
        _ if !allowed.is_empty() => meanings(&allowed),
        Some(why) => why,
        None if !backwards.is_empty() => {
            let list = backwards.join(", ");
            both(
                format!("向きが逆です。{target} から {source} へは {list} が使えます"),
                format!("the other direction is allowed: {target} to {source} by {list}"),
            )
        }
        None => both(
            "この組に接続はありません。消すか、作る順だけなら depends_on にしてください",
            "these two are never connected: remove it, or say depends_on when only the order matters",
        ),
    };
    findings.error("structure.connection-type", format!("{path}.connectionType"), text).advise(advice).allow(allowed).add();
    false
}

/// What each of the allowed types means, so that one can be chosen without another question.
fn meanings(allowed: &[String]) -> Both {
    const MEANINGS: [(&str, &str, &str); 6] = [
        ("private_endpoint", "VCN の中から", "from inside the VCN"),
        ("service_gateway", "インターネットを通らずに", "without the internet"),
        ("public", "公開エンドポイントへ", "to the public endpoint"),
        ("http", "平文の HTTP", "plain HTTP"),
        ("https", "TLS", "TLS"),
        ("routes_to", "負荷分散や経路の先", "as a back end"),
    ];
    let list = |pick: fn(&(&str, &'static str, &'static str)) -> &'static str| {
        let one = |name: &String| match MEANINGS.iter().find(|(known, ..)| known == name) {
            Some(meaning) => format!("{name} ({})", pick(meaning)),
            None => name.clone(),
        };
        allowed.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    both(format!("次から選んでください: {}", list(|m| m.1)), format!("choose one of: {}", list(|m| m.2)))
}

/// Why two types are never joined by such a connection, where people expect that they are.
fn never(catalog: &Catalog, source: &str, target: &str, name: &str) -> Option<Both> {
    let role = |kind: &str| catalog.service(kind).and_then(|service| service.network);
    let gateway =
        |kind: &str| matches!(role(kind), Some(NetworkRole::InternetGateway | NetworkRole::NatGateway | NetworkRole::ServiceGateway));
    let stands = |kind: &str| catalog.service(kind).is_some_and(|service| service.placement.is_some());
    let place = |kind: &str| matches!(role(kind), Some(NetworkRole::Vcn | NetworkRole::Subnet));
    match () {
        () if gateway(target) && stands(source) => Some(both(
            format!(
                "{source} は置かれたサブネットのルート表を通って {target} に届きます。この接続は消し、使う相手の部品につないでください"
            ),
            format!(
                "{source} reaches the {target} by the route table of its subnet: remove this connection and connect it with what it uses"
            ),
        )),
        () if gateway(source) => Some(both(
            format!("{source} へは route_table か subnet から routes_to で向けます。この接続は消してください"),
            format!("a {source} is led to by routes_to from a route_table or subnet: remove this connection"),
        )),
        () if place(target) && name == DEPLOYED_IN && !stands(source) && role(source).is_none() => Some(both(
            format!("{source} はどのサブネットにも置かれません。この接続は消し、使う部品から service_gateway か public でつないでください"),
            format!("{source} stands in no subnet: remove this connection, and connect what uses it by service_gateway or public"),
        )),
        () => None,
    }
}

/// A component stands in one place: in one subnet, or in one VCN. One with further places may have a subnet for each.
fn deployed_once(connections: &[Connection], types: &BTreeMap<&str, &str>, catalog: &Catalog, findings: &mut Findings) {
    let places = |source: &str, target_type: &str| {
        let service = types.get(source).and_then(|kind| catalog.service(kind));
        let further = service.and_then(|s| s.placement.as_ref()).map_or(0, |p| p.others.iter().count());
        let in_subnets = catalog.service(target_type).and_then(|s| s.network) == Some(NetworkRole::Subnet);
        if in_subnets { 1 + further } else { 1 }
    };
    let mut said: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for connection in connections.iter().filter(|c| c.connection_type == DEPLOYED_IN) {
        let target_type = types.get(connection.target_id.as_str()).copied().unwrap_or_default();
        said.entry((&connection.source_id, target_type)).or_default().push(&connection.target_id);
    }
    for ((source, target_type), targets) in said.into_iter().filter(|((source, kind), targets)| targets.len() > places(source, kind)) {
        let list = targets.join(", ");
        let shown = quoted(source);
        let text = both(
            format!("{shown} が複数の {target_type} に置かれています: {list}"),
            format!("{shown} is deployed in more than one {target_type}: {list}"),
        );
        let advice = match places(source, target_type) {
            1 => both("deployed_in を 1 つにしてください", "keep one deployed_in"),
            many => both(format!("deployed_in は {many} つまでにしてください"), format!("keep at most {many} deployed_in")),
        };
        findings.error("structure.deployed-twice", format!("components[{source}]"), text).advise(advice).add();
    }
}

/// Circles of `deployed_in` and `depends_on`: nothing in one can be created first.
fn circles(connections: &[Connection], findings: &mut Findings) {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for connection in connections.iter().filter(|c| matches!(c.connection_type.as_str(), DEPLOYED_IN | DEPENDS_ON)) {
        next.entry(&connection.source_id).or_default().insert(&connection.target_id);
        next.entry(&connection.target_id).or_default();
    }
    // Whoever waits for nobody is done; who is left waits in a circle, or for one.
    loop {
        let done: Vec<&str> = next.iter().filter(|(_, to)| to.is_empty()).map(|(id, _)| *id).collect();
        if done.is_empty() {
            break;
        }
        next.retain(|id, _| !done.contains(id));
        next.values_mut().for_each(|to| to.retain(|id| !done.contains(id)));
    }
    let mut left: BTreeSet<&str> = next.keys().copied().collect();
    while let Some(start) = left.first().copied() {
        let mut way = vec![start];
        while let Some(to) = way.last().and_then(|at| next.get(at)).and_then(|to| to.first()).copied() {
            if let Some(from) = way.iter().position(|id| *id == to) {
                let circle = way.get(from..).unwrap_or_default();
                if circle.iter().all(|id| left.contains(id)) {
                    let list = circle.join(" → ");
                    let text =
                        both(format!("互いに待ち合う輪になっています: {list}"), format!("these wait for each other in a circle: {list}"));
                    let advice = both("deployed_in か depends_on を 1 つ消してください", "remove one deployed_in or depends_on");
                    findings.error("structure.cycle", format!("components[{to}]"), text).advise(advice).add();
                }
                break;
            }
            way.push(to);
        }
        way.iter().for_each(|id| {
            left.remove(id);
        });
    }
}
