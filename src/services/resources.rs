//! Everything that can be read whole, by URI: sessions, designs, diagrams, plans, logs, catalogue, questions.
//!
//! Reads documents, blobs and data; writes nothing. [`Address`] is the only place that knows what URIs look like. A change
//! of a resource is a change of the document it is made of ([`Services::changes_of`]).

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream::BoxStream;
use kube::runtime::watcher::watch_object;
use serde_json::{Value, json};

use super::documents::{is_name, name_of};
use super::error::{Code, Error};
use super::export::{Body, What};
use super::session::{GetSession, SessionLine};
use super::text::{Text, say};
use super::{Services, catalog, hearing::Requirement};
use crate::api::condition::clip;
use crate::api::names::sha256_hex;
use crate::api::session::Language;
use crate::api::terraformjob::TerraformJob;
use crate::blobs::{BlobKey, JobBlob};
use crate::plan::PlanDetails;
use crate::validator::rules::{AppliesTo, Definition};

/// Scheme and authority-less start of every URI.
const SCHEME: &str = "galley://";
/// Bytes of a plan as a resource: whole plans are long, but a thousand lines still fit a host.
const PLAN_BYTES: usize = 64 * 1024;
/// How many sessions a page of the list holds.
const PAGE: usize = 50;
/// Most completions of one answer (the protocol's limit).
const COMPLETIONS: usize = 100;

/// What a URI means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// galley://sessions
    Sessions,
    /// galley://sessions/{session_id}
    Session(String),
    /// galley://sessions/{session_id}/hearing.md
    Hearing(String),
    /// galley://designs/{session_id}
    Design(String),
    /// galley://designs/{session_id}/{export}
    Export(String, What),
    /// galley://designs/{session_id}/plan
    Plan(String),
    /// galley://designs/{session_id}/files/{file}
    File(String, String),
    /// galley://jobs/{session_id}/{job}/log
    Log(String, String),
    /// galley://catalog
    Catalog,
    /// galley://catalog/{service_type}
    Service(String),
    /// galley://questions
    Questions,
    /// galley://rules
    Rules,
}

/// A template of URIs: (template, name, what it is, media type).
pub const TEMPLATES: &[(&str, &str, &str, &str)] = &[
    ("galley://sessions/{session_id}", "session", "One session: title, phase, design in brief, answers.", "application/json"),
    ("galley://sessions/{session_id}/hearing.md", "hearing", "Result of the hearing: summary, requirements, constraints.", "text/markdown"),
    ("galley://designs/{session_id}", "design", "The saved design: spec and status.", "application/json"),
    ("galley://designs/{session_id}/summary.md", "summary", "The design in words.", "text/markdown"),
    ("galley://designs/{session_id}/diagram.mmd", "mermaid", "The design as Mermaid flowchart.", "text/vnd.mermaid"),
    ("galley://designs/{session_id}/diagram.svg", "diagram", "The design as SVG diagram.", "image/svg+xml"),
    ("galley://designs/{session_id}/terraform.zip", "terraform", "The Terraform files.", "application/zip"),
    ("galley://designs/{session_id}/design.tar.gz", "archive", "Everything in one archive.", "application/gzip"),
    ("galley://designs/{session_id}/files/{file}", "file", "One rendered Terraform file.", "text/plain"),
    ("galley://designs/{session_id}/plan", "plan", "The newest plan, every delete and replace by name.", "text/plain"),
    ("galley://jobs/{session_id}/{job}/log", "log", "Log of a job, JSON lines.", "application/jsonl"),
    ("galley://catalog/{service_type}", "service", "One service type: config keys, ports, connections.", "application/json"),
];

/// What is listed without a template: (URI, name, what it is, media type).
pub const FIXED: &[(&str, &str, &str, &str)] = &[
    ("galley://sessions", "sessions", "Every session, newest first.", "application/json"),
    ("galley://catalog", "catalog", "Every service type.", "application/json"),
    ("galley://questions", "questions", "The questions of the hearing.", "application/json"),
    ("galley://rules", "rules", "What validate_architecture looks at.", "application/json"),
];

