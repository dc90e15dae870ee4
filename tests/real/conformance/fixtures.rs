//! A handler that answers what the suite names and hands everything else to the handler under test.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rmcp::model::*;
use rmcp::service::{RequestContext, SubscriptionContext, SubscriptionSink};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{asking, tools};

/// One red pixel.
pub const IMAGE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
/// A WAV file without a sample.
pub const SOUND: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";
/// The fixtures never change.
const TTL_MS: u64 = 60_000;

/// `product` with the fixtures beside its own tools, prompts and resources.
#[derive(Clone)]
pub struct Fixtures<H> {
    product: H,
    listeners: Arc<Mutex<HashMap<u64, SubscriptionSink>>>,
    next: Arc<AtomicU64>,
}

/// A value of the protocol from its JSON: the fixtures are the specification's own examples.
pub fn model<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

impl<H> Fixtures<H> {
    pub fn beside(product: H) -> Self {
        Fixtures { product, listeners: Arc::default(), next: Arc::default() }
    }

    async fn listeners(&self) -> Vec<SubscriptionSink> {
        self.listeners.lock().await.values().cloned().collect()
    }
}

fn prompt(name: &str, arguments: &HashMap<String, String>) -> Option<Value> {
    let argument = |name: &str| arguments.get(name).map(String::as_str).unwrap_or_default();
    let user = |content: Value| json!({ "role": "user", "content": content });
    let text = |text: &str| json!({ "type": "text", "text": text });
    let messages = match name {
        "test_simple_prompt" => vec![user(text("This is a simple prompt for testing."))],
        "test_prompt_with_arguments" => {
            vec![user(text(&format!("Prompt with arguments: arg1='{}', arg2='{}'", argument("arg1"), argument("arg2"))))]
        }
        "test_prompt_with_embedded_resource" => {
            let resource =
                json!({ "uri": argument("resourceUri"), "mimeType": "text/plain", "text": "Embedded resource content for testing." });
            vec![user(json!({ "type": "resource", "resource": resource })), user(text("Please process the embedded resource above."))]
        }
        "test_prompt_with_image" => {
            vec![user(json!({ "type": "image", "data": IMAGE, "mimeType": "image/png" })), user(text("Please analyze the image above."))]
        }
        _ => return None,
    };
    Some(json!({ "resultType": "complete", "messages": messages }))
}

fn prompts() -> Vec<Prompt> {
    model(json!([
        { "name": "test_simple_prompt", "description": "A prompt without arguments" },
        { "name": "test_prompt_with_arguments", "description": "A prompt with two arguments", "arguments": [
            { "name": "arg1", "description": "First test argument", "required": true },
            { "name": "arg2", "description": "Second test argument", "required": true }
        ] },
        { "name": "test_prompt_with_embedded_resource", "description": "A prompt that embeds a resource", "arguments": [
            { "name": "resourceUri", "description": "URI of the resource", "required": true }
        ] },
        { "name": "test_prompt_with_image", "description": "A prompt with an image" },
        { "name": "test_input_required_result_prompt", "description": "A prompt that asks first" }
    ]))
}

fn resource(uri: &str) -> Option<Value> {
    let contents = match uri {
        "test://static-text" => json!({ "uri": uri, "mimeType": "text/plain", "text": "This is the content of the static text resource." }),
        "test://static-binary" => json!({ "uri": uri, "mimeType": "image/png", "blob": IMAGE }),
        "test://watched-resource" => json!({ "uri": uri, "mimeType": "text/plain", "text": "watched" }),
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let text = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") }).to_string();
            json!({ "uri": uri, "mimeType": "application/json", "text": text })
        }
    };
    Some(json!({ "resultType": "complete", "contents": [contents] }))
}

fn resources() -> Vec<Resource> {
    model(json!([
        { "uri": "test://static-text", "name": "Static text", "description": "A text", "mimeType": "text/plain" },
        { "uri": "test://static-binary", "name": "Static binary", "description": "An image", "mimeType": "image/png" },
        { "uri": "test://watched-resource", "name": "Watched", "description": "A text to subscribe to", "mimeType": "text/plain" }
    ]))
}

impl<H: ServerHandler + Clone> ServerHandler for Fixtures<H> {
    fn get_info(&self) -> ServerConfig {
        let mut info = self.product.get_info();
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_completions()
            .enable_logging()
            .build();
        info.capabilities = capabilities;
        info
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::list().into_iter().find(|tool| tool.name == name).or_else(|| self.product.get_tool(name))
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut list = self.product.list_tools(page, context).await?;
        list.tools.extend(tools::list());
        Ok(list.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        if !tools::is_fixture(&request.name) {
            return self.product.call_tool(request, context).await;
        }
        match request.name.as_ref() {
            "test_trigger_tool_change" => {
                for listener in self.listeners().await {
                    let _ = listener.notify_tool_list_changed().await;
                }
                Ok(tools::text("changed").into())
            }
            "test_trigger_prompt_change" => {
                for listener in self.listeners().await {
                    let _ = listener.notify_prompt_list_changed().await;
                }
                Ok(tools::text("changed").into())
            }
            name if name.starts_with("test_input_required_result_") => asking::tool(&request, &context),
            _ => tools::call(&request, &context).await,
        }
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut list = self.product.list_prompts(page, context).await.unwrap_or_default();
        list.prompts.extend(prompts());
        Ok(list.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name == "test_input_required_result_prompt" {
            return Ok(asking::prompt(&request));
        }
        let arguments: HashMap<String, String> =
            request.arguments.iter().flatten().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
        match prompt(&request.name, &arguments) {
            Some(found) => Ok(model::<GetPromptResult>(found).into()),
            None => self.product.get_prompt(request, context).await,
        }
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut list = self.product.list_resources(page, context).await.unwrap_or_default();
        list.resources.extend(resources());
        Ok(list.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let mut list = self.product.list_resource_templates(page, context).await.unwrap_or_default();
        let template = json!({ "uriTemplate": "test://template/{id}/data", "name": "Dynamic", "description": "A template", "mimeType": "application/json" });
        list.resource_templates.push(model(template));
        Ok(list.with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match resource(&request.uri) {
            Some(found) => Ok(model::<ReadResourceResult>(found).with_ttl_ms(TTL_MS).with_cache_scope(CacheScope::Public).into()),
            None if request.uri.starts_with("test://") => {
                Err(ErrorData::resource_not_found("Resource not found", Some(json!({ "uri": request.uri }))))
            }
            None => self.product.read_resource(request, context).await,
        }
    }

    async fn complete(&self, request: CompleteRequestParams, context: RequestContext<RoleServer>) -> Result<CompleteResult, ErrorData> {
        let ours = match &request.r#ref {
            Reference::Prompt(prompt) => prompt.name.starts_with("test_"),
            Reference::Resource(resource) => resource.uri.starts_with("test://"),
            _ => false,
        };
        if !ours {
            return self.product.complete(request, context).await;
        }
        Ok(model(json!({ "resultType": "complete", "completion": { "values": ["paris", "park", "party"], "total": 3, "hasMore": false } })))
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        self.listeners.lock().await.insert(key, context.sink().clone());
        context.cancelled().await;
        self.listeners.lock().await.remove(&key);
        Ok(())
    }
}
