//! The fixtures that ask by answering (`resultType: input_required`, revision 2026-07-28): what the server knows travels
//! in `requestState`, sealed, because a client may change it.

use rmcp::model::*;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::fixtures::model;
use crate::tools::text;

/// Fixed, because nothing is protected here.
const KEY: &str = "conformance-fixture-key";

/// `<payload>.<sha256>` over key and payload, both ends keyed so that nothing can be appended.
fn seal(payload: &str) -> String {
    let digest = Sha256::digest(format!("{KEY}{payload}{KEY}"));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{payload}.{hex}")
}

fn unseal(state: &str) -> Result<&str, ErrorData> {
    let payload = state.split_once('.').map(|(payload, _)| payload).filter(|payload| seal(payload) == state);
    payload.ok_or_else(|| ErrorData::invalid_params("requestState failed integrity verification", None))
}

pub fn form(message: &str, properties: Value) -> Value {
    let names: Vec<&String> = properties.as_object().into_iter().flatten().map(|(name, _)| name).collect();
    json!({ "method": "elicitation/create", "params": { "message": message, "requestedSchema": { "type": "object", "properties": properties, "required": names } } })
}

fn question(text: &str) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
    json!({ "method": "sampling/createMessage", "params": { "messages": [message], "maxTokens": 100 } })
}

fn roots() -> Value {
    json!({ "method": "roots/list", "params": {} })
}

fn name_form() -> Value {
    form("What is your name?", json!({ "name": { "type": "string" } }))
}

pub fn required(requests: Value, state: Option<String>) -> InputRequiredResult {
    InputRequiredResult::new(Some(model(requests)), state)
}

/// An answer is an object; anything else is asked for again.
fn answer<'a>(responses: Option<&'a InputResponses>, key: &str) -> Option<&'a Value> {
    responses.and_then(|all| all.get(key)).filter(|value| value.is_object())
}

pub fn tool(request: &CallToolRequestParams, context: &RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
    let responses = request.input_responses.as_ref();
    let state = request.request_state.as_deref().map(unseal).transpose()?;
    let one = |key: &str, question: Value, pointer: &str| -> CallToolResponse {
        match answer(responses, key) {
            Some(found) => text(format!("Got {}", found.pointer(pointer).unwrap_or(found))).into(),
            None => required(json!({ key: question }), None).into(),
        }
    };
    Ok(match request.name.as_ref() {
        "test_input_required_result_elicitation" => match answer(responses, "user_name") {
            Some(found) => text(format!("Hello, {}!", found.pointer("/content/name").and_then(Value::as_str).unwrap_or("?"))).into(),
            None => required(json!({ "user_name": name_form() }), None).into(),
        },
        "test_input_required_result_sampling" => one("capital_question", question("What is the capital of France?"), "/content/text"),
        "test_input_required_result_list_roots" => one("client_roots", roots(), "/roots"),
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => match state {
            Some(_) => text("state-ok").into(),
            None => {
                required(json!({ "confirm": form("Please confirm", json!({ "ok": { "type": "boolean" } })) }), Some(seal("confirm"))).into()
            }
        },
        "test_input_required_result_multiple_inputs" => {
            let all = ["user_name", "greeting", "client_roots"].iter().all(|key| answer(responses, key).is_some());
            if all && state.is_some() {
                text("All inputs received").into()
            } else {
                let requests = json!({ "user_name": name_form(), "greeting": question("Generate a greeting"), "client_roots": roots() });
                required(requests, Some(seal("gather"))).into()
            }
        }
        "test_input_required_result_multi_round" => match state {
            None => {
                required(json!({ "step1": form("Step 1: What is your name?", json!({ "name": { "type": "string" } })) }), Some(seal("one")))
                    .into()
            }
            Some("one") => required(
                json!({ "step2": form("Step 2: What is your favorite color?", json!({ "color": { "type": "string" } })) }),
                Some(seal("two")),
            )
            .into(),
            Some(_) => text("Multi-round flow complete").into(),
        },
        "test_input_required_result_capabilities" => capabilities(responses, context),
        other => return Err(ErrorData::invalid_params(format!("unknown fixture {other}"), None)),
    })
}

/// Asks only for what the client said it can answer.
fn capabilities(responses: Option<&InputResponses>, context: &RequestContext<RoleServer>) -> CallToolResponse {
    if responses.is_some() {
        return text("done").into();
    }
    let capabilities = context.meta.client_capabilities().unwrap_or_default();
    let mut requests = serde_json::Map::new();
    if capabilities.elicitation.is_some() {
        requests.insert("user_name".into(), name_form());
    }
    if capabilities.sampling.is_some() {
        requests.insert("greeting".into(), question("Generate a greeting"));
    }
    if capabilities.roots.is_some() {
        requests.insert("client_roots".into(), roots());
    }
    if requests.is_empty() { text("the client can answer nothing").into() } else { required(Value::Object(requests), None).into() }
}

pub fn prompt(request: &GetPromptRequestParams) -> GetPromptResponse {
    match answer(request.input_responses.as_ref(), "user_context") {
        Some(found) => {
            let said = format!("Context: {}", found.pointer("/content/context").and_then(Value::as_str).unwrap_or_default());
            model::<GetPromptResult>(
                json!({ "resultType": "complete", "messages": [{ "role": "user", "content": { "type": "text", "text": said } }] }),
            )
            .into()
        }
        None => required(
            json!({ "user_context": form("What context should the prompt use?", json!({ "context": { "type": "string" } })) }),
            None,
        )
        .into(),
    }
}
