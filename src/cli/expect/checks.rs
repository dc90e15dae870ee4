//! One function for each member of `expect`: facts that hold, or every difference. Pure.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::arguments::argued;
use super::places::{addressed, kind_of_place, placed};
use super::world::{Part, View, World, is_data, target};
use super::{Expectation, PartialFailure, components, oke, reach};

/// Facts that hold, or every difference.
pub(super) type Outcome = Result<Vec<String>, Vec<String>>;

pub(super) const SUBNET: &str = "oci_core_subnet";
const ROUTE_TABLE: &str = "oci_core_route_table";
pub(super) const CLUSTER: &str = "oci_containerengine_cluster";

/// Members that are not named after a component.
const MEMBERS: &[&str] = &[
    "terraform_resource_counts",
    "placement",
    "routes",
    "subnet_tables",
    "names",
    "resource_names_match",
    "image_from_data_source",
    "image_os_must_be_honoured",
    "variables_must_not_include",
    "reachable",
    "unreachable",
    "public",
    "private",
    "cidrs",
    "outputs",
    "variables_must_include",
    "plan",
    "validation_should_flag",
    "must_flag",
    "must_not_flag",
    "must_be_refused",
    "known_failure_to_survive",
];

/// What people call a service, and the Terraform type it stands for. The first word that fits counts.
const SPOKEN: &[(&str, &str)] = &[
    ("compute", "oci_core_instance"),
    ("vm", "oci_core_instance"),
    ("atp", "oci_database_autonomous_database"),
    ("adw", "oci_database_autonomous_database"),
    ("adb", "oci_database_autonomous_database"),
    ("autonomous", "oci_database_autonomous_database"),
    ("node", "oci_containerengine_node_pool"),
    ("oke", CLUSTER),
    ("cluster", CLUSTER),
    ("gateway", "oci_apigateway_gateway"),
    ("balancer", "oci_load_balancer_load_balancer"),
    ("lb", "oci_load_balancer_load_balancer"),
    ("function", "oci_functions_function"),
    ("stream", "oci_streaming_stream"),
    ("nosql", "oci_nosql_table"),
    ("bucket", "oci_objectstorage_bucket"),
    ("storage", "oci_objectstorage_bucket"),
    ("subnet", SUBNET),
    ("vcn", "oci_core_vcn"),
];

/// Can this member be held against something?
pub(super) fn knows(expectation: &Expectation<'_>, member: &str) -> bool {
    MEMBERS.contains(&member) || !named(expectation, member).is_empty()
}

/// Ids of the components a member is named after: by id, else by service type.
fn named<'a>(expectation: &Expectation<'a>, member: &str) -> Vec<&'a str> {
    let of = |key: &'static str| components(expectation.design).filter(move |component| component[key] == member);
    let mut found: Vec<&str> = of("id").filter_map(|component| component["id"].as_str()).collect();
    if found.is_empty() {
        found = of("service_type").filter_map(|component| component["id"].as_str()).collect();
    }
    found
}

/// One member against one view; None when it says nothing about this view, or is not known.
pub(super) fn member(expectation: &Expectation<'_>, world: &World, name: &str, wanted: &Value) -> Option<Outcome> {
    let rendered = world.view == View::Rendered;
    match name {
        "terraform_resource_counts" => Some(each(wanted, |kind, count| counted(world, kind, count))),
        "placement" => Some(each(wanted, |place, subnet| placed(world, place, subnet))),
        "routes" => Some(each(wanted, |table, gateways| routed(world, table, gateways))),
        "subnet_tables" => Some(each(wanted, |subnet, tables| tabled(world, subnet, tables))),
        "names" => Some(each(wanted, |component, pattern| called(world, component, pattern))),
        "resource_names_match" => Some(labels(world, wanted)),
        "image_from_data_source" => rendered.then(|| images(world, wanted)),
        "image_os_must_be_honoured" => rendered.then(|| system(world, wanted)),
        "variables_must_not_include" => rendered.then(|| variables(world, wanted)),
        "variables_must_include" => rendered.then(|| declared(&world.variables, "variable", wanted)),
        "outputs" => rendered.then(|| declared(&world.outputs, "output", wanted)),
        "plan" => rendered.then(|| planned(world, wanted)),
        "reachable" => Some(reach::reachable(world, wanted)),
        "unreachable" => Some(reach::unreachable(world, wanted)),
        "public" => Some(kind_of_place(world, wanted, false)),
        "private" => Some(kind_of_place(world, wanted, true)),
        "cidrs" => Some(each(wanted, |subnet, cidr| addressed(world, subnet, cidr))),
        // held against findings, answers and behaviour, not against a view
        "validation_should_flag" | "must_flag" | "must_not_flag" | "must_be_refused" | "known_failure_to_survive" => None,
        component if named(expectation, component).is_empty() => None,
        component => Some(
            named(expectation, component)
                .into_iter()
                .map(|id| each(wanted, |argument, value| argued(expectation, world, id, argument, value)))
                .fold(Ok(Vec::new()), join),
        ),
    }
}

