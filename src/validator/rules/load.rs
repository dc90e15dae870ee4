//! Reads rule files and refuses what cannot be used, with file and line. Pure.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use kube::core::cel::KubeCelExt;

use super::cel::Context;
use super::definition::{AppliesTo, Definition, RuleFile};
use super::facts::Facts;
use super::program::{self, Names, OF_COMPONENT, OF_DESIGN, OF_PAIR, Scope};
use super::{Error, FACTS, Rule, Shelf, functions, text};
use crate::api::condition::one_line;
use crate::catalog::service::Text;
use crate::catalog::yaml;
use crate::catalog::{Catalog, MAX_CHECK, locate};

/// Largest rule file: the shipped ones are below 64 KiB; the cap keeps a bad overlay from being parsed at all.
const MAX_FILE_BYTES: usize = 256 * 1024;

/// Characters of a rule's id that an error says.
const MAX_ID: usize = 100;

/// First parts of ids that mean something to others: an error of `structure` or `config` is refused at the door, and the
/// rest are said by code.
const RESERVED: &[&str] = &["structure", "config", "rules", "suggestion", "contradiction", "naming", "render", "override"];

impl Shelf {
    pub(super) fn new(rules: Vec<Arc<Rule>>, facts: Facts) -> Shelf {
        let mut root = Context::default();
        root.register_all();
        functions::register(&mut root);
        facts.fill(&mut root);
        let mut by_type: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let (mut pairs, mut design) = (Vec::new(), Vec::new());
        for (at, rule) in rules.iter().enumerate() {
            let AppliesTo { types, pairs: of_pairs, design: of_design } = &rule.definition.applies_to;
            types.iter().for_each(|name| by_type.entry(name.clone()).or_default().push(at));
            if !of_pairs.is_empty() {
                pairs.push(at);
            }
            if *of_design {
                design.push(at);
            }
        }
        Shelf { rules, by_type, pairs, design, facts, root, fault: None }
    }
}

/// Reads what the build made of the files; compiles nothing, and checks nothing that the tests of this build have checked.
pub(super) fn compact(files: &[(&str, &str)]) -> Result<Shelf, Error> {
    let (mut rules, mut facts) = (Vec::new(), Facts::default());
    for (file, json) in files.iter().copied() {
        let fail = |error: serde_json::Error| Error::Read { file: file.to_owned(), line: error.line(), message: error.to_string() };
        if file == FACTS {
            let read = serde_json::from_str(json).map_err(fail)?;
            facts = Facts::of(read, json).map_err(|yaml::Fault { line, message }| Error::Read { file: file.to_owned(), line, message })?;
            continue;
        }
        rules.extend(of_theme(file, serde_json::from_str(json).map_err(fail)?));
    }
    Ok(Shelf::new(rules, facts))
}

/// The rules of one file.
fn of_theme(file: &str, RuleFile { theme, rules }: RuleFile) -> impl Iterator<Item = Arc<Rule>> {
    let (file, theme): (Arc<str>, Arc<Text>) = (file.into(), Arc::new(theme));
    rules.into_iter().map(move |definition| {
        let (file, theme) = (file.clone(), theme.clone());
        Arc::new(Rule { definition, file, theme, judging: OnceLock::new(), telling: OnceLock::new() })
    })
}

/// Reads the files; compiles nothing.
pub(super) fn shelf(files: &[(&str, &str)]) -> Result<Shelf, Error> {
    let mut rules = Vec::new();
    let mut facts = Facts::default();
    for (file, text) in files.iter().copied() {
        let fail = |yaml::Fault { line, message }| Error::Read { file: file.to_owned(), line, message };
        if text.len() > MAX_FILE_BYTES {
            return Err(fail(yaml::Fault { line: 1, message: format!("{} bytes are more than {MAX_FILE_BYTES}", text.len()) }));
        }
        if file == FACTS {
            facts = Facts::read(text).map_err(fail)?;
            continue;
        }
        // Keys that stand twice inside an example are found by `check`: the shipped files have passed it.
        rules.extend(of_theme(file, yaml::typed(text).map_err(fail)?));
    }
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for rule in &rules {
        if let Some(first) = seen.insert(&rule.definition.id, &rule.file) {
            let line = last_line(of(files, &rule.file), &rule.definition.id);
            return Err(refusal(rule, line, &format!("stands in {first} already")));
        }
    }
    Ok(Shelf::new(rules, facts))
}

