//! The reconcile of a job, the queue for a slot, and the task that holds an admitted job from write to write.

use super::*;

impl World {
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

    pub(super) fn end_job(&mut self, of: usize, name: &str, mut ended: TerraformJobStatus) {
        ended.finished_at = Some(at(self.now));
        self.write_job(of, name, |job| job.status = Some(ended));
    }

    pub(super) fn done(&mut self, model: &Model, name: &str) {
        self.running.retain(|other| other.job != name);
        self.waiting.retain(|other| other.job != name);
        self.launch(model);
    }

    /// As `Scheduler::fill`, with the production choice.
    pub(super) fn launch(&mut self, model: &Model) {
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

    pub(super) fn leave(&mut self, model: &Model, of: usize) {
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
}
