//! The sheet every page is printed on: head, header, footer, headers of the response. Knows no document.
//!
//! One page is one response: style and script are inside it and carry the nonce of its Content-Security-Policy; nothing
//! comes from elsewhere. Without a script a page that changes reloads itself.

use axum::response::{IntoResponse, Response};
use base64::Engine;
use http::{HeaderName, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::request::language_word;
use super::sessions::PageSession;
use super::words::{Say, Word};
use crate::api::approval::Role;
use crate::api::session::Language;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// A cup with a wave: the mark of the page, drawn in the accent colour.
pub(super) const MARK: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false"><rect width="32" height="32" rx="8" fill="#1d5f8a"/><path d="M6 19h20l-3.2 6H9.2z" fill="#fff"/><path d="M15 6v11H8.4C9 12.400 11.300 8.600 15 6zM17.500 8.500c3 2 5 5 5.600 8.500h-5.600z" fill="#bfe0f5"/></svg>"##;
/// How often a page that changes is loaded again without a script, in seconds: a log line a second is the runner's pace.
const RELOAD: &str = "3";

/// What the sheet needs to know.
pub(super) struct Frame<'a> {
    pub(super) language: Language,
    pub(super) title: &'a str,
    /// who is signed in
    pub(super) session: Option<&'a PageSession>,
    /// path of this page, for the links that change the language
    pub(super) path: &'a str,
    /// something moves: look again every few seconds
    pub(super) moving: bool,
}

impl Frame<'_> {
    /// The whole page.
    pub(super) fn page(&self, status: StatusCode, body: &Markup) -> Response {
        let nonce = base64::engine::general_purpose::STANDARD.encode(rand::random::<[u8; 18]>());
        let say = Say(self.language);
        let markup = html! {
            (DOCTYPE)
            html lang=(language_word(self.language)) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    title { (self.title) " · Galley" }
                    link rel="icon" href="/favicon.svg" type="image/svg+xml";
                    style nonce=(nonce) { (PreEscaped(STYLE)) }
                    @if self.moving { noscript { meta http-equiv="refresh" content=(RELOAD); } }
                }
                body {
                    a.skip href="#main" { (say.word(Word::Skip)) }
                    (self.header(say))
                    main #main tabindex="-1" data-moving[self.moving] data-signed[self.session.is_some()] { (body) }
                    footer.foot { p { (say.word(Word::Footer)) } }
                    script nonce=(nonce) { (PreEscaped(SCRIPT)) }
                }
            }
        };
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src 'self'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        let mut response = (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], markup.into_string()).into_response();
        guard(&mut response, &policy);
        response
    }

    fn header(&self, say: Say) -> Markup {
        let languages = [(Language::En, "English"), (Language::Ja, "日本語")];
        html! {
            header.top {
                a.brand href="/" { (PreEscaped(MARK)) span { "Galley" } }
                nav.tools aria-label="Galley" {
                    span.languages {
                        @for (language, name) in languages {
                            @if language == self.language { span aria-current="true" lang=(language_word(language)) { (name) } }
                            @else { a href=(format!("{}?lang={}", self.path, language_word(language))) lang=(language_word(language)) hreflang=(language_word(language)) { (name) } }
                        }
                    }
                    @if let Some(session) = self.session {
                        span.role.approver[session.role == Role::Approver] {
                            (say.word(if session.role == Role::Approver { Word::Approver } else { Word::Reader }))
                        }
                        form method="post" action="/logout" {
                            input type="hidden" name="csrf" value=(session.csrf);
                            button.quiet type="submit" { (say.word(Word::SignOut)) }
                        }
                    }
                }
            }
        }
    }
}

/// The headers of every answer of the page. `same-origin` and not `no-referrer`: under the latter a browser sends
/// `Origin: null` with this page's own forms (Fetch, "append a request Origin header"), and the door refuses that.
pub(super) fn guard(response: &mut Response, policy: &str) {
    let fixed = [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ];
    let headers = response.headers_mut();
    for (name, value) in fixed {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// 303 to a path of this page.
pub(super) fn go(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(location) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    guard(&mut response, "default-src 'none'");
    response
}

/// Adds a `Set-Cookie` line.
pub(super) fn with_cookie(mut response: Response, line: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(line) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