impl Address {
    /// Reads a URI; None when it is none of ours.
    pub fn parse(uri: &str) -> Option<Self> {
        let path = uri.strip_prefix(SCHEME)?;
        let parts: Vec<&str> = path.split('/').collect();
        let named = |text: &str| is_name(text).then(|| text.to_owned());
        match parts.as_slice() {
            ["sessions"] => Some(Address::Sessions),
            ["sessions", session] => Some(Address::Session(named(session)?)),
            ["sessions", session, "hearing.md"] => Some(Address::Hearing(named(session)?)),
            ["designs", session] => Some(Address::Design(named(session)?)),
            ["designs", session, "plan"] => Some(Address::Plan(named(session)?)),
            ["designs", session, "files", file] => Some(Address::File(named(session)?, (*file).to_owned())),
            ["designs", session, file] => {
                let what = What::ALL.iter().find(|what| what.file() == *file)?;
                Some(Address::Export(named(session)?, *what))
            }
            ["jobs", session, job, "log"] => Some(Address::Log(named(session)?, named(job)?)),
            ["catalog"] => Some(Address::Catalog),
            ["catalog", service] => Some(Address::Service((*service).to_owned())),
            ["questions"] => Some(Address::Questions),
            ["rules"] => Some(Address::Rules),
            _ => None,
        }
    }
}

/// A resource, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// media type
    pub media_type: String,
    /// what it holds
    pub body: Body,
}

impl Resource {
    fn json(value: &serde_json::Value) -> Self {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        Resource { media_type: "application/json".into(), body: Body::Text(text) }
    }
    fn text(media_type: &str, text: String) -> Self {
        Resource { media_type: media_type.into(), body: Body::Text(text) }
    }
}

impl Services {
    /// Reads a resource.
    ///
    /// # Errors
    /// `invalid_argument` (no such URI), and what the tools that show the same answer.
    pub async fn read_resource(&self, uri: &str) -> Result<Resource, Error> {
        let language = self.parts().settings.language;
        let missing = || {
            let message = say(language, Text::NoResource, &[("uri", &clip(uri, 200))]);
            Error::new(Code::InvalidArgument, message, say(language, Text::HintListSessions, &[]))
        };
        match Address::parse(uri).ok_or_else(missing)? {
            Address::Sessions => {
                let page = self.list_sessions(super::session::ListSessions { limit: Some(100), ..Default::default() }).await?;
                Ok(Resource::json(&json!(page)))
            }
            Address::Session(name) => self.session_resource(name).await,
            Address::Hearing(name) => self.hearing_resource(&name).await,
            Address::Design(name) => {
                let session = self.session(&name).await?;
                let design = self.design(&session).await?;
                Ok(Resource::json(
                    &json!({ "name": name, "generation": design.metadata.generation, "spec": design.spec, "status": design.status }),
                ))
            }
            Address::Export(name, what) => {
                let session = self.session(&name).await?;
                let design = self.design(&session).await?;
                Ok(Resource { media_type: what.media_type().into(), body: self.whole(&session, &design, what).await? })
            }
            Address::File(name, file) => {
                let session = self.session(&name).await?;
                let design = self.design(&session).await?;
                let mut files = self.rendered(&session, &design)?.files;
                files.remove(&file).map(|text| Resource::text("text/plain", text)).ok_or_else(missing)
            }
            Address::Plan(name) => self.plan_resource(&name).await?.ok_or_else(missing),
            Address::Log(name, job) => {
                let session = self.session(&name).await?;
                let job = self.job_opt(&session, &job).await?.ok_or_else(missing)?;
                let key = BlobKey::job(&job.spec.design_uid, name_of(&job), JobBlob::Log);
                let bytes = self.parts().blobs.get(&key).await.map_err(|error| Error::blob(language, &error))?.unwrap_or_default();
                Ok(Resource::text("application/jsonl", String::from_utf8_lossy(&bytes).into_owned()))
            }
            Address::Catalog => self.catalog_resource(catalog::Kind::Services).await,
            Address::Questions => self.catalog_resource(catalog::Kind::Questions).await,
            Address::Service(name) => {
                let catalog = self.parts().catalog.get();
                let service = catalog.service(&name).ok_or_else(missing)?;
                Ok(Resource::json(&self.service_entry(service, language)))
            }
            Address::Rules => Ok(Resource::json(&rules(self))),
        }
    }

    async fn session_resource(&self, name: String) -> Result<Resource, Error> {
        let session = self.session(&name).await?;
        let view = self.get_session(GetSession { session_id: name }).await?;
        Ok(Resource::json(&json!({ "session": view, "answers": session.spec.answers, "hearing": session.spec.hearing })))
    }

