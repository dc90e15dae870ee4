//! Label and field selectors. Pure.

use serde_json::Value;

use super::kinds::Kind;
use super::registry::Labels;
use super::status::ApiError;

/// A parsed label selector: every requirement must hold.
#[derive(Debug, Clone, Default)]
pub(super) struct LabelSelector(Vec<Requirement>);

#[derive(Debug, Clone)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl LabelSelector {
    /// `a=b,c!=d,e in (f,g),h notin (i),j,!k`
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        split_outside_parentheses(text)
            .into_iter()
            .filter(|part| !part.trim().is_empty())
            .map(requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }
    /// Nothing is asked.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Do these labels satisfy it?
    pub(super) fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| {
            let found = labels.iter().find(|(key, _)| **key == *requirement.key).map(|(_, value)| &**value);
            match &requirement.test {
                Test::Exists => found.is_some(),
                Test::Absent => found.is_none(),
                Test::In(values) => found.is_some_and(|found| values.iter().any(|value| value == found)),
                Test::NotIn(values) => found.is_none_or(|found| values.iter().all(|value| value != found)),
            }
        })
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut open) = (Vec::new(), 0, false);
    for (index, character) in text.char_indices() {
        match character {
            '(' => open = true,
            ')' => open = false,
            ',' if !open => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(part: &str) -> Result<Requirement, ApiError> {
    let part = part.trim();
    let make = |key: &str, test: Test| {
        let key = key.trim();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(ApiError::bad_request(format!("unable to parse label selector requirement {part:?}")));
        }
        Ok(Requirement { key: key.to_owned(), test })
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some(key) = part.strip_prefix('!') {
        return make(key, Test::Absent);
    }
    if let Some((key, value)) = part.split_once("!=") {
        return make(key, Test::NotIn(one(value)));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return make(key, Test::In(one(value)));
    }
    if let Some((head, list)) = part.strip_suffix(')').and_then(|part| part.split_once('(')) {
        let values = list.split(',').map(|value| value.trim().to_owned()).collect();
        let head = head.trim();
        return match head.strip_suffix(" notin") {
            Some(key) => make(key, Test::NotIn(values)),
            None => make(head.strip_suffix(" in").unwrap_or_default(), Test::In(values)),
        };
    }
    make(part, Test::Exists)
}

/// A parsed field selector.
#[derive(Debug, Clone, Default)]
pub(super) struct FieldSelector(Vec<FieldTest>);

#[derive(Debug, Clone)]
struct FieldTest {
    /// path in the stored form of the object
    path: Vec<String>,
    value: String,
    equal: bool,
}

impl FieldSelector {
    /// `metadata.name=a,metadata.namespace!=b`; for Events also what they regard, for documents the selectable fields of their
    /// CRD. Errors: 400 naming the unsupported field.
    pub(super) fn parse(text: &str, kind: &Kind) -> Result<Self, ApiError> {
        let mut tests = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let split = part.split_once("!=").map(|(field, value)| (field, value, false));
            let split = split.or_else(|| part.split_once("==").or_else(|| part.split_once('=')).map(|(field, value)| (field, value, true)));
            let Some((field, value, equal)) = split else {
                return Err(ApiError::bad_request(format!("invalid field selector: {part:?} is not field=value or field!=value")));
            };
            let path = field_path(field, kind).ok_or_else(|| {
                let more: String = kind.selectable.iter().map(|field| format!(", {field}")).collect();
                ApiError::bad_request(format!("field label not supported: {field} (supported: metadata.name, metadata.namespace{more})"))
            })?;
            tests.push(FieldTest { path, value: value.to_owned(), equal });
        }
        Ok(FieldSelector(tests))
    }
    /// Nothing is asked.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The one name that can match, when there is one.
    pub(super) fn only_name(&self) -> Option<&str> {
        self.only(&["metadata", "name"])
    }
    /// The one design whose objects can match, when there is one.
    pub(super) fn only_design(&self) -> Option<&str> {
        self.only(&["spec", "designRef"])
    }
    fn only(&self, path: &[&str]) -> Option<&str> {
        self.0.iter().find(|test| test.equal && test.path == path).map(|test| test.value.as_str())
    }
    /// Does an object of that name satisfy it? `object` is asked only when name and namespace do not decide.
    pub(super) fn matches(&self, name: &str, object: impl FnOnce() -> Option<Value>) -> bool {
        let mut rest = Vec::new();
        for test in &self.0 {
            let path: Vec<&str> = test.path.iter().map(String::as_str).collect();
            let found = match path.as_slice() {
                ["metadata", "name"] => name,
                ["metadata", "namespace"] => crate::api::NAMESPACE,
                _ => {
                    rest.push(test);
                    continue;
                }
            };
            if (found == test.value) != test.equal {
                return false;
            }
        }
        if rest.is_empty() {
            return true;
        }
        let Some(object) = object() else { return false };
        rest.iter().all(|test| {
            let found = test.path.iter().fold(&object, |value, step| &value[step.as_str()]).as_str().unwrap_or_default();
            (found == test.value) == test.equal
        })
    }
}

fn field_path(field: &str, kind: &Kind) -> Option<Vec<String>> {
    const REGARDING: [&str; 6] = ["name", "namespace", "kind", "uid", "apiVersion", "fieldPath"];
    let steps = |path: &str| Some(path.split('.').map(str::to_owned).collect());
    if matches!(field, "metadata.name" | "metadata.namespace") || kind.selectable.iter().any(|selectable| selectable == field) {
        return steps(field);
    }
    if !kind.is_event() {
        return None;
    }
    match field {
        "reason" | "type" => return steps(field),
        "reportingComponent" | "reportingController" | "source" => return steps("reportingController"),
        _ => {}
    }
    let member = field.strip_prefix("involvedObject.").or_else(|| field.strip_prefix("regarding."))?;
    REGARDING.contains(&member).then(|| vec!["regarding".to_owned(), member.to_owned()])
}
