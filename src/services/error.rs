//! What a tool answers when it cannot do what was asked: `{code, message, hint, details}` with a closed set of codes.
//!
//! Takes kube's answers and turns them into codes; names no secret and no path of the server. A hint always says what to
//! do next, in the session's language.

use kube::core::Status;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::{Text, say};
use crate::api::approval::{Refused, RefusedReason};
use crate::api::condition::one_line;
use crate::api::session::Language;
use crate::blobs;

/// Why a tool refused or failed. Hosts and tests match on these words; none is ever renamed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// no session (or a deleted one) has this id
    SessionNotFound,
    /// a heavy operation of this session is under way
    SessionBusy,
    /// an argument is missing, unknown, of the wrong type or outside its bounds
    InvalidArgument,
    /// the architecture breaks a structural rule, or there is none yet
    InvalidDesign,
    /// somebody else changed the document meanwhile
    Conflict,
    /// the path may not be edited
    ProtectedPath,
    /// no template has this name
    TemplateNotFound,
    /// a person with the approver credential has to confirm first
    ApprovalRequired,
    /// the approval is not accepted
    ApprovalRefused,
    /// the plan is too old to be applied
    PlanExpired,
    /// the document store or the blobs do not answer
    StorageUnavailable,
    /// this credential may not do that
    NotPermitted,
    /// a defect of the server
    Internal,
}

impl Code {
    /// Every code.
    pub const ALL: &'static [Code] = &[
        Code::SessionNotFound,
        Code::SessionBusy,
        Code::InvalidArgument,
        Code::InvalidDesign,
        Code::Conflict,
        Code::ProtectedPath,
        Code::TemplateNotFound,
        Code::ApprovalRequired,
        Code::ApprovalRefused,
        Code::PlanExpired,
        Code::StorageUnavailable,
        Code::NotPermitted,
        Code::Internal,
    ];

    /// The code as it stands in a result.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::SessionNotFound => "session_not_found",
            Code::SessionBusy => "session_busy",
            Code::InvalidArgument => "invalid_argument",
            Code::InvalidDesign => "invalid_design",
            Code::Conflict => "conflict",
            Code::ProtectedPath => "protected_path",
            Code::TemplateNotFound => "template_not_found",
            Code::ApprovalRequired => "approval_required",
            Code::ApprovalRefused => "approval_refused",
            Code::PlanExpired => "plan_expired",
            Code::StorageUnavailable => "storage_unavailable",
            Code::NotPermitted => "not_permitted",
            Code::Internal => "internal",
        }
    }
}

/// One thing that is wrong with the input: where, what was given, what would be allowed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct Problem {
    /// path in the arguments, such as `components[vm].config.shape`
    pub path: String,
    /// what is wrong
    pub message: String,
    /// what was given, clipped
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// what would be allowed, when that is a closed set
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// what to do
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How many problems one answer lists: enough to mend a design in one go, few enough for 2,000 tokens.
pub(crate) const PROBLEM_LIMIT: usize = 20;
/// A list of allowed values that is longer is told once in an answer.
const LONG_LIST: usize = 8;
/// Characters of a path.
const MAX_PATH: usize = 400;
/// And how many bytes they may take: about 1,500 tokens. The first problem is always told.
const PROBLEM_BYTES: usize = 6_000;

/// A refusal or a failure, as the caller sees it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Error {
    /// closed word
    pub code: Code,
    /// what happened, one sentence
    pub message: String,
    /// what to do next
    pub hint: String,
    /// facts by name; an object
    #[serde(default)]
    pub details: Value,
}