    async fn hearing_resource(&self, name: &str) -> Result<Resource, Error> {
        let session = self.session(name).await?;
        let hearing = session.spec.hearing.clone().unwrap_or_default();
        let mut text = format!("# {}\n\n{}\n", session.spec.title.replace('\n', " "), hearing.summary.unwrap_or_default());
        for requirement in hearing.requirements.iter().map(|line| Requirement::of_line(line)) {
            text.push_str(&format!("\n- {}", requirement.to_line()));
        }
        for constraint in &hearing.constraints {
            text.push_str(&format!("\n- {constraint}"));
        }
        text.push('\n');
        Ok(Resource::text("text/markdown", text))
    }

    async fn plan_resource(&self, name: &str) -> Result<Option<Resource>, Error> {
        let session = self.session(name).await?;
        let design = self.design(&session).await?;
        let Some(plan) = design.status.as_ref().and_then(|status| status.plan.clone()) else { return Ok(None) };
        let key = BlobKey::job(design.metadata.uid.as_deref().unwrap_or_default(), &plan.job, JobBlob::PlanJson);
        let bytes = self.parts().blobs.get(&key).await.map_err(|error| Error::blob(session.spec.language, &error))?;
        let details = bytes.and_then(|bytes| PlanDetails::parse(&bytes).ok());
        let head = format!("plan {}\n", plan.plan_sha256);
        Ok(details.map(|details| Resource::text("text/plain", head + &details.summary(PLAN_BYTES))))
    }

    async fn catalog_resource(&self, kind: catalog::Kind) -> Result<Resource, Error> {
        let page = self.list_catalog(catalog::ListCatalog { kind, limit: Some(100), ..Default::default() }).await?;
        Ok(Resource::json(&json!(page.items)))
    }

    /// A page of sessions as resources: (URI, title), and the cursor of the next page.
    ///
    /// # Errors
    /// `invalid_argument` (foreign cursor), `storage_unavailable`.
    pub async fn session_resources(&self, cursor: Option<String>) -> Result<(Vec<(String, String)>, Option<String>), Error> {
        let input = super::session::ListSessions { limit: Some(PAGE), cursor, ..Default::default() };
        let page = self.list_sessions(input).await?;
        let uris = page.sessions.into_iter().map(|line| (format!("{SCHEME}sessions/{}", line.session_id), line.title)).collect();
        Ok((uris, page.next_cursor))
    }

    /// Values for an argument of a prompt or a template that begin with `prefix`; `known` holds arguments that are filled in.
    /// What cannot be looked up has no completions.
    pub async fn complete(&self, argument: &str, prefix: &str, known: &BTreeMap<String, String>) -> Vec<String> {
        let mut values: Vec<String> = match argument {
            "session_id" => {
                // A person types the title as soon as the id.
                let wanted = prefix.to_lowercase();
                let fits = |line: &&SessionLine| {
                    line.session_id.starts_with(prefix) || (!wanted.is_empty() && line.title.to_lowercase().contains(&wanted))
                };
                let found = self
                    .read_sessions(|sessions| {
                        sessions.values().rev().filter(fits).take(COMPLETIONS).map(|line| line.session_id.clone()).collect()
                    })
                    .await;
                return found.unwrap_or_default();
            }
            "job" => self.jobs_of_session(known.get("session_id").map(String::as_str)).await,
            "service_type" => self.parts().catalog.get().service_types().into_iter().map(str::to_owned).collect(),
            "question" => self.questions().ids().into_iter().map(str::to_owned).collect(),
            "file" => self.file_names(known.get("session_id").map(String::as_str)).await,
            "language" => vec!["ja".to_owned(), "en".to_owned()],
            _ => Vec::new(),
        };
        values.retain(|value| value.starts_with(prefix));
        values.truncate(COMPLETIONS);
        values
    }

    async fn jobs_of_session(&self, session: Option<&str>) -> Vec<String> {
        let Some(session) = session.filter(|session| is_name(session)) else { return Vec::new() };
        let jobs = self.jobs().list(&kube::api::ListParams::default().limit(500)).await;
        let mine = |job: &&TerraformJob| job.spec.session_ref == session;
        jobs.map(|list| list.items.iter().filter(mine).map(|job| name_of(job).to_owned()).collect()).unwrap_or_default()
    }

