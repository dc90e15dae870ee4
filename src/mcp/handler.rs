//! The MCP server: lists tools, calls them, turns answers and errors into tool results.
//!
//! A tool that cannot do what was asked answers `isError` with `{code, message, hint, details}`, which the model reads and
//! mends. Only a call of a tool that does not exist is a protocol error.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ClientResult, CompleteRequestParams, CompleteResult,
    ContentBlock, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, GetPromptRequestParams,
    GetPromptResponse, Implementation, InitializeRequestParams, InitializeResult, InputRequest, InputRequiredResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig, ServerRequest, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::transport::streamable_http_server::SessionRestoreMarker;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::approvals::Questions;
use super::door::{Connected, SESSION};
use super::subscriptions::{self, Subscribed};
use super::tools::{Answer, Entry, table};
use super::{prompts, reading};
use crate::services::lifecycle::{ApprovalQuestion, ApprovePlan};
use crate::services::status::{Observer, Progress};
use crate::services::{Error, Services};
use crate::trace::{self, TraceId};

/// The tool whose yes a person gives, where the host can ask.
const APPROVE: &str = "approve_plan";
/// Name of the question and of its one field.
const YES: &str = "approve";

/// Progress reports that may wait for a slow host; more are dropped, because the next one says more anyway.
const PROGRESS_QUEUE: usize = 8;

/// What a model is told once, before the first call.
const INSTRUCTIONS: &str = "\
Galley designs, builds and tears down Oracle Cloud architectures. Tools edit a desired state and read a status; nothing waits for Terraform.
1. create_session (or list_sessions). Always show the session id to the person; pass it to every tool.
2. Hearing: ask the person, save_answers, complete_hearing. Never invent answers.
   save_architecture with the whole design (list_catalog has the types), edit_architecture for small edits. Mend what is refused or found; ask about suggestions.
3. set_desired_state Planned, then get_status with wait_seconds: 50 until a plan is ready. Show get_plan, every delete and replace.
4. set_desired_state Applied, get_status, get_plan. ASK THE PERSON before approve_plan, with the plan they read; an edit voids the plan.
5. get_status with since waits for the next change. After a failure do what last_failure says, then request: Retry.
6. set_desired_state Destroyed tears down, after approval of the destroy plan. target sandbox is a simulated cloud and costs nothing.
Every answer names next_actions. Errors carry code, message, hint.";

/// The handler of one connection, or of one request that stands alone. A clone is for another one: it shares tools and open
/// questions, and has no subscriptions yet.
#[derive(Clone)]
pub(super) struct Handler {
    services: Services,
    tools: Arc<Vec<Entry>>,
    questions: Arc<Questions>,
    subscribed: Subscribed,
    shutdown: CancellationToken,
}

impl Handler {
    pub(super) fn new(services: Services, shutdown: CancellationToken) -> Self {
        Handler { services, tools: Arc::new(table()), questions: Arc::default(), subscribed: Subscribed::default(), shutdown }
    }

