//! What comes from outside: edits, cancels, the passing of time and `kill -9`; and the session that frees a gate.

use super::*;

impl World {
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
                    End::Refused | End::Throttled | End::RefusedFirst => Default::default(),
                    End::Well | End::Killed | End::Unanswered => self.change_cloud(of, &job, end),
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