    async fn file_names(&self, session: Option<&str>) -> Vec<String> {
        let Some(name) = session else { return Vec::new() };
        let Ok(session) = self.session(name).await else { return Vec::new() };
        let Ok(design) = self.design(&session).await else { return Vec::new() };
        self.rendered(&session, &design).map(|rendered| rendered.files.into_keys().collect()).unwrap_or_default()
    }

    /// Rings whenever what a resource is made of changes; None for what never does. Errors of the watch are pauses.
    pub fn changes_of(&self, uri: &str) -> Option<BoxStream<'static, ()>> {
        match Address::parse(uri)? {
            Address::Session(name) | Address::Hearing(name) => Some(rings(watch_object(self.sessions(), &name))),
            Address::Design(name) | Address::Export(name, _) | Address::Plan(name) | Address::File(name, _) => {
                Some(rings(watch_object(self.designs(), &name)))
            }
            Address::Log(_, job) => Some(rings(watch_object(self.jobs(), &job))),
            Address::Sessions | Address::Catalog | Address::Service(_) | Address::Questions | Address::Rules => None,
        }
    }
}

/// Events that differ from the one before; the first one is the present state and rings nothing.
fn rings<K, E>(events: impl futures::Stream<Item = Result<Option<K>, E>> + Send + 'static) -> BoxStream<'static, ()>
where
    K: serde::Serialize + Send + 'static,
    E: Send + 'static,
{
    let digest = |object: &Option<K>| object.as_ref().map(|object| sha256_hex(serde_json::to_string(object).unwrap_or_default()));
    events
        .scan(None, move |last: &mut Option<Option<String>>, event| {
            let ring = match event {
                Ok(object) => {
                    let now = digest(&object);
                    let changed = last.as_ref().is_some_and(|before| *before != now);
                    *last = Some(now);
                    changed
                }
                Err(_) => false,
            };
            futures::future::ready(Some(ring))
        })
        .filter_map(|ring| futures::future::ready(ring.then_some(())))
        .boxed()
}

/// What the judge looks at beyond the catalogue's own schema: the rules in force and the suggestions of the hearing.
fn rules(services: &Services) -> serde_json::Value {
    let text = |rule: &crate::catalog::questions::Suggestion| {
        json!({ "id": format!("suggestion.{}", rule.id), "severity": "info", "applies_to": rule.types, "key": rule.key, "value": rule.value,
            "message": { "ja": rule.message.get(Language::Ja), "en": rule.message.get(Language::En) } })
    };
    let rules = services.parts().rules.get();
    let rule = |rule: &Definition| {
        let Definition { id, severity, applies_to: AppliesTo { types, pairs, design }, at, message, recommendation, why, .. } = rule;
        let pairs: Vec<Value> = pairs.iter().map(|pair| json!({ "from": pair.from, "via": pair.via, "to": pair.to })).collect();
        let both = |text: &crate::catalog::service::Text| json!({ "ja": text.ja, "en": text.en });
        json!({ "id": id, "severity": severity, "applies_to": { "types": types, "pairs": pairs, "design": design }, "at": at,
            "message": both(message), "recommendation": both(recommendation), "why": why })
    };
    rules.definitions().map(|(_, _, definition)| rule(definition)).chain(services.questions().suggestions().iter().map(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_parses_when_it_is_filled_in_and_nothing_else_does() {
        for (template, ..) in TEMPLATES {
            let uri = template
                .replace("{session_id}", "s-01")
                .replace("{job}", "s-01-plan-1")
                .replace("{file}", "main.tf")
                .replace("{service_type}", "adb");
            assert!(Address::parse(&uri).is_some(), "{template}");
        }
        for (uri, ..) in FIXED {
            assert!(Address::parse(uri).is_some(), "{uri}");
        }
        for foreign in [
            "",
            "galley://",
            "galley://sessions/",
            "galley://sessions/../designs",
            "galley://designs/S-1",
            "file:///etc/passwd",
            "galley://jobs/s-01/../log",
            "galley://designs/s-01/state",
            "galley://designs/s-01/secrets.json",
            "http://sessions",
        ] {
            assert!(Address::parse(foreign).is_none(), "{foreign}");
        }
    }
}
