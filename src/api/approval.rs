//! `Approval`: somebody's yes to the exact bytes of one plan. Immutable, consumed once.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Time;
use super::design::{ApprovalPolicy, PlanRecord};

/// What is approved.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "galley.dev",
    version = "v1alpha1",
    kind = "Approval",
    plural = "approvals",
    shortname = "apv",
    category = "galley",
    namespaced,
    status = "ApprovalStatus",
    derive = "PartialEq",
    selectable = ".spec.designRef",
    printcolumn(name = "Design", type_ = "string", json_path = ".spec.designRef"),
    printcolumn(name = "Plan", type_ = "string", json_path = ".spec.planSha256"),
    printcolumn(name = "Approver", type_ = "string", json_path = ".status.approver"),
    printcolumn(name = "Consumed by", type_ = "string", json_path = ".status.consumedBy"),
    printcolumn(name = "Refused", type_ = "string", json_path = ".status.refused.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.spec == oldSelf.spec").message("an approval is immutable: make a new one"),
    cel
)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalSpec {
    /// Name of the design.
    #[schemars(length(min = 1, max = 63))]
    pub design_ref: String,
    /// uid of the design.
    #[schemars(length(min = 1, max = 63))]
    pub design_uid: String,
    /// sha256 of the plan file, 64 lower-case hex digits.
    #[x_kube(validation = Rule::new("self.matches('^[0-9a-f]{64}$')").message("planSha256 is 64 lower-case hex digits: copy status.plan.planSha256"))]
    pub plan_sha256: String,
    /// Generation of the design the plan was made for.
    pub generation: i64,
    /// When the yes ends; never later than the plan.
    pub expires_at: Time,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
}

/// Who said it and what became of it. Written by the server alone.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalStatus {
    /// Who, stamped from the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<String>,
    /// Through which door, stamped by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// What the credential may do, stamped by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Job that used it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed_by: Option<String>,
    /// Why it is not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// Door a request came through.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// an MCP tool
    Mcp,
    /// kubectl or another client of the Kubernetes API
    Kubernetes,
    /// the CLI
    Cli,
    /// the page
    Page,
    /// Galley itself, by policy
    Policy,
}

/// What a credential may do.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// edits designs; approves only where the policy lets an agent
    Editor,
    /// a person with the approver token
    Approver,
    /// Galley itself
    System,
}

/// Why an approval is not accepted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// closed reason
    pub reason: RefusedReason,
    /// one sentence, ending in what to do
    pub message: String,
}

/// Closed set of refusals.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedReason {
    /// there is no plan to approve
    NoPlan,
    /// the sha256 is not that of the newest plan
    WrongPlan,
    /// the design changed since
    GenerationChanged,
    /// the state changed since
    StateChanged,
    /// the approval or the plan is too old
    Expired,
    /// it was used already
    AlreadyConsumed,
    /// the policy asks for a person with the approver credential
    ApproverRequired,
    /// it names another design (or an earlier one of the same name)
    WrongDesign,
    /// the plan file in the store is not the one that was planned
    PlanTampered,
    /// something is in flight that only a person may confirm
    InFlight,
}

/// What an approval is judged against.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalContext<'a> {
    /// uid of the design as it is now
    pub design_uid: &'a str,
    /// generation of the design as it is now
    pub generation: i64,
    /// the newest plan, if any
    pub plan: Option<&'a PlanRecord>,
    /// (lineage, serial) of the state as it is now
    pub state: (&'a str, u64),
    /// policy in force: the stricter of the design's and the server's
    pub policy: ApprovalPolicy,
    /// true when addresses in flight are not yet accounted for
    pub in_flight: bool,
    /// now
    pub now: &'a Time,
}

/// The one judgement of an approval, used by the approval controller, by the design controller's decision and by the
/// tool that asks for it. Ok = it allows exactly `context.plan`, once.
pub fn judge(approval: &Approval, context: &ApprovalContext<'_>) -> Result<(), Refused> {
    if crate::faults::is_broken(crate::faults::Mutant::AnyApproval) {
        return Ok(());
    }
    let ApprovalContext { design_uid, generation, plan, state, policy, in_flight, now } = *context;
    let refuse = |reason, message: String| Err(Refused { reason, message });
    let spec = &approval.spec;
    let status = approval.status.clone().unwrap_or_default();
    if spec.design_uid != design_uid {
        return refuse(
            RefusedReason::WrongDesign,
            format!("it names design uid {}, the design has uid {design_uid}; approve the plan of this design", spec.design_uid),
        );
    }
    if let Some(refused) = status.refused {
        return Err(refused);
    }
    if let Some(job) = status.consumed_by {
        return refuse(RefusedReason::AlreadyConsumed, format!("it was used up by job {job}; approve the next plan anew"));
    }
    let Some(plan) = plan else {
        return refuse(RefusedReason::NoPlan, "the design has no plan; set desiredState to Applied and wait for one".into());
    };
    if spec.generation != generation || plan.generation != generation {
        return refuse(
            RefusedReason::GenerationChanged,
            format!("it was given for generation {}, the design is at {generation}; read and approve the new plan", spec.generation),
        );
    }
    if spec.plan_sha256 != plan.plan_sha256 {
        return refuse(
            RefusedReason::WrongPlan,
            format!(
                "planSha256 {} is not that of the newest plan {}; read that one and approve it",
                short(&spec.plan_sha256),
                short(&plan.plan_sha256)
            ),
        );
    }
    if (plan.lineage.as_str(), plan.serial) != state {
        return refuse(
            RefusedReason::StateChanged,
            format!("the plan was made on state serial {}, the state is at {}; approve the new plan", plan.serial, state.1),
        );
    }
    if now.0 >= spec.expires_at.0 || now.0 >= plan.expires_at.0 {
        return refuse(
            RefusedReason::Expired,
            "the approval or its plan is too old; request a new plan (request.action: Plan) and approve that".into(),
        );
    }
    let role = status.role.unwrap_or(Role::Editor);
    if policy == ApprovalPolicy::Human && role != Role::Approver {
        return refuse(
            RefusedReason::ApproverRequired,
            "policy.approval is human: a person approves with the approver credential on the page or with `galley approve`".into(),
        );
    }
    if policy != ApprovalPolicy::Auto && role == Role::System {
        return refuse(RefusedReason::ApproverRequired, "the policy in force is no longer auto: somebody approves the plan".into());
    }
    if in_flight && role != Role::Approver {
        return refuse(
            RefusedReason::InFlight,
            "resources of an interrupted apply are not accounted for; a person confirms with the approver credential".into(),
        );
    }
    Ok(())
}

/// First 12 digits of a digest, for people.
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// Who makes a request to the API: set by the door from the credential, read by admission. Never taken from a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// name for `status.approver` and Events, such as `editor`, `approver`, `galley`
    pub name: String,
    /// what it may do
    pub role: Role,
    /// door it came through
    pub channel: Channel,
}

impl Identity {
    /// Galley itself: controllers and policy approvals.
    pub fn system() -> Self {
        Identity { name: super::MANAGER.to_owned(), role: Role::System, channel: Channel::Policy }
    }
    /// The editor credential through a door.
    pub fn editor(channel: Channel) -> Self {
        Identity { name: "editor".to_owned(), role: Role::Editor, channel }
    }
    /// The approver credential through a door.
    pub fn approver(channel: Channel) -> Self {
        Identity { name: "approver".to_owned(), role: Role::Approver, channel }
    }
}
