//! Prompts, resources, completions, subscriptions and questions to the person, on every route in both eras.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmcp::model::{
    ArgumentInfo, CallToolRequestParams, CallToolResponse, ClientCapabilities, ClientConfig, CompleteRequestParams, CompletionContext,
    ElicitRequestParams, ElicitResult, ElicitationAction, GetPromptRequestParams, Implementation, ProtocolVersion,
    ReadResourceRequestParams, Reference, ResourceContents, ResourceUpdatedNotificationParam,
};
use rmcp::service::{NotificationContext, RequestContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{HttpOptions, router, serve};
use crate::services::testkit::{Kit, awaiting, sha};

/// A host that can ask a person, who answers `answer`.
#[derive(Clone, Default)]
struct Host {
    answer: Option<bool>,
    asked: Arc<Mutex<Vec<String>>>,
    updated: Arc<Mutex<Vec<String>>>,
}

impl ClientHandler for Host {
    fn get_info(&self) -> ClientConfig {
        let capabilities = match self.answer {
            Some(_) => ClientCapabilities::builder().enable_elicitation().build(),
            None => ClientCapabilities::default(),
        };
        ClientConfig::new(capabilities, Implementation::new("host", "1"))
    }
    async fn create_elicitation(&self, request: ElicitRequestParams, _: RequestContext<RoleClient>) -> Result<ElicitResult, ErrorData> {
        if let ElicitRequestParams::FormElicitationParams { message, .. } = request {
            self.asked.lock().unwrap().push(message);
        }
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "approve": self.answer.unwrap_or(false) })))
    }
    async fn on_resource_updated(&self, note: ResourceUpdatedNotificationParam, _: NotificationContext<RoleClient>) {
        self.updated.lock().unwrap().push(note.uri);
    }
}

type Client = RunningService<RoleClient, Host>;

fn eras() -> [(&'static str, ClientLifecycleMode); 2] {
    let versions = vec![ProtocolVersion::V_2026_07_28];
    [("initialize", ClientLifecycleMode::Initialize), ("discover", ClientLifecycleMode::Discover { preferred_versions: versions })]
}

async fn over_pipe(kit: &Kit, host: Host, era: ClientLifecycleMode) -> Client {
    let (near, far) = tokio::io::duplex(1 << 16);
    let services = kit.services.clone();
    tokio::spawn(async move { serve(super::handler(services, CancellationToken::new()), far, CancellationToken::new()).await });
    host.serve_with_lifecycle(near, era).await.unwrap()
}

async fn over_http(kit: &Kit, host: Host, era: ClientLifecycleMode) -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router(kit.services.clone(), HttpOptions::default(), CancellationToken::new());
    tokio::spawn(async move { axum::serve(listener, router).await });
    host.serve_with_lifecycle(StreamableHttpClientTransport::from_uri(format!("http://{address}/mcp")), era).await.unwrap()
}

async fn routes(kit: &Kit, host: &Host) -> Vec<(String, Client)> {
    let mut clients = Vec::new();
    for (name, era) in eras() {
        clients.push((format!("pipe, {name}"), over_pipe(kit, host.clone(), era.clone()).await));
        clients.push((format!("http, {name}"), over_http(kit, host.clone(), era).await));
    }
    clients
}

fn text(contents: &[ResourceContents]) -> String {
    match &contents[0] {
        ResourceContents::TextResourceContents { text, .. } => text.clone(),
        other => panic!("no text: {other:?}"),
    }
}

