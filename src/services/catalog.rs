//! `list_catalog`: service types, questions and templates, page by page; one service in full. Reads data only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Services;
use super::error::{Code, Error, Problem};
use super::session::bad_cursor;
use super::text::{Text, say};
use crate::api::condition::clip;
use crate::api::session::Language;
use crate::catalog::service::{ConfigKey, Port, Service};

/// Entries on a page when nothing is said.
const PAGE: usize = 20;

/// What is listed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// service types
    #[default]
    Services,
    /// questions of the hearing
    Questions,
    /// application templates
    Templates,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Services => "services",
            Kind::Questions => "questions",
            Kind::Templates => "templates",
        }
    }
}

/// Arguments of list_catalog.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct ListCatalog {
    /// What to list.
    pub kind: Kind,
    /// One entry in full (config keys, choices, defaults, ports, connections).
    #[schemars(length(max = 63))]
    pub name: Option<String>,
    /// Session whose language is used.
    #[schemars(length(max = 80))]
    pub session_id: Option<String>,
    /// Page size, default 20.
    #[schemars(range(min = 1, max = 100))]
    pub limit: Option<usize>,
    /// next_cursor of the previous page.
    #[schemars(length(max = 80))]
    pub cursor: Option<String>,
}

/// One line of a catalogue.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
pub struct CatalogLine {
    /// name to use
    pub name: String,
    /// name for people, or the question
    pub title: String,
    /// what it is
    pub description: String,
    /// a question the hearing needs
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// allowed answers
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// A page of a catalogue, or one entry in full.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct CatalogPage {
    #[serde(skip)]
    pub(super) summary: String,
    /// what is listed
    pub kind: Kind,
    /// the entries
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<CatalogLine>,
    /// one entry in full
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub entry: Map<String, Value>,
    /// how many there are in all
    pub total: usize,
    /// pass as cursor for the next page
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl Services {
    /// Lists a catalogue, or shows one entry.
    ///
    /// # Errors
    /// `invalid_argument` (unknown name with the known ones, foreign cursor), `template_not_found`, `session_not_found`.
    pub async fn list_catalog(&self, input: ListCatalog) -> Result<CatalogPage, Error> {
        let language = match &input.session_id {
            Some(session) => self.session(session).await?.spec.language,
            None => self.parts().settings.language,
        };
        let lines = self.catalog_lines(input.kind, language);
        let total = lines.len();
        if let Some(name) = &input.name {
            let entry = self.catalog_entry(input.kind, name, language, &lines)?;
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let values = [("name", clip(name, 63)), ("title", text("title")), ("description", text("description"))];
            let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let mut summary = say(language, Text::CatalogShown, &values);
            summary.push_str(&keys_line(&entry));
            return Ok(CatalogPage { summary, kind: input.kind, entry, total, ..CatalogPage::default() });
        }
        let from = match &input.cursor {
            // A cursor is the last name shown.
            Some(cursor) => 1 + lines.iter().position(|line| line.name == *cursor).ok_or_else(|| bad_cursor(language))?,
            None => 0,
        };
        let limit = input.limit.unwrap_or(PAGE).clamp(1, 100);
        let items: Vec<CatalogLine> = lines.into_iter().skip(from).take(limit).collect();
        let next_cursor = (from + items.len() < total).then(|| items.last().map(|line| line.name.clone())).flatten();
        let values = [("shown", items.len().to_string()), ("total", total.to_string()), ("kind", input.kind.as_str().to_owned())];
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let mut summary = match (input.kind, total) {
            (Kind::Templates, 0) => say(language, Text::NoTemplates, &[]),
            (_, _) => say(language, Text::CatalogListed, &values),
        };
        for line in items.iter().take(30) {
            summary.push_str(&format!("\n{}: {}", line.name, clip(&line.title, 90)));
        }
        Ok(CatalogPage { summary, kind: input.kind, items, total, next_cursor, ..CatalogPage::default() })
    }

    fn catalog_lines(&self, kind: Kind, language: Language) -> Vec<CatalogLine> {
        match kind {
            Kind::Services => self.parts().catalog.get().services().map(|service| service_line(service, language)).collect(),
            Kind::Questions => self
                .questions()
                .all()
                .iter()
                .map(|question| {
                    let view = self.question_view(question, language);
                    CatalogLine { name: view.id, title: view.text, description: view.help, required: view.required, choices: view.choices }
                })
                .collect(),
            Kind::Templates => Vec::new(),
        }
    }

    fn catalog_entry(&self, kind: Kind, name: &str, language: Language, lines: &[CatalogLine]) -> Result<Map<String, Value>, Error> {
        let found = match kind {
            Kind::Services => self.parts().catalog.get().service(name).map(|service| self.service_entry(service, language)),
            Kind::Questions => self.questions().get(name).map(|question| {
                let view = self.question_view(question, language);
                json!({ "name": view.id, "title": view.text, "description": view.help, "phase": view.phase, "required": view.required,
                    "category": question.category.as_str(), "choices": view.choices, "max_length": question.max_length })
            }),
            Kind::Templates => None,
        };
        match found {
            Some(Value::Object(entry)) => Ok(entry),
            _ => {
                let allowed: Vec<String> = lines.iter().map(|line| line.name.clone()).collect();
                let message = say(language, Text::NoCatalogEntry, &[]);
                let value = Some(Value::from(clip(name, 80)));
                // A list of nothing is no hint.
                let hint = match (kind, allowed.is_empty()) {
                    (Kind::Templates, true) => Some(say(language, Text::NoTemplates, &[])),
                    (_, _) => None,
                };
                let problem = Problem { path: "name".into(), message, value, allowed, hint };
                let code = match kind {
                    Kind::Services | Kind::Questions => Code::InvalidArgument,
                    Kind::Templates => Code::TemplateNotFound,
                };
                Err(Error::problems(code, language, vec![problem]))
            }
        }
    }

    /// Everything a design may say about a service type.
    pub(super) fn service_entry(&self, service: &Service, language: Language) -> Value {
        let config: Map<String, Value> = service.config.iter().map(|(name, key)| (name.to_owned(), config_key(key, language))).collect();
        let outgoing: Map<String, Value> = service.connections.iter().map(|(kind, targets)| (kind.to_owned(), json!(targets))).collect();
        let mut incoming: Map<String, Value> = Map::new();
        for other in self.parts().catalog.get().services() {
            for (kind, targets) in other.connections.iter() {
                if targets.contains(&service.service_type) {
                    let sources = incoming.entry(kind.to_owned()).or_insert_with(|| json!([]));
                    if let Some(sources) = sources.as_array_mut() {
                        sources.push(Value::from(other.service_type.as_str()));
                    }
                }
            }
        }
        let outputs: Map<String, Value> =
            service.outputs.iter().map(|output| (output.name.clone(), Value::from(output.description.get(language)))).collect();
        json!({
            "name": service.service_type, "title": service.names.get(language), "description": service.description.get(language),
            "placement": service.placement.as_ref().map(|placement| format!("{:?}", placement.tier).to_lowercase()),
            "config": config, "ports": service.ports.iter().map(port).collect::<Vec<_>>(),
            "connects_to": outgoing, "connected_from": incoming, "outputs": outputs,
            "requires": service.requires.iter().map(|over| json!({ "types": over.types, "with": over.with })).collect::<Vec<_>>(),
            "limits": service.limits.iter().map(|limit| format!("{}/{}", limit.service, limit.limit)).collect::<Vec<_>>(),
        })
    }
}

fn service_line(service: &Service, language: Language) -> CatalogLine {
    CatalogLine {
        name: service.service_type.clone(),
        title: service.names.get(language).to_owned(),
        description: clip(service.description.get(language), 300),
        required: false,
        choices: Vec::new(),
    }
}

fn config_key(key: &ConfigKey, language: Language) -> Value {
    let mut view = Map::new();
    view.insert("type".into(), Value::from(format!("{:?}", key.value_type).to_lowercase()));
    view.insert("description".into(), Value::from(key.description.get(language)));
    if let Some(default) = &key.default {
        view.insert("default".into(), default.clone());
    }
    if !key.choices.is_empty() {
        view.insert("choices".into(), json!(key.choices));
    }
    if key.choices.is_empty()
        && let Some(example) = key.examples.first()
    {
        view.insert("example".into(), example.clone());
    }
    for (name, bound) in [("minimum", key.minimum), ("maximum", key.maximum)] {
        if let Some(bound) = bound {
            view.insert(name.into(), json!(bound));
        }
    }
    for (name, text) in [("pattern", &key.pattern)] {
        if let Some(text) = text {
            view.insert(name.into(), Value::from(clip(text, 120)));
        }
    }
    for (name, most) in [("max_length", key.max_length), ("max_item_length", key.max_item_length)] {
        if let Some(most) = most {
            view.insert(name.into(), json!(most));
        }
    }
    for (name, flag) in [("required", key.required), ("unique", key.unique)] {
        if flag {
            view.insert(name.into(), Value::Bool(true));
        }
    }
    Value::Object(view)
}

fn port(port: &Port) -> Value {
    let number = match &port.port.source {
        crate::catalog::mapping::Source::Literal(value) => value.clone(),
        crate::catalog::mapping::Source::Config(key) => Value::from(format!("config.{key}")),
        other => Value::from(clip(&format!("{other:?}"), 60)),
    };
    json!({ "name": port.name, "protocol": format!("{:?}", port.protocol).to_lowercase(), "port": number, "via": port.via, "public": port.public })
}

/// The config keys with type, default and choices in one line each, for hosts that show only text.
fn keys_line(entry: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (name, key) in entry.get("config").and_then(Value::as_object).into_iter().flatten() {
        let part = |field: &str| key.get(field).map(|value| clip(&value.to_string(), 120));
        text.push_str(&format!("\n{name} ({}", key.get("type").and_then(Value::as_str).unwrap_or_default()));
        if let Some(default) = part("default") {
            text.push_str(&format!(" = {default}"));
        }
        if let Some(choices) = part("choices") {
            text.push_str(&format!(" {choices}"));
        }
        text.push(')');
        if text.len() > 2_500 {
            text.push_str("\n…");
            break;
        }
    }
    text
}
