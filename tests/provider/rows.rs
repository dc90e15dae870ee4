//! What is planned: a row for every value of every config key of every service type, among neighbours where it matters, and
//! the example designs. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use galley::api::design::{Component, DesignSpec, Target};
use galley::api::session::Language;
use galley::catalog::service::Service;
use galley::render::{RenderContext, Rendered, render};
use galley::validator::rules::Rules;
use galley::validator::{Defaults, validate};
use serde_json::{Value, json};

use crate::designs::{self, CATALOG, Draft, Scene, differ, scenes, values, whole};

/// The key of a row that edits nothing but the display name.
pub const NAME: &str = "(display name)";

/// One value of one key of one service type.
pub struct Row {
    pub kind: String,
    /// `key = value`
    pub key: String,
    /// the design with the key left out; absent: nothing is edited
    pub base: Option<Rendered>,
    /// the same with the value
    pub edited: Rendered,
}

/// A whole design.
pub struct Example {
    /// what the table sums it up under
    pub kind: String,
    pub name: String,
    pub rendered: Rendered,
}

/// As Galley judges and renders it for a real tenancy, in a region with three availability domains, because keys count them.
fn oci(mut spec: DesignSpec, rules: &Rules, session: &str) -> Result<Rendered, String> {
    spec.target = Target::Oci;
    session.clone_into(&mut spec.session_ref);
    spec.region.get_or_insert_with(|| "us-ashburn-1".to_owned());
    // What a person must say for a real tenancy: the value that serves the simulated cloud is well-formed.
    let named = |component: &Component| CATALOG.named(&component.service_type).unwrap_or_default().to_owned();
    let types: Vec<String> = spec.components.iter().map(named).collect();
    let asked = CATALOG.services().filter(|service| types.contains(&service.service_type)).flat_map(|service| &service.variables);
    let given: Vec<(String, String)> = asked.filter(|v| v.placeholder).filter_map(|v| Some((v.name.clone(), v.default.clone()?))).collect();
    for (name, value) in given {
        spec.variables.entry(name).or_insert(value);
    }
    let defaults = Defaults {
        region: "us-ashburn-1".to_owned(),
        compartment_id: "ocid1.compartment.oc1..aaaaaaaawork".to_owned(),
        language: Language::En,
    };
    let verdict = validate(&spec, &CATALOG, rules, &defaults);
    let design = verdict.design.ok_or_else(|| format!("{:#?}", verdict.findings.first()))?;
    render(&design, &CATALOG, &RenderContext { session: session.to_owned(), ..designs::context() })
        .map_err(|findings| format!("{:#?}", findings.first()))
}

/// A scene with component `x` of a type; None when the judge refuses it.
fn staged(kind: &str, (components, connections): &Scene, config: Value, name: Option<&str>, session: &str) -> Option<Rendered> {
    let (mut own, links) = whole("x", kind, config);
    if let Some(name) = name {
        own[0]["display_name"] = json!(name);
    }
    let components: Vec<Value> = components.iter().cloned().chain(own).collect();
    let connections: Vec<Value> = connections.iter().cloned().chain(links).collect();
    // No rules: some values are for other regions or tenancies, and the provider knows neither.
    oci(designs::spec(&json!({"components": components, "connections": connections})), &Rules::default(), session).ok()
}

fn of_service(service: &Service, rows: &mut Vec<Row>) {
    let kind = service.service_type.as_str();
    // Alone first: what Galley derives is less than a scene with every kind of subnet.
    let scenes: Vec<Scene> = [(Vec::new(), Vec::new())].into_iter().chain(scenes(service)).collect();
    let mut plain: Vec<Option<Option<Rendered>>> = vec![None; scenes.len()];
    let mut tries: Vec<(String, Value)> = vec![(NAME.to_owned(), json!("Renamed"))];
    for (key, schema) in service.config.iter() {
        tries.extend(values(kind, key, schema).into_iter().map(|value| (key.to_owned(), value)));
    }
    for (key, value) in tries {
        for (scene, plain) in scenes.iter().zip(&mut plain) {
            let Some(base) = plain.get_or_insert_with(|| staged(kind, scene, json!({}), None, "s-01h")) else { continue };
            let with = |session: &str| {
                if key == NAME {
                    staged(kind, scene, json!({}), value.as_str(), session)
                } else {
                    staged(kind, scene, json!({key.as_str(): value}), None, session)
                }
            };
            let Some(_) = with("s-01h").filter(|edited| differ(&base.files, &edited.files)) else { continue };
            // A session of its own: names that a tenancy has once must not meet in the cloud that many rows share.
            let session = format!("s-{}", rows.len());
            let base = staged(kind, scene, json!({}), None, &session).unwrap();
            let said = if key == NAME { key.clone() } else { format!("{key} = {value}") };
            rows.push(Row { kind: kind.to_owned(), key: said, base: Some(base), edited: with(&session).unwrap() });
            break;
        }
    }
}

/// Rows of the types whose name contains `only`, in the order of the catalogue.
pub fn all(only: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    CATALOG.services().filter(|service| service.service_type.contains(only)).for_each(|service| of_service(service, &mut rows));
    rows
}

fn folder(name: &str) -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.insert(format!("{name}/{}", path.file_name().unwrap().to_string_lossy()), serde_json::from_str(&text).unwrap());
        }
    }
    found
}

/// Design files, judged as they are judged for a person: with the rules.
pub fn files() -> Vec<Example> {
    let rules = Rules::shipped();
    let mut seen: Vec<Value> = Vec::new();
    let mut examples = Vec::new();
    for (name, document) in folder("tests/designs").into_iter().chain(folder("demo")) {
        // one that has to be refused has no files
        if !seen.contains(&document) && document["expect"]["must_be_refused"].is_null() {
            let rendered = oci(designs::spec(&document), &rules, "s-file").unwrap_or_else(|why| panic!("{name}: {why}"));
            examples.push(Example { kind: name.clone(), name, rendered });
            seen.push(document);
        }
    }
    examples
}

/// The good example of every rule, several VCNs with every kind of joint, and every connection of the catalogue at once.
pub fn whole_designs() -> Vec<Example> {
    let rules = Rules::shipped();
    let mut examples = Vec::new();
    for (_, _, rule) in rules.definitions() {
        let name = format!("good example of {}", rule.id);
        let rendered =
            oci(rule.good.spec().unwrap(), &rules, &format!("s-{}", examples.len())).unwrap_or_else(|why| panic!("{name}: {why}"));
        examples.push(Example { kind: "good examples of the rules".to_owned(), name, rendered });
    }
    let none = Rules::default();
    let draft =
        |draft: &Draft| oci(designs::spec(&json!({"components": draft.components, "connections": draft.connections})), &none, "s-draft");
    let mut add = |name: &str, of: &Draft| {
        examples.push(Example { kind: name.to_owned(), name: String::new(), rendered: draft(of).unwrap() });
    };
    add("several VCNs", &designs::several_vcns());
    let mut everything = Draft::of_every_type();
    everything.connect_everything();
    add("every connection", &everything);
    examples
}

/// How many designs there are, without rendering one.
pub fn count_designs() -> usize {
    let mut files: Vec<Value> = folder("tests/designs").into_values().chain(folder("demo").into_values()).collect();
    files.retain(|file| file["expect"]["must_be_refused"].is_null());
    files.sort_by_key(Value::to_string);
    files.dedup();
    files.len() + Rules::shipped().definitions().count() + 2
}
