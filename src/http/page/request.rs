//! What a request of the page says: cookies, the form, the language. Pure; trusts nothing it reads.

use std::collections::BTreeMap;

use http::header::{ACCEPT_LANGUAGE, COOKIE, HOST};
use http::{HeaderMap, Uri};

use crate::api::session::Language;

/// Cookie with the chosen language; nothing secret.
pub(super) const LANGUAGE_COOKIE: &str = "galley_lang";

/// Cookie with the session id. Cookies know no port, so the port is in the name: two servers on one machine do not sign
/// each other's visitors out.
pub(super) fn session_cookie(headers: &HeaderMap) -> String {
    format!("galley_session{}", port(headers))
}

/// Cookie that the login form's token belongs to.
pub(super) fn login_cookie(headers: &HeaderMap) -> String {
    format!("galley_login{}", port(headers))
}

fn port(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    host.parse::<http::uri::Authority>().ok().and_then(|host| host.port_u16()).map_or_else(String::new, |port| format!("_{port}"))
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// A `Set-Cookie` line: never readable by scripts, never sent by another site.
pub(super) fn set_cookie(headers: &HeaderMap, name: &str, value: &str, seconds: i64) -> String {
    // A proxy that ends TLS says so; a wrong claim only makes the cookie stricter.
    let tls = headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    let secure = if tls { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// Pairs of a query or of a form body; the first of a repeated name counts.
pub(super) fn pairs(text: &[u8]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(text) {
        found.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    found
}

/// Pairs of the query.
pub(super) fn query(uri: &Uri) -> BTreeMap<String, String> {
    pairs(uri.query().unwrap_or_default().as_bytes())
}

/// `ja` or `en`, as a link and a cookie say it.
pub(super) fn language_word(language: Language) -> &'static str {
    match language {
        Language::Ja => "ja",
        Language::En => "en",
    }
}

fn language_of(word: &str) -> Option<Language> {
    match word {
        "ja" => Some(Language::Ja),
        "en" => Some(Language::En),
        _ => None,
    }
}

/// The language asked for by `?lang=`, if any.
pub(super) fn asked_language(uri: &Uri) -> Option<Language> {
    query(uri).get("lang").and_then(|word| language_of(word))
}

/// `?lang=`, else the cookie, else the browser's first acceptable language, else English.
pub(super) fn language(headers: &HeaderMap, uri: &Uri) -> Language {
    let cookie = || cookie(headers, LANGUAGE_COOKIE).and_then(language_of);
    asked_language(uri).or_else(cookie).or_else(|| accepted(headers)).unwrap_or(Language::En)
}

/// RFC 9110 §12.5.4: ranges with weights; a region such as `ja-JP` counts as its language.
fn accepted(headers: &HeaderMap) -> Option<Language> {
    let line = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
    let mut ranges: Vec<(f32, Language)> = line
        .split(',')
        .filter_map(|range| {
            let (tag, rest) = range.split_once(';').unwrap_or((range, ""));
            let language = language_of(&tag.trim().split('-').next()?.to_ascii_lowercase())?;
            let weight = rest.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.parse().ok())?;
            (weight > 0.0).then_some((weight, language))
        })
        .collect();
    // stable: of equal weights the first one stays first
    ranges.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranges.first().map(|(_, language)| *language)
}

/// Where to go after signing in: a path of this page, and nothing that a browser would read as another host.
pub(super) fn local_path(text: &str) -> &str {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte));
    if plain && text.starts_with("/designs/") && !text.contains("//") && !text.contains("..") { text } else { "/" }
}

/// A name as documents have it (DNS-1123 subdomain), so that it can become a part of a path.
pub(super) fn is_name(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    !text.is_empty() && text.len() <= 253 && text.bytes().all(good) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_language_is_the_one_asked_for_then_the_chosen_then_the_accepted() {
        for (reason, uri, given, expected) in [
            ("nothing said", "/", vec![], Language::En),
            ("asked", "/?lang=ja", vec![("accept-language", "en")], Language::Ja),
            ("chosen before", "/", vec![("cookie", "a=b; galley_lang=ja"), ("accept-language", "en")], Language::Ja),
            ("a region", "/", vec![("accept-language", "ja-JP")], Language::Ja),
            ("weights", "/", vec![("accept-language", "en;q=0.5, ja;q=0.9")], Language::Ja),
            ("unknown ones are skipped", "/", vec![("accept-language", "fr, de;q=0.8, ja;q=0.2")], Language::Ja),
            ("not acceptable", "/", vec![("accept-language", "ja;q=0")], Language::En),
            ("nonsense", "/?lang=<script>", vec![("accept-language", ";;q=,")], Language::En),
        ] {
            assert_eq!(language(&headers(&given), &uri.parse().unwrap_or_else(|_| Uri::from_static("/"))), expected, "{reason}");
        }
    }

    #[test]
    fn a_path_after_signing_in_stays_on_this_page() {
        for (reason, given, expected) in [
            ("a design", "/designs/s-01/jobs/j-1", "/designs/s-01/jobs/j-1"),
            ("another host", "//evil.example", "/"),
            ("another host, later", "/designs//evil.example", "/"),
            ("a scheme", "https://evil.example", "/"),
            ("backslashes", "/designs/\\evil", "/"),
            ("upwards", "/designs/../logout", "/"),
            ("elsewhere here", "/k8s/x", "/"),
            ("a header of its own", "/designs/a\r\nX: y", "/"),
        ] {
            assert_eq!(local_path(given), expected, "{reason}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others_and_named_by_port() {
        let given = headers(&[("host", "127.0.0.1:8470"), ("cookie", "x=1; galley_session_8470=abc;y=2")]);
        assert_eq!(cookie(&given, &session_cookie(&given)), Some("abc"));
        assert_eq!(session_cookie(&headers(&[("host", "galley.example.com")])), "galley_session");
        assert!(!set_cookie(&given, "a", "b", 1).contains("Secure"), "plain http on loopback");
        assert!(set_cookie(&headers(&[("x-forwarded-proto", "https")]), "a", "b", 1).ends_with("; Secure"));
    }
}
