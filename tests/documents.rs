//! Keeps the documents true where a test can: every reason is explained, links lead somewhere, settings and make targets
//! that are named exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use galley::api::Reason;
use galley::api::approval::RefusedReason;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every refusal. The match has no `_`, so that a new one does not compile until it is listed and documented.
fn refusals() -> Vec<RefusedReason> {
    use RefusedReason::*;
    let all = vec![
        NoPlan,
        WrongPlan,
        GenerationChanged,
        StateChanged,
        Expired,
        AlreadyConsumed,
        ApproverRequired,
        WrongDesign,
        PlanTampered,
        InFlight,
    ];
    for reason in &all {
        match reason {
            NoPlan | WrongPlan | GenerationChanged | StateChanged | Expired | AlreadyConsumed | ApproverRequired | WrongDesign
            | PlanTampered | InFlight => {}
        }
    }
    all
}

/// First cells of the rows of every table below `heading`, without back-ticks.
fn first_cells(text: &str, heading: &str) -> BTreeSet<String> {
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap_or_default();
    let cell = |line: &str| line.strip_prefix("| `").and_then(|rest| rest.split_once('`')).map(|(word, _)| word.to_owned());
    section.lines().filter_map(cell).collect()
}

#[test]
fn every_reason_and_no_other_is_explained_in_docs_status() {
    let text = read("docs/status.md");
    let reasons: BTreeSet<String> = Reason::ALL.iter().map(Reason::to_string).collect();
    assert_eq!(first_cells(&text, "Reasons"), reasons, "docs/status.md, table of reasons");
    let refused: BTreeSet<String> = refusals().iter().map(|reason| format!("{reason:?}")).collect();
    assert_eq!(first_cells(&text, "Why an approval is refused"), refused, "docs/status.md, table of refusals");
}

/// Every Markdown file of the project outside `target/` and `.cache/`.
fn documents() -> Vec<PathBuf> {
    let mut found = vec![];
    for folder in ["", "docs", "docs/adr"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 5);
    found
}

/// Targets of `[text](target)` links outside code fences.
fn links(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = vec![];
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced {
            found.extend(line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()));
        }
    }
    found
}

#[test]
fn every_link_between_documents_leads_to_a_file() {
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in links(&text).iter().filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let target = document.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(target.exists(), "{}: the link {link} leads nowhere", document.display());
        }
    }
}

/// Words of `text` that start with `prefix` and go on with the characters of a name.
fn words(text: &str, prefix: &str, part: fn(char) -> bool) -> BTreeSet<String> {
    let from = |rest: &str| format!("{prefix}{}", rest.chars().take_while(|&c| part(c)).collect::<String>());
    text.split(prefix).skip(1).map(from).filter(|word| word.len() > prefix.len()).collect()
}

#[test]
fn every_setting_of_the_server_is_in_the_readme() {
    let path = root().join("src/config.rs");
    // Whoever removes config.rs removes the settings too.
    let Ok(config) = std::fs::read_to_string(path) else { return };
    let name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let documented = words(&read("README.md"), "GALLEY_", name);
    for setting in words(&config, "GALLEY_", name).iter().filter(|word| !word.ends_with('_')) {
        assert!(documented.contains(setting), "README.md does not mention {setting}, which src/config.rs reads");
    }
}

#[test]
fn every_make_target_that_a_document_names_exists() {
    let makefile = read("Makefile");
    let targets: BTreeSet<&str> = makefile.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for word in words(&text, "`make ", |c| c.is_ascii_lowercase() || c == '-') {
            let target = word.trim_start_matches("`make ");
            assert!(targets.contains(target), "{}: `make {target}` is no target of the Makefile", document.display());
        }
    }
}

#[test]
fn decisions_are_numbered_without_gaps_and_open_alike() {
    let mut names: Vec<String> = std::fs::read_dir(root().join("docs/adr"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    names.sort();
    for (index, name) in names.iter().enumerate() {
        let number = format!("{:04}-", index + 1);
        assert!(name.starts_with(&number), "docs/adr/{name}: number {number} is next");
        let text = read(format!("docs/adr/{name}"));
        assert!(text.starts_with(&format!("# {}: ", &number[..4])), "docs/adr/{name}: opens with its number and its decision");
        for part in ["**Status:**", "## Context", "## Decision", "## Consequences"] {
            assert!(text.contains(part), "docs/adr/{name}: {part} is missing");
        }
    }
}