pub(super) fn of<'a>(files: &[(&str, &'a str)], name: &str) -> &'a str {
    files.iter().find(|(file, _)| *file == name).map(|(_, text)| *text).unwrap_or_default()
}

fn names_rule(line: &str, id: &str) -> bool {
    line.trim_start().trim_start_matches("- ").strip_prefix("id:").map(str::trim) == Some(id)
}

/// Line of the last rule of that id: of two in one file the second is the one too many.
fn last_line(text: &str, id: &str) -> usize {
    text.lines().enumerate().filter(|(_, line)| names_rule(line, id)).last().map_or(1, |(at, _)| at + 1)
}

/// Line (from 1) of a member of a rule.
pub(super) fn line(text: &str, id: &str, member: Option<&str>) -> usize {
    let is_id = |line: &str| names_rule(line, id);
    let Some(start) = text.lines().position(is_id) else { return 1 };
    let inside = text.lines().enumerate().skip(start).take_while(|(at, line)| *at == start || !line.trim_start().starts_with("- id:"));
    let names = |line: &str| member.is_some_and(|member| line.trim_start().strip_prefix(member).is_some_and(|rest| rest.starts_with(':')));
    inside.into_iter().find(|(_, line)| names(line)).map_or(start, |(at, _)| at) + 1
}

/// Checks every rule of a shelf against the catalogue.
pub(super) fn check(shelf: &Shelf, files: &[(&str, &str)], catalog: &Catalog) -> Result<(), Error> {
    for (file, text) in files {
        yaml::strict(text).map_err(|yaml::Fault { line, message }| Error::Read { file: (*file).to_owned(), line, message })?;
    }
    let taken = OF_COMPONENT.iter().chain(OF_PAIR).chain(OF_DESIGN);
    if let Some(name) = taken.into_iter().find(|name| shelf.facts.names().any(|fact| fact == **name)) {
        let line = locate(of(files, FACTS), &[name]);
        return Err(Error::Read { file: FACTS.to_owned(), line, message: format!("a fact cannot be called `{name}`") });
    }
    for rule in &shelf.rules {
        one(rule, shelf, catalog)
            .map_err(|(member, message)| refusal(rule, line(of(files, &rule.file), &rule.definition.id, member), &message))?;
    }
    Ok(())
}

