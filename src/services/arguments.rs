//! Arguments at the edge: the schema a tool advertises is the schema it enforces.
//!
//! Takes a JSON object and the schema made from the input type; gives the typed input or every problem with its path, its
//! value and what would be allowed. (rmcp advertises schemas and does not enforce them: measured.) Pure.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::{Code, Error, Problem};
use super::text::{Text, say};
use crate::api::condition::clip;
use crate::api::session::Language;

/// Deepest nesting of arguments. The deepest real configuration has five levels; serde_json itself stops at 128.
pub const MAX_DEPTH: usize = 16;
/// Most bytes of text in one call: 200 components of 4 KiB with room to spare.
pub const MAX_BYTES: usize = 1024 * 1024;
/// How much of a wrong value is shown back.
const SHOWN_VALUE: usize = 120;

/// The slim JSON schema of a type: no `$ref`, no `null` alternatives (absent and null mean the same), enums as plain
/// lists. What is left is what a model needs and what [`decode`] enforces.
pub fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    slim(&mut schema);
    if let Some(object) = schema.as_object_mut() {
        object.remove("description");
    }
    schema
}

fn slim(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    for noise in ["title", "format", "$defs", "x-kubernetes-preserve-unknown-fields"] {
        object.remove(noise);
    }
    if object.get("default").is_some_and(|default| default.is_null() || default.as_object().is_some_and(Map::is_empty)) {
        object.remove("default");
    }
    if let Some(types) = object.get_mut("type")
        && let Some(list) = types.as_array_mut()
    {
        list.retain(|kind| kind != "null");
        if list.len() == 1 {
            *types = list.remove(0);
        }
    }
    unwrap_nullable(object);
    constants_to_enum(object);
    if let Some(list) = object.get_mut("enum").and_then(Value::as_array_mut) {
        list.retain(|value| !value.is_null());
    }
    for key in ["properties", "patternProperties"] {
        if let Some(map) = object.get_mut(key).and_then(Value::as_object_mut) {
            map.values_mut().for_each(slim);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key) {
            slim(inner);
        }
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(list) = object.get_mut(key).and_then(Value::as_array_mut) {
            list.iter_mut().for_each(slim);
        }
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

/// `anyOf: [T, null]` → T; what stands beside it (the field's own description) wins.
fn unwrap_nullable(object: &mut Map<String, Value>) {
    let is_null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
    let Some(list) = object.get("anyOf").and_then(Value::as_array) else { return };
    if list.len() != 2 || !list.iter().any(is_null) {
        return;
    }
    let inner = list.iter().find(|schema| !is_null(schema)).and_then(Value::as_object).cloned().unwrap_or_default();
    object.remove("anyOf");
    for (key, value) in inner {
        object.entry(key).or_insert(value);
    }
}

/// `oneOf: [{const: a}, {const: b}]` → `enum: [a, b]`.
fn constants_to_enum(object: &mut Map<String, Value>) {
    let Some(list) = object.get("oneOf").and_then(Value::as_array) else { return };
    let mut words = Vec::new();
    for one in list {
        match (one.get("const"), one.get("enum").and_then(Value::as_array)) {
            (Some(word), _) => words.push(word.clone()),
            (None, Some(more)) => words.extend(more.iter().cloned()),
            (None, None) => return,
        }
    }
    object.remove("oneOf");
    object.insert("type".into(), "string".into());
    object.insert("enum".into(), Value::Array(words));
}

/// Checks `arguments` against `schema` (made by [`schema`] from `T`) and decodes them.
///
/// # Errors
/// `invalid_argument` with up to 20 problems.
pub fn decode<T: DeserializeOwned>(schema: &Value, arguments: Map<String, Value>, language: Language) -> Result<T, Error> {
    let mut value = Value::Object(arguments);
    check_size(&value, language)?;
    let mut checker = Checker { language, problems: Vec::new() };
    checker.check(schema, &mut value, "");
    if !checker.problems.is_empty() {
        return Err(Error::problems(Code::InvalidArgument, language, checker.problems));
    }
    serde_json::from_value(value)
        .map_err(|error| Error::argument(language, Problem { message: clip(&error.to_string(), 300), ..Problem::default() }))
}

fn check_size(value: &Value, language: Language) -> Result<(), Error> {
    fn walk(value: &Value, depth: usize, bytes: &mut usize) -> usize {
        *bytes += 2;
        match value {
            Value::Object(map) => map.iter().fold(depth, |deepest, (key, inner)| {
                *bytes += key.len();
                deepest.max(walk(inner, depth + 1, bytes))
            }),
            Value::Array(list) => list.iter().fold(depth, |deepest, inner| deepest.max(walk(inner, depth + 1, bytes))),
            Value::String(text) => {
                *bytes += text.len();
                depth
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => depth,
        }
    }
    let mut bytes = 0;
    let depth = walk(value, 0, &mut bytes);
    let refuse = |message| Err(Error::argument(language, Problem { message, ..Problem::default() }));
    if depth > MAX_DEPTH {
        return refuse(say(language, Text::TooDeep, &[("limit", &MAX_DEPTH.to_string())]));
    }
    if bytes > MAX_BYTES {
        return refuse(say(language, Text::TooBig, &[("size", &bytes.to_string()), ("limit", &MAX_BYTES.to_string())]));
    }
    Ok(())
}

struct Checker {
    language: Language,
    problems: Vec<Problem>,
}

impl Checker {
    fn add(&mut self, path: &str, text: Text, values: &[(&str, &str)], value: Option<&Value>) -> &mut Problem {
        self.problems.push(Problem {
            path: path.to_owned(),
            message: say(self.language, text, values),
            value: value.map(shown),
            ..Problem::default()
        });
        // The element was pushed on the line above.
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    fn check(&mut self, schema: &Value, value: &mut Value, path: &str) {
        if let Some(kind) = schema.get("type").and_then(Value::as_str)
            && !has_type(kind, value)
        {
            self.add(path, Text::WrongType, &[("wanted", kind), ("got", type_name(value))], Some(value));
            return;
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            let words: Vec<String> = allowed.iter().map(plain).collect();
            let hint = say(self.language, Text::HintUseAllowed, &[("allowed", &words.join(", "))]);
            let problem = self.add(path, Text::NotAllowed, &[], Some(value));
            problem.allowed = words;
            problem.hint = Some(hint);
            return;
        }
        match value {
            Value::Object(map) => self.check_object(schema, map, path),
            Value::Array(list) => self.check_array(schema, list, path),
            Value::String(text) => self.check_text(schema, text, path),
            Value::Number(number) => self.check_number(schema, number, path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn check_object(&mut self, schema: &Value, map: &mut Map<String, Value>, path: &str) {
        let empty = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        // null stands for absent where a field may be absent; free-form objects keep their nulls
        map.retain(|key, value| !(value.is_null() && known.contains_key(key)));
        for field in &required {
            if !map.contains_key(*field) {
                let hint = say(self.language, Text::HintRequired, &[("field", field)]);
                self.add(&join(path, field), Text::MissingField, &[], None).hint = Some(hint);
            }
        }
        for (key, value) in map.iter_mut() {
            let inner = join(path, key);
            match (known.get(key), schema.get("additionalProperties")) {
                (Some(schema), _) => self.check(schema, value, &inner),
                (None, Some(Value::Bool(false))) => {
                    let allowed: Vec<String> = known.keys().cloned().collect();
                    let hint = say(self.language, Text::HintFields, &[("allowed", &allowed.join(", "))]);
                    let problem = self.add(&inner, Text::UnknownField, &[], Some(value));
                    problem.allowed = allowed;
                    problem.hint = Some(hint);
                }
                (None, Some(schema @ Value::Object(_))) => self.check(schema, value, &inner),
                (None, _) => {}
            }
        }
    }

    fn check_array(&mut self, schema: &Value, list: &mut [Value], path: &str) {
        if let Some(limit) = schema.get("maxItems").and_then(Value::as_u64)
            && list.len() as u64 > limit
        {
            self.add(path, Text::TooMany, &[("count", &list.len().to_string()), ("limit", &limit.to_string())], None);
            return;
        }
        let Some(items) = schema.get("items") else { return };
        for (index, value) in list.iter_mut().enumerate() {
            // An element with an id is named by it, as in findings.
            let name = value.get("id").and_then(Value::as_str).map_or_else(|| index.to_string(), |id| clip(id, 63));
            self.check(items, value, &format!("{path}[{name}]"));
        }
    }

    fn check_text(&mut self, schema: &Value, text: &str, path: &str) {
        let bound = |key| schema.get(key).and_then(Value::as_u64);
        let (least, most) = (bound("minLength").unwrap_or(0), bound("maxLength").unwrap_or(u64::MAX));
        let length = text.chars().count() as u64;
        if length < least || length > most {
            let most = if most == u64::MAX { "∞".to_owned() } else { most.to_string() };
            let values = [("min", least.to_string()), ("max", most), ("got", length.to_string())];
            let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
            self.add(path, Text::LengthOutside, &values, Some(&Value::from(text)));
            return;
        }
        // Newlines and tabs are text a person may write; the rest of C0 and DEL is not.
        if text.chars().any(|c| c.is_ascii_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.add(path, Text::ControlCharacter, &[], None);
        }
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && let Ok(regex) = regex::Regex::new(pattern)
            && !regex.is_match(text)
        {
            let hint = say(self.language, Text::HintId, &[]);
            let problem = self.add(path, Text::BadPattern, &[("pattern", pattern)], Some(&Value::from(text)));
            if path.ends_with(".id") || path.ends_with(".new_id") {
                problem.hint = Some(hint);
            }
        }
    }

    fn check_number(&mut self, schema: &Value, number: &serde_json::Number, path: &str) {
        let bound = |key| schema.get(key).and_then(Value::as_f64);
        let (least, most) = (bound("minimum"), bound("maximum"));
        let given = number.as_f64().unwrap_or(f64::NAN);
        if least.is_some_and(|least| given < least) || most.is_some_and(|most| given > most) {
            let word = |bound: Option<f64>| bound.map_or_else(|| "∞".to_owned(), |bound| bound.to_string());
            self.add(path, Text::NumberOutside, &[("min", &word(least)), ("max", &word(most))], Some(&Value::from(number.clone())));
        }
    }
}

fn has_type(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn join(path: &str, key: &str) -> String {
    let key = clip(key, 63);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A wrong value, clipped, as it may be shown back.
pub(crate) fn shown(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(clip(text, SHOWN_VALUE)),
        Value::Array(_) | Value::Object(_) => Value::String(clip(&value.to_string(), SHOWN_VALUE)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    /// What it is for.
    #[derive(Deserialize, JsonSchema, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        /// the title
        #[schemars(length(min = 1, max = 5))]
        title: String,
        /// how many
        #[schemars(range(min = 0, max = 55))]
        wait: Option<u32>,
        /// which
        language: Option<Language>,
        items: Option<Vec<Item>>,
    }
    #[derive(Deserialize, JsonSchema, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Item {
        id: String,
        config: std::collections::BTreeMap<String, Value>,
    }

    fn problem(value: Value) -> (String, String, Vec<String>) {
        let error = decode::<Sample>(&schema::<Sample>(), value.as_object().cloned().unwrap_or_default(), Language::En).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
        let first = &error.details["problems"][0];
        let allowed = first["allowed"].as_array().into_iter().flatten().map(plain).collect();
        (first["path"].as_str().unwrap_or("").to_owned(), first["message"].as_str().unwrap_or("").to_owned(), allowed)
    }

    #[test]
    fn the_schema_has_no_nulls_no_references_and_plain_enums() {
        let schema = schema::<Sample>();
        let text = schema.to_string();
        assert!(!text.contains("null") && !text.contains("$ref") && !text.contains("oneOf"), "{text}");
        assert_eq!(schema["properties"]["language"]["enum"], json!(["ja", "en"]));
        assert_eq!(schema["properties"]["title"]["description"], "the title");
        assert_eq!(schema["required"], json!(["title"]));
        assert_eq!(schema["additionalProperties"], json!(false));
    }

    #[test]
    fn every_wrong_argument_is_named_with_its_path_and_what_is_allowed() {
        let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
        let rows = [
            (json!({}), "title", "required", "missing"),
            (json!({"title": null}), "title", "required", "null is absent"),
            (json!({"title": 7}), "title", "must be string, got number", "wrong type"),
            (json!({"title": "a", "wat": 1}), "wat", "unknown field", "unknown"),
            (json!({"title": "too long"}), "title", "characters", "length"),
            (json!({"title": "a\u{1b}"}), "title", "control", "escape sequences reach terminals"),
            (json!({"title": "a", "wait": 56}), "wait", "between 0 and 55", "range"),
            (json!({"title": "a", "wait": -1}), "wait", "between 0 and 55", "negative"),
            (json!({"title": "a", "wait": 1.5}), "wait", "must be integer", "fraction"),
            (json!({"title": "a", "language": "fr"}), "language", "allowed values", "enum"),
            (json!({"title": "a", "items": [{"id": "vm", "config": []}]}), "items[vm].config", "must be object", "named by id"),
            (json!({"title": "a", "items": [{"config": {}}]}), "items[0].id", "required", "named by index"),
            (json!({"title": "a", "items": [{"id": "vm", "config": {"a": deep}}]}), "", "nested deeper", "depth"),
            (json!({"title": "a", "items": [{"id": "vm", "config": {"a": "x".repeat(MAX_BYTES)}}]}), "", "bytes", "size"),
        ];
        for (value, path, message, reason) in rows {
            let (found_path, found, _) = problem(value);
            assert_eq!(found_path, path, "{reason}");
            assert!(found.contains(message), "{reason}: {found}");
        }
        assert_eq!(problem(json!({"title": "a", "language": "fr"})).2, ["ja", "en"]);
        assert_eq!(problem(json!({"title": "a", "wat": 1})).2, ["items", "language", "title", "wait"]);
    }

    #[test]
    fn japanese_quotes_templates_and_newlines_are_ordinary_text() {
        for title in ["検証", "a\"b", "${x}", "%{x}", "a\nb"] {
            let arguments = json!({"title": title, "wait": null, "language": "ja"});
            let sample: Sample = decode(&schema::<Sample>(), arguments.as_object().cloned().unwrap_or_default(), Language::En).unwrap();
            assert_eq!(sample.title, title);
            assert_eq!(sample.wait, None);
        }
    }
}