impl Error {
    /// An error with empty details.
    pub fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Error { code, message: message.into(), hint: hint.into(), details: json!({}) }
    }
    /// The same with facts.
    pub fn with(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
    /// An argument that cannot be taken.
    pub fn argument(language: Language, problem: Problem) -> Self {
        Self::problems(Code::InvalidArgument, language, vec![problem])
    }
    /// Several problems under one code; the message is the first one, the details list up to [`PROBLEM_LIMIT`].
    pub fn problems(code: Code, language: Language, mut problems: Vec<Problem>) -> Self {
        let total = problems.len();
        // A path holds names as they were sent, also when that is what is wrong with them.
        for problem in &mut problems {
            problem.path = one_line(&problem.path, MAX_PATH);
        }
        // A long list of what is allowed is said once: the room is for the other problems.
        let mut lists: Vec<Vec<String>> = Vec::new();
        for problem in problems.iter_mut().filter(|problem| problem.allowed.len() > LONG_LIST) {
            match lists.contains(&problem.allowed) {
                true => problem.allowed.clear(),
                false => lists.push(problem.allowed.clone()),
            }
        }
        let mut bytes = 0;
        let fitting = problems.iter().take(PROBLEM_LIMIT).take_while(|problem| {
            let first = bytes == 0;
            bytes += serde_json::to_string(problem).map_or(0, |text| text.len());
            first || bytes <= PROBLEM_BYTES
        });
        let shown = fitting.count();
        problems.truncate(shown);
        let omitted = total - shown;
        let (message, hint) = match problems.first() {
            Some(first) => {
                let place = if first.path.is_empty() { String::new() } else { format!("{}: ", first.path) };
                let more = if total > 1 { format!(" (+{})", total - 1) } else { String::new() };
                (format!("{place}{}{more}", first.message), hint_of(language, first))
            }
            None => (code.as_str().to_owned(), say(language, Text::HintMend, &[])),
        };
        Error::new(code, message, hint).with(json!({ "problems": problems, "omitted": omitted }))
    }
    /// No such session.
    pub fn session_not_found(language: Language, session: &str) -> Self {
        Error::new(
            Code::SessionNotFound,
            say(language, Text::SessionNotFound, &[("session", session)]),
            say(language, Text::HintListSessions, &[]),
        )
        .with(json!({ "session_id": session }))
    }
    /// Kube's answer as a code. A 404 is the caller's to interpret: pass what was looked for.
    pub fn kube(language: Language, error: &kube::Error, session: &str) -> Self {
        match error {
            kube::Error::Api(status) => Self::status(language, status, session),
            kube::Error::SerdeError(cause) => {
                tracing::warn!(error = %cause, session, "a stored document does not decode");
                let message = say(language, Text::Undecodable, &[]);
                Error::new(Code::InvalidDesign, message, say(language, Text::HintAskPerson, &[]))
                    .with(json!({ "cause": crate::api::condition::clip(&cause.to_string(), 300) }))
            }
            // The transport failed: the API server or the store behind it is not there. The text may name hosts; it is
            // logged, never answered.
            other => {
                tracing::warn!(error = %other, "the API server did not answer");
                Self::unavailable(language)
            }
        }
    }
    fn status(language: Language, status: &Status, session: &str) -> Self {
        let message = crate::api::condition::clip(&status.message, 600);
        match status.code {
            404 | 410 => Self::session_not_found(language, session),
            409 => Error::new(Code::Conflict, message, say(language, Text::HintReadAgain, &[])),
            400 | 413 | 422 => {
                let causes: Vec<Problem> = status
                    .details
                    .iter()
                    .flat_map(|details| details.causes.iter())
                    .map(|cause| Problem { path: cause.field.clone(), message: cause.message.clone(), ..Problem::default() })
                    .collect();
                if causes.is_empty() {
                    Error::new(Code::InvalidDesign, message, say(language, Text::HintMend, &[]))
                } else {
                    Self::problems(Code::InvalidDesign, language, causes)
                }
            }
            401 | 403 => Error::new(Code::NotPermitted, message, say(language, Text::HintAskPerson, &[])),
            429 | 500..=599 => Self::unavailable(language),
            code => {
                tracing::error!(code, message, "unexpected answer of the API server");
                Error::new(Code::Internal, say(language, Text::Internal, &[]), say(language, Text::HintReport, &[]))
            }
        }
    }
    /// The store or the blobs do not answer.
    pub fn unavailable(language: Language) -> Self {
        Error::new(Code::StorageUnavailable, say(language, Text::Unavailable, &[]), say(language, Text::HintTryLater, &[]))
    }
    /// A blob could not be read.
    pub fn blob(language: Language, error: &blobs::Error) -> Self {
        tracing::warn!(error = %error, "a blob could not be read");
        Self::unavailable(language)
    }
    /// A refused approval. The judgement's own sentence is the message; the hint is in the session's language.
    pub fn refused(language: Language, refused: &Refused, session: &str) -> Self {
        let (code, hint) = match refused.reason {
            RefusedReason::Expired => (Code::PlanExpired, Text::HintNewPlan),
            RefusedReason::InFlight => (Code::ApprovalRequired, Text::HintPersonApproves),
            RefusedReason::ApproverRequired => (Code::ApprovalRefused, Text::HintPersonApproves),
            RefusedReason::NoPlan => (Code::ApprovalRefused, Text::HintWaitForPlan),
            RefusedReason::WrongPlan
            | RefusedReason::GenerationChanged
            | RefusedReason::StateChanged
            | RefusedReason::AlreadyConsumed
            | RefusedReason::WrongDesign
            | RefusedReason::PlanTampered => (Code::ApprovalRefused, Text::HintReadPlanAgain),
        };
        Error::new(code, refused.message.clone(), say(language, hint, &[("session", session)])).with(json!({ "reason": refused.reason }))
    }
}