#[tokio::test]
async fn resources_prompts_and_completions_are_served_on_every_route() {
    let kit = Kit::real().await;
    let session = kit.design(json!({})).await;
    for (route, client) in routes(&kit, &Host::default()).await {
        let uris: Vec<String> = client.list_all_resources().await.unwrap().into_iter().map(|resource| resource.uri).collect();
        assert!(
            uris.contains(&"galley://questions".to_owned()) && uris.contains(&format!("galley://sessions/{session}")),
            "{route}: {uris:?}"
        );
        assert!(client.list_all_resource_templates().await.unwrap().len() >= 10, "{route}");
        for uri in uris.into_iter().chain([
            format!("galley://designs/{session}"),
            format!("galley://designs/{session}/summary.md"),
            format!("galley://designs/{session}/files/network.tf"),
            format!("galley://sessions/{session}/hearing.md"),
            "galley://catalog/adb".to_owned(),
        ]) {
            let read = client.read_resource(ReadResourceRequestParams::new(uri.clone())).await.unwrap();
            assert!(!text(&read.contents).is_empty(), "{route}: {uri}");
        }
        for missing in ["galley://sessions/s-none", "galley://catalog/mainframe", "file:///etc/passwd", "galley://designs/../x"] {
            assert!(client.read_resource(ReadResourceRequestParams::new(missing)).await.is_err(), "{route}: {missing}");
        }
        let prompts = client.list_all_prompts().await.unwrap();
        let names: Vec<&str> = prompts.iter().map(|prompt| prompt.name.as_str()).collect();
        assert_eq!(names, ["design_from_hearing", "fix_failed_job", "deploy_app", "clean_up"], "{route}");
        let arguments = json!({ "session_id": session, "language": "ja" }).as_object().unwrap().clone();
        let prompt = client.get_prompt(GetPromptRequestParams::new("clean_up").with_arguments(arguments)).await.unwrap();
        let said = serde_json::to_string(&prompt.messages).unwrap();
        assert!(said.contains(&session) && said.contains("破棄"), "{route}: {said}");
        assert!(client.get_prompt(GetPromptRequestParams::new("clean_up")).await.is_err(), "{route}: the session is missing");
        assert!(client.get_prompt(GetPromptRequestParams::new("rm")).await.is_err(), "{route}");
        let complete =
            |reference: Reference, name: &str, value: &str| CompleteRequestParams::new(reference, ArgumentInfo::new(name, value));
        let found = client.complete(complete(Reference::for_prompt("clean_up"), "session_id", &session[..6])).await.unwrap();
        assert_eq!(found.completion.values, std::slice::from_ref(&session), "{route}");
        let types = complete(Reference::for_resource("galley://catalog/{service_type}"), "service_type", "n");
        assert_eq!(client.complete(types).await.unwrap().completion.values[0], "nat_gateway", "{route}");
        let known = CompletionContext::with_arguments([("session_id".to_owned(), session.clone())].into());
        let files = complete(Reference::for_resource("galley://designs/{session_id}/files/{file}"), "file", "ma").with_context(known);
        assert_eq!(client.complete(files).await.unwrap().completion.values, ["main.tf"], "{route}");
        client.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn an_older_host_on_a_pipe_is_told_what_changed_until_it_has_enough() {
    let kit = Kit::new().await;
    let session = kit.design(awaiting()).await;
    let uri = format!("galley://designs/{session}");
    let client = over_pipe(&kit, Host::default(), ClientLifecycleMode::Initialize).await;
    assert_eq!(client.peer_info().unwrap().capabilities.resources.as_ref().unwrap().subscribe, Some(true));
    subscribe(&client, &uri).await.unwrap();
    assert!(subscribe(&client, "galley://questions").await.is_err(), "it never changes");
    // The watch begins on its own time: changes are made until one arrives.
    let seen = Arc::clone(&client.service().updated);
    let mut serial = 10;
    while seen.lock().unwrap().is_empty() {
        serial += 1;
        assert!(serial < 500, "no change arrived");
        kit.server.set_status("designs", &session, json!({ "state": { "serial": serial } })).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(seen.lock().unwrap()[0], uri);
    client.cancel().await.unwrap();
}

#[expect(deprecated, reason = "older hosts still subscribe like this")]
async fn subscribe(client: &Client, uri: &str) -> Result<(), rmcp::ServiceError> {
    client.subscribe(rmcp::model::SubscribeRequestParams::new(uri)).await
}

/// A design that wants Applied and waits for the approval of a plan.
async fn waiting(kit: &Kit) -> String {
    let session = kit.design(json!({})).await;
    kit.server.patch("designs", &session, json!({ "spec": { "desiredState": "Applied" } })).await;
    let mut status = awaiting();
    status["observedGeneration"] = json!(2);
    status["plan"]["generation"] = json!(2);
    kit.server.set_status("designs", &session, status).await;
    session
}

fn approve(session: &str) -> CallToolRequestParams {
    let arguments = json!({ "session_id": session, "plan_sha256": sha('a') });
    CallToolRequestParams::new("approve_plan").with_arguments(arguments.as_object().unwrap().clone())
}

#[tokio::test]
async fn where_the_host_can_ask_the_persons_answer_counts_and_not_the_models() {
    for (answer, approvals) in [(true, 1), (false, 0)] {
        for index in 0..4 {
            let kit = Kit::new().await;
            let session = waiting(&kit).await;
            let host = Host { answer: Some(answer), ..Host::default() };
            let (route, client) = routes(&kit, &host).await.swap_remove(index);
            let result = client.call_tool(approve(&session)).await.unwrap();
            assert_eq!(kit.server.names("approvals").len(), approvals, "{route}, {answer}: {result:?}");
            let messages = client.service().asked.lock().unwrap().clone();
            assert_eq!(messages.len(), 1, "{route}");
            assert!(messages[0].contains("oci_core_instance.old") && messages[0].contains("oci_core_subnet.app"), "{}", messages[0]);
            if approvals == 0 {
                assert_eq!(result.structured_content.unwrap()["code"], json!("approval_refused"), "{route}");
            }
            client.cancel().await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_answer_counts_once_for_the_plan_it_was_given_for_and_cannot_be_made_up() {
    let kit = Kit::new().await;
    let session = waiting(&kit).await;
    let host = Host { answer: Some(true), ..Host::default() };
    let client = over_pipe(&kit, host, eras()[1].1.clone()).await;
    let yes = || -> std::collections::BTreeMap<String, Value> {
        [("approve".to_owned(), json!({ "action": "accept", "content": { "approve": true } }))].into()
    };
    let handle = |response: CallToolResponse| match response {
        CallToolResponse::InputRequired(asked) => asked.request_state.unwrap(),
        other => panic!("nobody was asked: {other:?}"),
    };
    let forged = |state: &str| {
        let mut request = approve(&session);
        (request.input_responses, request.request_state) = (Some(yes()), Some(state.to_owned()));
        request
    };
    let refused = |response: CallToolResponse| match response {
        CallToolResponse::Complete(result) => result.structured_content.unwrap()["details"]["reason"].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(client.call_tool_once(forged("made up")).await.unwrap()), json!("QuestionGone"));
    let state = handle(client.call_tool_once(approve(&session)).await.unwrap());
    let other = waiting(&kit).await;
    let mut elsewhere = approve(&other);
    (elsewhere.input_responses, elsewhere.request_state) = (Some(yes()), Some(state.clone()));
    assert_eq!(refused(client.call_tool_once(elsewhere).await.unwrap()), json!("QuestionGone"), "an answer about another session");
    assert_eq!(refused(client.call_tool_once(forged(&state)).await.unwrap()), json!("QuestionGone"), "that attempt spent it");
    assert!(kit.server.names("approvals").is_empty());
    let state = handle(client.call_tool_once(approve(&session)).await.unwrap());
    client.call_tool_once(forged(&state)).await.unwrap();
    assert_eq!(kit.server.names("approvals").len(), 1);
    assert_eq!(refused(client.call_tool_once(forged(&state)).await.unwrap()), json!("QuestionGone"), "once");
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn a_listening_host_is_told_what_changed_over_any_door() {
    for door in ["pipe", "http"] {
        let kit = Kit::new().await;
        let session = kit.design(awaiting()).await;
        let uri = format!("galley://designs/{session}");
        let era = eras()[1].1.clone();
        let client = match door {
            "pipe" => over_pipe(&kit, Host::default(), era).await,
            _ => over_http(&kit, Host::default(), era).await,
        };
        let filter =
            rmcp::model::SubscriptionFilter::builder().resource_subscriptions([uri.clone(), "galley://questions".to_owned()]).build();
        let mut subscription = client.listen(filter).await.unwrap();
        let (server, name) = (kit.server.clone(), session.clone());
        let changing = tokio::spawn(async move {
            for serial in 10..500 {
                server.set_status("designs", &name, json!({ "state": { "serial": serial } })).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let note = tokio::time::timeout(Duration::from_secs(15), subscription.next()).await.expect(door).unwrap();
        assert!(format!("{note:?}").contains(&uri), "{door}: {note:?}");
        changing.abort();
        client.cancel().await.unwrap();
    }
}
