//! A value as people and models write it → the value its config key takes: `"16"` is 16, `"TRUE"` is true, one text is a list
//! of one, `1.33.1` is `v1.33.1`. What is not understood stays as it is and is refused by `config`. Pure.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use crate::catalog::Catalog;
use crate::catalog::service::{ConfigKey, Service, ValueType};
use crate::catalog::spelling::bare;

/// Words for a truth, beside the truth itself.
const YES: [&str; 4] = ["true", "yes", "on", "1"];
const NO: [&str; 4] = ["false", "no", "off", "0"];

/// The value in the type of its key, its choice in the catalogue's spelling.
pub(super) fn read(schema: &ConfigKey, value: &Value, catalog: &Catalog) -> Value {
    let list = matches!(schema.value_type, ValueType::Integers | ValueType::Strings);
    let value = match value {
        // A list of one where one value is meant, and the other way round.
        Value::Array(items) if !list && items.len() == 1 => items.first().unwrap_or(value),
        other => other,
    };
    match schema.value_type {
        ValueType::Boolean => truth(value),
        ValueType::Integer | ValueType::Number => number(value),
        ValueType::String => {
            let text = if schema.parts.is_empty() { text(value) } else { compose(schema, &[value]) };
            prefixed(schema, text, catalog)
        }
        ValueType::Integers => Value::Array(members(value).iter().map(number).collect()),
        ValueType::Strings => Value::Array(members(value).iter().map(text).collect()),
    }
}

/// The choice that a value spells otherwise: in another letter case, with other separators, by another word.
pub(super) fn choice<'s>(schema: &'s ConfigKey, value: &Value) -> Option<&'s Value> {
    let written = bare(value.as_str()?);
    let same = |choice: &&Value| choice.as_str().is_some_and(|choice| bare(choice) == written);
    let spelled = || schema.spelled.iter().find(|(word, _)| bare(word) == written).map(|(_, value)| value);
    (!written.is_empty()).then(|| schema.choices.iter().find(same).or_else(spelled)).flatten()
}

/// The key one of whose parts has this name, as `max_read_units` is a part of `table_limits`.
pub(super) fn whole_of<'s>(service: &'s Service, name: &str) -> Option<&'s str> {
    service.config.iter().find(|(_, schema)| part(schema, name).is_some()).map(|(key, _)| key)
}

/// Puts parts that were written as keys of their own into the value they are parts of.
pub(super) fn with_parts(schema: &ConfigKey, whole: Option<&Value>, parts: &BTreeMap<&str, &Value>) -> Value {
    let own = Value::Object(parts.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect());
    compose(schema, &whole.into_iter().chain([&own]).collect::<Vec<_>>())
}

fn truth(value: &Value) -> Value {
    let word = match value {
        Value::String(text) => text.trim().to_lowercase(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return value.clone(),
    };
    match (YES.contains(&word.as_str()), NO.contains(&word.as_str())) {
        (true, _) => Value::Bool(true),
        (_, true) => Value::Bool(false),
        (false, false) => value.clone(),
    }
}

fn number(value: &Value) -> Value {
    let Some(text) = value.as_str().map(str::trim) else { return value.clone() };
    // Digits, a sign and a point only: "1e3", "inf" and "0x10" are nobody's number of CPUs.
    if !text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-')) {
        return value.clone();
    }
    let whole = text.parse::<i64>().ok().map(Value::from);
    let float = || text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number);
    whole.or_else(float).unwrap_or_else(|| value.clone())
}

fn text(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::Bool(truth) => Value::String(truth.to_string()),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => value.clone(),
    }
}

/// Members of a list; a text or number that should be one has its members between commas.
fn members(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        Value::String(text) => text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect(),
        other => vec![other.clone()],
    }
}

fn prefixed(schema: &ConfigKey, value: Value, catalog: &Catalog) -> Value {
    let (Some(prefix), Some(pattern), Some(text)) = (&schema.prefix, &schema.pattern, value.as_str()) else { return value };
    let with = format!("{prefix}{}", text.trim());
    if !catalog.matches(pattern, text) && catalog.matches(pattern, &with) { Value::String(with) } else { value }
}

