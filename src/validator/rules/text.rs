//! Texts of rules: `{name}` stands for a named value. Values come from people, so what is put in is bounded and has no
//! line breaks; nothing in a value is looked at as a template again.

use std::collections::BTreeMap;

use super::cel::Value;
use crate::api::condition::one_line;

/// Longest text of one value.
const MAX_VALUE: usize = 120;
/// Most members of a list that are shown.
const MAX_MEMBERS: usize = 24;

/// Names that a template wants.
pub(super) fn placeholders(template: &str) -> Vec<&str> {
    pieces(template).into_iter().filter_map(|piece| piece.err()).collect()
}

/// The template with its values put in. A name without a value stays as it is: the loader has refused it.
pub(super) fn fill(template: &str, values: &BTreeMap<String, String>) -> String {
    let piece = |piece: Result<&str, &str>| match piece {
        Ok(text) => text.to_owned(),
        Err(name) => values.get(name).cloned().unwrap_or_else(|| format!("{{{name}}}")),
    };
    pieces(template).into_iter().map(piece).collect()
}

/// Text (`Ok`) and names (`Err`) in turn.
fn pieces(template: &str) -> Vec<Result<&str, &str>> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        out.extend([Ok(before), Err(name)]);
        rest = behind;
    }
    out.push(Ok(rest));
    out
}

/// A value as people read it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => one_line(text, MAX_VALUE),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::List(items) => {
            let mut text = items.iter().take(MAX_MEMBERS).map(shown).collect::<Vec<_>>().join(", ");
            if items.len() > MAX_MEMBERS {
                text.push_str(", …");
            }
            text
        }
        Value::Null => "-".to_owned(),
        // Rules name scalars and lists; the crate's other values are never meant for people.
        _ => "…".to_owned(),
    }
}

/// The members of a list, each as text; a scalar is a list of one.
pub(super) fn members(value: &Value) -> Vec<String> {
    match value {
        Value::List(items) => items.iter().map(shown).collect(),
        other => vec![shown(other)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_in_once_and_never_read_as_templates() {
        let values = BTreeMap::from([("a".to_owned(), "{b}".to_owned()), ("b".to_owned(), "x".to_owned())]);
        assert_eq!(fill("{a} and {b} { open", &values), "{b} and x { open");
        assert_eq!(placeholders("{a} and {b} { open"), ["a", "b"]);
        assert_eq!(shown(&Value::from("two\nlines")), "two lines");
        assert_eq!(shown(&Value::Float(8.0)), "8");
        assert_eq!(members(&Value::from(vec!["a", "b"])), ["a", "b"]);
    }
}
