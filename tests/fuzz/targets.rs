//! What is fuzzed: each target takes bytes, does what the product does with such bytes, and says in words what came out.
//! New words mean a way that no input had gone before: the harness keeps that input to go on from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use galley::api::design::DesignSpec;
use galley::api::session::Language;
use galley::catalog::Catalog;
use galley::plan::{PlanDetails, PlanView, StateView, Tracker, events};
use galley::render::schema::Schema;
use galley::render::{RenderContext, render, schema_check};
use galley::validator::rules::Rules;
use galley::validator::{Defaults, validate};
use serde_json::{Value, json};

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::embedded().unwrap());
static RULES: LazyLock<Rules> = LazyLock::new(Rules::shipped);

/// Name, seeds, what is done with an input.
pub struct Target {
    pub name: &'static str,
    pub seeds: fn() -> Vec<Vec<u8>>,
    pub run: fn(&[u8]) -> String,
}

pub const TARGETS: [Target; 5] = [
    Target { name: "architecture", seeds: designs, run: architecture },
    Target { name: "services", seeds: || texts("rules/services", "yaml"), run: service },
    Target { name: "rules", seeds: || texts("rules/validation", "yaml"), run: rule },
    Target { name: "overrides", seeds: overrides_seeds, run: overrides },
    Target { name: "terraform", seeds: terraform_seeds, run: terraform },
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn texts(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().filter(|path| path.extension().is_some_and(|e| e == extension)).map(|path| fs::read(path).unwrap()).collect()
}

/// The example designs as documents spell them, and one of each service type with its examples.
fn designs() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for text in texts("tests/designs", "json") {
        let Ok(document) = serde_json::from_slice::<Value>(&text) else { continue };
        let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
        let list = |key: &str| document[key].as_array().cloned().unwrap_or_default();
        let components: Vec<Value> = list("components")
            .iter()
            .map(|c| json!({"id": c["id"], "serviceType": text(c, "service_type"), "displayName": text(c, "display_name"), "config": c["config"]}))
            .collect();
        let connections: Vec<Value> = list("connections")
            .iter()
            .map(|c| json!({"sourceId": c["source_id"], "targetId": c["target_id"], "connectionType": c["connection_type"]}))
            .collect();
        out.push(json!({"sessionRef": "s-1", "components": components, "connections": connections}).to_string().into_bytes());
    }
    for service in CATALOG.services() {
        let config: BTreeMap<&str, Value> = service
            .config
            .iter()
            .filter_map(|(key, schema)| {
                Some((key, schema.examples.first().or(schema.choices.first()).or(schema.default.as_ref())?.clone()))
            })
            .collect();
        let component = json!({"id": "one", "serviceType": service.service_type, "config": config});
        out.push(json!({"sessionRef": "s-1", "components": [component], "connections": []}).to_string().into_bytes());
    }
    out
}

fn judged(spec: &DesignSpec, catalog: &Catalog) -> String {
    let defaults =
        Defaults { region: "ap-osaka-1".to_owned(), compartment_id: "ocid1.compartment.oc1..aaaa".to_owned(), language: Language::En };
    let verdict = validate(spec, catalog, &RULES, &defaults);
    let rules: BTreeSet<&str> = verdict.findings.iter().map(|finding| finding.rule.as_str()).collect();
    let Some(design) = verdict.design else { return format!("refused {rules:?}") };
    let context = RenderContext { session: "s-1".to_owned(), design_uid: "11111111-2222-3333-4444-555555555555".to_owned() };
    match render(&design, catalog, &context) {
        Ok(rendered) => {
            let own = rendered.files.iter().filter(|(name, _)| name.ends_with(".tf") && !design.files.contains_key(*name));
            for (name, text) in own {
                assert!(hcl::parse(text).is_ok(), "{name} is no HCL:\n{text}");
            }
            format!("{rules:?} {:?}", rendered.types)
        }
        Err(findings) => format!("render {:?}", findings.iter().map(|finding| finding.rule.clone()).collect::<BTreeSet<_>>()),
    }
}

fn architecture(input: &[u8]) -> String {
    match serde_json::from_slice::<DesignSpec>(input) {
        Ok(spec) => judged(&spec, &CATALOG),
        Err(error) => format!("no design: {:?}", error.classify()),
    }
}

/// A service file beside the shipped ones; what loads is used.
fn service(input: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(input) else { return "no text".to_owned() };
    match Catalog::from_files([("fuzzed.yaml", text)]) {
        Err(error) => words(&error.to_string()),
        Ok(catalog) => {
            let problems = schema_check::check_catalog(&catalog, Schema::builtin()).len();
            let one = catalog.service_types().first().map(|name| json!({"id": "one", "serviceType": name, "config": {}}));
            let spec = serde_json::from_value(json!({"sessionRef": "s-1", "components": [one], "connections": []}));
            let judged = spec.map(|spec| judged(&spec, &catalog)).unwrap_or_default();
            format!("{} {judged}", problems > 0)
        }
    }
}

