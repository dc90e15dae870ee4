//! What happens when a step is taken. Every durable write of the controllers is its own step, so that a crash, an edit or
//! another controller can come between any two. Decisions are the production functions'; only reads and writes are here.

mod approvals;
mod design;
mod jobs;
mod outside;
mod terraform;

use std::collections::BTreeMap;
use std::sync::Arc;

use galley::api::approval::{ApprovalContext, ApprovalSpec, ApprovalStatus, Refused, RefusedReason};
use galley::api::design::{
    Applied, ApprovalPolicy, Change, ChangeAction, Counts, DesignStatus, InFlight, PlanRecord, Request, StateRecord,
};
use galley::api::terraformjob::{Action, JobPhase, PlanReference};
use galley::api::{Approval, Reason, TerraformJob, TerraformJobSpec, TerraformJobStatus, WhoActs};
use galley::controllers::approval::Verdict;
use galley::controllers::design::notes;
use galley::controllers::design::observe::{Job, Observed, seen, unconfirmed};
use galley::controllers::design::report::{again, fold};
use galley::controllers::design::settle::{Settling, drop_intent, settle};
use galley::controllers::design::step::{Order, Rest, Step as Decision};
use galley::controllers::design::validate::{Desired, Goal};
use galley::controllers::gate::{Decision as Claim, Holder};
use galley::controllers::job::prepare::consumption;
use galley::controllers::scheduler::Candidate;
use galley::controllers::{SUPERSEDED, Settings};
use galley::plan::StateView;

use super::pool::Kept;
use super::world::*;

const UID: &str = "uid";
/// The stale and the wrong plan, in approvals.
const NO_PLAN: &str = "ffff";

pub fn settings() -> Settings {
    Settings::new(galley::validator::Defaults {
        region: "r".into(),
        compartment_id: "c".into(),
        language: galley::api::session::Language::En,
    })
}

pub fn desired(model: &Model, design: &Design) -> Desired {
    let handled = design.status.handled_request_id.clone();
    let asked = design.spec.request.map(|(number, action)| Request { id: format!("r{number}"), action: request_action(action) });
    let request = asked.filter(|request| handled.as_deref() != Some(request.id.as_str()));
    let digest = format!("d{}", design.spec.version);
    let goal = match (design.deleted, design.spec.wanted) {
        (true, _) => Goal::Absent { deleted: true, orphan: false },
        (false, Wanted::Destroyed) => Goal::Absent { deleted: false, orphan: false },
        (false, Wanted::Planned) => Goal::Present { digest, apply: false },
        (false, Wanted::Applied) => Goal::Present { digest, apply: true },
    };
    Desired {
        generation: design.generation,
        suspended: design.spec.suspended,
        policy: model.policy,
        drift_interval: model.drift_interval,
        started: None,
        request_key: request.as_ref().map(|request| request.id.clone()).or(handled),
        request,
        rescue: None,
        goal,
        findings: None,
        built: None,
    }
}

pub fn observed(session: &Session, name: usize, status: &DesignStatus) -> Observed {
    let job = match &status.active_job {
        None => Job::None,
        Some(name) => session.jobs.get(name).map_or(Job::Void, |job| Job::There(Box::new((**job).clone()))),
    };
    let state = seen(session.state.as_ref().map(State::record).as_ref(), status);
    let look = job == Job::None && status.plan.is_some();
    Observed {
        name: format!("s{name}"),
        uid: UID.into(),
        status: status.clone(),
        job,
        state,
        view: session.state.as_ref().map(view),
        approvals: if look { session.approvals.iter().map(|approval| (**approval).clone()).collect() } else { vec![] },
        secrets_missing: vec![],
    }
}

/// The id of an address: the model has one object that counts for each.
pub fn id(index: usize) -> String {
    format!("id-{index}")
}

/// What of a state the decisions look at: the addresses it holds.
fn view(state: &State) -> Arc<StateView> {
    let held = (0..2).filter(|index| state.holds[*index] > 0);
    Arc::new(StateView {
        record: state.record(),
        resources: held.map(|index| (ADDRESSES[index].to_owned(), (String::new(), Some(id(index))))).collect(),
        outputs: BTreeMap::new(),
        raw: Arc::new(serde_json::Value::Null),
    })
}

impl World {
    fn session(&mut self, of: usize) -> &mut Session {
        &mut self.sessions[of]
    }

    fn fault(&mut self, why: impl Into<String>) {
        self.wrong.get_or_insert(why.into());
    }

    fn write_design(&mut self, of: usize, change: impl FnOnce(&mut Design)) {
        let session = self.session(of);
        let Some(design) = &mut session.design else { return };
        let before = design.clone();
        change(design);
        if *design == before {
            return;
        }
        if let Some(turn) = &mut session.turn {
            turn.fresh = false;
        }
        session.bell = true;
        session.session_bell = true;
        session.approval_bells.extend(0..session.approvals.len());
    }

