//! Every shipped rule: it loads strictly, its good example is good, its bad example has its finding, and without the rule
//! nothing else says so. The loader refuses what must not run, with file and line.

use std::sync::LazyLock;

use super::*;
use crate::api::design::{DesignSpec, Finding, Severity};
use crate::api::session::Language;
use crate::render::tests::{CATALOG, document, spec};
use crate::validator::{Defaults, validate};

/// The rule files as they stand in the tree.
static FILES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/validation");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let read =
        |path: &std::path::PathBuf| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap());
    files.iter().map(read).collect()
});

/// The shipped rules, loaded strictly.
pub(crate) static STRICT: LazyLock<Rules> = LazyLock::new(|| {
    let files = FILES.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Rules::load(files, &CATALOG, None).unwrap_or_else(|error| panic!("{error}"))
});

pub(crate) fn found(rules: &Rules, spec: &DesignSpec) -> Vec<Finding> {
    let defaults =
        Defaults { region: "ap-osaka-1".to_owned(), compartment_id: "ocid1.compartment.oc1..work".to_owned(), language: Language::En };
    validate(spec, &CATALOG, rules, &defaults).findings
}

#[test]
fn the_shipped_rules_load_strictly_and_are_a_hundred_at_least() {
    assert!(STRICT.len() >= 100, "{} rules", STRICT.len());
    assert!(EMBEDDED.iter().copied().eq(FILES.iter().map(|(name, text)| (name.as_str(), text.as_str()))), "what is tested is what ships");
    let shipped = Rules::shipped();
    assert_eq!(shipped.len(), STRICT.len());
    let bare = |rule: &Definition| Definition { good: Example::default(), bad: Example::default(), ..rule.clone() };
    for ((file, theme, rule), strict) in shipped.definitions().zip(STRICT.definitions()) {
        assert_eq!((file, theme, rule), (strict.0, strict.1, &bare(strict.2)), "the JSON of the build says what the files say");
    }
    assert_eq!(shipped.shelf().facts, STRICT.shelf().facts);
    assert_eq!(shipped.problems().count(), 0);
}

