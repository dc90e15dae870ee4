//! What went wrong in the field stays mended: `tests/field_reports.yaml` names what keeps each failure away, and every name in
//! it exists. Failures that no design can ask for any more are looked for in what is rendered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::corpus_tests::cases;
use super::tests::STRICT;
use crate::designs::whole;
use crate::render::Rendered;
use crate::render::tests::{CATALOG, context, judge, rendered, spec};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reports {
    errors: Vec<Row>,
    reports: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    error: Option<String>,
    report: Option<u16>,
    what: Option<String>,
    kept: Vec<Kept>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    rule: Option<String>,
    case: Option<String>,
    test: Option<String>,
}

/// The problems that a design, its rules or its rendering can have; the others are about tools, jobs and deployment.
const NUMBERS: [std::ops::RangeInclusive<u16>; 14] =
    [15..=17, 23..=26, 30..=30, 34..=34, 37..=41, 46..=47, 50..=60, 64..=71, 74..=75, 86..=87, 88..=88, 89..=90, 91..=92, 93..=94];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Names of tests, and the whole text of the code that judges: a rule that is code has its id in it.
fn tests_and_code() -> (BTreeSet<String>, String) {
    fn look(folder: &Path, see: &mut dyn FnMut(&Path, String)) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => look(&path, see),
                false if path.extension().is_some_and(|extension| extension == "rs") => see(&path, std::fs::read_to_string(&path).unwrap()),
                false => {}
            }
        }
    }
    let (mut names, mut code) = (BTreeSet::new(), String::new());
    let mut see = |path: &Path, text: String| {
        names.extend(text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next()).map(str::to_owned));
        // the two tests that a macro makes of each format
        names.extend(text.split(" = \"").filter_map(|before| before.rsplit([' ', '(']).next()).map(str::to_owned));
        if path.starts_with(root().join("src")) && !path.to_string_lossy().contains("tests") {
            code.push_str(&text);
        }
    };
    look(&root().join("src"), &mut see);
    look(&root().join("tests"), &mut see);
    (names, code)
}

