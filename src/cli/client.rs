//! The CLI as a client of a running server: finds it, holds the credentials, makes the Kubernetes and the HTTP client.
//!
//! Documents go through `kube::Client`, everything else through plain HTTP. No text that leaves here holds a token.

use http::{HeaderName, HeaderValue};
use kube::Client;
use serde_json::Value;

use super::failure::{Exit, Failure};
use super::screen::Screen;
use super::text::Text;
use crate::config::files::{APPROVER_TOKEN, EDITOR_TOKEN, read_token};
use crate::config::{ClientSettings, Secret, ServerFile};
use crate::http::credentials::CHANNEL_HEADER;

/// Which credential a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// edits and reads
    Editor,
    /// approves and administers
    Approver,
}

/// A running server and how to talk to it.
#[derive(Debug, Clone)]
pub struct Server {
    screen: Screen,
    base_url: String,
    settings: ClientSettings,
}

impl Server {
    /// Finds the server: `GALLEY_URL`, else `server.json` of the data directory.
    pub fn find(settings: ClientSettings, screen: Screen) -> Result<Self, Failure> {
        let base_url = match &settings.url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => match ServerFile::read(&settings.data_dir).map_err(|error| Failure::new(Exit::Usage, chain(&error)))? {
                Some(file) => file.base_url,
                None => {
                    return Err(Failure::new(
                        Exit::Unreachable,
                        screen.lang.fill(Text::NoServer, &[("dir", &settings.data_dir.display())]),
                    ));
                }
            },
        };
        Ok(Server { screen, base_url, settings })
    }

    /// Base URL without a token.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The credential: given, else kept beside the server.
    pub fn token(&self, who: As) -> Result<Secret, Failure> {
        let (given, file, text) = match who {
            As::Editor => (&self.settings.token, EDITOR_TOKEN, Text::NoEditorToken),
            As::Approver => (&self.settings.approver_token, APPROVER_TOKEN, Text::NoApproverToken),
        };
        if let Some(token) = given {
            return Ok(token.clone());
        }
        read_token(&self.settings.data_dir.join(file))
            .map_err(|error| Failure::new(Exit::Refused, chain(&error)))?
            .ok_or_else(|| Failure::new(Exit::Refused, self.screen.lang.fill(text, &[("dir", &self.settings.data_dir.display())])))
    }

    /// URL of the Kubernetes API for a credential; holds the token, so it goes into clients and the 0600 kubeconfig only.
    pub fn kubernetes_url(&self, who: As) -> Result<Secret, Failure> {
        Ok(Secret::new(format!("{}/k8s/{}", self.base_url, self.token(who)?.expose())))
    }

    /// A Kubernetes client; says that a person types.
    pub fn kube(&self, who: As) -> Result<Client, Failure> {
        let url = self.kubernetes_url(who)?;
        // never with the parse error, which quotes the URL
        let url = url.expose().parse().map_err(|_| Failure::new(Exit::Usage, self.unreachable("the URL is not valid")))?;
        let mut config = kube::Config::new(url);
        config.headers.push((HeaderName::from_static(CHANNEL_HEADER), HeaderValue::from_static("cli")));
        Client::try_from(config).map_err(|error| self.kube_failure(&error))
    }

    /// What went wrong with a document request.
    pub fn kube_failure(&self, error: &kube::Error) -> Failure {
        let lang = self.screen.lang;
        match error {
            kube::Error::Api(status) => match status.code {
                401 | 403 => Failure::new(Exit::Refused, lang.fill(Text::NotPermitted, &[("problem", &status.message)])),
                404 => Failure::new(Exit::NotFound, lang.fill(Text::ServerSays, &[("problem", &status.message)])),
                _ => Failure::new(Exit::Failed, lang.fill(Text::ServerSays, &[("problem", &status.message)])),
            },
            other => Failure::new(Exit::Unreachable, self.unreachable(&self.redact(&chain(other)))),
        }
    }

    /// Plain HTTP with a Bearer token: method, path, JSON body.
    pub async fn http(&self, who: As, method: http::Method, path: &str, body: Option<&Value>) -> Result<reqwest::Response, Failure> {
        let request = self.request(who, method, path)?;
        self.send(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    /// Plain HTTP with raw bytes: secret values.
    pub async fn put_bytes(&self, who: As, path: &str, bytes: Vec<u8>) -> Result<reqwest::Response, Failure> {
        self.send(self.request(who, http::Method::PUT, path)?.header(http::header::CONTENT_TYPE, "application/octet-stream").body(bytes))
            .await
    }

    fn request(&self, who: As, method: http::Method, path: &str) -> Result<reqwest::RequestBuilder, Failure> {
        // a redirect would carry the token to who knows where
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| Failure::new(Exit::Unreachable, self.unreachable(&chain(&error))))?;
        Ok(client.request(method, format!("{}{path}", self.base_url)).bearer_auth(self.token(who)?.expose()).header(CHANNEL_HEADER, "cli"))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        let response =
            request.send().await.map_err(|error| Failure::new(Exit::Unreachable, self.unreachable(&chain(&error.without_url()))))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let answer: Value = response.json().await.unwrap_or_default();
        let problem = match (answer["message"].as_str(), answer["hint"].as_str()) {
            (Some(message), Some(hint)) => format!("{message} ({hint})"),
            (Some(message), None) => message.to_owned(),
            (None, _) => status.to_string(),
        };
        let (exit, text) = match status.as_u16() {
            401 | 403 => (Exit::Refused, Text::NotPermitted),
            404 => (Exit::NotFound, Text::ServerSays),
            _ => (Exit::Failed, Text::ServerSays),
        };
        Err(Failure::new(exit, self.screen.lang.fill(text, &[("problem", &problem)])))
    }

    fn unreachable(&self, problem: &str) -> String {
        self.screen.lang.fill(Text::Unreachable, &[("url", &self.base_url), ("problem", &problem)])
    }

    /// `text` without the tokens, should a library have put a URL into its error.
    fn redact(&self, text: &str) -> String {
        [As::Editor, As::Approver]
            .into_iter()
            .filter_map(|who| self.token(who).ok())
            .fold(text.to_owned(), |text, token| text.replace(token.expose(), "…"))
    }
}

/// An error with its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}
