//! Small architectures as rule files write them: a key is the id of a component, its value `type` (the id when absent),
//! `name` and config keys in one map, or `config` apart when a key is called like one of those. `links` are connections,
//! each `source type target`; `region`, `target` and `compartment` are those of the design.

use serde_json::{Map, Value};

use super::definition::Example;
use crate::api::design::{Component, Connection, DesignSpec, Target};

impl Example {
    /// The design it stands for, or what is wrong with how it is written.
    pub fn spec(&self) -> Result<DesignSpec, String> {
        let mut spec = DesignSpec { session_ref: "s-example".to_owned(), ..DesignSpec::default() };
        for (key, value) in &self.0 {
            match (key.as_str(), value) {
                ("links", Value::Array(links)) => {
                    spec.connections = links.iter().map(connection).collect::<Result<_, _>>()?;
                }
                ("region", Value::String(region)) => spec.region = Some(region.clone()),
                ("compartment", Value::String(ocid)) => spec.compartment_id = Some(ocid.clone()),
                ("target", Value::String(word)) if word == "oci" => spec.target = Target::Oci,
                ("target", Value::String(word)) if word == "sandbox" => spec.target = Target::Sandbox,
                ("links" | "region" | "compartment" | "target", _) => return Err(format!("`{key}` cannot be {value}")),
                (id, Value::Object(members)) => spec.components.push(component(id, members)?),
                (id, _) => return Err(format!("component `{id}` is a map")),
            }
        }
        Ok(spec)
    }
}

fn component(id: &str, members: &Map<String, Value>) -> Result<Component, String> {
    let mut members = members.clone();
    let mut word = |key: &str| match members.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(format!("`{key}` of component `{id}` cannot be {other}")),
    };
    let (service_type, display_name) = (word("type")?.unwrap_or_else(|| id.to_owned()), word("name")?);
    let config = match members.remove("config") {
        None => members,
        Some(Value::Object(config)) if members.is_empty() => config,
        Some(_) => return Err(format!("component `{id}` has `config` and other keys beside it")),
    };
    Ok(Component { id: id.to_owned(), service_type, display_name, config: config.into_iter().collect() })
}

fn connection(link: &Value) -> Result<Connection, String> {
    let words: Vec<&str> = link.as_str().unwrap_or_default().split_whitespace().collect();
    match words.as_slice() {
        [source, via, target] => Ok(Connection {
            source_id: (*source).to_owned(),
            target_id: (*target).to_owned(),
            connection_type: (*via).to_owned(),
            description: None,
        }),
        _ => Err(format!("a link is written `source type target`, not {link}")),
    }
}