#[test]
fn every_good_example_is_good_and_every_bad_one_is_found_by_its_rule() {
    let mut wrong = Vec::new();
    for (file, _, rule) in STRICT.definitions() {
        let (good, bad) = (rule.good.spec().unwrap(), rule.bad.spec().unwrap());
        let good = found(&STRICT, &good);
        let spoilt =
            |finding: &&Finding| finding.rule == rule.id || finding.severity == Severity::Error || finding.rule == "rules.unjudged";
        wrong.extend(good.iter().filter(spoilt).map(|finding| format!("{file} {}: good example has {finding:?}", rule.id)));
        let bad = found(&STRICT, &bad);
        wrong.extend(
            bad.iter().filter(|f| f.rule == "rules.unjudged").map(|finding| format!("{file} {}: bad example: {finding:?}", rule.id)),
        );
        match bad.iter().find(|finding| finding.rule == rule.id) {
            Some(finding) => {
                let texts = [Some(&finding.message), finding.recommendation.as_ref()];
                // A value that cannot be evaluated is shown as `?`, and no text asks a question.
                let holes = texts.into_iter().flatten().any(|text| text.contains(['{', '?']));
                if holes {
                    wrong.push(format!("{file} {}: a value is missing in {finding:?}", rule.id));
                }
            }
            None => {
                let rules: Vec<&str> = bad.iter().map(|f| f.rule.as_str()).collect();
                wrong.push(format!("{file} {}: bad example is not found, only {rules:?}", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The mutation run: a rule that is taken away is missed by its own example, so no other rule says the same by that id.
#[test]
fn without_a_rule_its_own_bad_example_is_not_found() {
    let all: Vec<&Definition> = STRICT.definitions().map(|(_, _, rule)| rule).collect();
    for rule in &all {
        let left = STRICT.without(&rule.id);
        assert_eq!(left.len(), all.len() - 1);
        let found = found(&left, &rule.bad.spec().unwrap());
        assert!(found.iter().all(|finding| finding.rule != rule.id), "{} is said by something else", rule.id);
    }
}

#[test]
fn the_good_designs_have_no_error_and_every_rule_can_be_evaluated_on_them() {
    let read = |name: &str| spec(&document(name));
    for (name, design) in [
        ("compute-adb-verify", read("compute-adb-verify.json")),
        ("iot-platform-19", read("iot-platform-19.json")),
        ("network-heavy", crate::render::tests::network_heavy()),
    ] {
        let findings = found(&STRICT, &design);
        let bad: Vec<&Finding> = findings.iter().filter(|f| f.severity == Severity::Error || f.rule == "rules.unjudged").collect();
        assert!(bad.is_empty(), "{name}: {bad:#?}");
    }
}

/// What the rules say of a real design, as a person reviewed it: a rule that starts to talk shows in the diff.
#[test]
fn what_the_rules_say_of_the_good_designs_is_as_reviewed() {
    let ids: Vec<&str> = STRICT.definitions().map(|(_, _, rule)| rule.id.as_str()).collect();
    for name in ["compute-adb-verify", "iot-platform-19"] {
        let findings = found(&STRICT, &spec(&document(&format!("{name}.json"))));
        let line = |f: &Finding| {
            format!("{:?} {} {}\n  {}\n  {}\n", f.severity, f.rule, f.path, f.message, f.recommendation.as_deref().unwrap_or("-"))
        };
        let text: String = findings.iter().filter(|finding| ids.contains(&finding.rule.as_str())).map(line).collect();
        let path = format!("{}/tests/golden/findings/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{path} is stale: run the tests with UPDATE_GOLDEN=1");
    }
}

#[test]
fn every_finding_is_said_in_both_languages() {
    for (_, _, rule) in STRICT.definitions() {
        let design = rule.bad.spec().unwrap();
        let say = |language| {
            let defaults = Defaults { region: "ap-osaka-1".into(), compartment_id: "ocid1.compartment.oc1..work".into(), language };
            let verdict = validate(&design, &CATALOG, &STRICT, &defaults);
            verdict.findings.into_iter().find(|finding| finding.rule == rule.id).map(|finding| (finding.message, finding.path))
        };
        let (ja, en) = (say(Language::Ja).unwrap(), say(Language::En).unwrap());
        assert_ne!(ja.0, en.0, "{}", rule.id);
        assert_eq!(ja.1, en.1, "{}", rule.id);
        assert!(en.0.is_ascii() || rule.bad.0.values().any(|v| !v.to_string().is_ascii()), "{}: {}", rule.id, en.0);
    }
}

const GOOD: &str = "theme: { ja: 試験, en: Trial }
rules:
  - id: trial.one
    severity: warning
    appliesTo: { types: [compute] }
    when: has(config.ocpus)
    require: config.ocpus <= 2.0
    at: config.ocpus
    values: { ocpus: config.ocpus }
    message: { ja: '{ocpus} は多い', en: '{ocpus} are many' }
    recommendation: { ja: 減らす, en: take fewer }
    why: a trial
    good: { compute: { ocpus: 1 } }
    bad: { compute: { ocpus: 4 } }
";

#[test]
fn what_must_not_run_is_refused_with_file_and_line() {
    Rules::load([("trial.yaml", GOOD)], &CATALOG, None).unwrap();
    let deep = "require: components.all(a, components.all(b, components.all(c, c.id != a.id)))";
    let rows = [
        ("severity: warning", "severty: warning", "trial.yaml", "a misspelt key"),
        ("severity: warning", "severity: fatal", "trial.yaml", "a severity that does not exist"),
        ("require: config.ocpus <= 2.0", "require: config.ocpus <=", "line 7: rule trial.one is not CEL", "an expression that is not CEL"),
        ("require: config.ocpus <= 2.0", "require: config.ocpu <= 2.0", "line 7: rule trial.one wants config key `ocpu`", "a config key"),
        ("require: config.ocpus <= 2.0", "require: spec.ocpus <= 2.0", "line 7: rule trial.one names `spec`", "a name"),
        ("require: config.ocpus <= 2.0", "require: place.subnett == ''", "place has subnet", "a member"),
        ("require: config.ocpus <= 2.0", "require: \"id.matches('a.*')\"", "calls `matches`", "a slow function"),
        ("require: config.ocpus <= 2.0", "require: fits(id, '[')", "no regular expression", "a pattern that is none"),
        ("require: config.ocpus <= 2.0", deep, "more than 2 deep", "three lists in each other"),
        ("require: config.ocpus <= 2.0", "require: \"Thing{a: 1} == id\"", "structure", "a structure, which the evaluator cannot build"),
        ("when: has(config.ocpus)", "when: shape == ''", "line 6", "a name in when"),
        ("types: [compute]", "types: [computer]", "line 5: rule trial.one names service type `computer`", "an unknown type"),
        ("types: [compute]", "types: [compute], design: true", "exactly one", "two things at once"),
        ("at: config.ocpus", "at: config.cpus", "line 8: rule trial.one points at `config.cpus`", "a place that does not exist"),
        ("en: '{ocpus} are many'", "en: '{cpus} are many'", "other values in Japanese", "texts that differ"),
        ("en: '{ocpus} are many'", "en: ''", "one language only", "a text in one language"),
        ("values: { ocpus: config.ocpus }", "values: { ocpus: config.ocpus, id: id }", "no text says", "a value nobody sees"),
        ("why: a trial", "why: ''", "line 12: rule trial.one names no source", "no source"),
        ("good: { compute: { ocpus: 1 } }", "good: { compute: 3 }", "line 13: rule trial.one has a bad example", "an example that is none"),
        ("bad: { compute: { ocpus: 4 } }", "bad: { compute: { ocpus: 4, ocpus: 5 } }", "trial.yaml", "a key twice"),
        ("id: trial.one", "id: Trial One", "line 3", "an id that is none"),
        ("id: trial.one", "id: structure.one", "Galley's own", "an id that would be refused at the door"),
    ];
    for (old, new, expected, reason) in rows {
        let text = GOOD.replace(old, new);
        assert_ne!(text, GOOD, "{reason}");
        let error = Rules::load([("trial.yaml", text.as_str())], &CATALOG, None).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("trial.yaml"), "{reason}: {error}");
    }
    let twice = GOOD.to_owned() + GOOD.split_once("rules:\n").unwrap().1;
    let error = Rules::load([("trial.yaml", twice.as_str())], &CATALOG, None).unwrap_err().to_string();
    assert_eq!(error, "check rule file trial.yaml, line 15: rule trial.one stands in trial.yaml already");
}

#[test]
fn a_rule_that_takes_too_long_is_refused_by_the_stopwatch_that_is_handed_in() {
    let ticks = std::sync::atomic::AtomicU64::new(0);
    let slow = || Duration::from_secs(ticks.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let error = Rules::load([("trial.yaml", GOOD)], &CATALOG, Some(&slow)).unwrap_err().to_string();
    assert!(error.contains("line 7: rule trial.one takes more than"), "{error}");
    Rules::load([("trial.yaml", GOOD)], &CATALOG, Some(&|| Duration::ZERO)).unwrap();
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_said_once_and_stops_nobody() {
    let text = GOOD.replace("require: config.ocpus <= 2.0", "require: config.ocpus <= id");
    let rules = Rules::load([("trial.yaml", text.as_str())], &CATALOG, None).unwrap();
    let design = Example(serde_json::from_str(r#"{"a": {"type": "compute"}, "b": {"type": "compute"}}"#).unwrap()).spec().unwrap();
    let findings = found(&rules, &design);
    let said: Vec<&Finding> = findings.iter().filter(|finding| finding.rule == "rules.unjudged").collect();
    assert!(said.len() == 1 && said[0].severity == Severity::Info && said[0].message.contains("trial.one (trial.yaml)"), "{said:?}");
}