    /// approve_plan: the person is asked where the host can ask. None = go on with the call.
    async fn ask_person(
        &self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<CallToolResponse>, ErrorData> {
        let elicits = context.client_capabilities().is_some_and(|client| shows_forms(&client));
        if request.name != APPROVE || !elicits {
            return Ok(None);
        }
        let arguments = request.arguments.clone().unwrap_or_default();
        // What does not decode is refused by the call itself.
        let Ok(input) = serde_json::from_value::<ApprovePlan>(Value::Object(arguments)) else { return Ok(None) };
        let question = match self.services.approval_question(&input).await {
            Ok(question) => question,
            Err(error) => return Ok(Some(failure(&error).into())),
        };
        let stateless = context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
        let said = match (stateless, is_connected(context)) {
            (true, _) => match (&request.request_state, &request.input_responses) {
                (Some(handle), Some(responses)) => {
                    if !self.questions.take(handle, &question.binding) {
                        return Ok(Some(failure(&self.services.approval_question_gone(&input.session_id).await).into()));
                    }
                    responses.get(YES).and_then(|answer| serde_json::from_value::<ElicitResult>(answer.clone()).ok())
                }
                (_, _) => return Ok(Some(self.open_question(&question)?.into())),
            },
            (false, true) => ask(&question, context).await?,
            // An older host that does without a session has no way back: its own confirmation of a destructive tool is what
            // there is.
            (false, false) => return Ok(None),
        };
        if said.is_some_and(|said| is_yes(&said)) {
            return Ok(None);
        }
        Ok(Some(failure(&self.services.approval_declined(&input.session_id).await).into()))
    }

    /// A session over HTTP may be made again; its subscriptions are, too. Those of a pipe end with it.
    async fn keep_subscriptions(&self, context: &RequestContext<RoleServer>) {
        let parts = context.extensions.get::<http::request::Parts>();
        if let Some(session) = parts.and_then(|parts| parts.headers.get(SESSION)?.to_str().ok()) {
            self.services.keep_subscriptions(session, &self.subscribed.uris()).await;
        }
    }

    fn open_question(&self, question: &ApprovalQuestion) -> Result<InputRequiredResult, ErrorData> {
        let request = InputRequest::Elicitation(ElicitRequest::new(form(question)?));
        let handle = self.questions.open(&question.binding);
        Ok(InputRequiredResult::new(Some([(YES.to_owned(), request)].into()), Some(handle)))
    }

    /// Calls a tool. Dropping the future (the host cancelled, or closed the stream) ends a wait and leaves nothing behind.
    async fn answer(&self, entry: &Entry, arguments: Map<String, Value>, observer: Option<Observer>) -> CallToolResult {
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

/// Can this host show a form to the person? An empty capability means forms (revision 2025-06-18 knew no other).
pub(super) fn shows_forms(client: &ClientCapabilities) -> bool {
    client.elicitation.as_ref().is_some_and(|can| can.form.is_some() || can.url.is_none())
}

/// Is there a connection, on which notifications and questions can go to the host and answers come back? A pipe is one, and
/// so is a session over HTTP.
fn is_connected(context: &RequestContext<RoleServer>) -> bool {
    context.extensions.get::<http::request::Parts>().is_none_or(|parts| parts.extensions.get::<Connected>().is_some())
}

fn success(answer: Answer) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(answer.summary)]);
    result.structured_content = Some(answer.structured);
    result
}

/// Longest advice about a further problem, in bytes; the whole is in the details.
const MAX_ADVICE: usize = 240;

