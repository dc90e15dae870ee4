//! The words of the decision: every step a turn can take, and every way to rest. Data only.

use crate::api::Time;
use crate::api::design::{LastFailure, PlanRecord};
use crate::api::session::ActiveOperation;
use crate::api::terraformjob::Action;

/// Exactly one step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// fold the result of the finished job into the status
    Settle,
    /// forget a job that was about to be created and was not
    DropIntent,
    /// tell the open job to stop: something else is wanted
    CancelJob {
        /// why, in words
        why: &'static str,
    },
    /// look at the cloud
    IssueRefresh(Order),
    /// do what a person with the approver credential told us to, whatever else is going on
    Rescue,
    /// look up the addresses in flight by their tags
    LookUpInFlight,
    /// a person accounted for what was in flight
    ConfirmInFlight {
        /// addresses
        addresses: Vec<String>,
    },
    /// plan
    IssuePlan(Order),
    /// the plan serves the new generation too: its inputs and its state are the same
    Restamp,
    /// the world is as the inputs say, without an apply
    RecordSynced,
    /// apply the plan
    IssueApply {
        /// approval that allows it
        approval: ApprovalRef,
    },
    /// apply the destroy plan
    IssueDestroy {
        /// approval that allows it
        approval: ApprovalRef,
    },
    /// approve the harmless plan by policy
    CreatePolicyApproval,
    /// drop the finalizer
    Forget {
        /// true: the resources stay
        orphan: bool,
    },
    /// nothing to do
    Rest(Rest),
}

impl Step {
    /// Its name, for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Settle => "Settle",
            Step::DropIntent => "DropIntent",
            Step::CancelJob { .. } => "CancelJob",
            Step::IssueRefresh(_) => "IssueRefresh",
            Step::Rescue => "Rescue",
            Step::LookUpInFlight => "LookUpInFlight",
            Step::ConfirmInFlight { .. } => "ConfirmInFlight",
            Step::IssuePlan(_) => "IssuePlan",
            Step::Restamp => "Restamp",
            Step::RecordSynced => "RecordSynced",
            Step::IssueApply { .. } => "IssueApply",
            Step::IssueDestroy { .. } => "IssueDestroy",
            Step::CreatePolicyApproval => "CreatePolicyApproval",
            Step::Forget { .. } => "Forget",
            Step::Rest(_) => "Rest",
        }
    }
}

/// What makes a job this job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// plan the destruction
    pub destroy: bool,
    /// a person asked for it
    pub requested: bool,
    /// request it answers
    pub request: Option<String>,
    /// how often it was tried before
    pub attempt: u32,
    /// due time of the drift check in seconds, or 0
    pub due: i64,
}

/// An approval by name and uid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRef {
    /// name
    pub name: String,
    /// uid
    pub uid: String,
}

/// Why nothing is done, or what is going on.
#[derive(Debug, Clone, PartialEq)]
pub enum Rest {
    /// something was written down; the next turn goes on
    Continue,
    /// a job is queued or runs
    Job {
        /// its name
        name: String,
        /// what it does
        action: Action,
        /// a person asked for it
        requested: bool,
        /// why it waits, if it does
        waits: Option<String>,
    },
    /// the gate is held
    Busy(ActiveOperation),
    /// suspended
    Suspended,
    /// nothing is there, as wanted
    Destroyed,
    /// the design has errors
    Invalid,
    /// nothing is asked
    Draft,
    /// as wanted
    Synced {
        /// next drift check
        due: Option<Time>,
    },
    /// a plan to read
    PlanReady(Box<PlanRecord>),
    /// a plan to approve
    AwaitingApproval(Box<PlanRecord>),
    /// a plan too old to apply
    PlanExpired(Box<PlanRecord>),
    /// a failure only a person can mend
    Failed(Box<LastFailure>),
    /// a failure that is tried again at a time
    RetryAt(Box<LastFailure>, Time),
    /// addresses in flight that a person confirms
    InFlight(Vec<String>),
    /// supplied secrets without value
    SecretMissing(Vec<String>),
    /// the state cannot be read
    StateUnavailable,
    /// the owner of the running job cannot be proven dead
    OwnerUnknown {
        /// the job
        job: String,
    },
    /// the turn itself failed
    Error {
        /// closed reason
        reason: crate::api::Reason,
        /// who acts next
        who: crate::api::WhoActs,
        /// in words
        message: String,
    },
}
