//! One signed call with its retries. Plain HTTP/1.1 over rustls; the body is bounded, redirects are not followed (a signature
//! is for one host), and no header that we send is ever logged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use k8s_openapi::jiff::fmt::rfc2822::DateTimePrinter;
use serde::Deserialize;

use super::credentials::{Credentials, Source};
use super::region::Region;
use super::signer::{CONTENT_SHA256, Request, content_sha256};
use super::{Error, is_retryable};
use crate::clock::Clock;

/// Most bytes of an answer: a page of 1,000 search hits is some hundred KiB.
const ANSWER_LIMIT: usize = 8 << 20;
/// Most bytes of a refusal's words that are kept.
const MESSAGE_LIMIT: usize = 1024;

/// Which endpoint a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Resource Search
    Search,
    /// Object Storage
    ObjectStorage,
}

impl Service {
    /// The word for it in `GALLEY_OCI_ENDPOINTS`.
    pub const ALL: [(Service, &'static str); 2] = [(Service::Search, "search"), (Service::ObjectStorage, "objectstorage")];

    /// Its endpoint in a region. The two styles of host are Oracle's; each service has its own.
    fn endpoint(self, region: &Region) -> String {
        let Region { id, domain, .. } = region;
        match self {
            Service::Search => format!("https://query.{id}.oci.{domain}"),
            Service::ObjectStorage => format!("https://objectstorage.{id}.{domain}"),
        }
    }
    fn word(self) -> &'static str {
        Service::ALL.iter().find(|(service, _)| *service == self).map_or("", |(_, word)| word)
    }
}

/// How calls are made.
#[derive(Debug, Clone)]
pub struct Options {
    /// other endpoints, by [`Service::ALL`]'s words; server settings only
    pub endpoints: BTreeMap<String, String>,
    /// tries of one call; default 8, as Oracle's SDK
    pub attempts: u32,
    /// pause before the second try, then doubled; default 1 s
    pub pause: Duration,
    /// longest pause; default 30 s
    pub longest: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options { endpoints: BTreeMap::new(), attempts: 8, pause: Duration::from_secs(1), longest: Duration::from_secs(30) }
    }
}

/// A signing client.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    credentials: Arc<Credentials>,
    clock: Arc<dyn Clock>,
    options: Options,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// the body
    pub body: Bytes,
    /// `opc-next-page`: what to ask for the next page with
    pub next: Option<String>,
}

/// A call.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// whom it goes to
    pub service: Service,
    /// `GET`, `POST`
    pub method: &'a str,
    /// path and query, encoded
    pub target: &'a str,
    /// JSON
    pub body: Option<&'a [u8]>,
}

#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Client {
    /// A client that signs as whoever `credentials` find. Errors: no TLS to be had, which is a broken build or machine.
    pub fn new(credentials: Arc<Credentials>, clock: Arc<dyn Clock>, options: Options) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(60))
            .user_agent(concat!("galley/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|source| Error::Unreachable { operation: "any service".to_owned(), source })?;
        Ok(Client { http, credentials, clock, options })
    }

    /// Makes a call in `region`: as often as Oracle's SDK would, and once more with fresh credentials after a 401.
    pub async fn call(&self, region: &Region, call: Call<'_>) -> Result<Answer, Error> {
        let mut renewed = false;
        let mut attempt = 1;
        loop {
            let error = match self.once(region, call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let expired = matches!(&error, Error::Refused { status: 401, .. }) && !renewed && self.has_token();
            renewed |= expired;
            if !expired && (!error.is_temporary() || attempt >= self.options.attempts) {
                return Err(error);
            }
            tracing::debug!(%error, attempt, "asking OCI again");
            if !expired {
                let pause = self.options.pause.saturating_mul(1 << (attempt - 1).min(16)).min(self.options.longest);
                // up to a whole first pause more, so that many servers that were told "too many" do not come back at once
                tokio::time::sleep(pause + self.options.pause.mul_f64(rand::random::<f64>())).await;
                attempt += 1;
            }
        }
    }

    /// Keys and tokens of these are replaced while we run; an API key is what it is.
    fn has_token(&self) -> bool {
        matches!(self.credentials.source(), Ok(Source::ResourcePrincipal { .. } | Source::SessionToken(_)))
    }

    async fn once(&self, region: &Region, call: Call<'_>) -> Result<Answer, Error> {
        let Call { service, method, target, body } = call;
        let operation = format!("{method} {}", target.split('?').next().unwrap_or(target));
        let base = self.options.endpoints.get(service.word()).cloned().unwrap_or_else(|| service.endpoint(region));
        let base = base.trim_end_matches('/');
        let host = base.split_once("://").map_or(base, |(_, host)| host);
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&self.clock.now().0);
        let date =
            date.map_err(|error| Error::Answer { operation: operation.clone(), detail: format!("this clock cannot be said: {error}") })?;
        let signed = Request { method, host, target, date: &date, body: body.map(|body| ("application/json", body)) };
        // the files of key and token are small and local
        let authorization = self.credentials.source()?.key()?.authorization(&signed)?;
        let verb = reqwest::Method::from_bytes(method.as_bytes()).unwrap_or_default();
        let mut request = self.http.request(verb, format!("{base}{target}"));
        request = request.header("date", &date).header("authorization", authorization).header("accept", "application/json");
        if let Some(body) = body {
            let digest = content_sha256(body);
            request = request.header(CONTENT_SHA256, digest).header("content-type", "application/json").body(body.to_vec());
        }
        let unreachable = |source: reqwest::Error| Error::Unreachable { operation: operation.clone(), source: source.without_url() };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (next, request_id) = (header("opc-next-page"), header("opc-request-id").unwrap_or_default());
        let body = read(response, &operation).await?;
        if (200..300).contains(&status) {
            return Ok(Answer { body, next });
        }
        let Refusal { code, mut message } = serde_json::from_slice(&body).unwrap_or_default();
        if message.len() > MESSAGE_LIMIT {
            message = message.chars().take(MESSAGE_LIMIT).collect();
        }
        Err(Error::Refused { operation, status, code, message, request_id })
    }
}

/// Reads a body to its end, at most [`ANSWER_LIMIT`] of it.
async fn read(mut response: reqwest::Response, operation: &str) -> Result<Bytes, Error> {
    let mut body = bytes::BytesMut::new();
    let failed = |source: reqwest::Error| Error::Unreachable { operation: operation.to_owned(), source: source.without_url() };
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(Error::Answer { operation: operation.to_owned(), detail: format!("it is longer than {ANSWER_LIMIT} bytes") });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Whether a status is worth another try, for whoever reads the policy from outside.
pub fn is_temporary(status: u16, code: &str) -> bool {
    is_retryable(status, code)
}
