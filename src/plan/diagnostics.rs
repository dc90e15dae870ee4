//! Diagnostics for people: code, text, place, who acts next and what to do. Pure.
//!
//! The OCI provider puts everything into `summary` (seen with 8.28.0, Terraform 1.11.4): first line
//! `<status>-<Code>, <message>`, then `Suggestion:`, `Documentation:`, `Request Target:` … `OPC request ID:`; `detail` is
//! empty. What each code asks for follows Oracle's API error reference and the field reports behind the catalogue.

use serde_json::Value;

use super::mask::Redactor;
use crate::api::WhoActs;
use crate::api::advice::Advice;
use crate::api::condition::clip;
use crate::api::design::{Diagnostic, Severity};

/// Most diagnostics kept of one run: a broken reference can repeat itself a hundred times.
pub const LIMIT: usize = 50;
/// Longest summary, in bytes.
const SUMMARY_LIMIT: usize = 512;
/// Longest detail, in bytes: the provider's lines up to the request id fit.
const DETAIL_LIMIT: usize = 2048;

/// Reads the `diagnostic` member of an event. Secrets are taken out before the text is split and clipped: a part of one
/// could not be told from other text.
pub fn parse(value: &Value, secrets: &Redactor) -> Diagnostic {
    let said = |member: &str| secrets.text(value[member].as_str().unwrap_or_default());
    let (summary, detail) = (said("summary"), said("detail"));
    let (first, rest) = summary.split_once('\n').unwrap_or((&summary, ""));
    let detail = [rest.trim(), detail.trim()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let file = text(&value["range"]["filename"]).map(|file| file.rsplit('/').next().unwrap_or_default().to_owned());
    let severity = if value["severity"].as_str() == Some("warning") { Severity::Warning } else { Severity::Error };
    let code = code_of(first);
    let (who_acts, next_action) = classify(code.as_deref(), first, &detail);
    Diagnostic {
        severity,
        code,
        summary: clip(first, SUMMARY_LIMIT),
        detail: clip(&detail, DETAIL_LIMIT),
        address: text(&value["address"]),
        file,
        line: value["range"]["start"]["line"].as_u64(),
        who_acts,
        next_action: (severity == Severity::Error).then_some(next_action),
    }
}

/// A diagnostic of our own, such as a panic of terraform that gave no events.
pub fn own(summary: &str, detail: &str, who_acts: WhoActs, next_action: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: None,
        summary: clip(summary, SUMMARY_LIMIT),
        detail: clip(detail, DETAIL_LIMIT),
        address: None,
        file: None,
        line: None,
        who_acts,
        next_action: Some(next_action.to_owned()),
    }
}

/// Who acts after a run with these diagnostics: a person as soon as one error needs a person; nobody when there is none.
pub fn who_acts(diagnostics: &[Diagnostic]) -> Option<WhoActs> {
    let errors = || diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    if errors().any(|diagnostic| diagnostic.who_acts == WhoActs::Stalled) {
        return Some(WhoActs::Stalled);
    }
    errors().next().map(|_| WhoActs::Retry)
}

/// Whether an error says that nothing was done: a refusal by the service (4xx), or something that a person must change. After
/// an error of the server (5xx), a lost connection or a provider that died, the request may have been carried out.
pub fn is_refusal(diagnostic: &Diagnostic) -> bool {
    diagnostic.who_acts == WhoActs::Stalled || diagnostic.code.as_deref().is_some_and(|code| code.starts_with('4'))
}

/// `400-LimitExceeded` of `400-LimitExceeded, You exceeded …`.
fn code_of(summary: &str) -> Option<String> {
    let (code, _) = summary.split_once(',')?;
    let (status, name) = code.trim().split_once('-')?;
    let is_status = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_status && is_name).then(|| format!("{status}-{name}"))
}

/// Who acts next, and what to do in words.
pub fn classify(code: Option<&str>, summary: &str, detail: &str) -> (WhoActs, String) {
    let (who, advice) = match code.and_then(|code| code.split_once('-')) {
        Some((status, name)) => by_code(status, name, summary),
        None => by_text(summary, detail),
    };
    (who, advice.english().to_owned())
}

fn by_code(status: &str, name: &str, message: &str) -> (WhoActs, Advice) {
    use WhoActs::{Retry, Stalled};
    let message = message.to_ascii_lowercase();
    let says = |text: &str| message.contains(text);
    if says("out of host capacity") || says("out of capacity") || name == "OutOfHostCapacity" {
        return (Stalled, Advice::Capacity);
    }
    if says("not currently enabled for this tenancy") || says("not enabled for this tenancy") {
        return (Stalled, Advice::Feature);
    }
    match (status, name) {
        (_, "LimitExceeded" | "QuotaExceeded") => (Stalled, Advice::Limit),
        (_, "NotAuthenticated") => (Stalled, Advice::Credentials),
        (_, "NotAuthorizedOrResourceAlreadyExists" | "ResourceAlreadyExists" | "BucketAlreadyExists" | "NamespaceAlreadyExists") => {
            (Stalled, Advice::NameTaken)
        }
        (_, "RelatedResourceNotAuthorizedOrNotFound") => (Stalled, Advice::Related),
        (_, other)
            if other.starts_with("NotAuthorized") || other == "InsufficientServicePermissions" || status == "401" || status == "403" =>
        {
            (Stalled, Advice::GoneOrForbidden)
        }
        ("404", _) => (Stalled, Advice::GoneOrForbidden),
        ("429", _) => (Retry, Advice::Slower),
        ("409", "IncorrectState" | "LockConflict" | "InvalidatedRetryToken" | "Conflict") => (Retry, Advice::Again),
        ("412", _) => (Retry, Advice::Again),
        ("501" | "505", _) => (Stalled, Advice::NotOffered),
        (server, _) if server.starts_with('5') => (Retry, Advice::Again),
        ("409", _) => (Stalled, Advice::Conflict),
        _ => (Stalled, Advice::BadValue),
    }
}

/// Parts of messages that come from Terraform, its plugins or the network and go away: (text, what it means).
const PASSING: [&str; 15] = [
    "plugin did not respond",
    "context canceled",
    "context deadline exceeded",
    "unexpected eof",
    "client connection lost",
    "broken pipe",
    "reattachment process not found",
    "connection refused",
    "connection reset",
    "i/o timeout",
    "timeout while waiting",
    "tls handshake timeout",
    "temporary failure in name resolution",
    "error acquiring the state lock",
    "request cancelled",
];

fn by_text(summary: &str, detail: &str) -> (WhoActs, Advice) {
    let text = format!("{summary}\n{detail}").to_ascii_lowercase();
    let says = |part: &str| text.contains(part);
    if says("saved plan is stale") {
        return (WhoActs::Retry, Advice::StalePlan);
    }
    if says("no value for required variable") {
        return (WhoActs::Stalled, Advice::Variable);
    }
    if says("out of host capacity") {
        return by_code("500", "InternalError", "out of host capacity");
    }
    if says("node(s) register timeout") {
        return (WhoActs::Stalled, Advice::Workers);
    }
    if says("failed to query available provider packages") || says("could not connect to registry") {
        return (WhoActs::Retry, Advice::Registry);
    }
    if says("execution halted") || says("operation canceled") || says("interrupted") {
        return (WhoActs::Retry, Advice::Stopped);
    }
    if PASSING.iter().any(|part| says(part)) {
        return (WhoActs::Retry, Advice::Again);
    }
    (WhoActs::Stalled, Advice::AsTheMessageSays)
}