pub(super) fn join(left: Outcome, right: Outcome) -> Outcome {
    match (left, right) {
        (Ok(mut left), Ok(right)) => {
            left.extend(right);
            Ok(left)
        }
        (Err(mut left), Err(right)) => {
            left.extend(right);
            Err(left)
        }
        (Err(wrong), Ok(_)) | (Ok(_), Err(wrong)) => Err(wrong),
    }
}

/// Every member of an object by one check.
pub(super) fn each(wanted: &Value, check: impl Fn(&str, &Value) -> Result<String, String>) -> Outcome {
    let Some(members) = wanted.as_object() else { return Err(vec![format!("{wanted} is no object")]) };
    let (mut facts, mut wrong) = (Vec::new(), Vec::new());
    for (name, value) in members {
        match check(name, value) {
            Ok(fact) => facts.push(fact),
            Err(problem) => wrong.push(problem),
        }
    }
    if wrong.is_empty() { Ok(facts) } else { Err(wrong) }
}

/// One text or several.
pub(super) fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    }
}

/// The Terraform label of a component id of ASCII letters: lower case, `-`, ` ` and `.` as `_`.
pub(super) fn label(id: &str) -> String {
    id.chars().map(|letter| if matches!(letter, '-' | ' ' | '.') { '_' } else { letter.to_ascii_lowercase() }).collect()
}

pub(super) fn short(address: &str) -> &str {
    address.rsplit_once('.').map_or(address, |(_, label)| label)
}

fn counted(world: &World, kind: &str, wanted: &Value) -> Result<String, String> {
    let found = world.of_kind(kind).count();
    if wanted.as_u64() == u64::try_from(found).ok() {
        Ok(format!("{found} {}", kind.trim_start_matches("oci_")))
    } else {
        Err(format!("{found} {kind}, expected {wanted}"))
    }
}

/// Names that the Terraform declares.
fn declared(names: &BTreeSet<String>, what: &str, wanted: &Value) -> Outcome {
    let asked = texts(wanted);
    let wrong: Vec<String> = asked.iter().filter(|name| !names.contains(**name)).map(|name| format!("no {what} {name}")).collect();
    if wrong.is_empty() { Ok(asked.into_iter().map(str::to_owned).collect()) } else { Err(wrong) }
}

/// A first plan creates what is rendered and does nothing else.
fn planned(world: &World, wanted: &Value) -> Outcome {
    each(wanted, |action, count| {
        let found = if action == "create" { world.parts.len() } else { 0 };
        let fits = count.as_u64() == u64::try_from(found).ok();
        if fits { Ok(format!("{found} to {action}")) } else { Err(format!("{found} to {action}, expected {count}")) }
    })
}

/// What a route leads to: labels and kinds, so that a derived gateway may be called by what it is.
fn routed(world: &World, table: &str, wanted: &Value) -> Result<String, String> {
    let address = format!("{ROUTE_TABLE}.{}", label(table));
    let Some(part) = world.at(&address) else { return Err(format!("there is no {address}")) };
    let mut left: Vec<&str> = gateways(part);
    let count = left.len();
    let mut wrong = Vec::new();
    let expected = texts(wanted);
    for gateway in &expected {
        let fits = |entity: &&str| {
            let text = entity.trim_start_matches('→');
            let (kind, name) = text.split_once('.').unwrap_or((text, ""));
            name.split('.').next() == Some(label(gateway).as_str()) || kind.strip_prefix("oci_core_") == Some(gateway)
        };
        match left.iter().position(fits) {
            Some(at) => {
                left.swap_remove(at);
            }
            None => wrong.push(format!("no route to {gateway}")),
        }
    }
    wrong.extend(left.iter().map(|entity| format!("a route to {entity} that nobody expects")));
    if wrong.is_empty() && count == expected.len() {
        Ok(format!("{table} → {}", expected.join(" + ")))
    } else {
        Err(format!("{table}: {}", wrong.join("; ")))
    }
}

