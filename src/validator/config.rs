//! Configuration of components against the catalogue: keys, types, choices, ranges, patterns; defaults filled in.

use std::collections::BTreeMap;

use serde_json::Value;

use super::finding::{Findings, both, did_you_mean, quoted};
use super::instead::instead;
use super::{ValidatedComponent, labels, values};
use crate::api::design::{Component, DesignSpec};
use crate::catalog::service::{Config, ConfigKey, Format, Service, ValueType};
use crate::catalog::{Catalog, has_type};

/// Checks and completes every component of a known type. Components of unknown types are left out: the finding stands.
pub(super) fn components(spec: &DesignSpec, catalog: &Catalog, findings: &mut Findings) -> Vec<ValidatedComponent> {
    let labels = labels::labels(&spec.components);
    let mut out = Vec::with_capacity(spec.components.len());
    let mut unique: BTreeMap<(String, String, String), String> = BTreeMap::new();
    for (component, label) in spec.components.iter().zip(labels) {
        let Some(service) = catalog.service(&component.service_type) else { continue };
        let config = config(component, service, catalog, findings);
        for (key, value) in service.config.iter().filter(|(_, s)| s.unique).filter_map(|(key, _)| config.get(key).map(|v| (key, v))) {
            let entry = (component.service_type.clone(), key.to_owned(), value.to_string().to_lowercase());
            if let Some(other) = unique.insert(entry, component.id.clone()) {
                let other = quoted(&other);
                let text = both(format!("{key} が {other} と同じです"), format!("{key} is the same as that of {other}"));
                findings.error("config.not-unique", path(component, key), text).add();
            }
        }
        out.push(ValidatedComponent {
            id: component.id.clone(),
            label,
            service_type: component.service_type.clone(),
            // Models write an empty name for one that they do not know.
            display_name: component.display_name.clone().filter(|name| !name.trim().is_empty()).unwrap_or_else(|| component.id.clone()),
            config,
        });
    }
    out
}

fn path(component: &Component, key: &str) -> String {
    format!("components[{}].config.{key}", component.id)
}

fn config(component: &Component, service: &Service, catalog: &Catalog, findings: &mut Findings) -> Config {
    let given = given(component, service, catalog, findings);
    let mut config = Config::new();
    for (key, schema) in service.config.iter() {
        match given.get(key) {
            Some(value) => {
                if let Some(value) = value_of(component, key, schema, value, catalog, findings) {
                    config.insert(key.to_owned(), value);
                }
            }
            None => {
                let special = schema.default_when.iter().find(|d| d.when.holds(&config, None)).map(|d| &d.value);
                match special.or(schema.default.as_ref()) {
                    Some(value) => {
                        config.insert(key.to_owned(), value.clone());
                    }
                    None if schema.required => {
                        let text = both(format!("必須の {key} がありません"), format!("{key} is required"));
                        let advice = both(schema.description.ja.clone(), schema.description.en.clone());
                        findings.error("config.missing", path(component, key), text).advise(advice).allow(shown(&schema.choices)).add();
                    }
                    None => {}
                }
            }
        }
    }
    config
}

