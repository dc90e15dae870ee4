//! Checks one service file against itself: defaults fit their schema, every config key is used, every reference resolves.
//! Takes the text only to name the line. No IO.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::Error;
use super::mapping::{BlockMapping, DataMapping, Expr, ForEach, Ordered, ResourceMapping, Source, When};
use super::service::{ConfigKey, Limit, RulePeer, Service, ValueType, keys_of_when};
use crate::catalog::service::ConfigPeer;

/// Line (from 1) of a key path in a block-style YAML text: each step is the next line whose key, or whose value of `key`,
/// `name` or `type` in a list, is that step. Falls back to the nearest enclosing line that was found.
pub fn locate(text: &str, path: &[&str]) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    for step in path {
        let found = lines.iter().enumerate().skip(at).find(|(_, line)| {
            let line = line.trim_start().trim_start_matches("- ").trim_start_matches("{ ");
            let names = |prefix: &str| line.strip_prefix(prefix).is_some_and(|rest| rest.trim_end_matches([' ', '}', ',']).trim() == *step);
            line.strip_prefix(step).is_some_and(|rest| rest.starts_with(':')) || names("key:") || names("name:") || names("type:")
        });
        match found {
            Some((index, _)) => at = index,
            None => break,
        }
    }
    at + 1
}

/// Whether a value has the type of a config key. Whole numbers may be written as `2.0`.
pub(crate) fn has_type(value_type: ValueType, value: &Value) -> bool {
    let whole = |value: &Value| value.as_i64().is_some() || value.as_f64().is_some_and(|f| f.fract() == 0.0 && f.abs() < 9e15);
    match value_type {
        ValueType::String => value.is_string(),
        ValueType::Boolean => value.is_boolean(),
        ValueType::Number => value.is_number(),
        ValueType::Integer => whole(value),
        ValueType::Integers => value.as_array().is_some_and(|items| items.iter().all(whole)),
        ValueType::Strings => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
    }
}

/// The value, or its members when it is a list.
fn each_of(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

/// Bytes a compiled pattern may take. A repetition of thousands of a class that reaches over all of Unicode takes
/// megabytes and milliseconds at every start; a length is what it means, and what it is written as.
const PATTERN_BYTES: usize = 1 << 19;

/// Most different patterns of a catalogue: ten times what ships. Each is small, and an overlay could bring thousands.
const MAX_PATTERNS: usize = 400;

/// The pattern as it is matched: against the whole text.
pub(super) fn compiled(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(PATTERN_BYTES).build()
}

/// Whether a value contradicts the schema of its own key.
fn is_outside(key: &ConfigKey, pattern: Option<&Regex>, value: &Value) -> bool {
    let number = value.as_f64();
    !key.choices.is_empty() && !key.choices.contains(value)
        || key.minimum.zip(number).is_some_and(|(least, n)| n < least)
        || key.maximum.zip(number).is_some_and(|(most, n)| n > most)
        || value.as_str().is_some_and(|text| pattern.is_some_and(|regex| !regex.is_match(text)))
}

/// Variable with the OCID of the tenancy, which the home region is looked up by.
pub const TENANCY: &str = "tenancy_ocid";

struct Check<'a> {
    file: &'a str,
    text: &'a str,
    service: &'a Service,
    used: BTreeSet<String>,
    patterns: &'a mut BTreeMap<String, Regex>,
}

fn is_plain_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    name.len() <= 63 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(fits)
}

/// Checks a service; its patterns are compiled into `patterns`, each once.
pub(super) fn service(file: &str, text: &str, service: &Service, patterns: &mut BTreeMap<String, Regex>) -> Result<(), Error> {
    let mut check = Check { file, text, service, used: BTreeSet::new(), patterns };
    for (member, name) in [("type", &service.service_type), ("tier", &service.tier)] {
        // the one is part of names and addresses, the other the name of a file beside Terraform
        if !is_plain_name(name) {
            return check.fail(
                &[member],
                format!("{member} `{name}` is no name: a letter, then letters, digits, _ and -, at most 63 in all, lower case"),
            );
        }
    }
    for (name, key) in service.config.iter() {
        check.key(name, key)?;
    }
    if let Some(secret) = service.secrets.iter().find(|secret| secret.length < 4 * secret.of_each) {
        return check.fail(&["secrets", &secret.name], format!("{} characters cannot hold {} of each kind", secret.length, secret.of_each));
    }
    check.placement()?;
    check.rules()?;
    for required in &service.requires {
        check.when(&["requires"], &required.when)?;
    }
    for variable in &service.variables {
        check.when(&["variables", &variable.name], &variable.when)?;
    }
    for (name, local) in service.locals.iter() {
        check.expr(&["locals", name], local)?;
    }
    for data in &service.data {
        check.data(data)?;
    }
    if service.resources.is_empty() {
        return check.fail(&["resources"], "a service has at least one resource".to_owned());
    }
    for resource in &service.resources {
        check.resource(resource)?;
    }
    for output in &service.outputs {
        check.when(&["outputs", &output.name], &output.when)?;
        check.expr(&["outputs", &output.name], &output.value)?;
    }
    for limit in &service.limits {
        check.limit(limit)?;
    }
    check.every_key_is_used()
}