fn gateways(table: &Part) -> Vec<&str> {
    let rules = table.attributes["route_rules"].as_array();
    rules.into_iter().flatten().filter_map(|rule| rule["network_entity_id"].as_str()).collect()
}

fn tabled(world: &World, subnet: &str, wanted: &Value) -> Result<String, String> {
    let address = format!("{SUBNET}.{}", label(subnet));
    let Some(part) = world.at(&address) else { return Err(format!("there is no {address}")) };
    let mut found: BTreeSet<String> = part.refers("route_table_id", ROUTE_TABLE);
    found.extend(part.refers("security_list_ids", "oci_core_security_list"));
    let found: BTreeSet<&str> = found.iter().map(|address| short(address)).collect();
    let expected: Vec<String> = texts(wanted).into_iter().map(label).collect();
    if found == expected.iter().map(String::as_str).collect() {
        Ok(format!("{subnet}: {}", expected.join(" + ")))
    } else {
        Err(format!("{subnet} has {found:?}, expected {expected:?}"))
    }
}

fn pattern(value: &Value) -> Result<Regex, String> {
    Regex::new(value.as_str().unwrap_or_default()).map_err(|error| format!("{value} is no regular expression: {error}"))
}

/// The name that the service restricts: `name` where the type has one, else `db_name`, else the display name.
fn called(world: &World, component: &str, wanted: &Value) -> Result<String, String> {
    let (own, pattern) = (label(component), pattern(wanted)?);
    let names: Vec<&str> = world
        .labelled(&own)
        .filter_map(|part| ["name", "db_name", "display_name"].iter().find_map(|key| part.attributes[*key].as_str()))
        .collect();
    match names.iter().find(|name| !pattern.is_match(name)) {
        None if names.is_empty() => Err(format!("{component} has no resource with a name")),
        None => Ok(format!("{component} is called {}", names.join(", "))),
        Some(name) => Err(format!("{component} is called {name:?}, which is not {wanted}")),
    }
}

fn labels(world: &World, wanted: &Value) -> Outcome {
    let pattern = pattern(wanted).map_err(|problem| vec![problem])?;
    let named = || world.parts.iter().chain(&world.data).filter(|part| !part.address.is_empty());
    let wrong: Vec<String> =
        named().filter(|part| !pattern.is_match(part.label())).map(|part| format!("label of {}", part.address)).collect();
    if wrong.is_empty() { Ok(named().map(|part| part.label().to_owned()).collect()) } else { Err(wrong) }
}

fn images(world: &World, wanted: &Value) -> Outcome {
    let expected = wanted.as_bool() == Some(true);
    let (mut facts, mut wrong) = (Vec::new(), Vec::new());
    for part in world.of_kind("oci_core_instance") {
        let source = part.text("source_details.source_id").unwrap_or_default();
        if is_data(source, "oci_core_images") == expected {
            facts.push(format!("{} from {}", part.label(), source.trim_start_matches('→')));
        } else {
            wrong.push(format!("the image of {} is {source:?}", part.address));
        }
    }
    if facts.is_empty() && wrong.is_empty() {
        wrong.push("there is no instance".to_owned());
    }
    if wrong.is_empty() { Ok(facts) } else { Err(wrong) }
}

/// `Oracle Linux 9 (why this is asked)`: the words before the bracket.
fn system(world: &World, wanted: &Value) -> Outcome {
    let text = wanted.as_str().unwrap_or_default();
    let expected = text.split('(').next().unwrap_or_default().trim();
    let images: Vec<String> = world
        .data
        .iter()
        .filter(|part| part.kind == "oci_core_images")
        .map(|part| ["operating_system", "operating_system_version"].map(|key| part.attributes[key].as_str().unwrap_or_default()).join(" "))
        .collect();
    if !images.is_empty() && images.iter().all(|image| image == expected) {
        Ok(images)
    } else {
        Err(vec![format!("images of {images:?} are looked up, expected {expected:?}")])
    }
}

fn variables(world: &World, wanted: &Value) -> Outcome {
    let asked = texts(wanted);
    let wrong: Vec<String> =
        asked.iter().filter(|name| world.variables.contains(**name)).map(|name| format!("variable {name} is declared")).collect();
    if wrong.is_empty() { Ok(asked.into_iter().map(|name| format!("no {name}")).collect()) } else { Err(wrong) }
}