/// What the person gave, by the catalogue's names and in the types of its keys.
fn given<'s>(component: &Component, service: &'s Service, catalog: &Catalog, findings: &mut Findings) -> BTreeMap<&'s str, Value> {
    let mut given: BTreeMap<&str, (&str, Value)> = BTreeMap::new();
    let mut parts: BTreeMap<&str, BTreeMap<&str, &Value>> = BTreeMap::new();
    for (name, value) in &component.config {
        let Some((key, schema)) = service.key(name) else {
            match values::whole_of(service, name) {
                Some(_) if value.is_null() => {}
                Some(whole) => {
                    parts.entry(whole).or_default().insert(name, value);
                }
                None => unknown_key(component, service, name, findings),
            }
            continue;
        };
        // null means "not given": models write it for what they do not know; what must be said is not said by an empty list
        if value.is_null() || schema.required && value.as_array().is_some_and(Vec::is_empty) {
            continue;
        }
        let value = values::read(schema, value, catalog);
        match given.get(key) {
            None => {
                given.insert(key, (name, value));
            }
            // The same said twice is said.
            Some((_, other)) if *other == value => {}
            Some((first, other)) => {
                let (one, two) = (quoted(&plain(other)), quoted(&plain(&value)));
                let text = both(
                    format!("{first} ({one}) と {name} ({two}) は同じ設定です"),
                    format!("{first} ({one}) and {name} ({two}) are one setting"),
                );
                let advice = both(format!("{key} だけにしてください"), format!("keep {key} alone"));
                findings.error("config.given-twice", path(component, name), text).advise(advice).add();
            }
        }
    }
    let mut given: BTreeMap<&str, Value> = given.into_iter().map(|(key, (_, value))| (key, value)).collect();
    for (key, parts) in parts {
        let Some(schema) = service.config.get(key) else { continue };
        let value = values::with_parts(schema, given.get(key), &parts);
        given.insert(key, value);
    }
    given
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn unknown_key(component: &Component, service: &Service, name: &str, findings: &mut Findings) {
    let keys: Vec<&str> = service.config.iter().map(|(key, _)| key).collect();
    let (written, of) = (quoted(name), &service.service_type);
    let text = both(format!("{of} に設定 {written} はありません"), format!("{of} has no config key {written}"));
    let advice = match (instead(service, name), did_you_mean(name, keys.iter().copied())) {
        (Some(instead), _) => instead,
        (None, Some(near)) => both(format!("{near} のことですか"), format!("did you mean {near}?")),
        (None, None) => both("カタログにある設定だけが使えます", "only the keys of the catalogue can be used"),
    };
    let path = format!("components[{}].config.{name}", component.id);
    findings.error("config.unknown-key", path, text).advise(advice).allow(keys).add();
}

fn shown(values: &[Value]) -> Vec<String> {
    values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect()
}

/// The value past the gate. Choices are matched exactly first and by their other spellings second: people write both.
fn value_of(
    component: &Component,
    key: &str,
    schema: &ConfigKey,
    value: &Value,
    catalog: &Catalog,
    findings: &mut Findings,
) -> Option<Value> {
    let path = path(component, key);
    let written = quoted(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    if !has_type(schema.value_type, value) {
        let (ja, en) = type_name(schema.value_type);
        let text = both(format!("{key} は{ja}です ({written} が与えられました)"), format!("{key} is {en}, not {written}"));
        findings.error("config.type", path, text).allow(shown(&schema.choices)).add();
        return None;
    }
    let value = match whole(schema.value_type, value) {
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| chosen(key, schema, item, &path, findings)).collect::<Option<Vec<Value>>>()?)
        }
        one => chosen(key, schema, &one, &path, findings)?,
    };
    if !in_range(key, schema, &value, &path, findings) {
        return None;
    }
    let texts = value.as_array().map_or_else(|| vec![&value], |items| items.iter().collect());
    texts.into_iter().all(|text| is_well_formed(key, schema, text, &path, catalog, findings)).then_some(value)
}