type Fault = (Option<&'static str>, String);

/// A rule that cannot be used. What is quoted of it may be as long as its file; what is said is not.
pub(super) fn refusal(rule: &Rule, line: usize, message: &str) -> Error {
    let (id, message) = (one_line(&rule.definition.id, MAX_ID), one_line(message, MAX_CHECK));
    Error::Check { file: rule.file.to_string(), line, rule: id, message }
}

fn one(rule: &Rule, shelf: &Shelf, catalog: &Catalog) -> Result<(), Fault> {
    let Definition { id, applies_to, at, values, message, recommendation, why, good, bad, .. } = &rule.definition;
    let AppliesTo { types, pairs, design } = applies_to;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if id.split('.').filter(|part| !part.is_empty()).count() != 2 || !id.chars().all(fits) {
        return Err((None, "has an id that is not `<theme>.<what-must-hold>` in a-z, 0-9 and `-`".to_owned()));
    }
    if RESERVED.iter().any(|family| id.split('.').next() == Some(*family)) {
        return Err((None, format!("has an id of one of the families {}, which are Galley's own", RESERVED.join(", "))));
    }
    let scope = match (types.is_empty(), pairs.is_empty(), design) {
        (false, true, false) => Scope::Component,
        (true, false, false) => Scope::Pair,
        (true, true, true) => Scope::Design,
        _ => return Err((Some("appliesTo"), "applies to exactly one of types, pairs, design".to_owned())),
    };
    let ends = pairs.iter().flat_map(|pair| pair.from.iter().chain(&pair.to));
    for name in types.iter().chain(ends.clone()) {
        if catalog.service(name).is_none() {
            return Err((Some("appliesTo"), format!("names service type `{name}`, which is not in the catalogue")));
        }
    }
    let known = catalog.connection_types();
    if let Some(via) = pairs.iter().flat_map(|pair| &pair.via).find(|via| !known.contains(&via.as_str())) {
        return Err((Some("appliesTo"), format!("names connection type `{via}`, which no service has")));
    }
    let named = types.iter().chain(ends).filter_map(|name| catalog.service(name)).collect::<Vec<_>>();
    let open_end = pairs.iter().any(|pair| pair.from.is_empty() || pair.to.is_empty());
    let names = Names { scope, types: if open_end { Vec::new() } else { named }, catalog, facts: shelf.facts.names().collect() };
    place(at.as_deref(), scope, &names).map_err(|fault| (Some("at"), fault))?;
    let judging = rule.judging().map_err(|fault| (Some("require"), fault.to_owned()))?;
    if let Some(when) = &judging.when {
        program::check(when, &names).map_err(|fault| (Some("when"), fault))?;
    }
    program::check(&judging.require, &names).map_err(|fault| (Some("require"), fault))?;
    let telling = rule.telling().map_err(|fault| (Some("values"), fault.to_owned()))?;
    for value in telling.values.values() {
        program::check(value, &names).map_err(|fault| (Some("values"), fault))?;
    }
    if let Some(allowed) = &telling.allowed {
        program::check(allowed, &names).map_err(|fault| (Some("allowed"), fault))?;
    }
    texts(values.keys().map(String::as_str).collect(), message, recommendation)?;
    if why.trim().is_empty() {
        return Err((Some("why"), "names no source of its fact".to_owned()));
    }
    good.spec().map_err(|fault| (Some("good"), format!("has a bad example: {fault}")))?;
    bad.spec().map_err(|fault| (Some("bad"), format!("has a bad example: {fault}")))?;
    Ok(())
}

/// Where a finding may point.
fn place(at: Option<&str>, scope: Scope, names: &Names<'_>) -> Result<(), String> {
    let Some(at) = at else { return Ok(()) };
    let key_is_known = |key: &str| names.types.is_empty() || names.types.iter().any(|service| service.config.get(key).is_some());
    let inside = |rest: &str| rest == "displayName" || rest.strip_prefix("config.").is_some_and(key_is_known);
    let fits = match scope {
        Scope::Component => inside(at),
        Scope::Pair => ["source", "target"]
            .iter()
            .any(|end| at == *end || at.strip_prefix(end).and_then(|rest| rest.strip_prefix('.')).is_some_and(inside)),
        Scope::Design => ["region", "compartmentId", "components", "connections"].contains(&at),
    };
    if fits { Ok(()) } else { Err(format!("points at `{at}`, which is no place of what it applies to")) }
}

/// Both languages are there and say the same values; every value is said.
fn texts(names: Vec<&str>, message: &Text, recommendation: &Text) -> Result<(), Fault> {
    let mut said: Vec<&str> = Vec::new();
    for (member, text) in [("message", message), ("recommendation", recommendation)] {
        if text.ja.trim().is_empty() || text.en.trim().is_empty() {
            return Err((Some(member), "has a text in one language only".to_owned()));
        }
        let (mut ja, mut en) = (text::placeholders(&text.ja), text::placeholders(&text.en));
        said.extend(&ja);
        ja.sort_unstable();
        en.sort_unstable();
        ja.dedup();
        en.dedup();
        if ja != en {
            return Err((Some(member), "says other values in Japanese than in English".to_owned()));
        }
    }
    if let Some(unknown) = said.iter().find(|name| !names.contains(name)) {
        return Err((Some("values"), format!("says `{{{unknown}}}`, which is none of its values")));
    }
    match names.iter().find(|name| !said.contains(name)) {
        Some(unused) => Err((Some("values"), format!("has value `{unused}`, which no text says"))),
        None => Ok(()),
    }
}