impl Check<'_> {
    fn fail<T>(&self, path: &[&str], message: String) -> Result<T, Error> {
        Err(Error::check(self.file, self.text, path, &message))
    }

    fn key(&mut self, name: &str, key: &ConfigKey) -> Result<(), Error> {
        let path = ["config", name];
        if self.patterns.len() > MAX_PATTERNS {
            return self.fail(&path, format!("config key `{name}`: a catalogue has at most {MAX_PATTERNS} different patterns"));
        }
        if let Some(pattern) = key.pattern.as_ref().filter(|pattern| !self.patterns.contains_key(*pattern)) {
            match compiled(pattern) {
                Ok(regex) => self.patterns.insert(pattern.clone(), regex),
                Err(regex::Error::CompiledTooBig(most)) => {
                    let message = format!(
                        "config key `{name}`: compiled, the pattern takes more than {most} bytes: bound the length with max_length, or max_item_length in a list, and not with a repetition"
                    );
                    return self.fail(&path, message);
                }
                Err(error) => return self.fail(&path, format!("config key `{name}`: pattern is not a regular expression: {error}")),
            };
        }
        let defaults = || key.default.iter().chain(key.default_when.iter().map(|d| &d.value)).chain(&key.examples);
        let one = match key.value_type {
            ValueType::Strings => ValueType::String,
            ValueType::Integers => ValueType::Integer,
            other @ (ValueType::String | ValueType::Integer | ValueType::Number | ValueType::Boolean) => other,
        };
        let typed = defaults().map(|value| (key.value_type, value)).chain(key.choices.iter().map(|value| (one, value)));
        if let Some((wanted, value)) = typed.into_iter().find(|(wanted, value)| !has_type(*wanted, value)) {
            return self.fail(&path, format!("config key `{name}`: {value} is not of type {wanted:?}"));
        }
        let pattern = key.pattern.as_ref().and_then(|pattern| self.patterns.get(pattern));
        if let Some(value) = defaults().flat_map(each_of).find(|value| is_outside(key, pattern, value)) {
            return self
                .fail(&path, format!("config key `{name}`: default or example {value} is outside its own choices, range or pattern"));
        }
        for default in &key.default_when {
            self.when(&path, &default.when)?;
        }
        // An object of parts is composed after its default, so the default says them all.
        let all_parts =
            || key.default.as_ref().and_then(Value::as_str).is_some_and(|text| key.parts.iter().all(|part| text.contains(part)));
        if !key.parts.is_empty() && !all_parts() {
            return self.fail(&path, format!("config key `{name}`: `parts` need a default that has them all"));
        }
        if let Some((word, value)) = key.spelled.iter().find(|(_, value)| !key.choices.contains(value)) {
            return self.fail(&path, format!("config key `{name}`: `{word}` is spelled {value}, which is no choice"));
        }
        if key.required && key.default.is_some() {
            return self.fail(&path, format!("config key `{name}`: required and a default exclude each other"));
        }
        let aliases = key.aliases.iter().find(|alias| self.service.config.get(alias).is_some());
        aliases.map_or(Ok(()), |alias| self.fail(&path, format!("config key `{name}`: alias `{alias}` is a config key itself")))
    }

    fn placement(&mut self) -> Result<(), Error> {
        if let Some(placement) = &self.service.placement {
            self.when(&["placement"], &placement.when)?;
            if let Some(when) = &placement.public_when {
                self.when(&["placement", "public_when"], when)?;
            }
            for (name, spot) in placement.others.iter() {
                let path = ["placement", "others", name];
                self.when(&path, &spot.when)?;
                spot.public_when.iter().try_for_each(|when| self.when(&path, when))?;
            }
        }
        if let Some(hosts) = &self.service.hosts {
            self.expr(&["hosts"], &hosts.value)?;
            hosts.count.iter().try_for_each(|key| self.uses(&["hosts"], key))?;
        }
        for port in &self.service.ports {
            self.expr(&["ports", &port.name], &port.port)?;
            if !self.service.has_spot(port.at.as_deref()) {
                return self.fail(&["ports", &port.name], format!("there is no place `{}`", port.at.as_deref().unwrap_or_default()));
            }
            if let Some(key) = &port.from {
                self.uses(&["ports", &port.name], key)?;
            }
        }
        Ok(())
    }

    fn rules(&mut self) -> Result<(), Error> {
        for rule in &self.service.rules {
            let path = ["rules", rule.name.as_str()];
            self.when(&path, &rule.when)?;
            let spot = match &rule.peer {
                RulePeer::Word(_) => None,
                RulePeer::Spot(peer) => Some(peer.spot.as_str()),
                RulePeer::Config(ConfigPeer { config }) => {
                    self.uses(&path, config)?;
                    None
                }
            };
            for at in [rule.at.as_deref(), spot] {
                if !self.service.has_spot(at) {
                    return self.fail(&path, format!("there is no place `{}`", at.unwrap_or_default()));
                }
            }
        }
        Ok(())
    }

    fn data(&mut self, data: &DataMapping) -> Result<(), Error> {
        let path = ["data", data.key.as_str()];
        if let Some(key) = data.depends_on.iter().find(|key| !self.service.resources.iter().any(|r| r.key == **key)) {
            return self.fail(&path, format!("there is no resource with key `{key}`"));
        }
        self.when(&path, &data.when)?;
        self.arguments(&path, &data.arguments)?;
        data.blocks.iter().try_for_each(|block| self.block(&path, block))
    }

    fn resource(&mut self, resource: &ResourceMapping) -> Result<(), Error> {
        let path = ["resources", resource.key.as_str()];
        let same = |other: &&ResourceMapping| other.resource_type == resource.resource_type && other.suffix == resource.suffix;
        if self.service.resources.iter().filter(same).count() > 1 {
            return self.fail(&path, format!("two resources of type {} need different suffixes", resource.resource_type));
        }
        if resource.home_region && !self.service.variables.iter().any(|v| v.name == TENANCY) {
            return self.fail(&path, format!("`home_region` needs the tenancy: declare variable `{TENANCY}`"));
        }
        let earlier = || self.service.resources.iter().take_while(|r| r.key != resource.key);
        if let Some(key) = resource.after.iter().find(|key| !earlier().any(|r| r.key == **key)) {
            return self.fail(&path, format!("`after` names `{key}`, which is no resource that stands before"));
        }
        if resource.in_turn && resource.for_each.is_none() {
            return self.fail(&path, "`in_turn` belongs to a resource with `for_each`".to_owned());
        }
        self.when(&path, &resource.when)?;
        self.for_each(&path, resource.for_each.as_ref())?;
        self.arguments(&path, &resource.arguments)?;
        resource.blocks.iter().try_for_each(|block| self.block(&path, block))
    }

    /// What a component takes of a limit is counted before anything is made: a number of the file or of its config.
    fn limit(&mut self, limit: &Limit) -> Result<(), Error> {
        let path = ["limits", limit.limit.as_str()];
        self.when(&path, &limit.when)?;
        self.expr(&path, &limit.amount)?;
        let number = match &limit.amount.source {
            Source::Literal(value) => value.is_number(),
            Source::Config(key) => {
                self.service.config.get(key).is_some_and(|k| matches!(k.value_type, ValueType::Integer | ValueType::Number))
            }
            _ => false,
        };
        let name = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        match (number, name(&limit.service) && name(&limit.limit)) {
            (true, true) => Ok(()),
            (false, _) => self.fail(&path, format!("amount of limit `{}` is a number or a config key with one", limit.limit)),
            (true, false) => self.fail(&path, "names of services and limits are lower-case words with hyphens".to_owned()),
        }
    }

    fn block(&mut self, path: &[&str], block: &BlockMapping) -> Result<(), Error> {
        let mut path = path.to_vec();
        path.push(&block.name);
        self.when(&path, &block.when)?;
        self.for_each(&path, block.for_each.as_ref())?;
        self.arguments(&path, &block.arguments)?;
        block.blocks.iter().try_for_each(|inner| self.block(&path, inner))
    }

    fn for_each(&mut self, path: &[&str], for_each: Option<&ForEach>) -> Result<(), Error> {
        match for_each {
            Some(ForEach::Config(key)) => self.uses(path, key),
            Some(ForEach::Routes | ForEach::Connections(_)) | None => Ok(()),
        }
    }

    fn arguments(&mut self, path: &[&str], arguments: &Ordered<Expr>) -> Result<(), Error> {
        for (name, value) in arguments.iter() {
            let mut path = path.to_vec();
            path.push(name);
            self.expr(&path, value)?;
        }
        Ok(())
    }

    fn expr(&mut self, path: &[&str], expr: &Expr) -> Result<(), Error> {
        let mut inside = Vec::new();
        expr.walk(&mut |e| inside.push(e));
        for expr in inside {
            self.when(path, &expr.when)?;
            let problem = match &expr.source {
                Source::Config(key) => {
                    self.uses(path, key)?;
                    self.unconverted(key, expr)
                }
                Source::Name(rule) if self.service.naming.get(rule).is_none() => Some(format!("there is no naming rule `{rule}`")),
                Source::Secret(name) if !self.service.secrets.iter().any(|s| s.name == *name) => {
                    Some(format!("there is no secret `{name}`"))
                }
                Source::Resource(key, _) if !self.service.resources.iter().any(|r| r.key == *key) => {
                    Some(format!("there is no resource with key `{key}`"))
                }
                Source::Data(key, _) if !self.service.data.iter().any(|d| d.key == *key) => {
                    Some(format!("there is no data source with key `{key}`"))
                }
                Source::Variable(name) if !self.service.variables.iter().any(|v| v.name == *name) => {
                    Some(format!("there is no variable `{name}`"))
                }
                Source::Local(name) if self.service.locals.get(name).is_none() => Some(format!("there is no local `{name}`")),
                Source::Ref(_, at) | Source::Placement(_, at) if !self.service.has_spot(at.as_deref()) => {
                    Some(format!("there is no place `{}`", at.as_deref().unwrap_or_default()))
                }
                Source::Expression(text, with) => crate::catalog::expression::problem(text, with),
                Source::Literal(_)
                | Source::List(_)
                | Source::Map(_)
                | Source::DisplayName
                | Source::Name(_)
                | Source::Template(..)
                | Source::Ref(..)
                | Source::Resource(..)
                | Source::Data(..)
                | Source::Secret(_)
                | Source::Variable(_)
                | Source::Local(_)
                | Source::Each(_)
                | Source::Peer(..)
                | Source::Peers(..)
                | Source::Placement(..) => None,
            };
            if let Some(problem) = problem {
                return self.fail(path, problem);
            }
        }
        Ok(())
    }

    /// A choice that the conversion table does not know would be lost silently.
    fn unconverted(&self, key: &str, expr: &Expr) -> Option<String> {
        let choices = &self.service.config.get(key)?.choices;
        let missing = choices.iter().filter_map(Value::as_str).find(|choice| !expr.convert.contains_key(*choice))?;
        (!expr.convert.is_empty()).then(|| format!("`convert` has no entry for choice `{missing}` of config key `{key}`"))
    }

    fn when(&mut self, path: &[&str], when: &When) -> Result<(), Error> {
        keys_of_when(when).try_for_each(|key| self.uses(path, key))
    }

    fn uses(&mut self, path: &[&str], key: &str) -> Result<(), Error> {
        self.used.insert(key.to_owned());
        match self.service.config.get(key) {
            Some(_) => Ok(()),
            None => self.fail(path, format!("there is no config key `{key}`")),
        }
    }

    /// A key that people may set and that changes nothing is a lie.
    fn every_key_is_used(&self) -> Result<(), Error> {
        // The roles that read a key of their own: see `render::mapping` and `render::network`.
        let by_role = |key: &str| match self.service.network {
            Some(role) => super::service::keys_of_role(role).contains(&key),
            None => key == "availability_domain",
        };
        match self.service.config.iter().find(|(key, _)| !self.used.contains(*key) && !by_role(key)) {
            Some((key, _)) => self.fail(&["config", key], format!("config key `{key}` is used by nothing")),
            None => Ok(()),
        }
    }
}
