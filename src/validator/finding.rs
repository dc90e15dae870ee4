//! Making findings: both languages stand side by side, so that neither can be forgotten.

use std::collections::BTreeMap;

use crate::api::condition::one_line;
use crate::api::design::{Finding, Severity};
use crate::api::session::Language;

/// Characters of a path: an id and a key of the longest that are allowed, twice over.
pub(super) const MAX_PATH: usize = 400;

/// Characters of a message or an advice.
const MAX_TEXT: usize = 2_000;

/// A text in both languages, chosen at once.
#[derive(Debug, Clone)]
pub struct Both {
    /// Japanese
    pub ja: String,
    /// English
    pub en: String,
}

/// Builds a [`Both`].
pub fn both(ja: impl Into<String>, en: impl Into<String>) -> Both {
    Both { ja: ja.into(), en: en.into() }
}

impl Both {
    fn get(self, language: Language) -> String {
        match language {
            Language::Ja => self.ja,
            Language::En => self.en,
        }
    }
}

/// Collects findings in one language.
#[derive(Debug)]
pub struct Findings {
    language: Language,
    /// what was found, in order
    pub items: Vec<Finding>,
}

/// A problem being described; added to its [`Findings`] by [`Draft::add`].
#[must_use]
pub struct Draft<'a> {
    findings: &'a mut Findings,
    finding: Finding,
}

impl Findings {
    /// An empty collection.
    pub fn new(language: Language) -> Findings {
        Findings { language, items: Vec::new() }
    }
    /// Starts an error.
    pub fn error(&mut self, rule: &str, path: impl Into<String>, message: Both) -> Draft<'_> {
        self.draft(Severity::Error, rule, path, message)
    }
    /// Starts a warning.
    pub fn warning(&mut self, rule: &str, path: impl Into<String>, message: Both) -> Draft<'_> {
        self.draft(Severity::Warning, rule, path, message)
    }
    /// Starts a note.
    pub fn info(&mut self, rule: &str, path: impl Into<String>, message: Both) -> Draft<'_> {
        self.draft(Severity::Info, rule, path, message)
    }
    /// Whether anything found is an error.
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|f| f.severity == Severity::Error)
    }
    fn draft(&mut self, severity: Severity, rule: &str, path: impl Into<String>, message: Both) -> Draft<'_> {
        let message = message.get(self.language);
        let finding = Finding { rule: rule.to_owned(), severity, path: path.into(), message, recommendation: None, allowed: Vec::new() };
        Draft { findings: self, finding }
    }
}

impl Draft<'_> {
    /// What to do.
    pub fn advise(mut self, recommendation: Both) -> Self {
        self.finding.recommendation = Some(recommendation.get(self.findings.language));
        self
    }
    /// What would be allowed.
    pub fn allow(mut self, allowed: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.finding.allowed = allowed.into_iter().map(Into::into).collect();
        self
    }
    /// Adds it.
    pub fn add(self) {
        self.findings.items.push(in_bounds(self.finding));
    }
}

/// The findings that a bounded list shows: errors first. Where not all fit, every rule speaks once before any speaks twice,
/// because fifty notes about names would hide the one about the network.
pub fn most_telling(mut findings: Vec<Finding>, limit: usize) -> Vec<Finding> {
    findings.sort_by_key(|finding| finding.severity);
    if findings.len() <= limit {
        return findings;
    }
    let mut spoken: BTreeMap<String, usize> = BTreeMap::new();
    let mut turns: Vec<(Severity, usize, Finding)> = Vec::with_capacity(findings.len());
    for finding in findings {
        let count = spoken.entry(finding.rule.clone()).or_default();
        let turn = *count;
        *count += 1;
        turns.push((finding.severity, turn, finding));
    }
    turns.sort_by_key(|(severity, turn, _)| (*severity, *turn));
    turns.into_iter().map(|(_, _, finding)| finding).take(limit).collect()
}

/// The nearest of `candidates` to what was written, if it is near enough to be meant (at most a third of it differs).
pub fn did_you_mean<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    let (distance, best) = candidates.into_iter().map(|c| (edits(&lower, &c.to_lowercase()), c)).min()?;
    (distance * 3 <= lower.chars().count().max(3)).then_some(best)
}

/// Levenshtein distance in characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let next = (row[j] + 1).min(row[j + 1] + 1).min(corner + usize::from(ca != *cb));
            corner = row[j + 1];
            row[j + 1] = next;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// User text in a message: bounded, and without line breaks or control characters that could fake another message.
pub fn quoted(text: &str) -> String {
    format!("`{}`", one_line(text, 80))
}

/// A finding of bounded lines, whatever the names hold that it tells of: an id as it was written, a key or type of a service
/// file.
pub fn in_bounds(finding: Finding) -> Finding {
    Finding {
        path: one_line(&finding.path, MAX_PATH),
        message: one_line(&finding.message, MAX_TEXT),
        recommendation: finding.recommendation.map(|text| one_line(&text, MAX_TEXT)),
        allowed: finding.allowed.iter().map(|text| one_line(text, MAX_PATH)).collect(),
        ..finding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_list_lets_every_rule_speak_once_before_any_speaks_twice() {
        let finding = |rule: &str, severity, path: usize| Finding {
            rule: rule.to_owned(),
            severity,
            path: path.to_string(),
            message: String::new(),
            recommendation: None,
            allowed: Vec::new(),
        };
        let mut all: Vec<Finding> = (0..60).map(|at| finding("naming.changed", Severity::Info, at)).collect();
        all.push(finding("network.completed", Severity::Info, 60));
        all.push(finding("structure.id", Severity::Error, 61));
        let shown = |limit| most_telling(all.clone(), limit).into_iter().map(|f| f.path).collect::<Vec<_>>();
        assert_eq!(shown(4), ["61", "0", "60", "1"], "the error, each rule once, then again");
        assert_eq!(shown(100)[..2], ["61".to_owned(), "0".to_owned()], "what fits stays in its order");
        assert_eq!(shown(100).last(), Some(&"60".to_owned()));
    }
}
