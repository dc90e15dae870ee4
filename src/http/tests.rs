//! The door as tables: route × credential → status; host, origin, content type, size; and no token in any trace.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures::{FutureExt, StreamExt};
use http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::api::approval::Identity;
use crate::config::Secret;

const EDITOR: &str = "editor-token-0123456789";
const APPROVER: &str = "approver-token-0123456789";

#[derive(Default)]
struct Fake {
    secrets: Mutex<Vec<(String, String, String)>>,
}

#[async_trait::async_trait]
impl SandboxAdmin for Fake {
    async fn list(&self, design_uid: &str) -> Result<Value, AdminError> {
        match design_uid {
            "none" => Err(AdminError::NotFound("no design has uid none".into())),
            uid => Ok(json!({ "uid": uid, "resources": [] })),
        }
    }
    async fn set(&self, _: &str, id: &str, attribute: &str, value: Value) -> Result<Value, AdminError> {
        Ok(json!({ "id": id, attribute: value }))
    }
    async fn delete(&self, _: &str, id: &str) -> Result<Value, AdminError> {
        Ok(json!({ "deleted": id }))
    }
    async fn fail(&self, _: &str, fault: Fault) -> Result<Value, AdminError> {
        serde_json::to_value(fault).map_err(|error| AdminError::Invalid(error.to_string()))
    }
    async fn clear(&self, _: &str) -> Result<Value, AdminError> {
        Ok(json!({ "cleared": true }))
    }
}

#[async_trait::async_trait]
impl SecretStore for Fake {
    async fn put(&self, design_uid: &str, name: &str, value: Secret) -> Result<(), AdminError> {
        self.secrets.lock().unwrap().push((design_uid.into(), name.into(), value.expose().into()));
        Ok(())
    }
}

#[async_trait::async_trait]
impl LogSource for Fake {
    async fn open(&self, _: &str, job: &str, follow: bool) -> Result<LogStream, AdminError> {
        let line = format!("{{\"job\":\"{job}\",\"follow\":{follow}}}\n");
        Ok(futures::stream::iter([Ok(bytes::Bytes::from(line))]).boxed())
    }
}

/// Answers what the handler behind the door sees.
async fn echo(request: Request) -> axum::Json<Value> {
    let identity =
        request.extensions().get::<Identity>().map(|identity| format!("{}/{:?}/{:?}", identity.name, identity.role, identity.channel));
    tracing::info!(uri = %request.uri(), headers = ?request.headers(), extensions = ?request.extensions(), "handler");
    axum::Json(json!({ "uri": request.uri().to_string(), "identity": identity }))
}

fn door_with(ready: bool) -> Router {
    let fake = Arc::new(Fake::default());
    router(HttpParts {
        mcp: Router::new().route("/mcp", any(echo)),
        kubernetes: Router::new().fallback(echo),
        tokens: Tokens { editor: Secret::new(EDITOR), approver: Secret::new(APPROVER) },
        access: Access { allowed_hosts: vec!["galley.example.com".into()], allowed_origins: vec!["https://page.example.com".into()] },
        ready: Arc::new(move || {
            let detail = (!ready).then(|| "no answer".to_owned());
            async move { vec![Part { name: "store", ok: true, detail: None }, Part { name: "controllers", ok: ready, detail }] }.boxed()
        }),
        metrics: Arc::new(|| "galley_build_info 1\n".into()),
        sandbox: fake.clone(),
        secrets: fake.clone(),
        logs: fake,
        page: page::tests::unanswered(),
    })
}

