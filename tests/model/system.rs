//! Which steps are possible, and what must hold where nothing happens by itself.

use galley::api::condition::{READY, condition};
use galley::api::design::DesignStatus;
use galley::controllers::design::diff::diff;
use galley::controllers::design::report::conclude;
use galley::controllers::design::step::{Rest, Step as Decision};

use super::explore::System;
use super::moves::{built, desired, observed};
use super::pool::Kept;
use super::world::*;

impl Model {
    fn first(&self) -> World {
        let (status, state) = if self.built { built() } else { (DesignStatus::default(), State { serial: 0, holds: [0, 0] }) };
        let design = Design {
            spec: Spec { version: 1, wanted: Wanted::Applied, suspended: false, request: None },
            generation: 1,
            deleted: false,
            status: Kept::new(status),
        };
        let session = Session {
            gate: None,
            design: Some(design),
            jobs: Default::default(),
            approvals: vec![],
            cloud: if self.built { [vec![1], vec![1]] } else { [vec![], vec![]] },
            state: self.built.then_some(state),
            remains: None,
            turn: None,
            judging: None,
            hands: None,
            bell: true,
            session_bell: false,
            job_bells: Default::default(),
            approval_bells: Default::default(),
            wake: None,
            gate_wake: None,
            plans: 0,
            requests: 0,
            spent: vec![],
            confirmed: false,
        };
        World {
            now: 0,
            left: self.budget,
            sessions: vec![session; self.sessions],
            waiting: vec![],
            running: vec![],
            served: vec![],
            wrong: None,
        }
    }

    fn internal(&self, world: &World) -> Vec<Step> {
        let mut steps = vec![];
        for (of, session) in world.sessions.iter().enumerate() {
            if session.turn.is_some() || (session.bell && session.design.is_some()) {
                steps.push(Step::Turn(of));
            }
            if session.judging.is_some() || !session.approval_bells.is_empty() {
                steps.push(Step::Judge(of));
            }
            steps.extend(session.job_bells.iter().map(|job| Step::Job(of, job.clone())));
            match &session.hands {
                Some(hands) if hands.stage == Hold::Terraform => steps.push(Step::Ends(of, End::Well)),
                Some(_) => steps.push(Step::Hands(of)),
                None => {}
            }
            if session.session_bell {
                steps.push(Step::SessionTurn(of));
            }
        }
        steps
    }

    fn outside(&self, world: &World) -> Vec<Step> {
        let left = &world.left;
        let mut steps = vec![];
        let runs = world.sessions.iter().any(|session| {
            let job = session.hands.as_ref().filter(|hands| hands.stage == Hold::Terraform).and_then(|hands| session.jobs.get(&hands.job));
            job.is_some_and(|job| job.spec.action.changes_the_cloud())
        });
        if left.crashes > 0 {
            match runs {
                true => steps.extend([End::Well, End::Refused, End::Killed].map(|end| Step::Crash(Some(end)))),
                false => steps.push(Step::Crash(None)),
            }
        }
        // a moment is short: time passes where Galley rests, unless the store is slow
        let passes = self.slow_store || self.internal(world).is_empty();
        if left.ticks > 0 && passes {
            steps.push(Step::Tick);
        }
        if left.waits > 0 && passes && world.sessions.iter().any(|session| session.wake.is_some() || session.gate_wake.is_some()) {
            steps.push(Step::Wait);
        }
        for (of, session) in world.sessions.iter().enumerate() {
            if left.failures > 0 && session.hands.as_ref().is_some_and(|hands| hands.stage == Hold::Terraform) {
                steps
                    .extend([End::Refused, End::RefusedFirst, End::Throttled, End::Unanswered, End::Killed].map(|end| Step::Ends(of, end)));
            }
            let Some(design) = &session.design else { continue };
            if left.edits > 0 && design.spec.version < 3 {
                steps.push(Step::Edit(of));
            }
            if left.goals > 0 {
                let others =
                    [Wanted::Planned, Wanted::Applied, Wanted::Destroyed].into_iter().filter(|wanted| *wanted != design.spec.wanted);
                steps.extend(others.map(|wanted| Step::Want(of, wanted)));
            }
            if left.requests > 0 {
                steps.extend([0, 1, 2].map(|action| Step::Ask(of, action)));
            }
            if design.status.plan.is_some() {
                if left.approvals > 0 {
                    steps.push(Step::Approve(of, Yes::Approver));
                    if self.policy == galley::api::design::ApprovalPolicy::Human {
                        steps.push(Step::Approve(of, Yes::Agent));
                    }
                }
                if left.bad_approvals > 0 {
                    steps.extend([Yes::Stale, Yes::Wrong].map(|yes| Step::Approve(of, yes)));
                }
            }
            if left.suspends > 0 {
                steps.push(Step::Suspend(of, !design.spec.suspended));
            }
            if left.deletes > 0 && !design.deleted {
                steps.push(Step::Delete(of));
            }
            let open = design.status.active_job.as_ref().and_then(|job| session.jobs.get(job));
            if left.cancels > 0 && open.is_some_and(|job| !job.phase().is_terminal() && !job.spec.cancel) {
                steps.push(Step::Cancel(of));
            }
            if left.drifts > 0 && session.hands.is_none() && !session.cloud[0].is_empty() {
                steps.extend([Step::Drift(of, true), Step::Drift(of, false)]);
            }
        }
        steps
    }

