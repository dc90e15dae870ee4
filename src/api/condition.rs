//! Conditions as kstatus reads them (`Ready`, `Reconciling`, `Stalled`) and the closed set of their reasons.
//!
//! `Ready` is computed by one fold in the controllers and never set by hand. A reason is a condition's reason, a metric
//! label and an Event's reason alike.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Time;

/// Who has to act next, as in Flux: the word every error and every wait carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WhoActs {
    /// A person must change something; nothing happens until then.
    Stalled,
    /// Galley waits for something it can name (a job, an approval, a moment).
    Waiting,
    /// Galley tries again by itself after a back-off.
    Retry,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// The closed set of reasons. `docs/status.md` says for each who acts and what to type.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum Reason { $($(#[$doc])* $name),+ }
        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &'static [Reason] = &[$(Reason::$name),+];
            /// The reason as it stands in a condition, an Event and a metric label.
            pub fn as_str(self) -> &'static str { match self { $(Reason::$name => stringify!($name)),+ } }
        }
    };
}

reasons! {
    /// The design is saved and checked; nothing more is asked of it.
    Draft,
    /// What is wanted is what is there.
    Synced,
    /// A plan is ready to be read; `desiredState` is Planned.
    PlanReady,
    /// A plan waits for the approval of exactly its bytes.
    AwaitingApproval,
    /// The plan is too old to be applied; ask for a new one.
    PlanExpired,
    /// A job is queued or runs.
    JobRunning,
    /// The session's gate is held by another operation.
    SessionBusy,
    /// The design has findings of severity error.
    InvalidDesign,
    /// The document does not decode or breaks a structural rule.
    InvalidDocument,
    /// A job failed in a way that only a person can mend.
    JobFailed,
    /// A job failed in a way that goes away; a retry is scheduled.
    RetryScheduled,
    /// An apply ended without anyone seeing how; it is looked at first.
    OutcomeUnknown,
    /// Resources whose making was cut off were not found; a person confirms each address.
    InFlightUnconfirmed,
    /// The cloud answers 404 for resources that the state holds.
    ResourcesVanished,
    /// The owner of a running job cannot be proven dead.
    OwnerUnknown,
    /// The Terraform state is gone or torn and no mirror can replace it.
    StateUnavailable,
    /// A secret variable has no value yet.
    SecretMissing,
    /// The person suspended the design.
    Suspended,
    /// Everything is destroyed; the state is known empty.
    Destroyed,
    /// The store or the blobs did not answer.
    StorageUnavailable,
    /// The tenancy does not answer, or there are no credentials for it.
    TenancyUnavailable,
    /// An approval did not hold at the moment of the apply; nothing was run.
    ApprovalRefused,
    /// The person cancelled the job.
    Cancelled,
    /// Something happened that Galley does not know.
    Internal,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Condition type: the document is what it should be.
pub const READY: &str = "Ready";
/// Condition type: work goes on.
pub const RECONCILING: &str = "Reconciling";
/// Condition type: a person must change something.
pub const STALLED: &str = "Stalled";

/// Longest message of a condition, in bytes of UTF-8.
pub const MESSAGE_LIMIT: usize = 1024;

/// Sets one condition, keeping `lastTransitionTime` when the status does not change.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    kind: &str,
    status: bool,
    reason: Reason,
    message: &str,
    generation: Option<i64>,
    now: Time,
) {
    let wanted = if status { "True" } else { "False" };
    let transition = match conditions.iter().find(|condition| condition.type_ == kind) {
        Some(old) if old.status == wanted => old.last_transition_time.clone(),
        _ => now,
    };
    let fresh = Condition {
        type_: kind.to_owned(),
        status: wanted.to_owned(),
        reason: reason.as_str().to_owned(),
        message: clip(message, MESSAGE_LIMIT),
        observed_generation: generation,
        last_transition_time: transition,
    };
    match conditions.iter_mut().find(|condition| condition.type_ == kind) {
        Some(slot) => *slot = fresh,
        None => conditions.push(fresh),
    }
}

/// Finds a condition by type.
pub fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

/// At most `limit` bytes of `text`, cut at a character boundary, with an ellipsis when something was left out.
pub fn clip(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// Text of strangers as one line of at most `limit` characters, the last one an ellipsis when something was left out: nothing
/// in it can be taken for another line of a log.
pub fn one_line(text: &str, limit: usize) -> String {
    let cut = text.chars().nth(limit).is_some();
    let letters = text.chars().take(if cut { limit.saturating_sub(1) } else { limit });
    letters.map(|c| if c.is_control() { ' ' } else { c }).chain(cut.then_some('…')).collect()
}
