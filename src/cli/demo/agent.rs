//! The demo as an MCP host: a real client over streamable HTTP, with the editor token.

use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientServiceExt, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::Value;

use super::facts;
use crate::cli::client::chain;
use crate::config::Secret;

/// A tool's own refusal, or a broken conversation.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{tool} answered {code}: {message}")]
pub struct ToolError {
    /// which tool
    pub tool: &'static str,
    /// closed code, or `transport`
    pub code: String,
    /// message and hint
    pub message: String,
    /// its details, such as every problem of a design
    pub details: Value,
}

/// A connected host.
pub struct Agent {
    service: RunningService<RoleClient, ()>,
}

impl Agent {
    /// Connects with revision 2026-07-28, or an older one if the server has no newer.
    pub async fn connect(base_url: &str, token: &Secret) -> Result<Self, ToolError> {
        let config = StreamableHttpClientTransportConfig::with_uri(format!("{base_url}/mcp")).auth_header(token.expose());
        let lifecycle =
            rmcp::service::ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None };
        let service =
            ().serve_with_lifecycle(StreamableHttpClientTransport::from_config(config), lifecycle).await.map_err(|error| ToolError {
                tool: "connect",
                code: "transport".to_owned(),
                message: chain(&error),
                details: Value::Null,
            })?;
        Ok(Agent { service })
    }
    /// Revision that was agreed on.
    pub fn version(&self) -> String {
        self.service.peer_info().map(|info| info.protocol_version.to_string()).unwrap_or_default()
    }
    /// Names of the tools.
    pub async fn tools(&self) -> Result<Vec<String>, ToolError> {
        let tools = self.service.list_all_tools().await.map_err(|error| transport("tools/list", &error))?;
        Ok(tools.into_iter().map(|tool| tool.name.to_string()).collect())
    }
    /// Calls a tool and gives its structured answer.
    pub async fn call(&self, tool: &'static str, arguments: Value) -> Result<Value, ToolError> {
        let parameters = CallToolRequestParams::new(tool).with_arguments(arguments.as_object().cloned().unwrap_or_default());
        let result = self.service.call_tool(parameters).await.map_err(|error| transport(tool, &error))?;
        let answer = match result.structured_content {
            Some(value) => value,
            // an older server says the same as text
            None => {
                let text = result.content.iter().find_map(|block| block.as_text()).map(|text| text.text.clone()).unwrap_or_default();
                serde_json::from_str(&text).unwrap_or(Value::String(text))
            }
        };
        if result.is_error == Some(true) {
            let (code, message) = facts::error(&answer);
            return Err(ToolError { tool, code, message, details: answer["details"].clone() });
        }
        Ok(answer)
    }
    /// Hangs up.
    pub async fn close(self) {
        let _ = self.service.cancel().await;
    }
}

fn transport(tool: &'static str, error: &rmcp::ServiceError) -> ToolError {
    ToolError { tool, code: "transport".to_owned(), message: chain(error), details: Value::Null }
}
