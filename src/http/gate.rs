//! Takes the credential out of a request before anything can write it down.
//!
//! `/k8s/<token>/apis/…` becomes `/k8s/apis/…`; `/mcp?token=…` becomes `/mcp`; `Authorization: Bearer …` is removed. The
//! token travels on as [`Presented`], whose Debug prints nothing.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::uri::{PathAndQuery, Uri};

use crate::config::Secret;

/// Path of MCP.
pub(super) const MCP: &str = "/mcp";
/// Prefix of the Kubernetes API.
pub(super) const KUBERNETES: &str = "/k8s";

/// The credential a request came with, not yet judged.
#[derive(Clone, Debug, Default)]
pub(super) struct Presented {
    /// the token, from wherever this route takes it
    pub(super) token: Option<Secret>,
}

/// The outermost step.
pub(super) async fn take_token(mut request: Request, next: Next) -> Response {
    let bearer = request.headers_mut().remove(AUTHORIZATION).and_then(|value| {
        let text = value.to_str().ok()?;
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(token.trim()))
    });
    let (clean, from_url) = clean(request.uri());
    let token = if clean.path().starts_with(KUBERNETES) { from_url } else { bearer.or(from_url) };
    *request.uri_mut() = clean;
    request.extensions_mut().insert(Presented { token });
    next.run(request).await
}

/// The URI without a token, and the token.
fn clean(uri: &Uri) -> (Uri, Option<Secret>) {
    let path = uri.path();
    if let Some(rest) = path.strip_prefix("/k8s/") {
        let (token, rest) = rest.split_once('/').map_or((rest, "/".to_owned()), |(token, rest)| (token, format!("/{rest}")));
        return (rebuild(uri, &format!("{KUBERNETES}{rest}"), uri.query()), Some(Secret::new(token)));
    }
    let mut token = None;
    let kept: Vec<&str> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| match pair.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("token") => {
                // only /mcp takes a token here; elsewhere it is dropped all the same
                if path == MCP {
                    token = Some(Secret::new(value));
                }
                false
            }
            Some(_) | None => !pair.is_empty(),
        })
        .collect();
    let query = kept.join("&");
    (rebuild(uri, path, (!query.is_empty()).then_some(query.as_str())), token)
}

fn rebuild(uri: &Uri, path: &str, query: Option<&str>) -> Uri {
    let text = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    // parts of a valid URI stay valid; were one not, the root says nothing
    parts.path_and_query = Some(text.parse().unwrap_or_else(|_| PathAndQuery::from_static("/")));
    Uri::from_parts(parts).unwrap_or_else(|_| Uri::from_static("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_stays_in_a_url() {
        for (reason, before, after, token) in [
            ("kubectl's path", "/k8s/sekret-token-1234/apis/galley.dev?watch=1", "/k8s/apis/galley.dev?watch=1", Some("sekret-token-1234")),
            ("a bare prefix with a token", "/k8s/sekret-token-1234", "/k8s/", Some("sekret-token-1234")),
            ("a bare prefix without", "/k8s", "/k8s", None),
            ("query of mcp", "/mcp?token=abc", "/mcp", Some("abc")),
            ("other parameters stay", "/mcp?a=1&token=abc&b=2", "/mcp?a=1&b=2", Some("abc")),
            ("elsewhere it is dropped and not used", "/logs/u/j?token=abc&follow=1", "/logs/u/j?follow=1", None),
            ("upper case is dropped too", "/mcp?TOKEN=abc", "/mcp", Some("abc")),
        ] {
            let (uri, found) = clean(&before.parse().unwrap());
            assert_eq!(uri.to_string(), after, "{reason}");
            assert_eq!(found.as_ref().map(Secret::expose), token, "{reason}");
        }
    }
}