/// Bytes of allowed values that a hint repeats: the ids of a design, not the whole catalogue.
const ALLOWED_BYTES: usize = 700;

/// What to do about a problem, with what would be allowed: a host that shows a model the text alone shows it no details.
fn hint_of(language: Language, problem: &Problem) -> String {
    let hint = problem.hint.clone();
    let said = |value: &str| hint.as_deref().is_some_and(|hint| hint.contains(value));
    if problem.allowed.is_empty() || problem.allowed.iter().take(3).all(|value| said(value)) {
        return hint.unwrap_or_else(|| say(language, Text::HintMend, &[]));
    }
    let mut listed = String::new();
    for (index, value) in problem.allowed.iter().enumerate() {
        if listed.len() + value.len() > ALLOWED_BYTES {
            listed.push_str(&format!(", … (+{})", problem.allowed.len() - index));
            break;
        }
        let gap = if index == 0 { "" } else { ", " };
        listed.push_str(gap);
        listed.push_str(value);
    }
    let allowed = say(language, Text::HintUseAllowed, &[("allowed", &listed)]);
    hint.map_or(allowed.clone(), |hint| format!("{hint} {allowed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_says_what_would_be_allowed_and_says_it_once() {
        let problem = |hint: Option<&str>, allowed: &[&str]| Problem {
            path: "x".into(),
            message: "no".into(),
            hint: hint.map(str::to_owned),
            allowed: allowed.iter().map(|value| (*value).to_owned()).collect(),
            ..Problem::default()
        };
        let many: Vec<String> = (0..400).map(|number| format!("component-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (given, wanted, reason) in [
            (problem(None, &[]), "Mend it and call the tool again.", "nothing else is known"),
            (problem(Some("Ask."), &[]), "Ask.", "the problem's own"),
            (problem(None, &["a", "b"]), "Use one of: a, b.", "a closed set"),
            (problem(Some("See the list."), &["a", "b"]), "See the list. Use one of: a, b.", "both"),
            (problem(Some("did you mean app1?"), &["app1"]), "did you mean app1?", "it is said already"),
        ] {
            assert_eq!(hint_of(Language::En, &given), wanted, "{reason}");
        }
        let long = hint_of(Language::En, &problem(None, &many));
        assert!(long.len() < ALLOWED_BYTES + 100 && long.contains("component-0, ") && long.contains("… (+"), "{long}");
    }
}