    fn happen(&self, world: &mut World, step: &Step) {
        match step {
            Step::Turn(of) => world.turn(self, *of),
            Step::Judge(of) => world.judge(self, *of),
            Step::Job(of, name) => world.job(self, *of, name),
            Step::Hands(of) => world.hands(self, *of),
            Step::SessionTurn(of) => world.session_turn(*of),
            Step::Ends(of, end) => {
                world.left.failures -= u8::from(*end != End::Well);
                world.terraform_ends(*of, *end);
            }
            Step::Edit(of) => {
                world.left.edits -= 1;
                world.edit(*of, |design| design.spec.version += 1);
            }
            Step::Want(of, wanted) => {
                world.left.goals -= 1;
                world.edit(*of, |design| design.spec.wanted = *wanted);
            }
            Step::Ask(of, action) => {
                world.left.requests -= 1;
                world.sessions[*of].requests += 1;
                let number = world.sessions[*of].requests;
                world.edit(*of, |design| design.spec.request = Some((number, *action)));
            }
            Step::Approve(of, yes) => {
                match yes {
                    Yes::Approver | Yes::Agent => world.left.approvals -= 1,
                    Yes::Stale | Yes::Wrong => world.left.bad_approvals -= 1,
                }
                world.say_yes(*of, *yes);
            }
            Step::Suspend(of, suspended) => {
                world.left.suspends -= 1;
                world.edit(*of, |design| design.spec.suspended = *suspended);
            }
            Step::Delete(of) => {
                world.left.deletes -= 1;
                world.edit(*of, |design| design.deleted = true);
            }
            Step::Cancel(of) => {
                world.left.cancels -= 1;
                world.cancel(*of);
            }
            Step::Drift(of, gone) => {
                world.left.drifts -= 1;
                world.sessions[*of].cloud[0] = if *gone { vec![] } else { vec![9] };
            }
            Step::Tick => {
                world.left.ticks -= 1;
                world.pass(world.now + 35 * 60);
            }
            Step::Wait => {
                world.left.waits -= 1;
                let timers = world.sessions.iter().flat_map(|session| [session.wake, session.gate_wake]).flatten();
                if let Some(next) = timers.min() {
                    // on whole minutes, so that few different times are met
                    world.pass((next + 59) / 60 * 60);
                }
            }
            Step::Crash(end) => {
                world.left.crashes -= 1;
                world.crash(*end);
            }
        }
    }

    /// What is wrong with one session resting as it does.
    fn rests_well(&self, world: &World, of: usize) -> Option<String> {
        let session = &world.sessions[of];
        let Some(design) = &session.design else {
            return session
                .gate
                .is_some()
                .then(|| "the design is gone and the gate is held".to_owned())
                .filter(|_| session.gate_wake.is_none());
        };
        let seen = (desired(self, design), observed(session, of, &design.status));
        let now = at(world.now);
        // a timer that was due while the last turn ended rings at once
        let soon = session.wake.is_some_and(|wake| wake <= world.now + 60);
        let rest = match diff(&seen.0, &seen.1, &now) {
            Decision::Rest(rest) => rest,
            step if session.wake.is_some() => {
                // the holder of a gate may be waited for
                return (session.gate.is_none() && !soon).then(|| format!("it could do {step:?} and waits for a timer instead"));
            }
            step => return Some(format!("lost wake-up: nothing rings, and the decision is {step:?}")),
        };
        if let Rest::Job { name, .. } = &rest {
            return Some(format!(
                "lost wake-up: it waits for job {name}, which nobody runs: {:?}",
                session.jobs.get(name).map(|job| job.phase())
            ));
        }
        let said = conclude(&rest);
        let ready = condition(&design.status.conditions, READY).map(|ready| ready.reason.clone()).unwrap_or_default();
        if !soon && (ready != said.reason.as_str() || design.status.observed_generation != Some(design.generation)) {
            return Some(format!(
                "the status says {ready} of generation {:?}, and it is {} of {}",
                design.status.observed_generation, said.reason, design.generation
            ));
        }
        let who = said.ready || said.stalled || said.waits.is_some() || session.wake.is_some() || design.spec.suspended;
        if said.message.is_empty() || !who {
            return Some(format!("{rest:?} does not say who acts next"));
        }
        if session.gate.is_some() && session.gate_wake.is_none() {
            return Some("the gate is held and nobody works or looks again".to_owned());
        }
        for (index, address) in ADDRESSES.iter().enumerate() {
            let recorded = session.state.as_ref().is_some_and(|state| state.holds[index] > 0);
            let named = seen.1.in_flight().iter().any(|entry| entry.address == *address);
            if !session.cloud[index].is_empty() && !recorded && !named && !session.confirmed {
                return Some(format!("{address} is in the cloud, in no state and not named"));
            }
        }
        None
    }