    fn write_job(&mut self, of: usize, name: &str, change: impl FnOnce(&mut TerraformJob)) {
        let session = self.session(of);
        let Some(kept) = session.jobs.get(name) else { return };
        let mut job = (**kept).clone();
        change(&mut job);
        session.jobs.insert(name.to_owned(), Kept::new(job));
        session.bell = true;
        session.session_bell = true;
        session.job_bells.insert(name.to_owned());
    }

    fn write_approval(&mut self, of: usize, index: usize, change: impl FnOnce(&mut ApprovalStatus)) {
        let session = self.session(of);
        let mut approval = (*session.approvals[index]).clone();
        change(approval.status.get_or_insert_default());
        session.approvals[index] = Kept::new(approval);
        session.approval_bells.insert(index);
        session.bell = true;
    }

    fn write_gate(&mut self, of: usize, gate: Option<Gate>) {
        let session = self.session(of);
        session.gate = gate;
        session.bell = true;
        session.session_bell = true;
    }

    /// Bells that change nothing are not worth a state: whatever could make them matter rings again.
    pub fn hush(&mut self, model: &Model) {
        for of in 0..self.sessions.len() {
            let settled = self.sessions[of].gate.as_ref().is_none_or(|gate| self.holder(of, gate) == Holder::Live);
            if self.sessions[of].session_bell && settled {
                self.session(of).session_bell = false;
                self.session(of).gate_wake = None;
            }
            let bells: Vec<usize> = self.sessions[of].approval_bells.iter().copied().collect();
            for index in bells {
                let session = &self.sessions[of];
                let approval = &session.approvals[index];
                let done = approval.status.as_ref().is_some_and(|status| status.consumed_by.is_some() || status.refused.is_some());
                if done || (!model.slow_judge && !matches!(self.verdict(model, approval, session.design.as_ref(), of), Verdict::Refused(_)))
                {
                    self.session(of).approval_bells.remove(&index);
                }
            }
            let jobs: Vec<String> = self.sessions[of].job_bells.iter().cloned().collect();
            for name in jobs {
                let session = &self.sessions[of];
                let Some(job) = session.jobs.get(&name) else { continue };
                let held = session.hands.as_ref().is_some_and(|hands| hands.job == name);
                let queued = self.waiting.iter().chain(&self.running).any(|queued| queued.job == name);
                let quiet = match job.phase() {
                    JobPhase::Pending if held => !job.spec.cancel || session.hands.as_ref().is_some_and(|hands| hands.stopped),
                    JobPhase::Pending => queued && !job.spec.cancel,
                    JobPhase::Running => held && (!job.spec.cancel || session.hands.as_ref().is_some_and(|hands| hands.stopped)),
                    _ => session.gate.as_ref().is_none_or(|gate| gate.job != name) || held,
                };
                if quiet {
                    self.session(of).job_bells.remove(&name);
                }
            }
        }
    }

    fn verdict(&self, model: &Model, approval: &Approval, design: Option<&Design>, of: usize) -> Verdict {
        let state = self.sessions[of].state.as_ref().map(|state| (LINEAGE.to_owned(), state.serial)).unwrap_or_default();
        let design = design.map(|design| as_document(model, design));
        galley::controllers::approval::verdict(approval, design.as_ref(), model.policy, state, &at(self.now))
    }

    fn holder(&self, of: usize, gate: &Gate) -> Holder {
        match self.sessions[of].jobs.get(&gate.job) {
            None => Holder::Absent,
            Some(job) if job.phase().is_terminal() => Holder::Terminal,
            Some(_) => Holder::Live,
        }
    }
}

fn address(name: &str) -> usize {
    usize::from(name == ADDRESSES[1])
}

/// As much of a Design document as the approval controller reads.
fn as_document(model: &Model, design: &Design) -> galley::api::Design {
    let spec: galley::api::DesignSpec = serde_json::from_value(serde_json::json!({ "sessionRef": "s" })).expect("a spec");
    let mut document = galley::api::Design::new("s", spec);
    document.spec.policy.approval = model.policy;
    document.metadata.uid = Some(UID.into());
    document.metadata.generation = Some(design.generation);
    document.status = Some((*design.status).clone());
    document
}

/// A design that was applied in version 1, with nothing going on.
pub fn built() -> (DesignStatus, State) {
    let state = State { serial: 2, holds: [1, 1] };
    let record: StateRecord = state.record();
    let applied = Applied { digest: "d1".into(), lineage: LINEAGE.into(), serial: 2, generation: 1, time: at(0), checked_at: at(0) };
    let status = DesignStatus { apply_started: true, applied: Some(applied), state: Some(record), ..DesignStatus::default() };
    (status, state)
}
