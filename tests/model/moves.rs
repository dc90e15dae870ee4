//! What happens when a step is taken. Every durable write of the controllers is its own step, so that a crash, an edit or
//! another controller can come between any two. Decisions are the production functions'; only reads and writes are here.

use std::collections::BTreeMap;

use galley::api::approval::{ApprovalContext, ApprovalSpec, ApprovalStatus, Refused, RefusedReason};
use galley::api::design::{
    Applied, ApprovalPolicy, Change, ChangeAction, Counts, DesignStatus, InFlight, PlanRecord, Request, StateRecord,
};
use galley::api::names::{JobKey, job_name};
use galley::api::terraformjob::{Action, JobPhase, PlanReference};
use galley::api::{Approval, Reason, TerraformJob, TerraformJobSpec, TerraformJobStatus, WhoActs};
use galley::controllers::approval::Verdict;
use galley::controllers::design::observe::{Job, Observed, Seen as SeenState, may_have_made, unconfirmed};
use galley::controllers::design::report::{again, fold};
use galley::controllers::design::settle::{Settling, drop_intent, settle};
use galley::controllers::design::step::{Order, Rest, Step as Decision};
use galley::controllers::design::validate::{Desired, Goal};
use galley::controllers::gate::{Decision as Claim, Holder};
use galley::controllers::scheduler::Candidate;
use galley::controllers::{SUPERSEDED, Settings};

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
        rendered: None,
    }
}

pub fn observed(session: &Session, name: usize, status: &DesignStatus) -> Observed {
    let job = match &status.active_job {
        None => Job::None,
        Some(name) => session.jobs.get(name).map_or(Job::Void, |job| Job::There(Box::new((**job).clone()))),
    };
    let state = match &session.state {
        Some(state) => SeenState::Held(state.record()),
        None if status.apply_started || status.state.is_some() => SeenState::Unavailable,
        None => SeenState::Never,
    };
    let look = job == Job::None && status.plan.is_some();
    Observed {
        name: format!("s{name}"),
        uid: UID.into(),
        status: status.clone(),
        job,
        state,
        view: None,
        approvals: if look { session.approvals.iter().map(|approval| (**approval).clone()).collect() } else { vec![] },
        secrets_missing: vec![],
    }
}

impl World {
    fn session(&mut self, of: usize) -> &mut Session {
        &mut self.sessions[of]
    }

    fn fault(&mut self, why: impl Into<String>) {
        self.wrong.get_or_insert(why.into());
    }

    // ------------------------------------------------------------------------------------ writes, and whom they ring

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

    // ------------------------------------------------------------------------------------------------- the design

    pub fn turn(&mut self, model: &Model, of: usize) {
        let now = at(self.now);
        let Some(mut turn) = self.session(of).turn.take() else {
            let session = self.session(of);
            session.bell = false;
            session.wake = None;
            session.turn = session.design.clone().map(|base| Turn { base, fresh: true, stage: Stage::Look });
            if session.hands.is_none() {
                // nobody else changes jobs or state now: design and world are read at one moment
                self.turn(model, of);
            }
            return;
        };
        match turn.stage.clone() {
            Stage::Look => {
                // reads; what is written comes with the next step
                let seen = (desired(model, &turn.base), observed(&self.sessions[of], of, &turn.base.status));
                let decision = (model.hooks.diff)(&seen.0, &seen.1, &now);
                turn.stage = Stage::Act { seen: Kept::new(seen), decision: Kept::new(decision) };
                self.session(of).turn = Some(turn);
            }
            Stage::Act { seen, decision } => self.act(model, of, turn, seen, &decision),
            Stage::Forget if self.sessions[of].state.is_some() => {
                self.session(of).state = None;
                self.session(of).turn = Some(turn);
            }
            Stage::Forget => {
                if !turn.fresh {
                    self.session(of).bell = true;
                    return;
                }
                let session = self.session(of);
                session.design = None;
                session.jobs.clear();
                session.approvals.clear();
                session.approval_bells.clear();
                session.session_bell = true;
            }
            Stage::Claimed { seen, job } => {
                let name = job.metadata.name.clone().unwrap_or_default();
                if !turn.fresh {
                    // the intent is refused: the gate goes back, everything is read again
                    if self.sessions[of].gate.as_ref().is_some_and(|gate| gate.job == name) {
                        self.write_gate(of, None);
                    }
                    self.session(of).bell = true;
                    return;
                }
                let mut status = (*turn.base.status).clone();
                status.active_job = Some(name);
                status.apply_started |= job.spec.action.changes_the_cloud();
                let status = Kept::new(status);
                self.write_design(of, |design| design.status = status.clone());
                turn.base.status = status;
                turn.stage = Stage::Intended { seen, job };
                self.session(of).turn = Some(turn);
            }
            Stage::Intended { seen, job } => {
                self.create_job(of, &job);
                let rest = Rest::Job {
                    name: job.metadata.name.clone().unwrap_or_default(),
                    action: job.spec.action,
                    requested: job.spec.requested,
                    waits: None,
                };
                turn.stage = Stage::Report { seen, status: turn.base.status.clone(), rest: Kept::new(rest) };
                self.session(of).turn = Some(turn);
            }
            Stage::Report { seen, status, rest } => {
                let mut next = fold((*status).clone(), &rest, Some(&*seen), turn.base.generation, &now);
                // words for people; nothing decides by them but their reason, and clocks would make states differ
                for condition in &mut next.conditions {
                    condition.last_transition_time = at(0);
                    condition.message.clear();
                }
                let wake = again(&settings(), &rest, Some(&*seen), &now);
                let changed = next != *turn.base.status;
                if changed && !turn.fresh {
                    self.session(of).bell = true;
                    return;
                }
                self.write_design(of, |design| design.status = Kept::new(next));
                match wake {
                    Some(wait) if wait.is_zero() => self.session(of).bell = true,
                    wait => self.session(of).wake = wait.map(|wait| self.now + i64::try_from(wait.as_secs() + 1).unwrap_or(i64::MAX)),
                }
            }
        }
    }