    /// A person who wants everything gone gets there, if nothing else goes wrong.
    fn destroyable(&self, world: &World, of: usize) -> Option<String> {
        let plenty = 40;
        let mut world = world.clone();
        world.left = Budget {
            edits: plenty,
            goals: plenty,
            requests: plenty,
            approvals: plenty,
            waits: plenty,
            ticks: plenty,
            suspends: plenty,
            ..Budget::default()
        };
        let (mut way, mut last) = (vec![], vec![]);
        for _ in 0..600 {
            world.hush(self);
            if let Some(step) = self.internal(&world).first().cloned() {
                self.happen(&mut world, &step);
                last.push(step);
                continue;
            }
            last.clear();
            let Some(design) = &world.sessions[of].design else { return None };
            let rest = match diff(&desired(self, design), &observed(&world.sessions[of], of, &design.status), &at(world.now)) {
                Decision::Rest(rest) => rest,
                _ => Rest::Continue,
            };
            let step = match rest {
                Rest::Destroyed => return None,
                _ if design.spec.suspended => Step::Suspend(of, false),
                _ if !design.deleted && design.spec.wanted != Wanted::Destroyed => Step::Want(of, Wanted::Destroyed),
                Rest::AwaitingApproval(_) => Step::Approve(of, Yes::Approver),
                Rest::PlanExpired(_) => Step::Ask(of, 0),
                Rest::Failed(_) | Rest::InFlight(_) => Step::Ask(of, 2),
                Rest::RetryAt(..) | Rest::Continue => Step::Wait,
                other => return Some(format!("a destroy cannot be reached: it rests at {other:?} after {way:?}")),
            };
            if way.len() > 30 {
                break;
            }
            way.push(format!("{step:?}"));
            self.happen(&mut world, &step);
        }
        let circle = &last[last.len().saturating_sub(12)..];
        let now = world.sessions[of].design.as_ref().map(|design| {
            let decision = diff(&desired(self, design), &observed(&world.sessions[of], of, &design.status), &at(world.now));
            format!(
                "{decision:?} with {:?}, request {:?} of {:?}",
                world.sessions[of].gate, design.spec.request, design.status.handled_request_id
            )
        });
        Some(format!("a destroy cannot be reached: {way:?}, then {circle:?}: {now:?}"))
    }
}

impl System for Model {
    type State = World;
    type Step = Step;
    fn start(&self) -> World {
        self.first()
    }
    fn steps(&self, world: &World) -> Vec<Step> {
        let mut steps = self.internal(world);
        steps.extend(self.outside(world));
        steps
    }
    fn take(&self, world: &World, step: &Step) -> World {
        let mut next = world.clone();
        self.happen(&mut next, step);
        next.hush(self);
        next
    }
    fn is_internal(&self, step: &Step) -> bool {
        match step {
            Step::Turn(_) | Step::Judge(_) | Step::Job(..) | Step::Hands(_) | Step::SessionTurn(_) => true,
            Step::Ends(_, end) => *end == End::Well,
            Step::Edit(_) | Step::Want(..) | Step::Ask(..) | Step::Approve(..) | Step::Suspend(..) | Step::Delete(_) => false,
            Step::Cancel(_) | Step::Drift(..) | Step::Tick | Step::Wait | Step::Crash(_) => false,
        }
    }
    fn wrong(&self, world: &World) -> Option<String> {
        world.wrong.clone()
    }
    fn restless(&self, world: &World) -> Option<String> {
        if !self.rests {
            return None;
        }
        (0..world.sessions.len()).find_map(|of| {
            self.rests_well(world, of).or_else(|| {
                use std::hash::{Hash, Hasher};
                let mut hasher = std::hash::DefaultHasher::new();
                world.hash(&mut hasher);
                if hasher.finish().is_multiple_of(self.destroy_every as u64) { self.destroyable(world, of) } else { None }
            })
        })
    }
}