/// The name of a part that a word stands for: `readUnits`, `max_read_units`.
fn part<'s>(schema: &'s ConfigKey, word: &str) -> Option<&'s str> {
    let word = bare(word);
    // Four letters: a shorter end of a name says too little.
    let fits = |name: &&String| bare(name) == word || (word.chars().count() >= 4 && bare(name).ends_with(&word));
    let mut found = schema.parts.iter().filter(fits).map(String::as_str);
    found.next().filter(|_| found.next().is_none())
}

/// `name=value,…` in the order of the key, from texts and objects; a later one wins, and the default fills what none says.
/// One that is neither, or that has another name in it, is the answer itself.
fn compose(schema: &ConfigKey, values: &[&Value]) -> Value {
    let mut known: BTreeMap<&str, String> = BTreeMap::new();
    for value in schema.default.iter().chain(values.iter().copied()) {
        let Some(pairs) = pairs(value) else { return value.clone() };
        for (name, text) in pairs {
            let Some(name) = part(schema, &name) else { return value.clone() };
            known.insert(name, text);
        }
    }
    let said = schema.parts.iter().filter_map(|name| known.get(name.as_str()).map(|text| format!("{name}={text}")));
    Value::String(said.collect::<Vec<_>>().join(","))
}

fn pairs(value: &Value) -> Option<Vec<(String, String)>> {
    match value {
        Value::Object(members) => {
            let plain = |value: &Value| text(value).as_str().map(|text| text.trim().to_owned());
            members.iter().map(|(name, value)| Some((name.clone(), plain(value)?))).collect()
        }
        Value::String(text) => {
            let pair = |item: &str| item.split_once(['=', ':']).map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
            text.split([',', ';', '\n']).map(str::trim).filter(|item| !item.is_empty()).map(pair).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::api::design::Severity;
    use crate::render::tests::{judge, spec};

    /// What a value of a key becomes; the rule that refuses it.
    fn config(kind: &str, given: serde_json::Value, key: &str) -> Result<serde_json::Value, String> {
        let verdict = judge(&spec(&json!({"components": [{"id": "x", "service_type": kind, "config": given}]})));
        match verdict.findings.iter().find(|f| f.severity == Severity::Error) {
            Some(finding) => Err(format!("{} {}", finding.rule, finding.path)),
            None => Ok(verdict.design.unwrap().components[0].config[key].clone()),
        }
    }

    #[test]
    fn what_is_meant_is_taken_however_it_is_written() {
        let limits = "maxReadUnits=10,maxWriteUnits=20,maxStorageInGBs=5";
        let rows = [
            ("compute", json!({"ocpus": "2"}), "ocpus", json!(2), "a number as a text"),
            ("compute", json!({"memory_in_gbs": " 16.0 "}), "memory_in_gbs", json!(16), "a whole number with a fraction and spaces"),
            ("compute", json!({"OCPUs": 2}), "ocpus", json!(2), "a key in another letter case"),
            ("compute", json!({"memoryInGBs": 32}), "memory_in_gbs", json!(32), "a key in camel case"),
            ("compute", json!({"shape": "vm.standard.a1.flex"}), "shape", json!("VM.Standard.A1.Flex"), "a choice in another case"),
            ("compute", json!({"image_os": "oracle-linux-8"}), "image_os", json!("Oracle Linux 8"), "a choice with other separators"),
            ("compute", json!({"image_os": "OL9"}), "image_os", json!("Oracle Linux 9"), "a choice in short"),
            ("compute", json!({"public_ports": 8080}), "public_ports", json!([8080]), "one number where a list is meant"),
            ("compute", json!({"public_ports": "80, 443"}), "public_ports", json!([80, 443]), "a list as a text"),
            ("subnet", json!({"prohibit_public_ip": "TRUE"}), "prohibit_public_ip", json!(true), "a truth as a text"),
            ("subnet", json!({"prohibit_public_ip": "no"}), "prohibit_public_ip", json!(false), "a truth as a word"),
            ("subnet", json!({"prohibit_public_ip_on_vnic": 1}), "prohibit_public_ip", json!(true), "a truth as a number"),
            ("vcn", json!({"cidr_blocks": ["10.9.0.0/16"]}), "cidr_block", json!("10.9.0.0/16"), "a list of one"),
            ("adb", json!({"workload_type": "OLTP"}), "workload_type", json!("ATP"), "Terraform's word"),
            ("adb", json!({"workload_type": "adw", "endpoint_type": "Public"}), "workload_type", json!("ADW"), "any case"),
            ("adb", json!({"is_free_tier": "true"}), "endpoint_type", json!("public"), "what follows from a truth as a text"),
            ("oke", json!({"kubernetes_version": "1.32.1"}), "kubernetes_version", json!("v1.32.1"), "a version without its letter"),
            (
                "oke",
                json!({"node_shape": "VM.Standard.E4.Flex", "shape": "VM.Standard.E4.Flex"}),
                "shape",
                json!("VM.Standard.E4.Flex"),
                "twice the same",
            ),
            (
                "nosql",
                json!({"table_limits": {"max_read_units": 10, "maxWriteUnits": "20", "maxStorageInGBs": 5}}),
                "table_limits",
                json!(limits),
                "an object",
            ),
            (
                "nosql",
                json!({"table_limits": "maxStorageInGBs=5; maxWriteUnits=20, maxReadUnits = 10"}),
                "table_limits",
                json!(limits),
                "any order and spacing",
            ),
            (
                "nosql",
                json!({"max_read_units": 10, "max_write_units": 20, "max_storage_in_gbs": 5}),
                "table_limits",
                json!(limits),
                "Terraform's own keys",
            ),
            (
                "nosql",
                json!({"table_limits": "maxReadUnits=10"}),
                "table_limits",
                json!("maxReadUnits=10,maxWriteUnits=50,maxStorageInGBs=25"),
                "the rest is the default",
            ),
        ];
        for (kind, given, key, expected, reason) in rows {
            assert_eq!(config(kind, given.clone(), key), Ok(expected), "{reason}: {kind} {given}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_and_never_guessed() {
        let rows = [
            ("compute", json!({"ocpus": "two"}), "config.type components[x].config.ocpus", "a word is no number"),
            ("compute", json!({"ocpus": "1e1"}), "config.type components[x].config.ocpus", "nobody writes CPUs so"),
            ("compute", json!({"memory_in_gbs": "16GB"}), "config.type components[x].config.memory_in_gbs", "a unit may be another one"),
            ("subnet", json!({"prohibit_public_ip": "private"}), "config.type components[x].config.prohibit_public_ip", "no truth"),
            ("subnet", json!({"prohibit_public_ip": 2}), "config.type components[x].config.prohibit_public_ip", "no truth"),
            (
                "vcn",
                json!({"cidr_blocks": ["10.0.0.0/16", "10.1.0.0/16"]}),
                "config.type components[x].config.cidr_block",
                "two are not one",
            ),
            ("compute", json!({"image_os": "Windows"}), "config.choice components[x].config.image_os", "not there"),
            ("oke", json!({"kubernetes_version": "latest"}), "config.pattern components[x].config.kubernetes_version", "which one?"),
            (
                "oke",
                json!({"node_shape": "VM.Standard.A1.Flex", "shape": "VM.Standard.E4.Flex"}),
                "config.given-twice components[x].config.shape",
                "which one?",
            ),
            ("nosql", json!({"table_limits": "50"}), "config.pattern components[x].config.table_limits", "of what?"),
            (
                "nosql",
                json!({"table_limits": {"maxReadUnits": 5, "speed": 3}}),
                "config.type components[x].config.table_limits",
                "an unknown part",
            ),
        ];
        for (kind, given, expected, reason) in rows {
            assert_eq!(config(kind, given.clone(), "-"), Err(expected.to_owned()), "{reason}: {kind} {given}");
        }
    }
}
