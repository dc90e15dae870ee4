//! `validation_should_flag`, `must_flag`, `must_not_flag`: what people say a validation finds, held against the findings. Pure.
//!
//! A sentence is known by its words, or else it is the finding that has most of its words: which one is told, so that a
//! person sees whether it is the one that was meant.

use std::collections::BTreeSet;

use serde_json::Value;

use super::checks::texts;
use super::components;

/// A finding, as a status tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// rule such as `naming.changed`
    pub rule: String,
    /// where, such as `components[vm].displayName`
    pub path: String,
    /// message and recommendation
    pub text: String,
}

impl From<crate::api::design::Finding> for Flag {
    fn from(finding: crate::api::design::Finding) -> Self {
        let text = format!("{} {}", finding.message, finding.recommendation.unwrap_or_default());
        Flag { rule: finding.rule, path: finding.path, text }
    }
}

/// A sentence that is known by its words: (all of them stand in it, the rule, services it is about, only those whose
/// display name has a space). At least one such component has to be flagged; with the last, every one.
type Known = (&'static [&'static str], &'static str, &'static [&'static str], bool);

const KNOWN: &[Known] = &[
    (&["name", "space"], "naming.changed", &["nosql", "objectstorage", "streaming"], true),
    (&["oke", "security list"], "network.oke-security-list", &["security_list"], false),
    (&["adb", "port"], "network.database-port", &["adb"], false),
];

/// Share of a sentence's words that a finding must have, in per cent: two sentences about different things share the words
/// of the field (subnet, public, port), which are a third of them.
const SHARE: usize = 40;
/// And how many at least.
const LEAST: usize = 2;
/// Words that say nothing about what is found.
const EMPTY: &[&str] = &[
    "the", "and", "not", "but", "has", "have", "with", "without", "that", "this", "for", "from", "into", "are", "was", "its", "should",
    "must", "than", "also", "only", "being", "lack", "because",
];

/// Every sentence that is flagged, or every one that is not.
pub(super) fn check(design: &Value, sentences: Option<&Value>, findings: &[Flag]) -> Result<Vec<String>, Vec<String>> {
    let (mut facts, mut wrong) = (Vec::new(), Vec::new());
    for sentence in sentences.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        match one(design, sentence, findings) {
            Ok(fact) => facts.push(fact),
            Err(problem) => wrong.push(format!("validation_should_flag: {sentence:?}: {problem}")),
        }
    }
    if wrong.is_empty() { Ok(facts) } else { Err(wrong) }
}

fn one(design: &Value, sentence: &str, findings: &[Flag]) -> Result<String, String> {
    let words = sentence.to_lowercase();
    let about = |services: &[&str]| -> Vec<&Value> {
        components(design).filter(|component| component["service_type"].as_str().is_some_and(|kind| services.contains(&kind))).collect()
    };
    let known = KNOWN.iter().find(|(marks, _, services, _)| marks.iter().all(|mark| words.contains(mark)) && !about(services).is_empty());
    let Some((_, rule, services, every)) = known else { return by_words(design, sentence, findings) };
    let spaced = |component: &&&Value| !every || component["display_name"].as_str().is_some_and(|name| name.contains(' '));
    let about = about(services);
    let ids: Vec<&str> = about.iter().filter(spaced).filter_map(|component| component["id"].as_str()).collect();
    let flagged = |id: &&&str| findings.iter().any(|flag| flag.rule == *rule && flag.path.starts_with(&format!("components[{id}]")));
    let found: Vec<&str> = ids.iter().filter(flagged).copied().collect();
    match found.is_empty() || (*every && found.len() < ids.len()) {
        true => Err(format!("{rule} names {found:?} of {ids:?}")),
        false => Ok(format!("{rule}: {}", found.join(", "))),
    }
}

/// The finding with most of a sentence's words.
fn by_words(design: &Value, sentence: &str, findings: &[Flag]) -> Result<String, String> {
    let asked = words(sentence);
    let shared = |flag: &&Flag| {
        let component = components(design).find(|c| c["id"].as_str().is_some_and(|id| flag.path.contains(&format!("[{id}]"))));
        let about = component.map(|c| format!("{} {}", c["service_type"], c["display_name"])).unwrap_or_default();
        let own = words(&format!("{} {} {} {about}", flag.rule, flag.path, flag.text));
        asked.intersection(&own).count()
    };
    let best = findings.iter().map(|flag| (shared(&flag), flag)).max_by_key(|(count, _)| *count);
    match best {
        Some((count, flag)) if count >= LEAST && count * 100 >= asked.len() * SHARE => {
            Ok(format!("{} at {} ({count} of {} words of {sentence:?})", flag.rule, flag.path, asked.len()))
        }
        Some(_) | None => Err("no finding has its words".to_owned()),
    }
}

/// Words of a text: Latin ones in the singular and in lower case, Japanese ones as pairs of characters.
fn words(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    let latin = lower.split(|c: char| !c.is_ascii_alphanumeric()).map(|word| word.strip_suffix('s').unwrap_or(word));
    let latin = latin.filter(|word| word.len() >= 3 && !EMPTY.contains(word)).map(str::to_owned);
    let wide: Vec<char> = lower.chars().map(|c| if c.is_ascii() || !c.is_alphanumeric() { ' ' } else { c }).collect();
    let pairs = wide.windows(2).filter(|pair| !pair.contains(&' ')).map(|pair| pair.iter().collect());
    latin.chain(pairs).collect()
}

/// `rule` or `rule component`, each of which has to be there, or may not be.
pub(super) fn rules(wanted: Option<&Value>, findings: &[Flag], there: bool) -> Result<Vec<String>, Vec<String>> {
    let fits = |asked: &str| {
        let (rule, component) = asked.split_once(' ').map_or((asked, None), |(rule, component)| (rule, Some(component)));
        let at = |flag: &Flag| component.is_none_or(|id| flag.path.starts_with(&format!("components[{id}]")) || flag.path == id);
        findings.iter().any(|flag| flag.rule == rule && at(flag)) == there
    };
    let asked = wanted.map(texts).unwrap_or_default();
    let verb = if there { "is not found" } else { "is found" };
    let wrong: Vec<String> = asked.iter().filter(|one| !fits(one)).map(|one| format!("{one} {verb}")).collect();
    let fact = |one: &str| if there { one.to_owned() } else { format!("not {one}") };
    if wrong.is_empty() { Ok(asked.into_iter().map(fact).collect()) } else { Err(wrong) }
}
