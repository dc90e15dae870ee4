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
struct Case {
    /// what happened, and where that is written down
    story: String,
    /// the design
    design: Example,
    /// the findings it must have
    expect: Vec<Expected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    rule: String,
    /// component the finding is about; for a connection one of its ends; absent for the design
    component: Option<String>,
    severity: Severity,
}

fn cases() -> Vec<(String, Case)> {
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