fn rule(input: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(input) else { return "no text".to_owned() };
    match Rules::load([("fuzzed.yaml", text)], &CATALOG, None) {
        Ok(rules) => format!("{} rules", rules.len().min(1)),
        Err(error) => words(&error.to_string()),
    }
}

/// The shape of a message: its letters without names and numbers.
fn words(message: &str) -> String {
    let mut quoted = false;
    let kept: String = message
        .chars()
        .filter(|c| {
            quoted ^= *c == '`';
            !quoted && !c.is_ascii_digit()
        })
        .collect();
    kept.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() > 2).take(12).collect::<Vec<_>>().join(" ")
}

const OVERRIDES: [&str; 4] = [
    "resource \"oci_objectstorage_bucket\" \"extra\" {\n  compartment_id = var.compartment_ocid\n  namespace = \"n\"\n  name = \"b-${var.region}\"\n}\n",
    "locals {\n  a = [for x in [1, 2] : x * 2 if x > 1]\n  b = { for k, v in { a = 1 } : k => v... }\n  c = true ? \"y\" : <<-EOT\n    text\n  EOT\n}\n",
    "variable \"size\" {\n  type = number\n  default = 3\n  validation {\n    condition = var.size > 0\n    error_message = \"positive\"\n  }\n}\noutput \"o\" { value = try(var.size, null)[*].id }\n",
    "data \"oci_core_images\" \"i\" {\n  compartment_id = var.compartment_ocid\n  dynamic \"filter\" {\n    for_each = toset([\"a\"])\n    content {\n      name = filter.key\n      values = [filter.value]\n    }\n  }\n}\n",
];

fn overrides_seeds() -> Vec<Vec<u8>> {
    OVERRIDES.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// A file of a person's own beside a bucket.
fn overrides(input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input).into_owned();
    let component = json!({"id": "data", "serviceType": "objectstorage", "config": {}});
    let document = json!({"sessionRef": "s-1", "components": [component], "connections": [], "files": {"own.tf": text}});
    serde_json::from_value::<DesignSpec>(document).map(|spec| judged(&spec, &CATALOG)).unwrap_or_default()
}

fn terraform_seeds() -> Vec<Vec<u8>> {
    let mut seeds = texts("tests/fixtures", "json");
    seeds.extend(texts("tests/fixtures", "tfstate"));
    for lines in texts("tests/fixtures", "jsonl") {
        let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
        // A whole stream, and each kind of line alone.
        seeds.extend(lines.iter().step_by(7).map(|line| line.to_vec()));
        seeds.push(lines.join(&b'\n'));
    }
    // The large ones cost more than they show.
    seeds.retain(|seed| seed.len() < 200_000);
    seeds
}

/// Everything that is read of Terraform: a plan in views and details, a state, a stream of events with its end.
fn terraform(input: &[u8]) -> String {
    let files = BTreeMap::from([("main.tf".to_owned(), "locals {\n  a = oci_core_vcn.vcn.id\n}\n".to_owned())]);
    let plan = PlanView::parse_with_files(input, &files);
    let mut tracker = Tracker::new(plan.as_ref().map(PlanView::planned).unwrap_or_default());
    let mut kinds = BTreeSet::new();
    for line in String::from_utf8_lossy(input).lines().take(500) {
        let line = events::parse_line(line);
        tracker.observe(&line.event);
        let kind = format!("{:?}", line.event);
        kinds.insert(kind.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned());
    }
    let state = StateView::parse(input);
    let end = tracker.end(state.as_ref().ok());
    let details = PlanDetails::parse(input).map(|details| {
        details.page(0, 50);
        details.summary(10);
        let addresses: Vec<String> = details.view().changes.iter().map(|change| change.address.clone()).collect();
        for address in addresses.iter().take(20) {
            details.resource(address);
            details.planned_values(address);
        }
        details.view().blocked_by(&addresses.into_iter().take(3).collect::<Vec<_>>(), false).len().min(2)
    });
    let plan = plan.map(|plan| (plan.counts, plan.drift_deletes.len().min(2), plan.drift().len().min(2), plan.output_changes));
    let short = |error: String| words(&error);
    format!(
        "{:?} {:?} {:?} {kinds:?} {}",
        plan.map_err(|e| short(e.to_string())),
        details.map_err(|e| short(e.to_string())),
        state.map(|state| state.types().len().min(3)).map_err(|e| short(e.to_string())),
        words(&format!("{end:?}")).len() / 20,
    )
}
