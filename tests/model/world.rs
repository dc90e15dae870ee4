//! The abstract world: documents as they are, everything around them as little as possible.
//!
//! Two addresses (`oci.a`, `oci.b`) stand for all resources. Plans, states, clouds, clocks and processes are numbers;
//! `DesignStatus`, `TerraformJob` and `Approval` are the real types, because the production functions read them.

use std::collections::{BTreeMap, BTreeSet};

use galley::api::approval::Role;
use galley::api::design::{ApprovalPolicy, DesignStatus, RequestAction, StateRecord};
use galley::api::session::ActiveOperation;
use galley::api::{Approval, TerraformJob, Time};
use galley::controllers::design::observe::Observed;
use galley::controllers::design::step::{Rest, Step as Decision};
use galley::controllers::design::validate::Desired;
use galley::controllers::gate::TERRAFORM_JOB;
use k8s_openapi::jiff::Timestamp;

use super::pool::Kept;

pub const ADDRESSES: [&str; 2] = ["oci_x.a", "oci_x.b"];
pub const LINEAGE: &str = "l";

/// Seconds after the beginning.
pub fn at(seconds: i64) -> Time {
    k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::from_second(seconds).expect("small"))
}

/// How often each thing from outside may still happen: what makes the world finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Budget {
    pub edits: u8,
    pub goals: u8,
    pub requests: u8,
    pub approvals: u8,
    /// stale and wrong ones
    pub bad_approvals: u8,
    /// 35 minutes each
    pub ticks: u8,
    /// to the next timer
    pub waits: u8,
    pub crashes: u8,
    pub failures: u8,
    pub drifts: u8,
    pub suspends: u8,
    pub deletes: u8,
    pub cancels: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub now: i64,
    pub left: Budget,
    pub sessions: Vec<Session>,
    /// volatile: who waits for a slot, who has one, who was served (last one last)
    pub waiting: Vec<Queued>,
    pub running: Vec<Queued>,
    pub served: Vec<usize>,
    /// what was seen to go wrong while a step was taken
    pub wrong: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Queued {
    pub session: usize,
    pub job: String,
    pub urgent: bool,
    pub requested: bool,
    pub created: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wanted {
    Planned,
    Applied,
    Destroyed,
}

/// The part of the spec that decides.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Spec {
    /// stands for the inputs: another version, another digest
    pub version: u8,
    pub wanted: Wanted,
    pub suspended: bool,
    /// number of the request and what it asks: 0 Plan, 1 Refresh, 2 Retry
    pub request: Option<(u8, u8)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Design {
    pub spec: Spec,
    pub generation: i64,
    pub deleted: bool,
    pub status: Kept<DesignStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gate {
    pub job: String,
    pub requested: bool,
    pub since: i64,
}

/// A Terraform state: serial and the version each address was made with; 0 = not there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub serial: u64,
    pub holds: [u8; 2],
}

/// What a killed apply left: addresses whose end nobody saw, by index, and those that were done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Left {
    pub job: String,
    pub in_flight: Vec<usize>,
    pub done: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Session {
    // durable
    pub gate: Option<Gate>,
    pub design: Option<Design>,
    pub jobs: BTreeMap<String, Kept<TerraformJob>>,
    pub approvals: Vec<Kept<Approval>>,
    pub state: Option<State>,
    pub cloud: [Vec<u8>; 2],
    pub remains: Option<Left>,
    // volatile
    pub turn: Option<Turn>,
    pub judging: Option<Judging>,
    pub hands: Option<Hands>,
    pub bell: bool,
    pub session_bell: bool,
    pub job_bells: BTreeSet<String>,
    pub approval_bells: BTreeSet<usize>,
    pub wake: Option<i64>,
    pub gate_wake: Option<i64>,
    // what only the checker knows
    pub plans: u8,
    pub requests: u8,
    /// uids of approvals on which Terraform was started
    pub spent: Vec<String>,
    /// a person said that what is in flight is accounted for
    pub confirmed: bool,
}

/// A reconcile of the design between two of its reads and writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Turn {
    pub base: Design,
    /// nobody wrote the design since this turn read or wrote it: its resourceVersion still holds
    pub fresh: bool,
    pub stage: Stage,
}

pub type Seen = (Desired, Observed);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Stage {
    Look,
    /// the design is on its way out: that nothing is kept is written, then the state goes, then the document
    Forget,
    Act {
        seen: Kept<Seen>,
        decision: Kept<Decision>,
    },
    Claimed {
        seen: Kept<Seen>,
        job: Kept<TerraformJob>,
    },
    Intended {
        seen: Kept<Seen>,
        job: Kept<TerraformJob>,
    },
    Report {
        seen: Kept<Seen>,
        status: Kept<DesignStatus>,
        rest: Kept<Rest>,
    },
}