/// The value, or one member of a list, in the spelling of its choice.
fn chosen(key: &str, schema: &ConfigKey, value: &Value, path: &str, findings: &mut Findings) -> Option<Value> {
    if schema.choices.is_empty() || schema.choices.contains(value) {
        return Some(value.clone());
    }
    if let Some(near) = values::choice(schema, value) {
        return Some(near.clone());
    }
    let written = quoted(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let text = both(format!("{key} に {written} は選べません"), format!("{key} cannot be {written}"));
    let choices = shown(&schema.choices);
    let near = value.as_str().and_then(|text| did_you_mean(text, choices.iter().map(String::as_str)).map(str::to_owned));
    let draft = findings.error("config.choice", path, text).allow(choices);
    match near {
        Some(near) => draft.advise(both(format!("{near} のことですか"), format!("did you mean {near}?"))).add(),
        None => draft.add(),
    }
    None
}

/// `2.0` for a whole number is `2`: JSON writers differ, Terraform would show a change.
fn whole(value_type: ValueType, value: &Value) -> Value {
    let one = |value: &Value| match value.as_f64() {
        Some(float) if value.as_i64().is_none() && float.fract() == 0.0 && float.abs() < 9e15 => Value::from(float as i64),
        _ => value.clone(),
    };
    match (value_type, value) {
        (ValueType::Integers, Value::Array(items)) => items.iter().map(one).collect(),
        (ValueType::Integer | ValueType::Number, value) => one(value),
        (ValueType::String | ValueType::Boolean | ValueType::Integers | ValueType::Strings, value) => value.clone(),
    }
}

fn in_range(key: &str, schema: &ConfigKey, value: &Value, path: &str, findings: &mut Findings) -> bool {
    let numbers: Vec<f64> = match value {
        Value::Array(items) => items.iter().filter_map(Value::as_f64).collect(),
        other => other.as_f64().into_iter().collect(),
    };
    let outside = numbers.iter().any(|n| schema.minimum.is_some_and(|least| *n < least) || schema.maximum.is_some_and(|most| *n > most));
    if outside {
        let bound = |bound: Option<f64>| bound.map_or(String::new(), |number| number.to_string());
        let range = format!("{}..{}", bound(schema.minimum), bound(schema.maximum));
        let text = both(format!("{key} は {range} の範囲です"), format!("{key} must be within {range}"));
        findings.error("config.range", path, text).allow([range]).add();
        return false;
    }
    let length = value.as_array().map(Vec::len).or_else(|| value.as_str().map(|text| text.chars().count()));
    if let (Some(length), Some(most)) = (length, schema.max_length)
        && length > most
    {
        let text = both(format!("{key} は {most} までです ({length})"), format!("{key} has at most {most}, not {length}"));
        findings.error("config.length", path, text).add();
        return false;
    }
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let long = schema.max_item_length.zip(items.iter().filter_map(Value::as_str).map(|text| text.chars().count()).max());
    if let Some((most, length)) = long.filter(|(most, length)| length > most) {
        let text = both(
            format!("{key} の各項目は {most} 文字までです ({length})"),
            format!("each item of {key} has at most {most} characters, not {length}"),
        );
        findings.error("config.length", path, text).add();
        return false;
    }
    true
}

fn is_well_formed(key: &str, schema: &ConfigKey, value: &Value, path: &str, catalog: &Catalog, findings: &mut Findings) -> bool {
    if let Value::Array(items) = value {
        return items.iter().enumerate().all(|(at, item)| is_well_formed(key, schema, item, &format!("{path}[{at}]"), catalog, findings));
    }
    let Some(text) = value.as_str() else { return true };
    if let Some(pattern) = &schema.pattern
        && !catalog.matches(pattern, text)
    {
        let shown = quoted(text);
        let message = both(format!("{key} に {shown} は使えません"), format!("{key} cannot be {shown}"));
        let advice = both(schema.description.ja.clone(), schema.description.en.clone());
        findings.error("config.pattern", path, message).advise(advice).allow([pattern.clone()]).add();
        return false;
    }
    match schema.format {
        None => true,
        Some(format) => super::cidr::is_cidr(key, text, format == Format::VcnCidr, path, findings),
    }
}

fn type_name(value_type: ValueType) -> (&'static str, &'static str) {
    match value_type {
        ValueType::String => ("文字列", "a text"),
        ValueType::Integer => ("整数", "a whole number"),
        ValueType::Number => ("数", "a number"),
        ValueType::Boolean => ("真偽値 (true / false)", "true or false"),
        ValueType::Integers => ("整数の並び", "a list of whole numbers"),
        ValueType::Strings => ("文字列の並び", "a list of texts"),
    }
}
