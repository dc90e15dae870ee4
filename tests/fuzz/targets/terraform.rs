//! What Terraform prints: read within bounded memory, and nothing that it marks sensitive is shown.

use std::collections::{BTreeMap, BTreeSet};

use galley::plan::mask::{Redactor, redacted_plan};
use galley::plan::{PlanDetails, PlanView, StateView, Tracker, events};
use serde_json::Value;

use super::{Target, texts};

pub const TARGET: Target = Target { name: "terraform", check, seeds, memory: (4 << 20, 300) };

/// Shortest text whose appearance means anything: shorter ones are in every answer.
const TELLING: usize = 8;

fn check(input: &[u8]) {
    let files = BTreeMap::from([("main.tf".to_owned(), "locals {\n  a = oci_core_vcn.vcn.id\n}\n".to_owned())]);
    let plan = PlanView::parse_with_files(input, &files);
    let mut tracker = Tracker::new(plan.as_ref().map(PlanView::planned).unwrap_or_default());
    for line in String::from_utf8_lossy(input).lines().take(500) {
        let line = events::parse_line(line, &Redactor::default());
        assert!(line.message.len() <= 4_096, "a message of {} bytes", line.message.len());
        tracker.observe(&line.event);
    }
    let state = StateView::parse(input);
    let ended = tracker.end(state.as_ref().ok());
    let lists = [&ended.created, &ended.failed, &ended.not_attempted];
    let listed: Vec<&String> = lists.into_iter().flatten().chain(ended.in_flight.iter().map(|in_flight| &in_flight.address)).collect();
    let once: BTreeSet<&&String> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "an address stands in two lists: {ended:?}");
    if let Ok(state) = &state {
        let outputs: Vec<Value> = state.outputs.values().cloned().collect();
        shows_nothing_sensitive(&state.raw, &[format!("{state:?}"), Value::from(outputs).to_string()]);
    }
    let Ok(details) = PlanDetails::parse(input) else { return };
    let show: Value = serde_json::from_slice(input).unwrap();
    shows_nothing_sensitive(&show, &said(&details, &show));
}

/// Everything that is ever said of a plan.
fn said(details: &PlanDetails, show: &Value) -> Vec<String> {
    let addresses: Vec<&String> = details.view().changes.iter().map(|change| &change.address).take(20).collect();
    let mut said = vec![format!("{details:?}"), details.summary(4_000), serde_json::to_string(&details.page(0, 50)).unwrap()];
    for address in &addresses {
        said.extend(details.resource(address).map(|detail| serde_json::to_string(&detail).unwrap()));
        said.push(details.planned_values(address).to_string());
    }
    let failed: Vec<String> = addresses.iter().take(3).map(|address| (*address).clone()).collect();
    let blocked = details.view().blocked_by(&failed, false);
    assert!(blocked.iter().all(|address| !failed.contains(address)), "what failed is not blocked by itself: {blocked:?}");
    said.push(redacted_plan(show, &BTreeSet::new(), &Redactor::default()).to_string());
    said
}

/// A text that stands only where something is marked sensitive is in nothing that is said.
fn shows_nothing_sensitive(document: &Value, said: &[String]) {
    let (mut covered, mut open) = (BTreeSet::new(), BTreeSet::new());
    sort(document, &mut covered, &mut open);
    for secret in covered.iter().filter(|secret| secret.len() >= TELLING && !open.iter().any(|text| text.contains(secret.as_str()))) {
        let quoted = Value::from(secret.as_str()).to_string();
        let quoted = &quoted[1..quoted.len() - 1];
        for text in said {
            assert!(!text.contains(secret.as_str()) && !text.contains(quoted), "{secret:?} is sensitive and is said in:\n{text}");
        }
    }
}

/// Texts under marks, and texts beside them. The shapes are Terraform's: marks stand beside the values they are about.
fn sort(value: &Value, covered: &mut BTreeSet<String>, open: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let marks = [("before", "before_sensitive"), ("after", "after_sensitive"), ("values", "sensitive_values")];
            for (name, member) in members {
                open.insert(name.clone());
                match marks.iter().find(|(plain, _)| plain == name) {
                    Some((_, marks)) => split(member, members.get(*marks).unwrap_or(&Value::Null), covered, open),
                    None if name == "value" && members.get("sensitive") == Some(&Value::Bool(true)) => every_text(member, covered),
                    None => sort(member, covered, open),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| sort(item, covered, open)),
        other => every_text(other, open),
    }
}

fn split(value: &Value, marks: &Value, covered: &mut BTreeSet<String>, open: &mut BTreeSet<String>) {
    match (value, marks) {
        (value, Value::Bool(true)) => every_text(value, covered),
        (Value::Object(members), marks) => members.iter().for_each(|(name, member)| {
            open.insert(name.clone());
            split(member, marks.get(name).unwrap_or(&Value::Null), covered, open);
        }),
        (Value::Array(items), marks) => {
            items.iter().enumerate().for_each(|(at, item)| split(item, marks.get(at).unwrap_or(&Value::Null), covered, open));
        }
        (value, _) => every_text(value, open),
    }
}

fn every_text(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            texts.insert(name.clone());
            every_text(member, texts);
        }),
        Value::Array(items) => items.iter().for_each(|item| every_text(item, texts)),
        Value::String(text) => drop(texts.insert(text.clone())),
        other => drop(texts.insert(other.to_string())),
    }
}

/// Plans, a state, and each kind of event; the large ones cost more than they show.
fn seeds() -> Vec<Value> {
    let documents = texts("tests/fixtures", "json").into_iter().chain(texts("tests/fixtures", "tfstate"));
    let mut seeds: Vec<Value> = documents.map(|(_, text)| serde_json::from_slice(&text).unwrap()).collect();
    for (_, lines) in texts("tests/fixtures", "jsonl") {
        let kinds: BTreeMap<String, Value> = String::from_utf8_lossy(&lines)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|line| (line["type"].to_string(), line))
            .collect();
        seeds.extend(kinds.into_values());
    }
    seeds.retain(|seed| seed.to_string().len() < 100_000);
    seeds
}