/// A reconcile of an approval between its reads and its write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Judging {
    pub approval: usize,
    pub read: Kept<Approval>,
    pub design: Option<Design>,
}

/// The task of one admitted job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hands {
    pub job: String,
    /// its token is cancelled
    pub stopped: bool,
    pub stage: Hold,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Hold {
    Begin,
    /// the job and the design were read: job, generation, status, state
    Prepared {
        job: Kept<TerraformJob>,
        design: Design,
        state: Option<State>,
    },
    Consumed {
        job: Kept<TerraformJob>,
        design: Design,
    },
    Ready {
        job: Kept<TerraformJob>,
    },
    Recorded,
    Terraform,
    Ended,
}

/// How Terraform ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    Well,
    /// the first address is done, the second is refused and a person must act
    Refused,
    /// the same, and it goes away by itself
    Throttled,
    /// the first address is refused, the second is done: what was imported is in the state, and the apply failed all the same
    RefusedFirst,
    /// the first address is done, the second is made, in no state, and said to have failed: its provider died
    Unanswered,
    /// killed: the first address is recorded, the second is made and in no state
    Killed,
}

/// Everything that can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    // by itself
    Turn(usize),
    Judge(usize),
    Job(usize, String),
    Hands(usize),
    SessionTurn(usize),
    // Terraform
    Ends(usize, End),
    // from outside
    Edit(usize),
    Want(usize, Wanted),
    Ask(usize, u8),
    Approve(usize, Yes),
    Suspend(usize, bool),
    Delete(usize),
    Cancel(usize),
    Drift(usize, bool),
    Tick,
    Wait,
    /// SIGKILL; `Some` = what became of each Terraform that ran
    Crash(Option<End>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Yes {
    Approver,
    Agent,
    /// of the plan before
    Stale,
    /// of a plan that never was
    Wrong,
}

impl Yes {
    pub fn role(self) -> Role {
        match self {
            Yes::Agent => Role::Editor,
            Yes::Approver | Yes::Stale | Yes::Wrong => Role::Approver,
        }
    }
}

/// The production functions, or mutants of them.
#[derive(Clone, Copy)]
pub struct Hooks {
    pub diff: fn(&Desired, &Observed, &Time) -> Decision,
    pub judge: fn(&Approval, &galley::api::approval::ApprovalContext<'_>) -> Result<(), galley::api::approval::Refused>,
    pub gate:
        fn(Option<&ActiveOperation>, &ActiveOperation, galley::controllers::gate::Holder, bool) -> galley::controllers::gate::Decision,
    pub next: fn(
        &[galley::controllers::scheduler::Candidate],
        &[galley::controllers::scheduler::Candidate],
        &BTreeMap<String, u64>,
        usize,
    ) -> Option<usize>,
}

pub const PRODUCTION: Hooks = Hooks {
    diff: galley::controllers::design::diff::diff,
    judge: galley::api::approval::judge,
    gate: galley::controllers::gate::decide,
    next: galley::controllers::scheduler::next,
};

/// One model: bounds, policy, functions.
#[derive(Clone)]
pub struct Model {
    pub name: &'static str,
    pub sessions: usize,
    pub slots: usize,
    pub budget: Budget,
    pub policy: ApprovalPolicy,
    pub drift_interval: Option<u64>,
    pub hooks: Hooks,
    /// start with both addresses applied in version 1
    pub built: bool,
    /// every ring of an approval is a step of its own, also one that changes nothing
    pub slow_judge: bool,
    /// time passes between any two steps, not only at rest
    pub slow_store: bool,
    /// prove from every n-th resting state that a destroy can be reached
    pub destroy_every: usize,
    /// what must hold at every rest is looked at, too; a mutant that breaks a promise of safety is to be caught by that one
    pub rests: bool,
}

impl State {
    pub fn record(&self) -> StateRecord {
        StateRecord { lineage: LINEAGE.into(), serial: self.serial, resources: self.holds.iter().filter(|version| **version > 0).count() }
    }
}

impl Gate {
    pub fn operation(&self) -> ActiveOperation {
        ActiveOperation {
            kind: TERRAFORM_JOB.into(),
            name: self.job.clone(),
            action: String::new(),
            uid: Some("uid".into()),
            requested: self.requested,
            since: at(self.since),
        }
    }
}

pub fn request_action(number: u8) -> RequestAction {
    match number {
        0 => RequestAction::Plan,
        1 => RequestAction::Refresh,
        _ => RequestAction::Retry,
    }
}