/// Labels of the subnets that the design leads to a service gateway and to no NAT gateway, itself or by its table.
fn services_only(design: &Value) -> BTreeSet<String> {
    let kind = |id: &Value| components(design).find(|c| c["id"] == *id).map(|c| spoken(&c["service_type"])).unwrap_or_default();
    let connections = || design["connections"].as_array().into_iter().flatten();
    let leads = |id: &Value, gateway: &str| connections().any(|c| c["source_id"] == *id && kind(&c["target_id"]) == gateway);
    let ways = |subnet: &Value, gateway: &str| {
        let joined = connections().filter_map(|c| match () {
            () if c["source_id"] == *subnet => Some(&c["target_id"]),
            () if c["target_id"] == *subnet => Some(&c["source_id"]),
            () => None,
        });
        leads(subnet, gateway) || joined.filter(|id| kind(id) == "routetable").any(|table| leads(table, gateway))
    };
    let closed = |subnet: &&Value| ways(&subnet["id"], "servicegateway") && !ways(&subnet["id"], "natgateway");
    components(design)
        .filter(|c| spoken(&c["service_type"]) == "subnet")
        .filter(closed)
        .filter_map(|c| c["id"].as_str())
        .map(label)
        .collect()
}

/// A service type without case and separators.
fn spoken(kind: &Value) -> String {
    let text = kind.as_str().unwrap_or_default();
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Private subnets that carry something have a way to OCI services and, unless the design leads them to these alone, to the
/// internet through NAT; public ones have the internet gateway. None when nothing stands in a subnet.
pub(super) fn reachability(design: &Value, world: &World) -> Option<Outcome> {
    let services = services_only(design);
    let used: BTreeSet<String> = world.parts.iter().flat_map(|part| part.texts()).filter_map(|(_, text)| target(text, SUBNET)).collect();
    let (mut facts, mut wrong) = (Vec::new(), Vec::new());
    for subnet in world.of_kind(SUBNET).filter(|subnet| used.contains(&subnet.address)) {
        let private = subnet.attributes["prohibit_public_ip_on_vnic"] == Value::Bool(true);
        let tables: Vec<&Part> = subnet.refers("route_table_id", ROUTE_TABLE).iter().filter_map(|address| world.at(address)).collect();
        let leads = |kind: &str, to: &str| {
            let rules = tables.iter().flat_map(|table| table.attributes["route_rules"].as_array().into_iter().flatten());
            rules
                .filter(|rule| rule["destination_type"] == to)
                .filter_map(|rule| rule["network_entity_id"].as_str())
                .any(|text| target(text, kind).is_some())
        };
        let ways: &[(&str, &str)] = match private {
            true if services.contains(subnet.label()) => &[("oci_core_service_gateway", "SERVICE_CIDR_BLOCK")],
            true => &[("oci_core_nat_gateway", "CIDR_BLOCK"), ("oci_core_service_gateway", "SERVICE_CIDR_BLOCK")],
            false => &[("oci_core_internet_gateway", "CIDR_BLOCK")],
        };
        let missing: Vec<&str> = ways.iter().filter(|(kind, to)| !leads(kind, to)).map(|(kind, _)| *kind).collect();
        let names: Vec<&str> = ways.iter().map(|(kind, _)| kind.trim_start_matches("oci_core_")).collect();
        if missing.is_empty() {
            facts.push(format!("{} → {}", subnet.label(), names.join(" + ")));
        } else {
            wrong.push(format!("{} has no route to {}", subnet.address, missing.join(" and ")));
        }
    }
    match (facts.is_empty(), wrong.is_empty()) {
        (true, true) => None,
        (_, true) => Some(Ok(facts)),
        (_, false) => Some(Err(wrong)),
    }
}

/// The rules of every cluster; None without one.
pub(super) fn oke_rules(world: &World) -> Option<Outcome> {
    world.of_kind(CLUSTER).next()?;
    Some(oke::check(world).map(|held| (0..held).map(|_| String::new()).collect()))
}

/// `Compute applied, ATP failed; …`
pub(super) fn partial_failure(text: &str) -> Option<PartialFailure> {
    let clauses: Vec<&str> = text.split([',', ';']).collect();
    let kind = |verb: &str| {
        let clause = clauses.iter().find(|clause| clause.to_lowercase().contains(verb))?.to_lowercase();
        SPOKEN
            .iter()
            .find(|(word, _)| clause.split(|c: char| !c.is_alphanumeric()).any(|part| part.starts_with(word)))
            .map(|(_, kind)| *kind)
    };
    Some(PartialFailure { made: kind("applied")?, failed: kind("failed")? })
}
