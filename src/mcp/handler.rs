//! The MCP server: lists tools, calls them, turns answers and errors into tool results.
//!
//! A tool that cannot do what was asked answers `isError` with `{code, message, hint, details}`, which the model reads and
//! mends. Only a call of a tool that does not exist is a protocol error.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult, PaginatedRequestParams,
    ProgressNotificationParam, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::tools::{Answer, Entry, table};
use crate::services::status::{Observer, Progress};
use crate::services::{Error, Services};

/// Progress reports that may wait for a slow host; more are dropped, because the next one says more anyway.
const PROGRESS_QUEUE: usize = 8;

/// What a model is told once, before the first call.
const INSTRUCTIONS: &str = "\
Galley designs, builds and tears down Oracle Cloud architectures. Tools edit a desired state and read a status; nothing waits for Terraform.
1. create_session (or list_sessions). Always show the session id to the person; pass it to every tool.
2. save_architecture with the whole list of components and connections. Mend what it refuses or finds; refusals list the allowed values.
3. set_desired_state Planned, then get_status with wait_seconds: 50 until a plan is ready. Show get_plan, every delete and replace.
4. set_desired_state Applied, get_status, get_plan. ASK THE PERSON before approve_plan, with the plan they read; an edit voids the plan.
5. get_status with since waits for the next change. After a failure do what last_failure says, then request: Retry.
6. set_desired_state Destroyed tears down, after approval of the destroy plan. target sandbox is a simulated cloud and costs nothing.
Every answer names next_actions. Errors carry code, message, hint.";

/// The handler. Cheap to clone: one is made per HTTP request.
#[derive(Clone)]
pub(super) struct Handler {
    services: Services,
    tools: Arc<Vec<Entry>>,
}

impl Handler {
    pub(super) fn new(services: Services) -> Self {
        Handler { services, tools: Arc::new(table()) }
    }

    /// Calls a tool. Dropping the future (the host cancelled, or closed the stream) ends a wait and leaves nothing behind.
    async fn answer(&self, entry: &Entry, arguments: serde_json::Map<String, Value>, observer: Option<Observer>) -> CallToolResult {
        let outcome = (entry.call)(self.services.clone(), arguments, observer).await;
        match outcome {
            Ok(answer) => success(answer),
            Err(error) => {
                tracing::info!(tool = %entry.model.name, code = error.code.as_str(), "tool refused");
                failure(&error)
            }
        }
    }
}

fn success(answer: Answer) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(answer.summary)]);
    result.structured_content = Some(answer.structured);
    result
}

fn failure(error: &Error) -> CallToolResult {
    let mut text = format!("{}: {}", error.code.as_str(), error.message);
    if !error.hint.is_empty() {
        text.push('\n');
        text.push_str(&error.hint);
    }
    // The further problems in one line each, for hosts that show only text.
    for problem in error.details.get("problems").and_then(Value::as_array).into_iter().flatten().skip(1).take(5) {
        let part = |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        text.push_str(&format!("\n{}: {}", part("path"), part("message")));
    }
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    result.structured_content = Some(json!({ "code": error.code, "message": error.message, "hint": error.hint, "details": error.details }));
    result
}

/// Sends reports as progress notifications until the sender is gone.
async fn forward(mut reports: mpsc::Receiver<Progress>, context: &RequestContext<RoleServer>) {
    let Some(token) = context.meta.get_progress_token() else { return std::future::pending().await };
    while let Some(Progress { elapsed, total, message }) = reports.recv().await {
        let note = ProgressNotificationParam::new(token.clone(), elapsed).with_total(total).with_message(message);
        if context.peer.notify_progress(note).await.is_err() {
            tracing::debug!("the host takes no progress any more");
            break;
        }
    }
    // The answer ends the call, never the last report.
    std::future::pending().await
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("galley", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.iter().map(|entry| entry.model.clone()).collect()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.iter().find(|entry| entry.model.name == name).map(|entry| entry.model.clone())
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let Some(entry) = self.tools.iter().find(|entry| entry.model.name == request.name) else {
            let known: Vec<&str> = self.tools.iter().map(|entry| entry.model.name.as_ref()).collect();
            let name = crate::api::condition::clip(&request.name, 80);
            return Err(ErrorData::invalid_params(format!("unknown tool {name}"), Some(json!({ "tools": known }))));
        };
        let (sender, reports) = mpsc::channel(PROGRESS_QUEUE);
        let observer: Option<Observer> = context.meta.get_progress_token().map(|_| {
            Arc::new(move |report: Progress| {
                // A full queue means a slow host; the next report says more.
                let _ = sender.try_send(report);
            }) as Observer
        });
        let answer = self.answer(entry, request.arguments.unwrap_or_default(), observer);
        tokio::select! {
            // All arms are dropped together when the first one ends; no service leaves a half-done write behind, because
            // every edit is one request to the API server.
            result = answer => Ok(result.into()),
            () = forward(reports, &context) => Err(ErrorData::internal_error("progress ended", None)),
            () = context.ct.cancelled() => Err(ErrorData::internal_error("cancelled by the host", None)),
        }
    }
}

#[cfg(test)]
pub(super) fn instructions() -> &'static str {
    INSTRUCTIONS
}