async fn send(request: Request) -> (StatusCode, String) {
    let response: Response = door_with(true).oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let mut builder = Request::builder().method(method).uri(uri);
    if !headers.iter().any(|(name, _)| *name == "host") {
        builder = builder.header("host", "127.0.0.1:8470");
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body::from(body.to_owned())).unwrap()
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn every_route_opens_to_its_credential_and_to_no_other() {
    // route, method, body, [none, unknown, editor, approver]
    let rows: &[(&str, &str, &str, [u16; 4])] = &[
        ("/", "GET", "", [200, 200, 200, 200]),
        ("/healthz", "GET", "", [200, 200, 200, 200]),
        ("/readyz", "GET", "", [200, 200, 200, 200]),
        ("/metrics", "GET", "", [200, 200, 200, 200]),
        ("/mcp", "POST", "{}", [401, 401, 200, 403]),
        ("/logs/uid-1/job-1", "GET", "", [401, 401, 200, 200]),
        // behind the credential: the services of this test answer nobody
        ("/exports/s-1/summary.md", "GET", "", [401, 401, 503, 503]),
        ("/exports/s-1/nothing.md", "GET", "", [401, 401, 400, 400]),
        ("/admin/secrets/uid-1/password", "PUT", "hunter2", [401, 401, 200, 200]),
        ("/admin/sandbox/uid-1/list", "GET", "", [401, 401, 403, 200]),
        ("/admin/sandbox/uid-1/set", "POST", r#"{"id":"a","attribute":"b","value":1}"#, [401, 401, 403, 200]),
        ("/admin/sandbox/uid-1/delete", "POST", r#"{"id":"a"}"#, [401, 401, 403, 200]),
        ("/admin/sandbox/uid-1/fail", "POST", r#"{"resource_type":"*","status":429,"code":"TooManyRequests"}"#, [401, 401, 403, 200]),
        ("/admin/sandbox/uid-1/clear", "POST", "{}", [401, 401, 403, 200]),
        // in the path, not in the header: a Bearer never opens /k8s
        ("/k8s/apis", "GET", "", [401, 401, 401, 401]),
        // the page knows no Bearer: a session in a cookie, opened by the form
        ("/designs/s-1", "GET", "", [303, 303, 303, 303]),
        ("/login", "POST", "{}", [403, 403, 403, 403]),
        ("/designs/s-1/approve", "POST", "{}", [401, 401, 401, 401]),
        ("/nothing", "GET", "", [404, 404, 404, 404]),
    ];
    for (uri, method, body, expected) in rows {
        for (token, wanted) in [None, Some("unknown-token-0123456789"), Some(EDITOR), Some(APPROVER)].into_iter().zip(expected) {
            let bearer = token.map(|token| format!("Bearer {token}"));
            let mut headers = vec![JSON];
            if let Some(bearer) = &bearer {
                headers.push(("authorization", bearer));
            }
            let (status, text) = send(request(method, uri, &headers, body)).await;
            assert_eq!(status.as_u16(), *wanted, "{method} {uri} with {token:?}: {text}");
            assert!(token.is_none_or(|token| !text.contains(token)), "{method} {uri} repeats the token: {text}");
        }
    }
}

#[tokio::test]
async fn the_token_in_the_path_opens_the_kubernetes_api_and_names_who_asks() {
    for (reason, uri, headers, status, identity) in [
        ("editor", format!("/k8s/{EDITOR}/apis/galley.dev/v1alpha1?limit=5"), vec![], 200, Some("editor/Editor/Kubernetes")),
        ("approver", format!("/k8s/{APPROVER}/apis/galley.dev/v1alpha1?limit=5"), vec![], 200, Some("approver/Approver/Kubernetes")),
        (
            "the CLI says so",
            format!("/k8s/{APPROVER}/apis/galley.dev/v1alpha1?limit=5"),
            vec![("x-galley-channel", "cli")],
            200,
            Some("approver/Approver/Cli"),
        ),
        (
            "another channel is not believed",
            format!("/k8s/{EDITOR}/apis/galley.dev/v1alpha1?limit=5"),
            vec![("x-galley-channel", "policy")],
            200,
            Some("editor/Editor/Kubernetes"),
        ),
        ("unknown", "/k8s/unknown-token-0123456789/apis".to_owned(), vec![], 401, None),
        ("none, on loopback", "/k8s/apis".to_owned(), vec![], 401, None),
        ("a Bearer is not read here, and the answer says what is", "/k8s/apis".to_owned(), vec![("authorization", "Bearer x")], 401, None),
        ("none at all", "/k8s".to_owned(), vec![], 401, None),
    ] {
        let (found, text) = send(request("GET", &uri, &headers, "")).await;
        assert_eq!(found.as_u16(), status, "{reason}: {text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        match identity {
            Some(identity) => {
                assert_eq!(answer["identity"], identity, "{reason}");
                assert_eq!(answer["uri"], "/apis/galley.dev/v1alpha1?limit=5", "{reason}: prefix and token are stripped");
            }
            None => {
                assert_eq!(
                    (&answer["kind"], &answer["reason"]),
                    (&json!("Status"), &json!("Unauthorized")),
                    "{reason}: kubectl reads a Status"
                );
                assert!(answer["message"].as_str().is_some_and(|told| told.contains("galley kubeconfig")), "{reason}: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn a_query_token_opens_mcp_only_and_is_gone_behind_the_door() {
    let (status, text) = send(request("POST", &format!("/mcp?token={EDITOR}&a=1"), &[JSON], "{}")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!({ "uri": "/mcp?a=1", "identity": "editor/Editor/Mcp" }));
    let (status, _) = send(request("GET", &format!("/logs/u/j?token={EDITOR}"), &[], "")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn host_origin_and_content_type_are_checked_before_the_credential() {
    let bearer = format!("Bearer {EDITOR}");
    let auth = ("authorization", bearer.as_str());
    let k8s = format!("/k8s/{EDITOR}/apis/x");
    type Row<'a> = (&'a str, &'a str, &'a str, Vec<(&'a str, &'a str)>, u16);
    let rows: &[Row<'_>] = &[
        ("loopback by name", "POST", "/mcp", vec![auth, JSON, ("host", "localhost:1")], 200),
        ("loopback in IPv6", "POST", "/mcp", vec![auth, JSON, ("host", "[::1]:8470")], 200),
        ("configured name, any port", "POST", "/mcp", vec![auth, JSON, ("host", "galley.example.com:443")], 200),
        ("DNS rebinding", "POST", "/mcp", vec![auth, JSON, ("host", "evil.example:8470")], 403),
        ("loopback as a prefix", "POST", "/mcp", vec![auth, JSON, ("host", "127.0.0.1.evil.example")], 403),
        ("a user before the host", "POST", "/mcp", vec![auth, JSON, ("host", "127.0.0.1@evil.example")], 403),
        ("rebinding on a reading route", "GET", "/logs/u/j", vec![auth, ("host", "evil.example")], 403),
        ("rebinding on /k8s", "GET", &k8s, vec![("host", "evil.example")], 403),
        ("a probe comes by pod address", "GET", "/healthz", vec![("host", "10.1.2.3:8470")], 200),
        ("own origin", "POST", "/mcp", vec![auth, JSON, ("origin", "http://127.0.0.1:8470")], 200),
        ("configured origin", "POST", "/mcp", vec![auth, JSON, ("origin", "https://page.example.com")], 200),
        ("another site", "POST", "/mcp", vec![auth, JSON, ("origin", "https://evil.example")], 403),
        ("another port of this machine", "POST", "/mcp", vec![auth, JSON, ("origin", "http://127.0.0.1:3000")], 403),
        ("a sandboxed frame", "POST", "/mcp", vec![auth, JSON, ("origin", "null")], 403),
        ("another site reads mcp", "GET", "/mcp", vec![auth, ("origin", "https://evil.example")], 403),
        ("another site writes a secret", "PUT", "/admin/secrets/u/n", vec![auth, ("origin", "https://evil.example")], 403),
        ("another site writes by /k8s", "POST", &k8s, vec![JSON, ("origin", "https://evil.example")], 403),
        ("a form", "POST", "/mcp", vec![auth, ("content-type", "application/x-www-form-urlencoded")], 415),
        (
            "a form of the page, from another site",
            "POST",
            "/login",
            vec![("content-type", "application/x-www-form-urlencoded"), ("origin", "https://evil.example")],
            403,
        ),
        ("a simple request", "POST", "/mcp", vec![auth, ("content-type", "text/plain")], 415),
        ("no type", "POST", "/mcp", vec![auth], 415),
        ("a charset is fine", "POST", "/mcp", vec![auth, ("content-type", "application/json; charset=utf-8")], 200),
        ("a secret is raw", "PUT", "/admin/secrets/u/n", vec![auth, ("content-type", "application/octet-stream")], 200),
        ("create", "POST", &k8s, vec![JSON], 200),
        ("create in YAML", "POST", &k8s, vec![("content-type", "application/yaml")], 415),
        ("JSON patch", "PATCH", &k8s, vec![("content-type", "application/json-patch+json")], 200),
        ("merge patch", "PATCH", &k8s, vec![("content-type", "application/merge-patch+json")], 200),
        ("a patch type on POST", "POST", &k8s, vec![("content-type", "application/merge-patch+json")], 415),
        ("a patch type elsewhere", "PATCH", "/mcp", vec![auth, ("content-type", "application/merge-patch+json")], 415),
    ];
    for (reason, method, uri, headers, expected) in rows {
        let (status, text) = send(request(method, uri, headers, "{}")).await;
        assert_eq!(status.as_u16(), *expected, "{reason}: {text}");
        if !status.is_success() && !uri.starts_with("/k8s") {
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert!(
                ["code", "message", "hint"].iter().all(|field| answer[*field].as_str().is_some_and(|text| !text.is_empty())),
                "{reason}: {text}"
            );
        }
    }
    let (status, text) = send(request("POST", "/login", &[("content-type", "application/x-www-form-urlencoded")], "token=x")).await;
    assert!(status == StatusCode::FORBIDDEN && text.starts_with("<!DOCTYPE html>"), "the page judges its own forms: {text}");
    let (status, _) = send(request("DELETE", &k8s, &[], "")).await;
    assert_eq!(status, StatusCode::OK, "kubectl deletes without a body and without a type");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_announced_or_not() {
    let bearer = format!("Bearer {APPROVER}");
    let large = format!(r#"{{"id":"{}"}}"#, "x".repeat(BODY_LIMIT));
    let length = large.len().to_string();
    for (reason, headers) in [
        ("announced", vec![JSON, ("authorization", bearer.as_str()), ("content-length", length.as_str())]),
        ("counted", vec![JSON, ("authorization", bearer.as_str())]),
    ] {
        let (status, text) = send(request("POST", "/admin/sandbox/u/delete", &headers, &large)).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{reason}");
        assert!(text.contains("body_too_large"), "{reason}: {text}");
    }
}

#[tokio::test]
async fn administrative_requests_are_checked_and_answered_in_words() {
    let bearer = format!("Bearer {APPROVER}");
    let headers = [JSON, ("authorization", bearer.as_str())];
    for (reason, method, uri, body, status, part) in [
        ("unknown design", "GET", "/admin/sandbox/none/list", "", 404, "no design has uid none"),
        ("a path in a name", "GET", "/admin/sandbox/..%2Fetc/list", "", 400, "characters other than"),
        ("a hidden file", "GET", "/logs/.ssh/job", "", 400, "characters other than"),
        ("unknown field", "POST", "/admin/sandbox/u/delete", r#"{"id":"a","force":true}"#, 400, "not the JSON object"),
        (
            "no error status",
            "POST",
            "/admin/sandbox/u/fail",
            r#"{"resource_type":"*","status":200,"code":"X"}"#,
            400,
            "allowed is 400 to 599",
        ),
        ("defaults", "POST", "/admin/sandbox/u/fail", r#"{"resource_type":"*","status":429,"code":"X"}"#, 200, r#""operation":"*""#),
        ("an empty secret", "PUT", "/admin/secrets/u/n", "", 400, "1 to 65536 bytes"),
        ("following", "GET", "/logs/u/job-1?follow=1", "", 200, r#"{"job":"job-1","follow":true}"#),
        ("not following", "GET", "/logs/u/job-1", "", 200, r#""follow":false"#),
        ("another method", "DELETE", "/admin/sandbox/u/list", "", 405, "method_not_allowed"),
    ] {
        let (found, text) = send(request(method, uri, &headers, body)).await;
        assert_eq!(found.as_u16(), status, "{reason}: {text}");
        assert!(text.contains(part), "{reason}: {text}");
    }
}

#[tokio::test]
async fn readiness_names_the_part_that_fails() {
    let response = door_with(false).oneshot(request("GET", "/readyz", &[], "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let answer: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        answer,
        json!({ "ready": false, "parts": [{ "name": "store", "ok": true }, { "name": "controllers", "ok": false, "detail": "no answer" }] })
    );
}

#[test]
fn no_token_reaches_a_trace_at_any_level() {
    // one thread: what it traces is what is seen
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = crate::telemetry::capture::traces_of(|| {
        runtime.block_on(async {
            let bearer = format!("Bearer {EDITOR}");
            for (method, uri, headers) in [
                ("POST", format!("/mcp?token={EDITOR}"), vec![JSON]),
                ("POST", "/mcp".to_owned(), vec![JSON, ("authorization", bearer.as_str())]),
                ("POST", format!("/mcp?token={APPROVER}"), vec![JSON]),
                ("GET", format!("/k8s/{EDITOR}/apis"), vec![]),
                ("GET", format!("/k8s/{APPROVER}/apis"), vec![]),
                ("GET", format!("/k8s/{EDITOR}"), vec![]),
                ("GET", format!("/nothing?token={EDITOR}"), vec![]),
                ("PUT", "/admin/secrets/u/n".to_owned(), vec![("authorization", bearer.as_str())]),
            ] {
                send(request(method, &uri, &headers, "secret-value-4711")).await;
            }
        });
    });
    assert!(text.contains("handler") && text.contains("/mcp"), "the test sees traces: {text}");
    for secret in [EDITOR, APPROVER, "secret-value-4711"] {
        assert!(!text.contains(secret), "{secret} was traced: {text}");
    }
}

#[tokio::test]
async fn an_answer_of_several_segments_is_not_held_back_for_the_clients_acknowledgement() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut listener = prompt(listener);
    let (accepted, client) = tokio::join!(listener.accept(), tokio::net::TcpStream::connect(address));
    client.unwrap();
    assert!(accepted.0.nodelay().unwrap());
}

#[tokio::test]
async fn serving_ends_soon_after_shutdown_even_with_an_open_watch() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let endless =
        Router::new().route("/", any(|| async { Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>()) }));
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, endless, shutdown.clone()));
    let response = reqwest::get(format!("http://{address}/")).await.unwrap();
    assert_eq!(response.status(), 200);
    shutdown.cancel();
    tokio::time::timeout(DRAIN * 3, serving).await.expect("ends within the drain time").unwrap().unwrap();
    drop(response);
}