    fn act(&mut self, model: &Model, of: usize, mut turn: Turn, seen: Kept<Seen>, decision: &Decision) {
        let (wanted, looked) = (&seen.0, &seen.1);
        let mut status = (*turn.base.status).clone();
        let mut rest = Rest::Continue;
        match decision {
            Decision::Settle => {
                let Job::There(job) = &looked.job else { return };
                let now = at(self.now);
                let id = turn.base.spec.request.map(|(number, action)| (format!("r{number}"), request_action(action)));
                let with = Settling {
                    request: id.as_ref().map(|(id, action)| (id.as_str(), *action)),
                    digest: wanted.digest(),
                    superseded: job.metadata.annotations.as_ref().is_some_and(|held| held.contains_key(SUPERSEDED)),
                    serial: looked.state.version().1,
                    base: settings().backoff_base,
                    cap: settings().backoff_cap,
                    uid: UID,
                    now: &now,
                };
                status = settle(&status, job, &with);
            }
            // nobody intervenes in the model: desired() never asks for it
            Decision::Rescue => {}
            Decision::DropIntent => status = drop_intent(&status),
            Decision::CancelJob { .. } => {
                let Job::There(job) = &looked.job else { return };
                let name = job.metadata.name.clone().unwrap_or_default();
                rest = Rest::Job {
                    name: name.clone(),
                    action: job.spec.action,
                    requested: job.spec.requested,
                    waits: Some("stopping".into()),
                };
                self.write_job(of, &name, |job| {
                    job.spec.cancel = true;
                    job.metadata.annotations.get_or_insert_default().insert(SUPERSEDED.into(), "why".into());
                });
            }
            Decision::LookUpInFlight => {
                let session = &self.sessions[of];
                if let Some(outcome) = &mut status.outcome {
                    for entry in outcome.in_flight.iter_mut().filter(|entry| may_have_made(entry) && entry.found_id.is_none()) {
                        let index = address(&entry.address);
                        entry.found_id = (!session.cloud[index].is_empty()).then(|| format!("id-{index}"));
                        entry.looked_up = entry.found_id.is_none();
                    }
                    let held = |entry: &InFlight| session.state.as_ref().is_some_and(|state| state.holds[address(&entry.address)] > 0);
                    outcome.in_flight.retain(|entry| !held(entry));
                }
                status.outcome = status.outcome.filter(|outcome| !outcome.in_flight.is_empty());
            }
            Decision::ConfirmInFlight => {
                status.outcome = None;
                status.handled_request_id = wanted.request.as_ref().map(|request| request.id.clone());
                self.session(of).confirmed = true;
            }
            Decision::Restamp => {
                if let Some(plan) = &mut status.plan {
                    plan.generation = wanted.generation;
                }
            }
            Decision::RecordSynced => {
                let (lineage, serial) = looked.state.version();
                if let (Some(digest), Some(plan)) = (wanted.digest(), &status.plan) {
                    let applied = Applied {
                        digest: digest.into(),
                        lineage: lineage.into(),
                        serial,
                        generation: wanted.generation,
                        time: status.applied.as_ref().map_or(at(self.now), |applied| applied.time.clone()),
                        checked_at: plan.created_at.clone(),
                    };
                    status.applied = Some(applied);
                    status.last_failure = None;
                    status.outcome = None;
                }
            }
            Decision::CreatePolicyApproval => {
                let Some(plan) = &status.plan else { return };
                self.approve(
                    of,
                    format!("policy-{}", plan.plan_sha256),
                    plan.clone(),
                    wanted.generation,
                    galley::api::approval::Role::System,
                );
            }
            Decision::Forget { .. } => {
                if !turn.fresh {
                    self.session(of).bell = true;
                    return;
                }
                status.state = None;
                status.apply_started = false;
                let status = Kept::new(status);
                self.write_design(of, |design| design.status = status.clone());
                turn.base.status = status;
                turn.stage = Stage::Forget;
                self.session(of).turn = Some(turn);
                return;
            }
            Decision::Rest(resting) => rest = resting.clone(),
            Decision::IssuePlan(order) => return self.issue(model, of, turn, &seen, Action::Plan, order, None),
            Decision::IssueRefresh(order) => return self.issue(model, of, turn, &seen, Action::Refresh, order, None),
            Decision::IssueApply { approval } | Decision::IssueDestroy { approval } => {
                let action = if matches!(decision, Decision::IssueApply { .. }) { Action::Apply } else { Action::Destroy };
                let Some(plan) = status.plan.clone() else { return };
                let order = Order { destroy: plan.destroy, requested: true, ..Order::default() };
                let reference = PlanReference {
                    job: plan.job,
                    plan_sha256: plan.plan_sha256,
                    approval: approval.name.clone(),
                    approval_uid: approval.uid.clone(),
                };
                return self.issue(model, of, turn, &seen, action, &order, Some((reference, plan.digest)));
            }
        }
        turn.stage = Stage::Report { seen, status: Kept::new(status), rest: Kept::new(rest) };
        self.session(of).turn = Some(turn);
        if !matches!(decision, Decision::CancelJob { .. } | Decision::CreatePolicyApproval) {
            // the report is the only write of this turn
            self.turn(model, of);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one job")]
    fn issue(
        &mut self,
        model: &Model,
        of: usize,
        mut turn: Turn,
        seen: &Kept<Seen>,
        action: Action,
        order: &Order,
        plan: Option<(PlanReference, String)>,
    ) {
        let (wanted, looked) = (&seen.0, &seen.1);
        let plain = action == Action::Plan && !order.destroy;
        let digest = match &plan {
            Some((_, digest)) => digest.clone(),
            None if plain => format!("d{}", turn.base.spec.version),
            None => "applied".to_owned(),
        };
        let (lineage, serial) = looked.state.version();
        let found = looked.in_flight().iter().filter_map(|entry| Some((entry.address.clone(), entry.found_id.clone()?)));
        let spec = TerraformJobSpec {
            design_ref: looked.name.clone(),
            design_uid: UID.into(),
            session_ref: looked.name.clone(),
            action,
            destroy_plan: order.destroy && action == Action::Plan,
            plan: plan.as_ref().map(|(reference, _)| reference.clone()),
            digest,
            lineage: lineage.into(),
            serial,
            generation: wanted.generation,
            target: Default::default(),
            requested: order.requested,
            request_id: order.request.clone(),
            imports: if plain { found.collect() } else { BTreeMap::new() },
            cancel: false,
        };
        let name = job_name(&JobKey {
            design: &spec.design_ref,
            design_uid: UID,
            action: if spec.destroy_plan { "plan-destroy" } else { action.as_str() },
            digest: &spec.digest,
            lineage,
            serial,
            request: order.request.as_deref().unwrap_or(""),
            approval: plan.as_ref().map_or("", |(reference, _)| &reference.approval_uid),
            attempt: order.attempt,
            due: order.due,
        });
        let gate = Gate { job: name.clone(), requested: spec.requested, since: self.now };
        let held = self.sessions[of].gate.clone();
        let holder = held.as_ref().map_or(Holder::Absent, |held| self.holder(of, held));
        let claim = (model.hooks.gate)(held.as_ref().map(Gate::operation).as_ref(), &gate.operation(), holder, true);
        match claim {
            Claim::Busy => {
                let Some(active) = held else { return self.fault("a gate that nobody holds is busy") };
                let rest = Rest::Busy(active.operation());
                turn.stage = Stage::Report { seen: seen.clone(), status: turn.base.status.clone(), rest: Kept::new(rest) };
            }
            Claim::Take | Claim::Ours => {
                if claim == Claim::Take {
                    self.write_gate(of, Some(gate));
                }
                let mut job = TerraformJob::new(&name, spec);
                job.metadata.creation_timestamp = Some(at(self.now));
                turn.stage = Stage::Claimed { seen: seen.clone(), job: Kept::new(job) };
            }
        }
        self.session(of).turn = Some(turn);
    }

    fn create_job(&mut self, of: usize, job: &Kept<TerraformJob>) {
        let name = job.metadata.name.clone().unwrap_or_default();
        let session = self.session(of);
        let looks_only = !job.spec.action.changes_the_cloud();
        let free = match session.jobs.get(&name) {
            None => true,
            Some(old) => looks_only && old.phase().is_terminal(),
        };
        if free {
            session.jobs.insert(name.clone(), job.clone());
            session.bell = true;
            session.session_bell = true;
            session.job_bells.insert(name);
        }
    }

    // --------------------------------------------------------------------------------------------------- approvals

    fn approve(&mut self, of: usize, name: String, plan: PlanRecord, generation: i64, role: galley::api::approval::Role) {
        let session = self.session(of);
        if session.approvals.iter().any(|approval| approval.metadata.name.as_deref() == Some(&name)) {
            return;
        }
        let spec = ApprovalSpec {
            design_ref: format!("s{of}"),
            design_uid: UID.into(),
            plan_sha256: plan.plan_sha256,
            generation,
            expires_at: plan.expires_at,
            reason: None,
        };
        let mut approval = Approval::new(&name, spec);
        approval.metadata.uid = Some(format!("{name}-uid"));
        approval.status = Some(ApprovalStatus { role: Some(role), ..ApprovalStatus::default() });
        session.approvals.push(Kept::new(approval));
        session.approval_bells.insert(session.approvals.len() - 1);
        session.bell = true;
    }

    /// The approval controller: reads, then judges and writes if the approval is still the one it read.
    pub fn judge(&mut self, model: &Model, of: usize) {
        let session = self.session(of);
        let Some(judging) = session.judging.take() else {
            let Some(index) = session.approval_bells.pop_first() else { return };
            let read = session.approvals[index].clone();
            let done = read.status.as_ref().is_some_and(|status| status.consumed_by.is_some() || status.refused.is_some());
            if !done {
                session.judging = Some(Judging { approval: index, read, design: session.design.clone() });
            }
            return;
        };
        let Verdict::Refused(refused) = self.verdict(model, &judging.read, judging.design.as_ref(), of) else { return };
        let session = self.session(of);
        match session.approvals.get(judging.approval) {
            Some(approval) if *approval == judging.read => {
                self.write_approval(of, judging.approval, |status| status.refused = Some(Refused { message: String::new(), ..refused }));
            }
            Some(_) => {
                session.approval_bells.insert(judging.approval);
            }
            None => {}
        }
    }

    // -------------------------------------------------------------------------------------------------------- jobs

    pub fn job(&mut self, model: &Model, of: usize, name: &str) {
        let session = self.session(of);
        session.job_bells.remove(name);
        let held = session.hands.as_ref().is_some_and(|hands| hands.job == name);
        let Some(job) = session.jobs.get(name).cloned() else { return self.done(model, name) };
        match job.phase() {
            JobPhase::Pending | JobPhase::Running if held => {
                if job.spec.cancel
                    && let Some(hands) = &mut session.hands
                {
                    hands.stopped = true;
                }
            }
            JobPhase::Pending if job.spec.cancel => {
                self.end_job(of, name, TerraformJobStatus { phase: Some(JobPhase::Cancelled), ..Default::default() });
                self.done(model, name);
            }
            JobPhase::Pending => {
                let queued = Queued {
                    session: of,
                    job: name.to_owned(),
                    urgent: job.spec.action == Action::Destroy || job.spec.destroy_plan,
                    requested: job.spec.requested,
                    created: job.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
                };
                if !self.running.iter().chain(&self.waiting).any(|other| other.job == name) {
                    self.waiting.push(queued);
                }
                self.launch(model);
            }
            JobPhase::Running => {
                let left = self.sessions[of].remains.clone().filter(|left| left.job == name);
                let (in_flight, done) = left.map(|left| (left.in_flight, left.done)).unwrap_or_default();
                self.session(of).remains = None;
                let making = |index: &usize| InFlight {
                    address: ADDRESSES[*index].into(),
                    action: if job.spec.action == Action::Destroy { ChangeAction::Delete } else { ChangeAction::Create },
                    found_id: None,
                    looked_up: false,
                };
                let ended = TerraformJobStatus {
                    phase: Some(JobPhase::Interrupted),
                    reason: Some(Reason::OutcomeUnknown),
                    who_acts: Some(WhoActs::Retry),
                    in_flight: in_flight.iter().map(making).collect(),
                    created: done.iter().map(|index| ADDRESSES[*index].to_owned()).collect(),
                    state: self.sessions[of].state.as_ref().map(State::record),
                    ..Default::default()
                };
                self.end_job(of, name, ended);
                self.done(model, name);
            }
            JobPhase::Succeeded | JobPhase::Failed | JobPhase::Interrupted | JobPhase::Cancelled => {
                if session.gate.as_ref().is_some_and(|gate| gate.job == name) {
                    self.write_gate(of, None);
                }
            }
        }
    }

    fn end_job(&mut self, of: usize, name: &str, mut ended: TerraformJobStatus) {
        ended.finished_at = Some(at(self.now));
        self.write_job(of, name, |job| job.status = Some(ended));
    }

    fn done(&mut self, model: &Model, name: &str) {
        self.running.retain(|other| other.job != name);
        self.waiting.retain(|other| other.job != name);
        self.launch(model);
    }

    /// As `Scheduler::fill`, with the production choice.
    fn launch(&mut self, model: &Model) {
        let candidate = |queued: &Queued| Candidate {
            job: queued.job.clone(),
            session: format!("s{}", queued.session),
            urgent: queued.urgent,
            requested: queued.requested,
            created: at(queued.created),
        };
        loop {
            let waiting: Vec<Candidate> = self.waiting.iter().map(candidate).collect();
            let running: Vec<Candidate> = self.running.iter().map(candidate).collect();
            let served = self.served.iter().enumerate().map(|(turn, session)| (format!("s{session}"), turn as u64 + 1)).collect();
            let Some(index) = (model.hooks.next)(&waiting, &running, &served, model.slots) else { break };
            let chosen = self.waiting.remove(index);
            self.served.retain(|session| *session != chosen.session);
            self.served.push(chosen.session);
            if self.sessions[chosen.session].hands.is_some() {
                self.fault("two jobs of one session run");
            }
            if self.running.len() >= model.slots {
                self.fault("more jobs run than there are slots");
            }
            self.session(chosen.session).hands = Some(Hands { job: chosen.job.clone(), stopped: false, stage: Hold::Begin });
            self.running.push(chosen);
        }
        if self.waiting.is_empty() {
            self.served.clear();
        }
    }

    fn leave(&mut self, model: &Model, of: usize) {
        if let Some(hands) = self.session(of).hands.take() {
            self.done(model, &hands.job);
            // the task looks once more at what has its name now
            self.session(of).job_bells.insert(hands.job);
        }
    }

    /// The task of an admitted job, from one durable write to the next.
    pub fn hands(&mut self, model: &Model, of: usize) {
        let Some(hands) = self.sessions[of].hands.clone() else { return };
        let name = hands.job.clone();
        let refused = |reason, who| TerraformJobStatus {
            phase: Some(JobPhase::Failed),
            reason: Some(reason),
            who_acts: Some(who),
            ..Default::default()
        };
        let stage = match hands.stage {
            Hold::Begin => {
                let session = &self.sessions[of];
                let job = session.jobs.get(&name).cloned().filter(|job| job.phase() == JobPhase::Pending);
                let (Some(job), false) = (job, hands.stopped) else {
                    // the reconcile that stopped it looks again after a moment (STOP_CHECK)
                    self.session(of).job_bells.insert(name);
                    return self.leave(model, of);
                };
                let gate = Gate { job: name.clone(), requested: job.spec.requested, since: self.now };
                let held = session.gate.clone();
                let holder = held.as_ref().map_or(Holder::Absent, |held| self.holder(of, held));
                match (model.hooks.gate)(held.as_ref().map(Gate::operation).as_ref(), &gate.operation(), holder, true) {
                    Claim::Ours => {}
                    Claim::Take => self.write_gate(of, Some(gate)),
                    Claim::Busy => return self.leave(model, of),
                }
                let session = &self.sessions[of];
                match session.design.clone() {
                    None => {
                        self.end_job(of, &name, refused(Reason::Cancelled, WhoActs::Stalled));
                        Hold::Ended
                    }
                    Some(design) if design.spec.suspended => {
                        self.end_job(of, &name, refused(Reason::Suspended, WhoActs::Retry));
                        Hold::Ended
                    }
                    Some(design) if job.spec.action.changes_the_cloud() => Hold::Prepared { job, design, state: session.state.clone() },
                    Some(_) => Hold::Ready { job },
                }
            }
            Hold::Prepared { job, design, state } => match self.consume(model, of, &job, &design, state.as_ref()) {
                true => Hold::Consumed { job, design },
                false => {
                    self.end_job(of, &name, refused(Reason::ApprovalRefused, WhoActs::Retry));
                    Hold::Ended
                }
            },
            Hold::Consumed { job, design } => {
                let edited = self.sessions[of].design.as_ref().map(|now| now.generation) != Some(design.generation);
                if edited {
                    let reference = job.spec.plan.clone().map(|plan| plan.approval).unwrap_or_default();
                    if let Some(index) = self.approval(of, &reference) {
                        let why = Refused { reason: RefusedReason::GenerationChanged, message: String::new() };
                        self.write_approval(of, index, |status| status.refused = Some(why));
                    }
                    self.end_job(of, &name, refused(Reason::ApprovalRefused, WhoActs::Retry));
                    Hold::Ended
                } else {
                    Hold::Ready { job }
                }
            }
            Hold::Ready { job } => {
                if self.sessions[of].jobs.get(&name) != Some(&job) {
                    // somebody wrote the job: nothing was started, it is read again
                    self.session(of).job_bells.insert(name);
                    return self.leave(model, of);
                }
                self.write_job(of, &name, |job| {
                    job.status = Some(TerraformJobStatus { phase: Some(JobPhase::Running), ..Default::default() });
                });
                Hold::Recorded
            }
            Hold::Recorded => match self.start(of, &name) {
                true => Hold::Terraform,
                false => {
                    self.end_job(of, &name, refused(Reason::RetryScheduled, WhoActs::Retry));
                    Hold::Ended
                }
            },
            // `Step::Ends` says how
            Hold::Terraform => Hold::Terraform,
            Hold::Ended => {
                if self.sessions[of].gate.as_ref().is_some_and(|gate| gate.job == name) {
                    self.write_gate(of, None);
                }
                return self.leave(model, of);
            }
        };
        if let Some(hands) = &mut self.session(of).hands {
            hands.stage = stage;
        }
    }

    fn approval(&self, of: usize, name: &str) -> Option<usize> {
        self.sessions[of].approvals.iter().position(|approval| approval.metadata.name.as_deref() == Some(name))
    }

    fn consume(&mut self, model: &Model, of: usize, job: &TerraformJob, design: &Design, state: Option<&State>) -> bool {
        let Some(reference) = &job.spec.plan else { return false };
        let Some(index) = self.approval(of, &reference.approval) else { return false };
        let approval = self.sessions[of].approvals[index].clone();
        let status = approval.status.clone().unwrap_or_default();
        let name = job.metadata.name.clone().unwrap_or_default();
        let mine = status.consumed_by.as_deref() == Some(&name);
        let mut judged = (*approval).clone();
        if mine {
            judged.status = Some(ApprovalStatus { consumed_by: None, ..status.clone() });
        }
        let now = at(self.now);
        let context = ApprovalContext {
            design_uid: UID,
            generation: design.generation,
            plan: design.status.plan.as_ref(),
            state: state.map_or(("", 0), |state| (LINEAGE, state.serial)),
            policy: model.policy,
            in_flight: unconfirmed(&design.status),
            now: &now,
        };
        let verdict = (model.hooks.judge)(&judged, &context);
        let allowed = verdict.is_ok() && reference.plan_sha256 == approval.spec.plan_sha256;
        if allowed {
            // what the checker knows by itself, without asking the judge
            if now.0 >= approval.spec.expires_at.0 {
                self.fault("an expired approval was used up");
            }
            if status.consumed_by.as_ref().is_some_and(|by| *by != name) {
                self.fault("an approval was used up twice");
            }
            if approval.spec.generation != design.generation {
                self.fault("an approval of another generation was used up");
            }
            if status.refused.is_some() {
                self.fault("a refused approval was used up");
            }
            if model.policy == ApprovalPolicy::Human && status.role != Some(galley::api::approval::Role::Approver) {
                self.fault("an agent's approval was used up where a person must approve");
            }
            self.write_approval(of, index, |status| status.consumed_by = Some(name));
        } else if status.consumed_by.is_none() || mine {
            let reason = verdict.err().map_or(RefusedReason::WrongPlan, |refused| refused.reason);
            self.write_approval(of, index, |status| status.refused = Some(Refused { reason, message: String::new() }));
        }
        allowed
    }

    // --------------------------------------------------------------------------------------------------- Terraform

    /// Starts Terraform; false when the runner refuses because the state is another one.
    fn start(&mut self, of: usize, name: &str) -> bool {
        let session = &self.sessions[of];
        let Some(job) = session.jobs.get(name).cloned() else { return false };
        let version = session.state.as_ref().map_or(("", 0), |state| (LINEAGE, state.serial));
        if version != (job.spec.lineage.as_str(), job.spec.serial) {
            return false;
        }
        if session.gate.as_ref().is_none_or(|gate| gate.job != name) {
            self.fault(format!("{name} starts without the gate"));
        }
        let session = &self.sessions[of];
        if !job.spec.action.changes_the_cloud() {
            return true;
        }
        let unknown = session.design.as_ref().is_some_and(|design| design.status.outcome.as_ref().is_some_and(|outcome| outcome.unknown));
        let reference = job.spec.plan.clone();
        let allowed: Vec<&Kept<Approval>> = session
            .approvals
            .iter()
            .filter(|approval| approval.status.as_ref().and_then(|status| status.consumed_by.as_deref()) == Some(name))
            .collect();
        let matches = match (&reference, allowed.as_slice()) {
            (Some(reference), [approval]) => approval.spec.plan_sha256 == reference.plan_sha256,
            _ => false,
        };
        let made = reference.as_ref().and_then(|reference| self.plan_of(of, &reference.job)).is_some_and(|plan| {
            Some(&plan.plan_sha256) == reference.as_ref().map(|reference| &reference.plan_sha256)
                && (plan.lineage.as_str(), plan.serial) == version
                && plan.destroy == (job.spec.action == Action::Destroy)
        });
        let uid = reference.map(|reference| reference.approval_uid).unwrap_or_default();
        let again = session.spent.contains(&uid);
        if unknown {
            self.fault("something is applied while the outcome of an apply is unknown");
        }
        if !matches {
            self.fault("an apply starts without an approval of its very plan");
        }
        if !made {
            self.fault("an apply starts on another plan or another state than was planned");
        }
        if again {
            self.fault("Terraform starts twice on one approval");
        }
        let session = self.session(of);
        session.spent.push(uid);
        if session.state.is_none() {
            session.state = Some(State { serial: 1, holds: [0, 0] });
        }
        true
    }

    fn plan_of(&self, of: usize, job: &str) -> Option<PlanRecord> {
        self.sessions[of].jobs.get(job)?.status.as_ref()?.plan.clone()
    }

    pub fn terraform_ends(&mut self, of: usize, end: End) {
        let Some(hands) = self.sessions[of].hands.clone() else { return };
        let Some(job) = self.sessions[of].jobs.get(&hands.job).cloned() else { return };
        let status = match job.spec.action {
            Action::Plan | Action::Refresh if hands.stopped => {
                TerraformJobStatus { phase: Some(JobPhase::Cancelled), ..Default::default() }
            }
            Action::Plan | Action::Refresh if end != End::Well => {
                let who = if end == End::Refused { WhoActs::Stalled } else { WhoActs::Retry };
                let phase = if end == End::Killed { JobPhase::Interrupted } else { JobPhase::Failed };
                TerraformJobStatus { phase: Some(phase), who_acts: Some(who), ..Default::default() }
            }
            Action::Plan => self.planned(of, &job),
            Action::Refresh => self.refreshed(of),
            Action::Apply | Action::Destroy => self.applied(of, &job, end),
        };
        self.end_job(of, &hands.job, status);
        if let Some(hands) = &mut self.session(of).hands {
            hands.stage = Hold::Ended;
        }
    }

    /// Addresses of the state that the cloud no longer has, or has otherwise.
    fn drift(&self, of: usize) -> (Vec<String>, Vec<Change>) {
        let session = &self.sessions[of];
        let Some(state) = &session.state else { return Default::default() };
        let held = |index: &usize| state.holds[*index] > 0;
        let gone = (0..2).filter(held).filter(|index| session.cloud[*index].is_empty()).map(|index| ADDRESSES[index].to_owned());
        let other =
            (0..2).filter(held).filter(|index| session.cloud[*index].first().is_some_and(|version| *version != state.holds[*index]));
        let change = |index: usize| Change {
            address: ADDRESSES[index].into(),
            action: ChangeAction::Update,
            replace_paths: vec![],
            changed_paths: vec![],
        };
        (gone.collect(), other.map(change).collect())
    }

    fn planned(&mut self, of: usize, job: &TerraformJob) -> TerraformJobStatus {
        let (drift_deletes, drift_updates) = self.drift(of);
        let session = self.session(of);
        session.plans += 1;
        let sha = format!("p{}", session.plans);
        let holds = session.state.as_ref().map_or([0, 0], |state| state.holds);
        let wanted: u8 = job.spec.digest.trim_start_matches('d').parse().unwrap_or(0);
        let mut counts = Counts::default();
        for (index, held) in holds.iter().enumerate() {
            let there = *held > 0 && !session.cloud[index].is_empty();
            if job.spec.destroy_plan {
                counts.delete += usize::from(there);
            } else if !there {
                match job.spec.imports.contains_key(ADDRESSES[index]) {
                    true => counts.import += 1,
                    false => counts.create += 1,
                }
            } else if session.cloud[index].first() != Some(&wanted) || *held != wanted {
                counts.update += 1;
            }
        }
        let plan = PlanRecord {
            job: job.metadata.name.clone().unwrap_or_default(),
            destroy: job.spec.destroy_plan,
            digest: job.spec.digest.clone(),
            lineage: job.spec.lineage.clone(),
            serial: job.spec.serial,
            generation: job.spec.generation,
            plan_sha256: sha.clone(),
            semantic_sha256: sha,
            counts,
            changes: vec![],
            drift_deletes,
            drift_updates,
            imports: job.spec.imports.clone(),
            output_changes: false,
            created_at: at(self.now),
            expires_at: at(self.now + 3600),
        };
        TerraformJobStatus { phase: Some(JobPhase::Succeeded), plan: Some(plan), ..Default::default() }
    }

    fn refreshed(&mut self, of: usize) -> TerraformJobStatus {
        let (gone, mut drift) = self.drift(of);
        drift.extend(gone.into_iter().map(|address| Change {
            address,
            action: ChangeAction::Delete,
            replace_paths: vec![],
            changed_paths: vec![],
        }));
        TerraformJobStatus { phase: Some(JobPhase::Succeeded), drift, ..Default::default() }
    }

    /// Does to cloud and state what an apply does that ends like this.
    fn applied(&mut self, of: usize, job: &TerraformJob, end: End) -> TerraformJobStatus {
        let (done, in_flight) = self.change_cloud(of, job, end);
        let names = |list: &[usize]| list.iter().map(|index| ADDRESSES[*index].to_owned()).collect::<Vec<_>>();
        let action = if job.spec.action == Action::Destroy { ChangeAction::Delete } else { ChangeAction::Create };
        let unseen = |index: &usize| InFlight { address: ADDRESSES[*index].into(), action, found_id: None, looked_up: false };
        let state = self.sessions[of].state.as_ref().map(State::record);
        let base = TerraformJobStatus { state, created: names(&done), ..Default::default() };
        match end {
            End::Well => TerraformJobStatus { phase: Some(JobPhase::Succeeded), ..base },
            End::Refused => TerraformJobStatus {
                phase: Some(JobPhase::Failed),
                who_acts: Some(WhoActs::Stalled),
                failed: vec![ADDRESSES[1].into()],
                ..base
            },
            End::Throttled => TerraformJobStatus {
                phase: Some(JobPhase::Failed),
                who_acts: Some(WhoActs::Retry),
                failed: vec![ADDRESSES[1].into()],
                ..base
            },
            End::Killed => TerraformJobStatus {
                phase: Some(JobPhase::Interrupted),
                reason: Some(Reason::OutcomeUnknown),
                who_acts: Some(WhoActs::Waiting),
                in_flight: in_flight.iter().map(unseen).collect(),
                ..base
            },
        }
    }

    /// (done and recorded, in flight), by index.
    fn change_cloud(&mut self, of: usize, job: &TerraformJob, end: End) -> (Vec<usize>, Vec<usize>) {
        let wanted: u8 = job.spec.digest.trim_start_matches('d').parse().unwrap_or(0);
        let imports = job.spec.plan.as_ref().and_then(|plan| self.plan_of(of, &plan.job)).map(|plan| plan.imports).unwrap_or_default();
        let session = self.session(of);
        let Some(state) = &mut session.state else { return Default::default() };
        let (mut done, mut in_flight) = (vec![], vec![]);
        let mut duplicate = false;
        #[allow(clippy::needless_range_loop, reason = "the index is the address's number in the model")]
        for index in 0..2 {
            let there = state.holds[index] > 0 && !session.cloud[index].is_empty();
            let imported = imports.contains_key(ADDRESSES[index]);
            let touched = match job.spec.action {
                Action::Destroy => state.holds[index] > 0,
                _ => !there || session.cloud[index].first() != Some(&wanted) || state.holds[index] != wanted,
            };
            if !touched || (index == 1 && matches!(end, End::Refused | End::Throttled)) {
                continue;
            }
            let recorded = index == 0 || end == End::Well;
            if job.spec.action == Action::Destroy {
                session.cloud[index].clear();
            } else if there || imported {
                session.cloud[index] = vec![wanted];
            } else {
                session.cloud[index].push(wanted);
                duplicate |= session.cloud[index].len() > 1;
            }
            if recorded {
                state.holds[index] = if job.spec.action == Action::Destroy { 0 } else { wanted };
                done.push(index);
            } else {
                in_flight.push(index);
            }
        }
        state.serial += 1;
        if duplicate {
            self.fault("a resource was made twice");
        }
        (done, in_flight)
    }

    // ------------------------------------------------------------------------------------------------ from outside

    /// The session controller: a gate whose holder is gone is released after its grace.
    pub fn session_turn(&mut self, of: usize) {
        let session = self.session(of);
        session.session_bell = false;
        session.gate_wake = None;
        let Some(gate) = session.gate.clone() else { return };
        let stale = gate.since + 10;
        if self.holder(of, &gate) == Holder::Live {
            return;
        }
        if self.now >= stale {
            self.write_gate(of, None);
        } else {
            self.session(of).gate_wake = Some(stale + 1);
        }
    }

    pub fn edit(&mut self, of: usize, change: impl FnOnce(&mut Design)) {
        self.write_design(of, |design| {
            change(design);
            design.generation += 1;
        });
    }

    /// A person cancels the open job.
    pub fn cancel(&mut self, of: usize) {
        let open = self.sessions[of].design.as_ref().and_then(|design| design.status.active_job.clone());
        if let Some(job) = open {
            self.write_job(of, &job, |job| job.spec.cancel = true);
        }
    }

    pub fn say_yes(&mut self, of: usize, yes: Yes) {
        let session = self.session(of);
        let Some(design) = session.design.clone() else { return };
        let Some(mut plan) = design.status.plan.clone() else { return };
        let number = session.approvals.len();
        match yes {
            Yes::Approver | Yes::Agent => {}
            Yes::Stale => plan.plan_sha256 = format!("p{}", session.plans.saturating_sub(1)),
            Yes::Wrong => plan.plan_sha256 = NO_PLAN.into(),
        }
        self.approve(of, format!("yes{number}"), plan, design.generation, yes.role());
    }

    /// Time passes, and timers that are due ring.
    pub fn pass(&mut self, until: i64) {
        self.now = until;
        for session in &mut self.sessions {
            if session.wake.is_some_and(|wake| wake <= until) {
                session.wake = None;
                session.bell = true;
            }
            if session.gate_wake.is_some_and(|wake| wake <= until) {
                session.gate_wake = None;
                session.session_bell = true;
            }
            let expired = |approval: &Kept<Approval>| {
                let done = approval.status.as_ref().is_some_and(|status| status.consumed_by.is_some() || status.refused.is_some());
                !done && approval.spec.expires_at.0.as_second() <= until
            };
            let due: Vec<usize> = (0..session.approvals.len()).filter(|index| expired(&session.approvals[*index])).collect();
            session.approval_bells.extend(due);
        }
    }

    /// SIGKILL: what is not durable is gone; every document rings at the next start.
    pub fn crash(&mut self, end: Option<End>) {
        for of in 0..self.sessions.len() {
            let hands = self.sessions[of].hands.clone().filter(|hands| hands.stage == Hold::Terraform);
            let job = hands.and_then(|hands| self.sessions[of].jobs.get(&hands.job).cloned());
            if let (Some(job), Some(end)) = (job, end)
                && job.spec.action.changes_the_cloud()
            {
                let (done, in_flight) = match end {
                    // killed before it did anything
                    End::Refused | End::Throttled => Default::default(),
                    End::Well | End::Killed => self.change_cloud(of, &job, end),
                };
                self.session(of).remains = Some(Left { job: job.metadata.name.clone().unwrap_or_default(), in_flight, done });
            }
            let session = self.session(of);
            session.turn = None;
            session.judging = None;
            session.hands = None;
            session.wake = None;
            session.gate_wake = None;
            session.bell = session.design.is_some();
            session.session_bell = true;
            session.job_bells = session.jobs.keys().cloned().collect();
            session.approval_bells = (0..session.approvals.len()).collect();
        }
        self.waiting.clear();
        self.running.clear();
        self.served.clear();
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
