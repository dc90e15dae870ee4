//! The turn of a design, from look to report: which write comes after which, and what it decides by.

use super::*;

impl World {
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
                let status = Kept::new(notes::intended(&turn.base.status, &name, job.spec.action.changes_the_cloud()));
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

    pub(super) fn act(&mut self, model: &Model, of: usize, mut turn: Turn, seen: Kept<Seen>, decision: &Decision) {
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
                let found = |index: usize| (!session.cloud[index].is_empty()).then(|| id(index));
                let found = notes::to_look_up(&status).map(|entry| (entry.address.clone(), found(address(&entry.address)))).collect();
                status = notes::looked_up(&status, &found, |name| seen.1.held(name));
            }
            Decision::ConfirmInFlight { addresses } => {
                status = notes::confirmed(&status, wanted.request.as_ref().map(|request| request.id.as_str()), addresses);
                self.session(of).confirmed = true;
            }
            Decision::Restamp => status = notes::restamped(&status, wanted.generation),
            Decision::RecordSynced => {
                status = notes::synced(&status, wanted.digest(), looked.state.version(), wanted.generation, &at(self.now));
            }
            Decision::CreatePolicyApproval => {
                let Some(plan) = &status.plan else { return };
                self.approve(
                    of,
                    format!("policy-{}-{}", plan.plan_sha256, wanted.generation),
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
                let status = Kept::new(notes::forgotten(&status));
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
                let digest = plan.digest.clone();
                let (order, reference) = notes::change_of(plan, approval);
                return self.issue(model, of, turn, &seen, action, &order, Some((reference, digest)));
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
    pub(super) fn issue(
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
            imports: if plain { notes::imports(looked) } else { BTreeMap::new() },
            cancel: false,
        };
        let name = notes::name_of(&spec, order);
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

    pub(super) fn create_job(&mut self, of: usize, job: &Kept<TerraformJob>) {
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
}
