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

/// Every word of one of the closed sets a person meets, and its table.
#[test]
fn every_condition_word_event_and_way_out_is_explained_in_docs_status() {
    use galley::api::condition::{READY, RECONCILING, STALLED};
    use galley::controllers::announce::Happening;
    let text = read("docs/status.md");
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<String>>();
    assert_eq!(first_cells(&text, "Conditions"), set(&[READY, RECONCILING, STALLED]));
    let events: BTreeSet<String> = Happening::ALL.iter().map(|happening| happening.as_str().to_owned()).collect();
    assert_eq!(first_cells(&text, "Events"), events, "docs/status.md, table of events");
    // the words are read from the schema, so that a new one is missed here
    let schema = read("crds/designs.yaml");
    let crd: serde_json::Value = serde_yaml::from_str(schema.trim_start_matches("---\n")).expect("a definition");
    let members = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let words = |node: &serde_json::Value| -> BTreeSet<String> {
        node["enum"].as_array().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    let status = &members["status"]["properties"];
    let people: BTreeSet<String> = words(&status["sync"]).union(&words(&status["health"])).cloned().collect();
    assert!(people.len() > 5, "{people:?}");
    assert_eq!(first_cells(&text, "Sync and health"), people, "docs/status.md, table of words");
    let ways = words(&members["spec"]["properties"]["rescue"]["properties"]["action"]);
    assert_eq!(first_cells(&text, "Ways out"), ways, "docs/status.md, table of ways out");
}

/// Names of metrics in the product code: the first argument of the macros.
fn metrics() -> BTreeSet<String> {
    fn look(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for call in ["counter!(\"", "gauge!(\"", "histogram!(\""] {
                    found.extend(text.split(call).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    look(&root().join("src"), &mut found);
    found.remove("galley_test_seconds");
    found
}

#[test]
fn every_metric_is_explained_and_every_alert_is_made_of_metrics_and_reasons_that_exist() {
    let known = metrics();
    assert!(known.len() > 10, "{known:?}");
    assert_eq!(first_cells(&read("docs/status.md"), "Metrics"), known, "docs/status.md, table of metrics");
    let rules: serde_json::Value = serde_yaml::from_str(&read("charts/galley/files/alerts.yaml")).expect("YAML");
    let alerts = rules["groups"][0]["rules"].as_array().expect("rules");
    assert!(alerts.len() >= 8, "{alerts:?}");
    let mut names = BTreeSet::new();
    for alert in alerts {
        let text = |path: &[&str]| path.iter().fold(alert, |node, member| &node[*member]).as_str().unwrap_or_default().to_owned();
        let name = text(&["alert"]);
        assert!(names.insert(name.clone()), "{name} is there twice");
        assert!(["warning", "critical"].contains(&text(&["labels", "severity"]).as_str()), "{name}: severity");
        for member in ["summary", "description", "runbook_url"] {
            assert!(!text(&["annotations", member]).is_empty(), "{name}: {member} is missing");
        }
        assert!(root().join(text(&["annotations", "runbook_url"])).exists(), "{name}: its runbook is no file");
        let expr = text(&["expr"]);
        let used: BTreeSet<String> = words(&expr, "galley_", |c| c.is_ascii_lowercase() || c == '_');
        assert!(!used.is_empty(), "{name}: {expr}");
        for metric in used {
            let base = ["_bucket", "_count", "_sum"].iter().find_map(|end| metric.strip_suffix(end)).unwrap_or(&metric);
            assert!(known.contains(base), "{name}: there is no metric {metric}");
        }
        for list in expr.split("reason=~\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            for reason in list.split('|') {
                assert!(Reason::ALL.iter().any(|known| known.as_str() == reason), "{name}: there is no reason {reason}");
            }
        }
    }
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

/// `(name, default)` of the table of settings in src/config/sources.rs.
fn settings() -> Vec<(String, Option<String>)> {
    let text = read("src/config/sources.rs");
    let table = text.split("const KNOWN").nth(1).and_then(|rest| rest.split("\n];").next()).expect("the table KNOWN");
    let row = |line: &str| {
        let rest = line.trim().strip_prefix("(\"")?;
        let (name, rest) = rest.split_once("\", ")?;
        let default = rest.strip_prefix("Some(").map(|text| text.trim_end_matches("),").trim_end_matches(')').trim_matches('"').to_owned());
        Some((name.to_owned(), default))
    };
    let found: Vec<_> = table.lines().filter_map(row).collect();
    assert!(found.len() > 10, "{found:?}");
    found
}

#[test]
fn every_setting_is_in_the_readme_with_its_default_and_no_other_is() {
    let readme = read("README.md");
    let known = settings();
    for (name, default) in &known {
        let variable = format!("GALLEY_{}", name.to_uppercase());
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{variable}` |")));
        let row = row.unwrap_or_else(|| panic!("README.md, table of settings: {variable} is missing"));
        let default = match default.as_deref() {
            Some("super::DEFAULT_LISTEN") => galley::config::DEFAULT_LISTEN,
            Some(text) => text,
            None => continue,
        };
        assert!(default.is_empty() || row.contains(&format!("`{default}` |")), "README.md: the default of {variable} is {default}: {row}");
    }
    let named = first_cells(&readme, "Settings");
    let known: BTreeSet<String> = known.iter().map(|(name, _)| format!("GALLEY_{}", name.to_uppercase())).collect();
    let strangers: Vec<&String> = named.iter().filter(|name| *name != "GALLEY_CONFIG" && !known.contains(*name)).collect();
    assert!(strangers.is_empty(), "README.md names settings that do not exist: {strangers:?}");
}

#[test]
fn every_command_of_the_readme_exists_and_every_command_is_in_the_readme() {
    let command = <galley::cli::args::Cli as clap::CommandFactory>::command();
    let known: BTreeSet<&str> = command.get_subcommands().filter(|command| !command.is_hide_set()).map(clap::Command::get_name).collect();
    let cells = first_cells(&read("README.md"), "Command line");
    let named: BTreeSet<&str> = cells.iter().filter_map(|cell| cell.strip_prefix("galley ")?.split(' ').next()).collect();
    assert_eq!(named, known, "README.md, table of commands");
}

/// Names of all test functions under `src/` and `tests/`.
fn tests_of(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_of(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.extend(text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next()).map(str::to_owned));
        }
    }
}

#[test]
fn every_test_that_the_architecture_names_exists() {
    let mut known = BTreeSet::new();
    for folder in ["src", "tests"] {
        tests_of(&root().join(folder), &mut known);
    }
    let text = read("ARCHITECTURE.md");
    let section = text.split("\n## ").find(|section| section.starts_with("Invariants")).unwrap();
    let sentences: Vec<&str> =
        section.split('`').skip(1).step_by(2).filter(|word| word.matches('_').count() > 2 && !word.contains(['/', ':'])).collect();
    assert!(sentences.len() > 20, "{sentences:?}");
    for name in sentences {
        assert!(known.contains(name), "ARCHITECTURE.md names the test {name}, which does not exist");
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

#[test]
fn every_explained_difference_to_the_real_provider_and_no_other_is_in_docs_parity() {
    let entries: Vec<serde_json::Value> = serde_yaml::from_str(&read("tests/provider/explained.yaml")).unwrap();
    let text = |entry: &serde_json::Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let explained: BTreeSet<String> = entries.iter().map(|entry| format!("{} {}", text(entry, "resource"), text(entry, "path"))).collect();
    let page = read("docs/parity.md");
    assert_eq!(first_cells(&page, "Explained differences"), explained, "docs/parity.md, table of explained differences");
    let none = page
        .split("\n## ")
        .find(|section| section.starts_with("Explained differences"))
        .is_some_and(|section| section.trim_end().ends_with("\nNone."));
    assert_eq!(none, explained.is_empty(), "the page says `None.` when there is none");
}
