//! The fixture tools that answer at once, report progress, log, or ask the client in the middle of a call.

use std::time::Duration;

use rmcp::model::*;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use crate::fixtures::{IMAGE, SOUND, model};

/// Between two reports: the suite wants to see them one after the other.
const STEP: Duration = Duration::from_millis(50);

/// Names without arguments.
const PLAIN: &[&str] = &[
    "test_simple_text",
    "test_image_content",
    "test_audio_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_tool_with_logging",
    "test_error_handling",
    "test_tool_with_progress",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_trigger_tool_change",
    "test_trigger_prompt_change",
    "test_missing_capability",
    "test_streaming_elicitation",
    "test_logging_tool",
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_request_state",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
    "test_input_required_result_tampered_state",
    "test_input_required_result_capabilities",
];

pub fn is_fixture(name: &str) -> bool {
    name.starts_with("test_") || name == "json_schema_2020_12_tool"
}

/// Every fixture tool.
pub fn list() -> Vec<Tool> {
    let text = |name: &str, about: &str| json!({ name: { "type": "string", "description": about } });
    let mut tools: Vec<Value> = PLAIN
        .iter()
        .map(|name| json!({ "name": name, "description": "Fixture of the conformance suite", "inputSchema": { "type": "object", "properties": {} } }))
        .collect();
    tools.push(json!({ "name": "test_sampling", "description": "Asks the client's model", "inputSchema": { "type": "object", "properties": text("prompt", "What to ask"), "required": ["prompt"] } }));
    tools.push(json!({ "name": "test_elicitation", "description": "Asks the person", "inputSchema": { "type": "object", "properties": text("message", "What to show"), "required": ["message"] } }));
    tools.push(json!({ "name": "test_custom_header", "description": "A parameter that travels in a header", "inputSchema": { "type": "object", "properties": { "value": { "type": "string", "x-mcp-header": "Value" } }, "required": ["value"] } }));
    tools.push(json!({ "name": "json_schema_2020_12_tool", "description": "Keywords of JSON Schema 2020-12", "inputSchema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": { "address": { "$anchor": "address", "type": "object", "properties": { "street": { "type": "string" }, "city": { "type": "string" } } } },
        "properties": { "name": { "type": "string" }, "address": { "$ref": "#/$defs/address" } },
        "allOf": [{ "anyOf": [{ "required": ["name"] }, { "required": ["address"] }] }],
        "if": { "required": ["address"] },
        "then": { "properties": { "address": { "required": ["street"] } } },
        "else": { "required": ["name"] },
        "additionalProperties": false
    } }));
    model(Value::Array(tools))
}

pub fn text(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text.into())])
}

fn content(blocks: Value) -> CallToolResponse {
    model::<CallToolResult>(json!({ "resultType": "complete", "content": blocks })).into()
}

pub async fn call(request: &CallToolRequestParams, context: &RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
    let argument =
        |name: &str| request.arguments.as_ref().and_then(|all| all.get(name)).and_then(Value::as_str).unwrap_or_default().to_owned();
    let said = |text: &str| json!({ "type": "text", "text": text });
    let image = json!({ "type": "image", "data": IMAGE, "mimeType": "image/png" });
    let embedded =
        |uri: &str, kind: &str, text: &str| json!({ "type": "resource", "resource": { "uri": uri, "mimeType": kind, "text": text } });
    Ok(match request.name.as_ref() {
        "test_simple_text" => content(json!([said("This is a simple text response for testing.")])),
        "test_image_content" => content(json!([image])),
        "test_audio_content" => content(json!([{ "type": "audio", "data": SOUND, "mimeType": "audio/wav" }])),
        "test_embedded_resource" => {
            content(json!([embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]))
        }
        "test_multiple_content_types" => {
            let resource = embedded("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#);
            content(json!([said("Multiple content types test:"), image, resource]))
        }
        "test_error_handling" => {
            CallToolResult::error(vec![ContentBlock::text("This tool intentionally returns an error for testing")]).into()
        }
        "test_tool_with_logging" => log_three(context).await,
        "test_logging_tool" => log_if_asked(context).await,
        "test_tool_with_progress" => progress(context).await,
        "test_custom_header" => text(argument("value")).into(),
        "json_schema_2020_12_tool" => text(format!("Hello, {}!", argument("name"))).into(),
        "test_missing_capability" => {
            let capabilities = context.meta.client_capabilities().unwrap_or_default();
            if capabilities.sampling.is_none() {
                return Err(ErrorData::missing_required_client_capability(ClientCapabilities::builder().enable_sampling().build()));
            }
            text("declared").into()
        }
        "test_streaming_elicitation" => crate::asking::required(
            json!({ "value": crate::asking::form("Provide a value", json!({ "value": { "type": "string" } })) }),
            None,
        )
        .into(),
        "test_sampling" => sample(context, &argument("prompt")).await,
        "test_elicitation" => {
            let person = json!({
                "username": { "type": "string", "description": "User's response" },
                "email": { "type": "string", "description": "User's email address" }
            });
            elicit(context, &argument("message"), person, json!(["username", "email"])).await
        }
        "test_elicitation_sep1034_defaults" => elicit(context, "Every field has a default", defaults(), json!([])).await,
        "test_elicitation_sep1330_enums" => elicit(context, "Choose", enums(), json!([])).await,
        other => return Err(ErrorData::invalid_params(format!("unknown fixture {other}"), None)),
    })
}

async fn log_three(context: &RequestContext<RoleServer>) -> CallToolResponse {
    for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        let note = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(message)).with_logger("fixtures");
        let _ = context.peer.notify_logging_message(note).await;
        tokio::time::sleep(STEP).await;
    }
    text("logged").into()
}