fn failure(error: &Error) -> CallToolResult {
    let mut text = format!("{}: {}", error.code.as_str(), error.message);
    if !error.hint.is_empty() {
        text.push('\n');
        text.push_str(&error.hint);
    }
    // The further problems in one line each, with what to do unless it was said, for hosts that show only text.
    let mut advice = vec![error.hint.clone()];
    for problem in error.details.get("problems").and_then(Value::as_array).into_iter().flatten().skip(1).take(5) {
        let part = |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        text.push_str(&format!("\n{}: {}", part("path"), part("message")));
        let hint = part("hint");
        if !hint.is_empty() && !advice.contains(&hint) {
            text.push_str(&format!(". {}", crate::api::condition::clip(&hint, MAX_ADVICE)));
            advice.push(hint);
        }
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
    std::future::pending::<()>().await;
}

/// A form with one box to tick.
fn form(question: &ApprovalQuestion) -> Result<ElicitRequestParams, ErrorData> {
    let label = question.label.clone();
    let schema = ElicitationSchema::builder().required_bool_with(YES, |field| field.title(label).with_default(false)).build();
    let requested_schema = schema.map_err(|error| ErrorData::internal_error(error.to_owned(), None))?;
    Ok(ElicitRequestParams::FormElicitationParams { meta: None, message: question.message.clone(), requested_schema })
}

fn is_yes(said: &ElicitResult) -> bool {
    said.action == ElicitationAction::Accept && said.content.as_ref().is_some_and(|content| content.get(YES) == Some(&Value::Bool(true)))
}

/// Asks a host of an older revision; None when it did not answer as it should.
async fn ask(question: &ApprovalQuestion, context: &RequestContext<RoleServer>) -> Result<Option<ElicitResult>, ErrorData> {
    let request = ServerRequest::ElicitRequest(ElicitRequest::new(form(question)?));
    let answer = tokio::select! {
        // both arms may be dropped: nothing is written before the answer
        answer = context.peer.send_request(request) => answer,
        () = context.ct.cancelled() => return Err(ErrorData::internal_error("cancelled by the host", None)),
    };
    Ok(match answer {
        Ok(ClientResult::ElicitResult(said)) => Some(said),
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(%error, "the host did not ask the person");
            None
        }
    })
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_completions()
            .build();
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

    /// An older host without a connection is not told of subscriptions, which it could not have.
    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        if let Some(SessionRestoreMarker { id, .. }) = context.extensions.get() {
            for uri in self.services.kept_subscriptions(id).await {
                // What is gone meanwhile is nothing to tell of.
                let _ = self.subscribed.add(&self.services, uri, context.peer.clone(), true);
            }
        }
        let mut result = self.negotiate_initialize(&request)?;
        if !is_connected(&context)
            && let Some(resources) = &mut result.capabilities.resources
        {
            resources.subscribe = None;
        }
        Ok(result)
    }

    async fn list_prompts(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts::list()))
    }

    async fn get_prompt(&self, request: GetPromptRequestParams, _: RequestContext<RoleServer>) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(&self.services, &request.name, request.arguments).await.map(GetPromptResponse::from)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        reading::list(&self.services, request.and_then(|request| request.cursor)).await
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(reading::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        reading::read(&self.services, &request.uri).await.map(ReadResourceResponse::from)
    }

    async fn complete(&self, request: CompleteRequestParams, _: RequestContext<RoleServer>) -> Result<CompleteResult, ErrorData> {
        Ok(reading::complete(&self.services, request).await)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(subscriptions::accepted(&self.services, requested))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        subscriptions::listen(&self.services, context, &self.shutdown).await;
        Ok(())
    }

    async fn subscribe(&self, request: SubscribeRequestParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        if !is_connected(&context) {
            return Err(ErrorData::invalid_request("a subscription needs a session (Mcp-Session-Id), or revision 2026-07-28", None));
        }
        self.subscribed.add(&self.services, request.uri, context.peer.clone(), false)?;
        self.keep_subscriptions(&context).await;
        Ok(())
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.subscribed.remove(&request.uri);
        self.keep_subscriptions(&context).await;
        Ok(())
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        let Some(entry) = self.tools.iter().find(|entry| entry.model.name == request.name) else {
            let known: Vec<&str> = self.tools.iter().map(|entry| entry.model.name.as_ref()).collect();
            let name = crate::api::condition::clip(&request.name, 80);
            return Err(ErrorData::invalid_params(format!("unknown tool {name}"), Some(json!({ "tools": known }))));
        };
        if let Some(answered) = self.ask_person(&request, &context).await? {
            return Ok(answered);
        }
        let (sender, reports) = mpsc::channel(PROGRESS_QUEUE);
        let observer: Option<Observer> = context.meta.get_progress_token().map(|_| {
            Arc::new(move |report: Progress| {
                // A full queue means a slow host; the next report says more.
                let _ = sender.try_send(report);
            }) as Observer
        });
        let parts = context.extensions.get::<http::request::Parts>();
        let trace = parts.and_then(|parts| parts.extensions.get::<TraceId>()).cloned().unwrap_or_else(TraceId::generate);
        let span = tracing::info_span!("tool", tool = %entry.model.name, %trace);
        let answer = trace::scope(trace, self.answer(entry, request.arguments.unwrap_or_default(), observer)).instrument(span);
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
