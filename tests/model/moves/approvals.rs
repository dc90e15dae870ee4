//! Approvals: given, judged by their controller, and used up by the job that starts on one.

use super::*;

impl World {
    pub(super) fn approve(&mut self, of: usize, name: String, plan: PlanRecord, generation: i64, role: galley::api::approval::Role) {
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

    pub(super) fn approval(&self, of: usize, name: &str) -> Option<usize> {
        self.sessions[of].approvals.iter().position(|approval| approval.metadata.name.as_deref() == Some(name))
    }

    pub(super) fn consume(&mut self, model: &Model, of: usize, job: &TerraformJob, design: &Design, state: Option<&State>) -> bool {
        let Some(reference) = &job.spec.plan else { return false };
        let Some(index) = self.approval(of, &reference.approval) else { return false };
        let approval = self.sessions[of].approvals[index].clone();
        let status = approval.status.clone().unwrap_or_default();
        let name = job.metadata.name.clone().unwrap_or_default();
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
        let (verdict, next) = consumption(&approval, reference, &name, |judged| (model.hooks.judge)(judged, &context));
        let allowed = verdict.is_ok();
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
        }
        // words for people; nothing decides by them
        let refused = next.refused.map(|refused| Refused { message: String::new(), ..refused });
        let next = ApprovalStatus { refused, ..next };
        if Some(&next) != approval.status.as_ref() {
            self.write_approval(of, index, |status| *status = next);
        }
        allowed
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
}
