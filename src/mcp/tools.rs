//! The table of tools: name, words, annotations, schemas, and the service each one calls.
//!
//! The schema that is listed is the schema that is enforced; the list leaves out lengths and what another tool spells out
//! already, because every host pays for it on every turn. `outputSchema`s name the fields that the next
//! call needs and require none, so that an error result (`{code, message, hint, details}`) is valid under them, too: common hosts
//! check structured content of errors as well.

use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use rmcp::model::{Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::api::session::Language;
use crate::services::architecture::SPELLED_OUT_ELSEWHERE;
use crate::services::status::Observer;
use crate::services::{Code, Error, Services, Summary, arguments};

/// A tool's answer, ready for the wire.
pub(super) struct Answer {
    pub(super) structured: Value,
    pub(super) summary: String,
}

type Call = Arc<dyn Fn(Services, Map<String, Value>, Option<Observer>) -> BoxFuture<'static, Result<Answer, Error>> + Send + Sync>;

/// One tool.
pub(super) struct Entry {
    pub(super) model: Tool,
    pub(super) call: Call,
}

/// What a tool does to the world, as annotations say it.
#[derive(Clone, Copy)]
enum Effect {
    /// reads
    Read,
    /// writes; the same call twice makes two things
    Create,
    /// writes; the same call twice is one edit
    Edit,
    /// may lead to something being destroyed
    Destroy,
}

impl Effect {
    fn annotations(self, title: &str) -> ToolAnnotations {
        let (read_only, destructive, idempotent) = match self {
            Effect::Read => (true, false, true),
            Effect::Create => (false, false, false),
            Effect::Edit => (false, false, true),
            Effect::Destroy => (false, true, true),
        };
        ToolAnnotations::with_title(title).read_only(read_only).destructive(destructive).idempotent(idempotent).open_world(false)
    }
}

/// Every tool, in the order a conversation needs them.
pub(super) fn table() -> Vec<Entry> {
    vec![
        entry(
            "create_session",
            "Create session",
            Effect::Create,
            "Start a session for one customer system. Show the returned session_id to the person.",
            |s: Services, i, _| async move { s.create_session(i).await },
        ),
        entry("list_sessions", "List sessions", Effect::Read, "Sessions, newest first.", |s: Services, i, _| async move {
            s.list_sessions(i).await
        }),
        entry(
            "get_session",
            "Show session",
            Effect::Read,
            "One session: title, phase, design in brief, what holds it, what to call next.",
            |s: Services, i, _| async move { s.get_session(i).await },
        ),
        entry(
            "delete_session",
            "Delete session",
            Effect::Destroy,
            "Delete a session. What it built is destroyed first, after approval of the destroy plan. Ask the person.",
            |s: Services, i, _| async move { s.delete_session(i).await },
        ),
        entry(
            "save_answers",
            "Save answers",
            Effect::Edit,
            "Save answers of the hearing. Returns what to ask next.",
            |s: Services, i, _| async move { s.save_answers(i).await },
        ),
        entry(
            "complete_hearing",
            "Complete hearing",
            Effect::Edit,
            "Turn the answers into requirements and constraints.",
            |s: Services, i, _| async move { s.complete_hearing(i).await },
        ),
        entry(
            "list_catalog",
            "Show catalogue",
            Effect::Read,
            "Service types, hearing questions, application templates.",
            |s: Services, i, _| async move { s.list_catalog(i).await },
        ),
        entry(
            "save_architecture",
            "Save architecture",
            Effect::Edit,
            "Save the whole architecture (components and connections) of a session. Structural mistakes are refused with path, value and allowed values, and nothing is written; other findings are saved and returned.",
            |s: Services, i, _| async move { s.save_architecture(i).await },
        ),
        entry(
            "edit_architecture",
            "Edit architecture",
            Effect::Edit,
            "Small edits of the saved architecture, all or none.",
            |s: Services, i, _| async move { s.edit_architecture(i).await },
        ),
        entry("edit_files", "Edit files", Effect::Edit, "Add own Terraform files to the design.", |s: Services, i, _| async move {
            s.edit_files(i).await
        }),
        entry(
            "validate_architecture",
            "Check architecture",
            Effect::Read,
            "Judge the given or the saved architecture. Writes nothing.",
            |s: Services, i, _| async move { s.validate_architecture(i).await },
        ),
        entry(
            "set_desired_state",
            "Set desired state",
            Effect::Destroy,
            "Say how far Galley goes, suspend it, or ask once for a plan, a drift check or a retry. Returns at once; follow with get_status.",
            |s: Services, i, _| async move { s.set_desired_state(i).await },
        ),
        entry(
            "get_status",
            "Show or await status",
            Effect::Read,
            "Where a session stands: sync, health, what it waits for, findings, plan, running job, last failure, drift, outputs, next actions. Can wait for a change.",
            |s: Services, i, observer| async move { s.get_status_observed(i, observer).await },
        ),
        entry(
            "get_plan",
            "Show plan",
            Effect::Read,
            "The newest plan: counts, every delete and replace with what forces it, page by page; one resource before and after.",
            |s: Services, i, _| async move { s.get_plan(i).await },
        ),
        entry(
            "approve_plan",
            "Approve plan",
            Effect::Destroy,
            "The person's yes to exactly one plan, which is then applied (or destroys). Show the plan and ask the person first.",
            |s: Services, i, _| async move { s.approve_plan(i).await },
        ),
        entry(
            "cancel_job",
            "Cancel job",
            Effect::Destroy,
            "Ask a running job to stop. Terraform finishes what it holds and writes its state.",
            |s: Services, i, _| async move { s.cancel_job(i).await },
        ),
        entry("get_job_log", "Show job log", Effect::Read, "Log of a job: its end, or page by page.", |s: Services, i, _| async move {
            s.get_job_log(i).await
        }),
        entry("export", "Export design", Effect::Read, "The saved design as text, diagram, Terraform.", |s: Services, i, _| async move {
            s.export(i).await
        }),
    ]
}

fn entry<I, O, F, R>(name: &'static str, title: &str, effect: Effect, description: &'static str, call: F) -> Entry
where
    I: DeserializeOwned + JsonSchema + Send + 'static,
    O: Serialize + JsonSchema + Summary + Send + 'static,
    F: Fn(Services, I, Option<Observer>) -> R + Send + Sync + Clone + 'static,
    R: Future<Output = Result<O, Error>> + Send + 'static,
{
    let input = Arc::new(arguments::schema::<I>());
    let mut output = arguments::schema::<O>();
    loosen(&mut output);
    let mut listed = (*input).clone();
    advertise(&mut listed);
    let model = Tool::new(name, description, Arc::new(object(&listed)))
        .with_raw_output_schema(Arc::new(object(&output)))
        .with_annotations(effect.annotations(title));
    let call: Call = Arc::new(move |services, arguments, observer| {
        let (input, call) = (Arc::clone(&input), call.clone());
        async move {
            let typed = decode::<I>(&services, &input, arguments).await?;
            let output = call(services, typed, observer).await?;
            let structured = serde_json::to_value(&output).map_err(|error| {
                tracing::error!(tool = name, %error, "an answer does not serialise");
                Error::new(Code::Internal, "the answer could not be written", "")
            })?;
            Ok(Answer { structured, summary: output.summary().to_owned() })
        }
        .boxed()
    });
    Entry { model, call }
}

/// Decodes; a refusal is said in the language of the session it names.
async fn decode<I: DeserializeOwned>(services: &Services, schema: &Value, arguments: Map<String, Value>) -> Result<I, Error> {
    let session = arguments.get("session_id").and_then(Value::as_str).map(str::to_owned);
    match arguments::decode(schema, arguments.clone(), Language::En) {
        Ok(input) => Ok(input),
        Err(error) => match services.language_of(session.as_deref()).await {
            Language::En => Err(error),
            language @ Language::Ja => arguments::decode(schema, arguments, language),
        },
    }
}

/// What is listed of an input schema: no lengths and patterns (a refusal names them), no sentence about list items, no empty defaults,
/// and nothing below a field that is marked as spelled out elsewhere.
fn advertise(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    for key in ["minLength", "maxLength", "maxItems", "pattern", "default"] {
        object.remove(key);
    }
    let elsewhere = object.remove(SPELLED_OUT_ELSEWHERE).is_some();
    if let Some(items) = object.get_mut("items") {
        if elsewhere {
            *items = json!({ "type": "object" });
        } else if let Some(items) = items.as_object_mut() {
            items.remove("description");
        }
        advertise(items);
    }
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(advertise);
    }
}

/// Fields of answers that another call takes or that decide what to call next.
const CHAINED: [&str; 14] = [
    "session_id",
    "generation",
    "plan_sha256",
    "next_cursor",
    "since",
    "job",
    "jobs",
    "next_actions",
    "findings",
    "suggestions",
    "missing",
    "uri",
    "sessions",
    "items",
];

/// The names of the fields that matter to the next call, and nothing about them: every host pays for this list on every
/// turn, and an answer explains the rest itself.
fn loosen(schema: &mut Value) {
    let names = schema.get("properties").and_then(Value::as_object);
    let chained = names.into_iter().flatten().filter(|(name, _)| CHAINED.contains(&name.as_str()));
    let properties: Map<String, Value> = chained.map(|(name, _)| (name.clone(), json!({}))).collect();
    *schema = json!({ "type": "object", "properties": properties });
}

fn object(schema: &Value) -> Map<String, Value> {
    schema.as_object().cloned().unwrap_or_default()
}
