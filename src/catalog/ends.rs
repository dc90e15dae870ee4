//! Checks service files against each other: what one reads from the other ends of its connections, and what it requires of
//! them, exists there. Takes the whole catalogue; no IO.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::mapping::{BlockMapping, Direction, Expr, ForEach, Ordered, OverConnections, Role, Source};
use super::service::Service;
use super::{Error, Sources};

/// Words about a connection that no service file defines.
const WORDS: [&str; 6] = ["index", "label", "connection_type", "host", "port", "number"];

/// Checks every service.
pub(super) fn check(services: &BTreeMap<String, Service>, files: &Sources) -> Result<(), Error> {
    for (service_type, service) in services {
        let Some((file, text)) = files.get(service_type) else { continue };
        let ends = Ends { file, text, service, services };
        ends.requires()?;
        for resource in &service.resources {
            let path = ["resources", resource.key.as_str()];
            let over = over(resource.for_each.as_ref());
            resource.needs.iter().chain(over).try_for_each(|over| ends.made(&path, over))?;
            ends.block(&path, over, &resource.arguments, &resource.blocks)?;
        }
        for data in &service.data {
            ends.block(&["data", data.key.as_str()], None, &data.arguments, &data.blocks)?;
        }
        for (name, local) in service.locals.iter() {
            ends.expr(&["locals", name], None, local)?;
        }
        for output in &service.outputs {
            ends.expr(&["outputs", &output.name], None, &output.value)?;
        }
    }
    Ok(())
}

fn over(for_each: Option<&ForEach>) -> Option<&OverConnections> {
    match for_each {
        Some(ForEach::Connections(over)) => Some(over),
        Some(ForEach::Routes | ForEach::Config(_)) | None => None,
    }
}

struct Ends<'a> {
    file: &'a str,
    text: &'a str,
    service: &'a Service,
    services: &'a BTreeMap<String, Service>,
}

impl<'a> Ends<'a> {
    fn fail<T>(&self, path: &[&str], message: String) -> Result<T, Error> {
        Err(Error::check(self.file, self.text, path, &message))
    }

    /// Services that may stand at the other end. One that the catalogue does not have is none.
    fn of(&self, over: &OverConnections) -> BTreeMap<&'a str, &'a Service> {
        let wanted = |name: &str| over.types.is_empty() || over.types.iter().any(|t| t == name);
        let own = &self.service.service_type;
        let reached: BTreeSet<&str> = match over.direction {
            Direction::Out => {
                let lists = self.service.connections.iter().filter(|(name, _)| wanted(name));
                lists.flat_map(|(_, targets)| targets.iter().map(String::as_str)).collect()
            }
            Direction::In => {
                let ends_here = |s: &&Service| s.connections.iter().any(|(name, targets)| wanted(name) && targets.contains(own));
                self.services.values().filter(ends_here).map(|s| s.service_type.as_str()).collect()
            }
        };
        let named = |name: &&&str| over.with.is_empty() || over.with.iter().any(|w| w == **name);
        reached.iter().filter(named).filter_map(|name| self.services.get_key_value(*name)).map(|(k, s)| (k.as_str(), s)).collect()
    }

    fn requires(&self) -> Result<(), Error> {
        for required in &self.service.requires {
            let path = ["requires"];
            if required.most == 0 {
                return self.fail(&path, "`requires`: `most` is 0".to_owned());
            }
            if required.types.is_empty() || required.with.is_empty() {
                return self.fail(&path, "`requires` names connection types and, in `with`, service types".to_owned());
            }
            for (name, other) in self.of(&required.over()) {
                if let Some(key) = required.config.keys().find(|key| other.config.get(key).is_none()) {
                    return self.fail(&path, format!("{name} has no config key `{key}`"));
                }
            }
        }
        Ok(())
    }

    fn made(&self, path: &[&str], over: &OverConnections) -> Result<(), Error> {
        let Some(key) = &over.made else { return Ok(()) };
        match self.of(over).into_iter().find(|(_, other)| !other.resources.iter().any(|r| r.key == *key)) {
            Some((name, _)) => self.fail(path, format!("{name} has no resource with key `{key}`")),
            None => Ok(()),
        }
    }

    fn block(
        &self,
        path: &[&str],
        each: Option<&OverConnections>,
        arguments: &Ordered<Expr>,
        blocks: &[BlockMapping],
    ) -> Result<(), Error> {
        for (name, expr) in arguments.iter() {
            self.expr(&[path, &[name]].concat(), each, expr)?;
        }
        for block in blocks {
            let path = [path, &[block.name.as_str()]].concat();
            let own = over(block.for_each.as_ref());
            own.iter().try_for_each(|over| self.made(&path, over))?;
            let each = if block.for_each.is_some() { own } else { each };
            self.block(&path, each, &block.arguments, &block.blocks)?;
        }
        Ok(())
    }

    fn expr(&self, path: &[&str], each: Option<&OverConnections>, expr: &Expr) -> Result<(), Error> {
        let mut read: Vec<(&OverConnections, &str)> = Vec::new();
        expr.walk(&mut |inner| match &inner.source {
            Source::Each(what) => read.extend(each.map(|over| (over, what.as_str()))),
            Source::Peer(over, what) | Source::Peers(over, what) => read.push((over, what)),
            _ => {}
        });
        for (over, what) in read {
            self.made(path, over)?;
            for (name, other) in self.of(over) {
                if let Some(problem) = problem(other, what) {
                    return self.fail(path, format!("{name} {problem}"));
                }
            }
        }
        Ok(())
    }
}

/// What is wrong with reading `what` from a service.
fn problem(other: &Service, what: &str) -> Option<String> {
    let (kind, rest) = what.split_once('.').unwrap_or((what, ""));
    match kind {
        "resource" => {
            let key = rest.split('.').next().unwrap_or_default();
            (!other.resources.iter().any(|r| r.key == key)).then(|| format!("has no resource with key `{key}`"))
        }
        "config" => other.config.get(rest).is_none().then(|| format!("has no config key `{rest}`")),
        // An output that one of the ends does not have is no value there, and `or` says what is used instead.
        "attribute" | "output" => None,
        "ref" => {
            let (role, at) = rest.split_once('@').map_or((rest, None), |(role, at)| (role, Some(at)));
            match serde_json::from_value::<Role>(Value::from(role)) {
                Err(_) => Some(format!("is asked for `{role}`, which is no role")),
                Ok(_) => (!other.has_spot(at)).then(|| format!("has no place `{}`", at.unwrap_or_default())),
            }
        }
        word => (!WORDS.contains(&word)).then(|| format!("is asked for `{what}`, which is nothing of a connection")),
    }
}
