//! Reading YAML that a person wrote: strictly, and every error with its line. Pure.

use serde::de::DeserializeOwned;

use crate::api::condition::one_line;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// line, from 1
    pub line: usize,
    /// what is wrong, in one line
    pub message: String,
}

/// Longest message in characters: the library quotes what it could not use.
const MAX_MESSAGE: usize = 400;

/// Reads a document twice: as a plain value, which refuses keys that stand twice anywhere, and typed from the text, so that
/// errors carry a place.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    strict(text)?;
    typed(text)
}

/// Refuses what no typed reader sees: keys that stand twice in a map that is kept as it is.
pub fn strict(text: &str) -> Result<(), Fault> {
    serde_yaml::from_str::<serde_yaml::Value>(text).map(drop).map_err(|error| fault(text, &error))
}

/// Reads a document that [`strict`] has read or will read.
pub fn typed<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_yaml::from_str(text).map_err(|error| fault(text, &error))
}

fn fault(text: &str, error: &serde_yaml::Error) -> Fault {
    let said = error.to_string();
    let place = error.location();
    let suffix = place.as_ref().map(|at| format!(" at line {} column {}", at.line(), at.column())).unwrap_or_default();
    let message = said.strip_suffix(suffix.as_str()).unwrap_or(&said);
    let marked = place.filter(|at| at.index() > 0).map(|at| at.line());
    Fault { line: marked.unwrap_or_else(|| unmarked(text, &said)), message: one_line(message, MAX_MESSAGE) }
}

/// The library marks no place for errors of the outermost map, of the end, and of bytes that are no text to it.
fn unmarked(text: &str, message: &str) -> usize {
    let line_of = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    if let Some(at) = message.rsplit_once("at position ").and_then(|(_, number)| number.parse().ok()) {
        return line_of(at);
    }
    if message.starts_with("EOF") {
        return text.lines().count().max(1);
    }
    if message.contains("more than one document") {
        return text.lines().skip(1).position(|line| line.starts_with("---")).map_or(1, |at| at + 2);
    }
    let word = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let names = |line: &str, word: &str| {
        let rest = line.strip_prefix(['"', '\'']).unwrap_or(line).strip_prefix(word);
        rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
    };
    word.and_then(|word| text.lines().position(|line| names(line, word))).map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only errors are looked at")]
    struct File {
        theme: String,
        rules: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only errors are looked at")]
    struct Inner {
        id: String,
    }

    #[test]
    fn every_error_names_its_line() {
        let rows = [
            ("theme: a\nrules: []\nrule: []\n", 3, "unknown field `rule`", "the outermost map has no mark in the library"),
            ("theme: a\n\"rule\": []\n", 2, "unknown field `rule`", "the same, quoted"),
            ("theme: a\nrules:\n  - id: x\n    ide: y\n", 4, "unknown field `ide`", "an inner map"),
            ("theme: a\n", 1, "missing field `rules`", "what is not there has no line of its own"),
            ("", 1, "missing field", "an empty file is an empty map"),
            ("theme: a\nrules: [\n", 3, "", "an end in the middle"),
            ("theme: a\nrules: []\ntheme: b\n", 1, "duplicate", "a key twice: the map it stands in"),
            ("theme: a\nrules: []\n---\ntheme: b\n", 3, "more than one document", "two documents"),
            ("theme: a\nrules: []\n\u{1}\n", 3, "control characters", "no text to YAML"),
            ("theme: a\nrules:\n  - id: [1]\n", 3, "invalid type", "a wrong type"),
            ("theme: a\nrules: *nobody\n", 2, "unknown anchor", "an alias of nothing"),
            ("null", 1, "invalid type", "no map"),
        ];
        let wrong = rows.iter().filter_map(|(text, line, said, reason)| {
            let fault = read::<File>(text).unwrap_err();
            (fault.line != *line || !fault.message.contains(said)).then(|| format!("{reason}: {fault:?}"))
        });
        let wrong: Vec<String> = wrong.collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn what_is_quoted_of_a_file_stays_one_short_line() {
        let fault = read::<File>(&format!("theme: a\nrules:\n  - \"x\\ny{}\"\n", "z".repeat(9_000))).unwrap_err();
        assert!(fault.message.chars().count() <= MAX_MESSAGE && !fault.message.contains('\n'), "{fault:?}");
    }
}
