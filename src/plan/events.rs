//! The line events of `terraform … -json` (ui version 1.x), typed. A line that is not JSON is text and no failure. Pure.

use serde_json::Value;

use super::diagnostics;
use super::mask::Redactor;
use crate::api::condition::clip;
use crate::api::design::{ChangeAction, Diagnostic};

/// Longest message kept of one line, in bytes.
const MESSAGE_LIMIT: usize = 2048;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// RFC 3339, as Terraform said it; empty for text
    pub time: String,
    /// info, warn, error …
    pub level: String,
    /// for people, cut
    pub message: String,
    /// resource it is about
    pub address: Option<String>,
    /// what happened
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// first line
    Version(String),
    /// a change was planned
    PlannedChange {
        /// of what
        address: String,
        /// what is planned
        action: ChangeAction,
    },
    /// the cloud differs from the state
    Drift {
        /// where
        address: String,
        /// update or delete
        action: ChangeAction,
    },
    /// work on a managed resource starts
    Start {
        /// on what
        address: String,
        /// what is done
        operation: Operation,
        /// id, when there is one already
        id: Option<String>,
    },
    /// work goes on
    Progress {
        /// on what
        address: String,
    },
    /// work ended well
    Complete {
        /// on what
        address: String,
        /// what was done
        operation: Operation,
        /// id in the cloud
        id: Option<String>,
    },
    /// work ended badly
    Errored {
        /// on what
        address: String,
        /// what was tried
        operation: Operation,
    },
    /// a managed resource was looked at
    Refreshed {
        /// which
        address: String,
    },
    /// an error or a warning
    Diagnostic(Box<Diagnostic>),
    /// anything else
    Other,
}

/// What is done to one object. A replace is two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// made
    Create,
    /// changed in place
    Update,
    /// destroyed
    Delete,
}

impl Operation {
    /// As in documents.
    pub fn as_action(self) -> ChangeAction {
        match self {
            Operation::Create => ChangeAction::Create,
            Operation::Update => ChangeAction::Update,
            Operation::Delete => ChangeAction::Delete,
        }
    }
    fn parse(text: &str) -> Option<Self> {
        match text {
            "create" => Some(Operation::Create),
            "update" => Some(Operation::Update),
            "delete" => Some(Operation::Delete),
            _ => None,
        }
    }
}

/// Reads one line, without its newline. Secrets are taken out of what is said before it is clipped: the half of one that a
/// clip leaves could not be told from other text.
pub fn parse_line(line: &str, secrets: &Redactor) -> Line {
    match serde_json::from_str::<Value>(line) {
        Ok(value) if value.is_object() => of_json(&value, secrets),
        _ => {
            let message = clip(&secrets.text(line), MESSAGE_LIMIT);
            Line { time: String::new(), level: "info".into(), message, address: None, event: Event::Other }
        }
    }
}

fn of_json(value: &Value, secrets: &Redactor) -> Line {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let event = event_of(value, secrets);
    let address = match &event {
        Event::Diagnostic(diagnostic) => diagnostic.address.clone(),
        _ => value["hook"]["resource"]["addr"].as_str().or(value["change"]["resource"]["addr"].as_str()).map(str::to_owned),
    };
    Line { time: text("@timestamp"), level: text("@level"), message: clip(&secrets.text(&text("@message")), MESSAGE_LIMIT), address, event }
}

fn event_of(value: &Value, secrets: &Redactor) -> Event {
    let hook = &value["hook"];
    let address = hook["resource"]["addr"].as_str().unwrap_or_default().to_owned();
    let operation = hook["action"].as_str().and_then(Operation::parse);
    let id = hook["id_value"].as_str().filter(|id| !id.is_empty()).map(str::to_owned);
    match (value["type"].as_str().unwrap_or_default(), operation) {
        ("version", _) => Event::Version(value["terraform"].as_str().unwrap_or_default().to_owned()),
        ("planned_change", _) => change(value).map(|(address, action)| Event::PlannedChange { address, action }).unwrap_or(Event::Other),
        ("resource_drift", _) => change(value).map(|(address, action)| Event::Drift { address, action }).unwrap_or(Event::Other),
        // Reading a data source is reported as an apply too; it makes nothing.
        ("apply_start", Some(operation)) => Event::Start { address, operation, id },
        ("apply_progress", Some(_)) => Event::Progress { address },
        ("apply_complete", Some(operation)) => Event::Complete { address, operation, id },
        ("apply_errored", Some(operation)) => Event::Errored { address, operation },
        ("refresh_complete", _) => Event::Refreshed { address },
        ("diagnostic", _) => Event::Diagnostic(Box::new(diagnostics::parse(&value["diagnostic"], secrets))),
        _ => Event::Other,
    }
}

fn change(value: &Value) -> Option<(String, ChangeAction)> {
    let change = &value["change"];
    let action = match change["action"].as_str()? {
        "create" => ChangeAction::Create,
        "update" => ChangeAction::Update,
        "replace" => ChangeAction::Replace,
        "delete" | "remove" | "forget" => ChangeAction::Delete,
        "import" => ChangeAction::Import,
        _ => return None,
    };
    let address = change["resource"]["addr"].as_str()?;
    if address.starts_with("data.") {
        return None;
    }
    Some((address.to_owned(), action))
}
