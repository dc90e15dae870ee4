//! A fake of OCI's search and Object Storage that believes nobody: every request is checked as the service would check it,
//! signature, digest, date and all. Shared by whoever tests against it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use galley::oci::signer::{Request, SigningKey, content_sha256};
use serde_json::{Value, json};

/// What the fake knows and saw.
#[derive(Default)]
pub struct Tenancy {
    /// key id → public key, of everybody whose signature is good
    pub keys: Vec<(String, Vec<u8>)>,
    /// items of the search, page after page
    pub pages: Vec<Vec<Value>>,
    /// answers before the true one: (status, code)
    pub refusals: VecDeque<(u16, &'static str)>,
    /// (operation, key id) of every request whose signature was good
    pub seen: Vec<(String, String)>,
    /// why requests were not believed
    pub doubts: Vec<String>,
    /// queries of the search
    pub queries: Vec<String>,
}

/// A running fake.
pub struct Fake {
    pub url: String,
    pub tenancy: Arc<Mutex<Tenancy>>,
}

/// Key of the vectors: a test key that everybody may know.
pub fn test_key_pem() -> String {
    let vectors: Value = serde_json::from_str(include_str!("../fixtures/oci-signing-vectors.json")).unwrap();
    vectors["own_test_key_pem"].as_str().unwrap().to_owned()
}

/// A profile that signs with [`test_key_pem`], in `home`; gives its key id.
pub fn write_profile(home: &std::path::Path) -> String {
    let (tenancy, user) = ("ocid1.tenancy.oc1..aaaagalley", "ocid1.user.oc1..aaaagalley");
    let fingerprint = "77:d7:0e:8d:40:05:2c:f7:28:0c:37:a7:d6:41:aa:a9";
    std::fs::create_dir_all(home.join(".oci")).unwrap();
    std::fs::write(home.join(".oci/key.pem"), test_key_pem()).unwrap();
    let config =
        format!("[DEFAULT]\nuser={user}\nfingerprint={fingerprint}\ntenancy={tenancy}\nregion=ap-osaka-1\nkey_file=~/.oci/key.pem\n");
    std::fs::write(home.join(".oci/config"), config).unwrap();
    format!("{tenancy}/{user}/{fingerprint}")
}

impl Fake {
    /// A fake that believes `key` under `key_id`.
    pub async fn start(key_id: &str) -> Fake {
        let fake = Fake { url: String::new(), tenancy: Arc::default() };
        fake.trust(key_id, &test_key_pem());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(fake.tenancy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Fake { url, ..fake }
    }
    /// From now on this signature is good, too.
    pub fn trust(&self, key_id: &str, pem: &str) {
        let key = SigningKey::from_pem(key_id.to_owned(), pem.as_bytes(), "test").unwrap();
        self.with(|tenancy| tenancy.keys.push((key_id.to_owned(), key.public_key())));
    }
    pub fn with<T>(&self, work: impl FnOnce(&mut Tenancy) -> T) -> T {
        work(&mut self.tenancy.lock().unwrap())
    }
}

/// A resource as the search tells of it.
pub fn hit(kind: &str, id: &str, design: &str, address: &str) -> Value {
    json!({
        "resourceType": kind, "identifier": id, "compartmentId": COMPARTMENT, "displayName": "made by galley",
        "lifecycleState": "AVAILABLE", "timeCreated": "2026-11-23T12:00:00.000Z", "definedTags": {}, "systemTags": {},
        "freeformTags": {"galley-design": design, "galley-address": address, "galley-session": "s"}
    })
}

/// The work compartment of the tests.
pub const COMPARTMENT: &str = "ocid1.compartment.oc1..aaaawork";

async fn answer(State(tenancy): State<Arc<Mutex<Tenancy>>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut tenancy = tenancy.lock().unwrap();
    let target = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let key_id = match believed(&tenancy, &method, &target, &headers, &body) {
        Ok(key_id) => key_id,
        Err(doubt) => {
            tenancy.doubts.push(doubt);
            return refusal(401, "NotAuthenticated");
        }
    };
    tenancy.seen.push((format!("{method} {target}"), key_id));
    if let Some((status, code)) = tenancy.refusals.pop_front() {
        return refusal(status, code);
    }
    match (method.as_str(), uri.path()) {
        ("GET", "/n") => axum::Json(json!("mytenancyns")).into_response(),
        ("POST", "/20180409/resources") => {
            let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
            tenancy.queries.push(asked["query"].as_str().unwrap_or_default().to_owned());
            let page = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).find(|(key, _)| key == "page");
            // a page token that must be encoded to survive a query
            let number = page.map_or(0, |(_, token)| token.trim_start_matches("a+b/").trim_end_matches('=').parse().unwrap_or(usize::MAX));
            let items = tenancy.pages.get(number).cloned().unwrap_or_default();
            let mut response = axum::Json(json!({ "items": items })).into_response();
            if number + 1 < tenancy.pages.len() {
                response.headers_mut().insert("opc-next-page", format!("a+b/{}=", number + 1).parse().unwrap());
            }
            response
        }
        _ => refusal(404, "NotAuthorizedOrNotFound"),
    }
}

fn refusal(status: u16, code: &str) -> Response {
    let body = json!({"code": code, "message": "the fake refuses"});
    let mut response = (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response();
    response.headers_mut().insert("opc-request-id", "req/1".parse().unwrap());
    response
}

/// The key id of a request that is signed as it must be.
fn believed(tenancy: &Tenancy, method: &Method, target: &str, headers: &HeaderMap, body: &[u8]) -> Result<String, String> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let authorization = header("authorization");
    let part = |name: &str| -> Result<String, String> {
        let (_, rest) = authorization.split_once(&format!("{name}=\"")).ok_or(format!("no {name}"))?;
        Ok(rest.split('"').next().unwrap_or_default().to_owned())
    };
    if !authorization.starts_with("Signature version=\"1\"") || part("algorithm")? != "rsa-sha256" {
        return Err(format!("this is no signature: {authorization}"));
    }
    let carries = method == Method::POST;
    let (date, host, kind) = (header("date"), header("host"), header("content-type"));
    let sent = Request { method: method.as_str(), host: &host, target, date: &date, body: carries.then_some((kind.as_str(), body)) };
    if part("headers")? != sent.signed_headers() {
        return Err(format!("signed were {}", part("headers")?));
    }
    if carries && (header("x-content-sha256") != content_sha256(body) || header("content-length") != body.len().to_string()) {
        return Err("the digest or the length is not the body's".to_owned());
    }
    let then = galley_date(&date).ok_or(format!("{date:?} is no date"))?;
    if (then - now()).abs() > 300 {
        return Err(format!("the clock is wrong: {date}"));
    }
    let key_id = part("keyId")?;
    let (_, key) = tenancy.keys.iter().find(|(known, _)| *known == key_id).ok_or(format!("nobody is {key_id}"))?;
    let signature = STANDARD.decode(part("signature")?).map_err(|error| error.to_string())?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
        .verify(sent.signing_string().as_bytes(), &signature)
        .map_err(|_| "the signature does not hold".to_owned())?;
    Ok(key_id)
}

fn galley_date(text: &str) -> Option<i64> {
    let parsed = k8s_openapi::jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.replace("GMT", "+0000")).ok()?;
    Some(parsed.as_second())
}

fn now() -> i64 {
    k8s_openapi::jiff::Timestamp::now().as_second()
}
