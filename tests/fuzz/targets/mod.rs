//! What is fuzzed. Each target takes bytes of a stranger, does what the product does with them, and panics when something
//! that must hold does not. A panic of the product itself is a finding like any other.

pub mod architecture;
pub mod hcl_text;
pub mod overrides;
pub mod rules;
pub mod services;
pub mod terraform;
mod terraform_reader;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use galley::api::design::{DesignSpec, Finding, Severity};
use galley::api::session::Language;
use galley::catalog::Catalog;
use galley::render::{RenderContext, Rendered, render};
use galley::validator::rules::Rules;
use galley::validator::{Defaults, ValidatedDesign, validate};
use serde_json::Value;

/// The shipped services.
pub static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::embedded().unwrap());
/// The shipped rules.
pub static RULES: LazyLock<Rules> = LazyLock::new(Rules::shipped);

/// One reader of what strangers write.
pub struct Target {
    /// for messages
    pub name: &'static str,
    /// what must hold of an input
    pub check: fn(&[u8]),
    /// documents to begin with, as trees
    pub seeds: fn() -> Vec<Value>,
    /// most bytes that may be allocated at once: for any input, and for each byte of it
    pub memory: (u64, u64),
}

/// Files of a folder with that extension, in the order of their names.
pub fn texts(folder: &str, extension: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|of| of == extension));
    paths.into_iter().map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}

/// YAML files of a folder as JSON, which is YAML too.
pub fn yaml(folder: &str) -> Vec<Value> {
    texts(folder, "yaml")
        .iter()
        .map(|(name, text)| serde_yaml::from_slice(text).unwrap_or_else(|error| panic!("{name}: {error}")))
        .collect()
}

fn defaults() -> Defaults {
    Defaults { region: "ap-osaka-1".to_owned(), compartment_id: "ocid1.compartment.oc1..aaaa".to_owned(), language: Language::En }
}

/// Judges and renders a design, and checks of both what holds for every design and every catalogue: the same twice, findings
/// that say something of a place, files that are HCL and hold no more than was rendered.
pub fn judged(spec: &DesignSpec, catalog: &Catalog, rules: &Rules) -> Option<(ValidatedDesign, Result<Rendered, Vec<Finding>>)> {
    let verdict = validate(spec, catalog, rules, &defaults());
    assert_eq!(verdict, validate(spec, catalog, rules, &defaults()), "the same design is judged differently");
    verdict.findings.iter().for_each(well_formed);
    let errors = verdict.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    assert_eq!(verdict.design.is_none(), errors > 0, "a design is refused exactly for errors: {:#?}", verdict.findings);
    let design = verdict.design?;
    let context = RenderContext { session: spec.session_ref.clone(), design_uid: "11111111-2222-3333-4444-555555555555".to_owned() };
    let rendered = render(&design, catalog, &context);
    assert_eq!(rendered, render(&design, catalog, &context), "the same design is rendered differently");
    match &rendered {
        Ok(rendered) => {
            let own: BTreeMap<&str, &str> = rendered
                .files
                .iter()
                .filter(|(name, _)| !design.files.contains_key(*name))
                .map(|(n, t)| (n.as_str(), t.as_str()))
                .collect();
            hcl_text::holds_what_was_rendered(&own, rendered, !std::ptr::eq(catalog, &*CATALOG));
        }
        Err(findings) => findings.iter().for_each(well_formed),
    }
    Some((design, rendered))
}

/// A finding names its rule, says something in bounds, and cannot be taken for two lines of a log.
fn well_formed(finding: &Finding) {
    assert!(finding.rule.contains('.') && !finding.message.trim().is_empty(), "{finding:?}");
    let texts = [&finding.message, &finding.path].into_iter().chain(&finding.recommendation);
    for text in texts {
        assert!(!text.chars().any(char::is_control), "control characters in a finding: {finding:?}");
        assert!(text.chars().count() <= 4_000, "a finding of {} characters: {}", text.chars().count(), finding.rule);
    }
}

/// Lines as YAML 1.1 counts them: a carriage return alone and three letters of Unicode end one as well.
fn yaml_lines(text: &str) -> usize {
    let ends = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
    text.matches(ends).count() - text.matches("\r\n").count() + usize::from(!text.ends_with(ends))
}

/// An error of a file that a person writes says which file and which line.
pub fn says_file_and_line(message: &str, file: &str, text: &str) {
    assert!(message.contains(file), "no file in: {message}");
    let after = |word: &str| {
        message.split(word).skip(1).filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok()).next()
    };
    let line = after("line ").unwrap_or_else(|| panic!("no line in: {message}"));
    // the end of a file may be said as the line behind its last one
    assert!(line >= 1 && line <= yaml_lines(text).max(1) + 1, "line {line} of {} in: {message}", yaml_lines(text));
    assert!(message.chars().count() <= 4_000, "an error of {} characters", message.chars().count());
}