async fn log_if_asked(context: &RequestContext<RoleServer>) -> CallToolResponse {
    if let Some(level) = context.meta.log_level() {
        let note = LoggingMessageNotificationParam::new(level, json!("asked for")).with_logger("fixtures");
        let _ = context.peer.notify_logging_message(note).await;
    }
    text("done").into()
}

async fn progress(context: &RequestContext<RoleServer>) -> CallToolResponse {
    for progress in [0.0, 50.0, 100.0] {
        if let Some(token) = context.meta.get_progress_token() {
            let _ = context.peer.notify_progress(ProgressNotificationParam::new(token, progress).with_total(100.0)).await;
        }
        tokio::time::sleep(STEP).await;
    }
    text("done").into()
}

/// Asks in the middle of the call, as the revisions before 2026-07-28 did; needs a connection the answer can come back on.
async fn ask(context: &RequestContext<RoleServer>, request: Value) -> Result<Value, String> {
    let request: ServerRequest = model(request);
    let answer = context.peer.send_request(request).await.map_err(|error| error.to_string())?;
    serde_json::to_value(answer).map_err(|error| error.to_string())
}

async fn sample(context: &RequestContext<RoleServer>, prompt: &str) -> CallToolResponse {
    let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
    match ask(context, json!({ "method": "sampling/createMessage", "params": { "messages": [message], "maxTokens": 100 } })).await {
        Ok(answer) => {
            let said = answer.pointer("/content/text").or_else(|| answer.pointer("/content/0/text")).and_then(Value::as_str);
            text(format!("LLM response: {}", said.unwrap_or_default())).into()
        }
        Err(error) => CallToolResult::error(vec![ContentBlock::text(error)]).into(),
    }
}

async fn elicit(context: &RequestContext<RoleServer>, message: &str, properties: Value, required: Value) -> CallToolResponse {
    let mut schema = json!({ "type": "object", "properties": properties });
    if required.as_array().is_some_and(|names| !names.is_empty()) {
        schema["required"] = required;
    }
    match ask(context, json!({ "method": "elicitation/create", "params": { "message": message, "requestedSchema": schema } })).await {
        Ok(answer) => {
            let action = answer["action"].as_str().unwrap_or("?").to_owned();
            text(format!("User response: action={action}, content={}", answer["content"])).into()
        }
        Err(error) => CallToolResult::error(vec![ContentBlock::text(error)]).into(),
    }
}

fn defaults() -> Value {
    json!({
        "name": { "type": "string", "description": "User name", "default": "John Doe" },
        "age": { "type": "integer", "description": "User age", "default": 30 },
        "score": { "type": "number", "description": "User score", "default": 95.5 },
        "status": { "type": "string", "description": "User status", "enum": ["active", "inactive", "pending"], "default": "active" },
        "verified": { "type": "boolean", "description": "Verification status", "default": true }
    })
}

fn enums() -> Value {
    let titled = |prefix: &str| {
        let title = |number: u8| json!({ "const": format!("value{number}"), "title": format!("{prefix} {number}") });
        json!([title(1), title(2), title(3)])
    };
    json!({
        "untitledSingle": { "type": "string", "enum": ["option1", "option2", "option3"] },
        "titledSingle": { "type": "string", "oneOf": titled("Option") },
        "legacyEnum": { "type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"] },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": ["option1", "option2", "option3"] } },
        "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } }
    })
}
