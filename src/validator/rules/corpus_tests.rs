//! Broken designs from real failures: `tests/corpus/*.yaml`. Each says what went wrong in the field, and which rule must
//! say it of which component. A case whose rule is gone fails here by name.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::Example;
use super::tests::{STRICT, found};
use crate::api::design::{Finding, Severity};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// what happened, and where that is written down
    story: String,
    /// the design
    design: Example,
    /// the findings it must have
    pub(super) expect: Vec<Expected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    pub(super) rule: String,
    /// component the finding is about; for a connection one of its ends; absent for the design
    component: Option<String>,
    severity: Severity,
}

pub(super) fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    names.sort();
    let read = |path: &std::path::PathBuf| {
        let (name, text) = (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap());
        let plain: serde_yaml::Value = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let case = serde_yaml::from_value(plain).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, case)
    };
    names.iter().map(read).collect()
}

/// Whether a finding is about a component: its own path, or that of a connection at one of whose ends it stands.
fn is_about(finding: &Finding, component: Option<&str>, case: &Case) -> bool {
    let Some(id) = component else { return !finding.path.starts_with("components[") };
    let of_link = finding.path.strip_prefix("connections[").and_then(|rest| rest.split(']').next()).and_then(|n| n.parse::<usize>().ok());
    let link = of_link.and_then(|at| case.design.spec().ok()?.connections.get(at).cloned());
    finding.path.starts_with(&format!("components[{id}]")) || link.is_some_and(|link| link.source_id == id || link.target_id == id)
}

#[test]
fn every_broken_design_is_caught_by_the_right_rule_on_the_right_component() {
    let cases = cases();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let mut wrong = Vec::new();
    let mut stories = BTreeSet::new();
    for (name, case) in &cases {
        assert!(stories.insert(&case.story), "{name} tells a story that another case tells");
        let spec = case.design.spec().unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let findings = found(&STRICT, &spec);
        for expected in &case.expect {
            let fits = |f: &&Finding| {
                f.rule == expected.rule && f.severity == expected.severity && is_about(f, expected.component.as_deref(), case)
            };
            if !findings.iter().any(|finding| fits(&finding)) {
                let all: Vec<String> = findings.iter().map(|f| format!("{} {:?} {}", f.rule, f.severity, f.path)).collect();
                wrong.push(format!("{name}: no {:?} {} on {:?} in {all:#?}", expected.severity, expected.rule, expected.component));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The mutation run over the corpus: whoever takes a rule away that a case names sees that case fail.
#[test]
fn a_case_whose_rule_is_gone_fails() {
    let shipped: BTreeSet<&str> = STRICT.definitions().map(|(_, _, rule)| rule.id.as_str()).collect();
    for (name, case) in cases() {
        for expected in case.expect.iter().filter(|expected| shipped.contains(expected.rule.as_str())) {
            let findings = found(&STRICT.without(&expected.rule), &case.design.spec().unwrap());
            assert!(findings.iter().all(|finding| finding.rule != expected.rule), "{name}: {}", expected.rule);
        }
    }
}

/// Errors that were seen in the field and that no design can ask for any more: the network is laid out so that they cannot
/// happen. Without this a rule for them would have no bad example.
#[test]
fn what_the_derived_network_makes_impossible_stays_impossible() {
    for (endpoint, subnet_is_private) in [("public", true), ("public", false), ("private", true), ("private", false)] {
        let design = serde_json::json!({
            "vcn": {}, "net": { "type": "subnet", "cidr_block": "10.0.4.0/24", "prohibit_public_ip": subnet_is_private },
            "oke": { "endpoint_type": endpoint, "cni_type": "OCI_VCN_IP_NATIVE" }, "links": ["oke deployed_in net"],
        });
        let spec = Example(design.as_object().unwrap().clone()).spec().unwrap();
        let validated = crate::render::tests::judge(&spec).design.unwrap();
        let network = crate::render::network::derive(&validated, &crate::render::tests::CATALOG, crate::api::session::Language::En);
        let at = |place| network.place("oke", place).unwrap();
        // 400: must be a public subnet if public ip enabled.
        assert_eq!(at(Some("endpoint")).public, endpoint == "public", "{endpoint} {subnet_is_private}");
        // Node(s) register timeout: 6443 and 12250 to the control plane, 10250 back, path MTU discovery.
        let ports =
            |nsg: &Option<String>, port: u16| network.rules.iter().any(|r| Some(&r.nsg) == nsg.as_ref() && r.ports == Some((port, port)));
        for (place, port) in [(Some("endpoint"), 6443), (Some("endpoint"), 12250), (Some("endpoint"), 10250), (None, 6443), (None, 12250)] {
            assert!(ports(&at(place).nsg, port), "{place:?} {port}");
        }
    }
}
