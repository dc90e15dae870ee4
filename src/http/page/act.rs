//! What an approver does on the page: approve exactly the plan that was shown, refuse it, ask for a fresh one.
//!
//! Approving goes through the service that every door uses, with the approver's identity; the API server stamps it.
//! Refusing leaves nothing that could be applied: the wish is taken back (`Planned`; a design that is being deleted cannot
//! be taken back and is suspended), which is a new generation and so voids every approval; and the policy becomes
//! `human`, so that no model can say yes where a person said no. The refusal is written down on the design.

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::Page;
use super::read::{self, REFUSALS, RefusedPlan, refusals};
use crate::api::condition::clip;
use crate::api::design::{DesiredState, RequestAction};
use crate::api::{Design, MANAGER, NAMESPACE};
use crate::services::lifecycle::{ApprovePlan, SetDesiredState};

/// Refusals kept on a design; older ones are of no use to anybody.
const KEPT_REFUSALS: usize = 10;
/// Longest reason, as the schema of an approval has it.
const REASON_LIMIT: usize = 1024;
/// How often a refusal is tried against the controllers' own writes; they write a few times a second at most.
const ATTEMPTS: u32 = 8;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// the newest plan is not the one that was shown
    #[error("the plan changed")]
    PlanChanged,
    /// it was refused before
    #[error("the plan was refused")]
    Refused,
    /// something is destroyed and the box was not ticked
    #[error("not confirmed")]
    NotConfirmed,
    /// the plan is being applied
    #[error("the plan is being applied")]
    TooLate,
    /// documents cannot be read
    #[error(transparent)]
    Read(#[from] read::Error),
    /// a service refused; its words are for people
    #[error("refused: {0}")]
    Service(crate::services::Error),
    /// the API server refused
    #[error("cannot write")]
    Write {
        /// why
        #[source]
        source: Box<kube::Error>,
    },
}

/// A reason as it may be stored: one text, bounded, or nothing.
fn reason(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| clip(text, REASON_LIMIT))
}

impl Page {
    /// Says yes to the plan with this sha256.
    pub(super) async fn approve(&self, name: &str, sha: &str, why: &str, confirmed: bool) -> Result<(), Error> {
        let design = self.design(name).await?;
        let plan = design.status.as_ref().and_then(|status| status.plan.as_ref()).filter(|plan| plan.plan_sha256 == sha);
        let plan = plan.ok_or(Error::PlanChanged)?;
        if refusals(&design).iter().any(|refused| refused.plan_sha256 == sha) {
            return Err(Error::Refused);
        }
        let loses = plan.destroy || plan.counts.delete + plan.counts.replace > 0 || !plan.drift_deletes.is_empty();
        if loses && !confirmed {
            return Err(Error::NotConfirmed);
        }
        let input = ApprovePlan { session_id: name.to_owned(), plan_sha256: sha.to_owned(), reason: reason(why), expires_in_seconds: None };
        self.parts.approver.services.approve_plan(input).await.map(|_| ()).map_err(Error::Service)
    }

    /// Says no to the plan with this sha256.
    pub(super) async fn refuse(&self, name: &str, sha: &str, why: &str) -> Result<(), Error> {
        let designs: Api<Design> = Api::namespaced(self.parts.approver.client.clone(), NAMESPACE);
        for _ in 0..ATTEMPTS {
            let design = self.design(name).await?;
            let planned = design.status.as_ref().and_then(|status| status.plan.as_ref()).map(|plan| plan.plan_sha256.as_str());
            if planned != Some(sha) {
                return Err(Error::PlanChanged);
            }
            if self.open_change(&design).await?.is_some() {
                return Err(Error::TooLate);
            }
            let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            match designs.patch(name, &params, &Patch::Merge(self.refusal(&design, sha, why))).await {
                Ok(_) => return Ok(()),
                // somebody wrote in between: what they wrote is looked at first
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(source) => return Err(Error::Write { source: Box::new(source) }),
            }
        }
        Err(Error::PlanChanged)
    }

    /// The merge patch of a refusal, bound to the version that was read.
    fn refusal(&self, design: &Design, sha: &str, why: &str) -> serde_json::Value {
        let mut kept = refusals(design);
        kept.retain(|refused| refused.plan_sha256 != sha);
        let by = "approver".to_owned();
        kept.insert(0, RefusedPlan { plan_sha256: sha.to_owned(), by, at: self.parts.clock.now(), reason: reason(why) });
        kept.truncate(KEPT_REFUSALS);
        let mut spec = json!({ "policy": { "approval": "human" } });
        if design.metadata.deletion_timestamp.is_some() {
            spec["suspend"] = json!(true);
        } else if matches!(design.spec.desired_state, DesiredState::Applied | DesiredState::Destroyed) {
            spec["desiredState"] = json!(DesiredState::Planned);
        }
        json!({
            "metadata": {
                "resourceVersion": design.metadata.resource_version,
                "annotations": { REFUSALS: serde_json::to_string(&kept).unwrap_or_default() },
            },
            "spec": spec,
        })
    }

    /// Asks for a fresh plan.
    pub(super) async fn replan(&self, name: &str) -> Result<(), Error> {
        let input = SetDesiredState { session_id: name.to_owned(), request: Some(RequestAction::Plan), ..SetDesiredState::default() };
        self.parts.approver.services.set_desired_state(input).await.map(|_| ()).map_err(Error::Service)
    }
}
