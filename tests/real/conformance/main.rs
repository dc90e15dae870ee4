//! The server that the official MCP conformance suite is run against: the product's own handler behind the product's own
//! doors, and beside its tools the fixtures that the suite looks for by name (`test_simple_text`, `test://static-text`, …).
//!
//! `mcp-conformance http` prints its URL and serves until it is killed; `mcp-conformance stdio` speaks on its pipes. No
//! document outlives it, no controller runs and no cloud is touched. It is an example and never a part of the product.
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs, reason = "test fixture")]
#![allow(deprecated, reason = "the suite asks for logging and sampling, which the newest revision deprecates")]

mod asking;
mod fixtures;
mod tools;

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::Request;
use axum::middleware::Next;
use galley::api::approval::{Channel, Identity};
use galley::apiserver::{ApiServer, Options};
use galley::app::Library;
use galley::blobs::MemoryBlobs;
use galley::clock::SystemClock;
use galley::config::{Secret, Tokens};
use galley::http::access::Access;
use galley::http::page::{Door, PageParts};
use galley::http::{AdminError, Fault, HttpParts, LogSource, LogStream, SandboxAdmin, SecretStore};
use galley::mcp::HttpOptions;
use galley::services::{Parts, Services, Settings};
use galley::store::MemoryStore;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use fixtures::Fixtures;

/// The suite cannot send a credential, so a layer in front adds this one: everything behind it is the product's.
const TOKEN: &str = "conformance-editor-token-0001";

#[tokio::main]
async fn main() {
    let api = ApiServer::open(Arc::new(MemoryStore::new()), Arc::new(SystemClock), Options::default()).await.expect("api server");
    let identity = Identity::editor(Channel::Mcp);
    let library = Arc::new(Library::shipped().expect("catalogue"));
    let services = Services::new(Parts {
        client: api.client(identity.clone()),
        identity,
        blobs: Arc::new(MemoryBlobs::new()),
        catalog: library.catalog(),
        rules: library.live_rules(),
        judge: library.judge(),
        clock: Arc::new(SystemClock),
        settings: Settings { region: "ap-tokyo-1".into(), ..Settings::default() },
    });
    let handler = Fixtures::beside(galley::mcp::handler(services.clone(), CancellationToken::new()));
    match std::env::args().nth(1).as_deref() {
        Some("http") => {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
            let address = listener.local_addr().expect("address");
            let origins = ["127.0.0.1", "localhost"].map(|host| format!("http://{host}:{}", address.port()));
            let options = HttpOptions { allowed_hosts: Vec::new(), allowed_origins: origins.into() };
            let mcp = galley::mcp::door(handler, options, CancellationToken::new());
            println!("http://{address}/mcp");
            galley::http::serve(listener, behind_the_door(mcp, &api, services), CancellationToken::new()).await.expect("serves");
        }
        Some("stdio") => galley::mcp::pipe(handler, CancellationToken::new()).await.expect("serves"),
        _ => eprintln!("usage: mcp-conformance http|stdio"),
    }
}

/// The whole HTTP door, and in front of it the credential.
fn behind_the_door(mcp: axum::Router, api: &ApiServer, services: Services) -> axum::Router {
    let nothing = Arc::new(Nothing);
    let page = Door { client: api.client(Identity::editor(Channel::Page)), services };
    let door = galley::http::router(HttpParts {
        mcp,
        kubernetes: api.router(),
        tokens: Tokens { editor: Secret::new(TOKEN), approver: Secret::new("conformance-approver-token-0001") },
        access: Access::default(),
        ready: Arc::new(|| Box::pin(async { Vec::new() })),
        metrics: Arc::new(String::new),
        sandbox: nothing.clone(),
        secrets: nothing.clone(),
        logs: nothing,
        page: PageParts { reader: page.clone(), approver: page, diagram: Arc::new(|_, _, _| None), clock: Arc::new(SystemClock) },
    });
    door.layer(axum::middleware::from_fn(|mut request: Request, next: Next| async move {
        let bearer = http::HeaderValue::from_str(&format!("Bearer {TOKEN}")).expect("a header");
        request.headers_mut().insert(http::header::AUTHORIZATION, bearer);
        next.run(request).await
    }))
}

/// Neither clouds nor logs nor secrets: the suite asks for none.
struct Nothing;

fn none<T>() -> Result<T, AdminError> {
    Err(AdminError::NotFound("the conformance server has none".into()))
}

#[async_trait]
impl SandboxAdmin for Nothing {
    async fn list(&self, _: &str) -> Result<Value, AdminError> {
        none()
    }
    async fn set(&self, _: &str, _: &str, _: &str, _: Value) -> Result<Value, AdminError> {
        none()
    }
    async fn delete(&self, _: &str, _: &str) -> Result<Value, AdminError> {
        none()
    }
    async fn fail(&self, _: &str, _: Fault) -> Result<Value, AdminError> {
        none()
    }
    async fn clear(&self, _: &str) -> Result<Value, AdminError> {
        none()
    }
}

#[async_trait]
impl SecretStore for Nothing {
    async fn put(&self, _: &str, _: &str, _: Secret) -> Result<(), AdminError> {
        none()
    }
}

#[async_trait]
impl LogSource for Nothing {
    async fn open(&self, _: &str, _: &str, _: bool) -> Result<LogStream, AdminError> {
        none()
    }
}
