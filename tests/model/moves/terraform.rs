//! What Terraform does to state and cloud, however it ends, and what must hold at the moment it starts.

use super::*;

/// More plans than any way within the bounds or any walk has a reason for.
const MANY_PLANS: u8 = 100;

impl World {
    /// Starts Terraform; false when the runner refuses because the state is another one.
    pub(super) fn start(&mut self, of: usize, name: &str) -> bool {
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

    pub(super) fn plan_of(&self, of: usize, job: &str) -> Option<PlanRecord> {
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
                let who = if matches!(end, End::Refused | End::RefusedFirst) { WhoActs::Stalled } else { WhoActs::Retry };
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
    pub(super) fn drift(&self, of: usize) -> (Vec<String>, Vec<Change>) {
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

    pub(super) fn planned(&mut self, of: usize, job: &TerraformJob) -> TerraformJobStatus {
        let (drift_deletes, drift_updates) = self.drift(of);
        let session = self.session(of);
        session.plans += 1;
        let endless = session.plans > MANY_PLANS;
        let sha = format!("p{}", session.plans);
        let holds = session.state.as_ref().map_or([0, 0], |state| state.holds);
        let wanted: u8 = job.spec.digest.trim_start_matches('d').parse().unwrap_or(0);
        // as the runner does: what the state holds is not imported
        let mut imports = job.spec.imports.clone();
        imports.retain(|name, _| holds[address(name)] == 0);
        let mut counts = Counts::default();
        for (index, held) in holds.iter().enumerate() {
            let there = *held > 0 && !session.cloud[index].is_empty();
            if job.spec.destroy_plan {
                counts.delete += usize::from(there);
            } else if !there {
                match imports.contains_key(ADDRESSES[index]) {
                    true => counts.import += 1,
                    false => counts.create += 1,
                }
            } else if session.cloud[index].first() != Some(&wanted) || *held != wanted {
                counts.update += 1;
            }
        }
        if endless {
            // every plan is another one, so no state is met twice
            self.fault("livelock: it is planned again and again");
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
            imports,
            output_changes: false,
            created_at: at(self.now),
            expires_at: at(self.now + 3600),
        };
        TerraformJobStatus { phase: Some(JobPhase::Succeeded), plan: Some(plan), ..Default::default() }
    }

    pub(super) fn refreshed(&mut self, of: usize) -> TerraformJobStatus {
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
    pub(super) fn applied(&mut self, of: usize, job: &TerraformJob, end: End) -> TerraformJobStatus {
        let (done, in_flight) = self.change_cloud(of, job, end);
        let names = |list: &[usize]| list.iter().map(|index| ADDRESSES[*index].to_owned()).collect::<Vec<_>>();
        let action = if job.spec.action == Action::Destroy { ChangeAction::Delete } else { ChangeAction::Create };
        let unseen = |index: &usize| InFlight { address: ADDRESSES[*index].into(), action, found_id: None, looked_up: false };
        let (phase, who_acts, failed): (_, _, &[usize]) = match end {
            End::Well => (JobPhase::Succeeded, None, &[]),
            End::Refused => (JobPhase::Failed, Some(WhoActs::Stalled), &[1]),
            End::RefusedFirst => (JobPhase::Failed, Some(WhoActs::Stalled), &[0]),
            End::Throttled => (JobPhase::Failed, Some(WhoActs::Retry), &[1]),
            End::Unanswered => (JobPhase::Failed, Some(WhoActs::Retry), &[]),
            End::Killed => (JobPhase::Interrupted, Some(WhoActs::Waiting), &[]),
        };
        TerraformJobStatus {
            phase: Some(phase),
            reason: (end == End::Killed).then_some(Reason::OutcomeUnknown),
            who_acts,
            state: self.sessions[of].state.as_ref().map(State::record),
            created: names(&done),
            failed: names(failed),
            in_flight: in_flight.iter().map(unseen).collect(),
            ..Default::default()
        }
    }

    /// (done and recorded, in flight), by index.
    pub(super) fn change_cloud(&mut self, of: usize, job: &TerraformJob, end: End) -> (Vec<usize>, Vec<usize>) {
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
            let refused = if index == 0 { end == End::RefusedFirst } else { matches!(end, End::Refused | End::Throttled) };
            if !touched || refused {
                continue;
            }
            let recorded = index == 0 || matches!(end, End::Well | End::RefusedFirst);
            let makes = job.spec.action != Action::Destroy && !there && !imported;
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
            } else if makes || end == End::Killed {
                in_flight.push(index);
            }
        }
        state.serial += 1;
        if duplicate {
            self.fault("a resource was made twice");
        }
        (done, in_flight)
    }
}
