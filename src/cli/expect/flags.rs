//! `validation_should_flag`: sentences of people, each held against the findings by what it speaks of. Pure.

use serde_json::Value;

use super::components;

/// A finding, as a status tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// rule such as `naming.changed`
    pub rule: String,
    /// where, such as `components[vm].displayName`
    pub path: String,
}

/// A sentence that is known by its words: (all of them stand in it, the rule, services it is about, only those whose
/// display name has a space). At least one such component has to be flagged; with the last, every one.
type Known = (&'static [&'static str], &'static str, &'static [&'static str], bool);

const KNOWN: &[Known] = &[
    (&["name", "space"], "naming.changed", &["nosql", "objectstorage", "streaming"], true),
    (&["oke", "security list"], "network.oke-security-list", &["security_list"], false),
    (&["adb", "port"], "network.database-port", &["adb"], false),
];

/// Every sentence that is flagged, or every one that is not.
pub(super) fn check(design: &Value, sentences: Option<&Value>, findings: &[Flag]) -> Result<Vec<String>, Vec<String>> {
    let (mut facts, mut wrong) = (Vec::new(), Vec::new());
    for sentence in sentences.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        let words = sentence.to_lowercase();
        let Some((_, rule, services, every)) = KNOWN.iter().find(|(marks, ..)| marks.iter().all(|mark| words.contains(mark))) else {
            wrong.push(format!(
                "validation_should_flag: {sentence:?}: no rule is known for this sentence; add one to src/cli/expect/flags.rs"
            ));
            continue;
        };
        let about = components(design).filter(|component| component["service_type"].as_str().is_some_and(|kind| services.contains(&kind)));
        let spaced = |component: &&Value| !every || component["display_name"].as_str().is_some_and(|name| name.contains(' '));
        let ids: Vec<&str> = about.filter(spaced).filter_map(|component| component["id"].as_str()).collect();
        let flagged = |id: &&&str| findings.iter().any(|flag| flag.rule == *rule && flag.path.starts_with(&format!("components[{id}]")));
        let found: Vec<&str> = ids.iter().filter(flagged).copied().collect();
        if found.is_empty() || (*every && found.len() < ids.len()) {
            wrong.push(format!("validation_should_flag: {sentence:?}: {rule} names {found:?} of {ids:?}"));
        } else {
            facts.push(format!("{rule}: {}", found.join(", ")));
        }
    }
    if wrong.is_empty() { Ok(facts) } else { Err(wrong) }
}