#[test]
fn every_failure_of_the_field_is_kept_away_by_a_rule_with_its_case_or_by_a_test() {
    let text = std::fs::read_to_string(root().join("tests/field_reports.yaml")).unwrap();
    let Reports { errors, reports } = crate::catalog::yaml::read(&text).unwrap_or_else(|fault| panic!("{fault:?}"));
    let said: Vec<u16> = reports.iter().map(|row| row.report.expect("a number")).collect();
    let wanted: Vec<u16> = NUMBERS.iter().cloned().flatten().collect();
    assert_eq!(said, wanted, "every report once, in order");
    let refused: BTreeSet<&String> = errors.iter().map(|row| row.error.as_ref().expect("the server's words")).collect();
    assert!(refused.len() == errors.len() && refused.len() >= 14, "every error once: {refused:#?}");
    let (tests, code) = tests_and_code();
    let cases: BTreeMap<String, BTreeSet<String>> = cases()
        .into_iter()
        .map(|(name, case)| (name.trim_end_matches(".yaml").to_owned(), case.expect.into_iter().map(|expected| expected.rule).collect()))
        .collect();
    let shipped: BTreeSet<&str> = STRICT.definitions().map(|(_, _, rule)| rule.id.as_str()).collect();
    let mut wrong = Vec::new();
    for row in errors.iter().chain(&reports) {
        let of = row.error.clone().or_else(|| row.what.clone()).expect("what it is about");
        if row.kept.is_empty() {
            wrong.push(format!("{of}: nothing keeps it away"));
        }
        for kept in &row.kept {
            match (&kept.rule, &kept.case, &kept.test) {
                (Some(rule), Some(case), None) => {
                    if !shipped.contains(rule.as_str()) && !code.contains(&format!("\"{rule}\"")) {
                        wrong.push(format!("{of}: there is no rule {rule}"));
                    }
                    if !cases.get(case).is_some_and(|rules| rules.contains(rule)) {
                        wrong.push(format!("{of}: case {case} does not expect {rule}"));
                    }
                }
                (None, None, Some(test)) if tests.contains(test) => {}
                (None, None, Some(test)) => wrong.push(format!("{of}: there is no test {test}")),
                other => wrong.push(format!("{of}: a rule with its case, or a test, and not {other:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn one(kind: &str, config: Value) -> Rendered {
    let (components, connections) = whole("x", kind, config);
    rendered(&spec(&json!({"components": components, "connections": connections})))
}

/// Everything rendered, and every managed resource as `address {arguments} later: [paths]`.
fn everything(rendered: &Rendered) -> String {
    let resources = rendered.resources.iter().map(|r| format!("{} {} later: {:?}\n", r.address, r.arguments, r.unknown));
    resources.chain(rendered.files.values().cloned()).collect()
}

#[test]
fn what_a_tenancy_refused_is_rendered_by_nothing() {
    let oke = |config: Value| one("oke", config);
    for (design, holds, lacks, reason) in [
        (oke(json!({})), "oci_containerengine_node_pool_option", "oci_core_images", "images of nodes are OKE's own: 400 not compatible"),
        (oke(json!({"shape": "VM.Standard.A1.Flex"})), "aarch64", "x86_64", "an Arm shape takes an Arm image"),
        (oke(json!({})), "oci_containerengine_node_pool.x", "node_pool_id = var.", "a cluster without nodes runs nothing"),
        (oke(json!({})), "options.service_lb_subnet_ids", "service_lb_subnet_ids = []", "services of type LoadBalancer stay pending"),
        (
            oke(json!({})),
            "All .* Services In Oracle Services Network",
            "-services-in-oracle-services-network",
            "the label differs by region",
        ),
        (one("adb", json!({})), "oci_database_autonomous_database.x", "is_access_control_enabled", "400 configure access control"),
        (one("adb", json!({})), "oci_database_autonomous_database.x", "whitelisted_ips", "the same, beside a private endpoint"),
        (
            one("apigateway", json!({"endpoint_type": "Public"})),
            r#""endpoint_type":"PUBLIC""#,
            r#""endpoint_type":"public""#,
            "400 endpointType",
        ),
        (
            one("apigateway", json!({"endpoint_type": "private"})),
            r#""endpoint_type":"PRIVATE""#,
            r#""endpoint_type":"private""#,
            "400 endpointType",
        ),
        (one("loadbalancer", json!({"shape": "100Mbps"})), r#""shape":"flexible""#, r#""shape":"100Mbps""#, "fixed shapes are gone"),
    ] {
        let all = everything(&design);
        assert!(all.contains(holds), "{reason}: no {holds} in\n{all}");
        assert!(!all.contains(lacks), "{reason}: {lacks} in\n{all}");
    }
}

#[test]
fn nothing_that_the_design_knows_is_asked_as_a_variable() {
    for service in CATALOG.services() {
        let kind = &service.service_type;
        let design = one(kind, json!({}));
        let bodies: Vec<hcl::Body> =
            design.files.iter().filter(|(name, _)| name.ends_with(".tf")).map(|(_, text)| hcl::parse(text).unwrap()).collect();
        let declared = bodies.iter().flat_map(hcl::Body::blocks).filter(|block| block.identifier() == "variable");
        let all: String = design.files.iter().filter(|(name, _)| name.ends_with(".tf")).map(|(_, text)| text.as_str()).collect();
        for block in declared {
            let name = block.labels()[0].as_str();
            assert!(all.contains(&format!("var.{name}")), "{kind}: variable {name} is used by nothing");
            let known = ["subnet", "vcn", "gateway", "route_table", "security_list", "image_id", "namespace"];
            assert!(!known.iter().any(|word| name.contains(word)), "{kind}: variable {name} asks for what is designed or looked up");
        }
    }
}

#[test]
fn every_service_has_outputs_and_two_of_a_type_share_none() {
    let mut twice = 0;
    for service in CATALOG.services() {
        let kind = &service.service_type;
        assert!(!service.outputs.is_empty(), "{kind} tells nothing of what it made");
        let (mut components, mut connections) = whole("one", kind, json!({}));
        // `peer` takes other examples: some values are unique in a design.
        let (others, links) = whole("peer", kind, json!({}));
        components.extend(others);
        connections.extend(links);
        let verdict = judge(&spec(&json!({"components": components, "connections": connections})));
        // Two VCNs need to be told apart by whoever stands in them, and some services stand once for another.
        let Some(design) = verdict.design else { continue };
        let design = crate::render::render(&design, &CATALOG, &context()).unwrap_or_else(|f| panic!("{f:#?}"));
        let body = hcl::parse(&design.files["outputs.tf"]).unwrap();
        let names: Vec<&str> = body.blocks().map(|block| block.labels()[0].as_str()).collect();
        let once: BTreeSet<&&str> = names.iter().collect();
        assert_eq!(once.len(), names.len(), "{kind}: {names:?}");
        for label in ["one_", "peer_"] {
            assert!(names.iter().any(|name| name.starts_with(label)), "{kind}: no output of {label} in {names:?}");
        }
        twice += 1;
    }
    assert!(twice >= 40, "{twice} types");
}

/// Two rules that say the same of the same would be two findings for one mistake, and drift apart.
#[test]
fn no_two_rules_say_the_same() {
    let mut seen: BTreeMap<(Option<&str>, &str, &str), &str> = BTreeMap::new();
    for (_, _, rule) in STRICT.definitions() {
        let said = (rule.when.as_deref(), rule.require.as_str(), rule.message.en.as_str());
        if let Some(other) = seen.insert(said, &rule.id) {
            panic!("{} says what {other} says: give one of them the types of both", rule.id);
        }
    }
}

/// What a text tells a person to set exists: a key that was renamed would send them looking.
#[test]
fn every_name_in_a_text_of_a_rule_is_a_key_a_type_or_a_connection_that_exists() {
    let mut known: BTreeSet<String> = CATALOG.connection_types().into_iter().map(str::to_owned).collect();
    for service in CATALOG.services() {
        known.insert(service.service_type.clone());
        known.extend(service.config.iter().map(|(key, _)| key.to_owned()));
        let choices = service.config.iter().flat_map(|(_, schema)| &schema.choices);
        known.extend(choices.filter_map(Value::as_str).map(str::to_owned));
    }
    let mut wrong = Vec::new();
    for (_, _, rule) in STRICT.definitions() {
        for text in [&rule.message.en, &rule.message.ja, &rule.recommendation.en, &rule.recommendation.ja] {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let named = words.filter(|word| word.contains('_') && word.chars().any(|c| c.is_ascii_lowercase()));
            wrong.extend(named.filter(|word| !known.contains(*word)).map(|word| format!("{}: {word}", rule.id)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
