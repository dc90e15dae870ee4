//! How far Galley goes, and a person's yes to it: desired state, one-off requests, approvals, cancelling a job.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::SignedDuration;
use kube::api::PostParams;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::architecture_check::check_generation;
use super::documents::name_of;
use super::error::{Code, Error, Problem};
use super::text::{Text, say};
use super::{Services, status};
use crate::api::approval::{ApprovalContext, ApprovalSpec, ApprovalStatus, Refused, RefusedReason, Role, judge, short};
use crate::api::design::{ApprovalPolicy, DesiredState, PlanRecord, Request, RequestAction, Severity};
use crate::api::session::Language;
use crate::api::terraformjob::JobPhase;
use crate::api::{Approval, Design, Session, names};

/// Arguments of set_desired_state.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct SetDesiredState {
    /// Session id.
    pub session_id: String,
    /// Draft: findings. Planned: a plan. Applied, Destroyed: after approval.
    pub desired_state: Option<DesiredState>,
    /// true: start nothing for this design.
    pub suspend: Option<bool>,
    /// Once: Plan (fresh plan), Refresh (look for drift), Retry (after a failure was mended).
    pub request: Option<RequestAction>,
    /// auto: harmless plans by themselves. agent: approve_plan. human: approver credential. Never lowered here.
    pub approval_policy: Option<ApprovalPolicy>,
    /// Seconds between drift checks, 0 = only on request, else at least 60.
    #[schemars(range(min = 0, max = 2_592_000))]
    pub drift_interval_seconds: Option<i64>,
    /// Refuse when the design is at another generation.
    pub expected_generation: Option<i64>,
}

/// What was set.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct DesiredStateSet {
    #[serde(skip)]
    pub(super) summary: String,
    /// session
    pub session_id: String,
    /// generation of the design after the edit
    pub generation: i64,
    /// false when everything was so before
    pub changed: bool,
    /// how far Galley goes now
    pub desired_state: DesiredState,
    /// nothing is started while true
    pub suspended: bool,
    /// id of the request, minted by the server
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// background drift check that was asked to stop for this
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancelled_drift_check: Option<String>,
    /// pass to get_status to wait for what comes of it
    pub since: String,
    /// what to call next
    pub next_actions: Vec<String>,
}

/// Arguments of approve_plan.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct ApprovePlan {
    /// Session id.
    pub session_id: String,
    /// All 64 hex digits of the plan the person read.
    #[schemars(length(max = 64))]
    pub plan_sha256: String,
    /// Why, in the person's words.
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
    /// How long the yes holds; never longer than the plan.
    #[schemars(range(min = 30, max = 86_400))]
    pub expires_in_seconds: Option<i64>,
}

/// Whether an approval counts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// a job uses it
    Accepted,
    /// it is stored and will be used when the session's turn comes
    #[default]
    Recorded,
}

/// What became of an approval.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct ApprovalAnswer {
    #[serde(skip)]
    pub(super) summary: String,
    /// session
    pub session_id: String,
    /// accepted (a job uses it) or recorded (it waits for the session's turn)
    pub state: ApprovalState,
    /// name of the approval
    pub approval: String,
    /// the plan
    pub plan_sha256: String,
    /// job that uses it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// until when it holds
    pub expires_at: String,
    /// pass to get_status to wait for what comes of it
    pub since: String,
    /// what to call next
    pub next_actions: Vec<String>,
}

/// A question to the person about one plan.
#[derive(Clone, Debug, PartialEq)]
pub struct ApprovalQuestion {
    /// the plan in words
    pub message: String,
    /// label of the yes
    pub label: String,
    /// what the answer belongs to: session, plan, generation, credential
    pub binding: String,
}

/// Arguments of cancel_job.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct CancelJob {
    /// Session id.
    pub session_id: String,
    /// Job name; the active one when absent.
    #[schemars(length(max = 253))]
    pub job: Option<String>,
}

/// What became of a cancellation.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct JobCancelled {
    #[serde(skip)]
    pub(super) summary: String,
    /// session
    pub session_id: String,
    /// job
    pub job: String,
    /// true: it was asked to stop; false: it had ended already
    pub cancelling: bool,
    /// phase when asked
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<JobPhase>,
    /// what to call next
    pub next_actions: Vec<String>,
}

impl Services {
    /// Edits how far Galley goes with a design.
    ///
    /// # Errors
    /// `session_not_found`, `session_busy` (a heavy operation is asked for while one runs; nothing is written),
    /// `invalid_argument`, `invalid_design` (nothing saved), `not_permitted` (policy lowered), `conflict`.
    pub async fn set_desired_state(&self, input: SetDesiredState) -> Result<DesiredStateSet, Error> {
        let session = self.living_session(&input.session_id).await?;
        let language = session.spec.language;
        check_input(&input, language)?;
        let design = self.design(&session).await?;
        let heavy = starts_work(&input, &design);
        if heavy {
            self.refuse_if_busy(&session)?;
        }
        // Minted once, so that a retried edit is still one request.
        let request = input.request.map(|action| Request { id: ulid::Ulid::generate().to_string().to_lowercase(), action });
        let edit = |design: &Design| {
            check_generation(input.expected_generation, design.metadata.generation.unwrap_or_default(), language)?;
            self.desired_patch(&input, request.as_ref(), design, language)
        };
        let (design, changed) = self.edit_design(&session, edit).await?;
        let cancelled_drift_check = if heavy && changed { self.stop_drift_check(&session).await } else { None };
        let generation = design.metadata.generation.unwrap_or_default();
        let state = format!("{:?}", design.spec.desired_state);
        let text = if changed { Text::DesiredStateSet } else { Text::DesiredStateUnchanged };
        let values = [("session", input.session_id.as_str()), ("state", &state), ("generation", &generation.to_string())];
        let mut summary = say(language, text, &values);
        let errors = self.errors_in_the_way(&design, language);
        let next_actions = match errors {
            0 => status::next_after_edit(language, &design),
            _ => vec![say(language, Text::NextMend, &[])],
        };
        if errors > 0 {
            summary.push('\n');
            summary.push_str(&say(language, Text::ErrorsBlock, &[("errors", &errors.to_string())]));
        }
        if let Some(next) = next_actions.first() {
            summary.push('\n');
            summary.push_str(next);
        }
        Ok(DesiredStateSet {
            summary,
            session_id: input.session_id,
            generation,
            changed,
            desired_state: design.spec.desired_state,
            suspended: design.spec.suspend,
            request_id: request.map(|request| request.id),
            cancelled_drift_check,
            since: status::token(&session, Some(&design), None),
            next_actions,
        })
    }

    /// Errors of a design that is wanted: whoever waited for a plan of it would wait in vain. A destruction needs no valid one.
    fn errors_in_the_way(&self, design: &Design, language: Language) -> usize {
        match design.spec.desired_state {
            DesiredState::Planned | DesiredState::Applied => {
                self.judge(&design.spec, language).iter().filter(|finding| finding.severity == Severity::Error).count()
            }
            DesiredState::Draft | DesiredState::Destroyed => 0,
        }
    }

    /// The merge patch of `spec`, or None when everything is so already.
    fn desired_patch(
        &self,
        input: &SetDesiredState,
        request: Option<&Request>,
        design: &Design,
        language: Language,
    ) -> Result<Option<Value>, Error> {
        let spec = &design.spec;
        let mut patch = Map::new();
        if let Some(state) = input.desired_state.filter(|state| *state != spec.desired_state) {
            patch.insert("desiredState".into(), json!(state));
        }
        if let Some(suspend) = input.suspend.filter(|suspend| *suspend != spec.suspend) {
            patch.insert("suspend".into(), json!(suspend));
        }
        if let Some(request) = request {
            patch.insert("request".into(), json!(request));
        }
        let mut policy = Map::new();
        if let Some(wanted) = input.approval_policy.filter(|wanted| *wanted != spec.policy.approval) {
            self.check_policy(spec.policy.approval, wanted, language)?;
            policy.insert("approval".into(), json!(wanted));
        }
        if let Some(seconds) = input.drift_interval_seconds.filter(|seconds| Some(*seconds) != spec.policy.drift_interval_seconds) {
            policy.insert("driftIntervalSeconds".into(), json!(seconds));
        }
        if !policy.is_empty() {
            patch.insert("policy".into(), Value::Object(policy));
        }
        Ok((!patch.is_empty()).then_some(Value::Object(patch)))
    }

    /// The editor may make the policy stricter, never looser; nobody goes below the server's minimum.
    fn check_policy(&self, present: ApprovalPolicy, wanted: ApprovalPolicy, language: Language) -> Result<(), Error> {
        let minimum = self.parts().settings.min_approval;
        if wanted < minimum {
            let message = say(language, Text::PolicyBelowMinimum, &[("minimum", policy_word(minimum))]);
            return Err(Error::new(Code::NotPermitted, message, say(language, Text::HintAskPerson, &[])));
        }
        if wanted < present && self.parts().identity.role == Role::Editor {
            let values = [("from", policy_word(present)), ("to", policy_word(wanted))];
            let message = say(language, Text::PolicyLowered, &values);
            return Err(Error::new(Code::NotPermitted, message, say(language, Text::HintPolicy, &[])));
        }
        Ok(())
    }

    /// A background drift check gives way to the person. Best effort: the controllers let it give way, too.
    async fn stop_drift_check(&self, session: &Session) -> Option<String> {
        let operation = session.status.as_ref()?.active_operation.as_ref()?;
        let looks_only = ["plan", "refresh"].iter().any(|kind| operation.action.eq_ignore_ascii_case(kind));
        if operation.requested || operation.kind != "TerraformJob" || !looks_only {
            return None;
        }
        match self.ask_to_cancel(session, &operation.name).await {
            Ok(()) => Some(operation.name.clone()),
            Err(error) => {
                tracing::info!(job = operation.name, %error, "the drift check could not be asked to stop");
                None
            }
        }
    }

    /// Says yes to exactly one plan.
    ///
    /// # Errors
    /// `session_not_found`, `invalid_argument` (not 64 hex digits), `invalid_design` (nothing saved), `plan_expired`,
    /// `approval_refused` (wrong plan, changed meanwhile, a person has to), `approval_required` (something in flight).
    pub async fn approve_plan(&self, input: ApprovePlan) -> Result<ApprovalAnswer, Error> {
        let session = self.session(&input.session_id).await?;
        let language = session.spec.language;
        let sha = full_sha(&input.plan_sha256, language)?;
        let design = self.design(&session).await?;
        let now = self.parts().clock.now();
        let mut approval = self.early_judgement(&session, &design, &input, &sha, &now)?;
        approval.status = None;
        let job = self.jobs_token(&session, &design).await?;
        let since = status::token(&session, Some(&design), job.as_ref());
        let stored = self.store_approval(approval, &session).await?;
        let settled = self.until_approval(name_of(&stored), self.parts().settings.approval_wait).await.unwrap_or(stored);
        let fate = settled.status.clone().unwrap_or_default();
        if let Some(refused) = fate.refused {
            return Err(refusal(language, &refused, &input.session_id));
        }
        let (state, summary) = match &fate.consumed_by {
            Some(job) => (ApprovalState::Accepted, say(language, Text::ApprovalConsumed, &[("plan", short(&sha)), ("job", job)])),
            None => (ApprovalState::Recorded, say(language, Text::ApprovalRecorded, &[("plan", short(&sha))])),
        };
        Ok(ApprovalAnswer {
            summary: format!("{summary}\n{}", say(language, Text::NextWait, &[])),
            session_id: input.session_id,
            state,
            approval: name_of(&settled).to_owned(),
            plan_sha256: sha,
            job: fate.consumed_by,
            expires_at: settled.spec.expires_at.0.to_string(),
            since,
            next_actions: vec![say(language, Text::NextWait, &[])],
        })
    }

    /// What a person is asked before approve_plan counts, where the host can ask: the plan in words. Refuses what
    /// approve_plan would refuse, so nobody is asked in vain.
    ///
    /// # Errors
    /// As [`Services::approve_plan`].
    pub async fn approval_question(&self, input: &ApprovePlan) -> Result<ApprovalQuestion, Error> {
        let session = self.session(&input.session_id).await?;
        let language = session.spec.language;
        let sha = full_sha(&input.plan_sha256, language)?;
        let design = self.design(&session).await?;
        let now = self.parts().clock.now();
        self.early_judgement(&session, &design, input, &sha, &now)?;
        let page = self.get_plan(super::plan::GetPlan { session_id: input.session_id.clone(), ..Default::default() }).await?;
        let kind = say(language, if page.destroy { Text::KindDestroy } else { Text::KindApply }, &[]);
        let counts = super::plan::counts_line(language, &page.counts);
        let values = [
            ("sha", short(&sha)),
            ("title", &session.spec.title),
            ("session", name_of(&session)),
            ("target", super::session::target_word(design.spec.target)),
            ("kind", &kind),
            ("counts", &counts),
        ];
        let mut message = say(language, Text::AskApproval, &values);
        for line in page.summary.lines().skip(1) {
            message.push('\n');
            message.push_str(line);
        }
        Ok(ApprovalQuestion {
            message,
            label: say(language, Text::AskYes, &[]),
            binding: format!("{}/{sha}/{}/{}", name_of(&session), page.generation, self.parts().identity.name),
        })
    }

    /// What approve_plan answers when the person said no.
    pub async fn approval_declined(&self, session: &str) -> Error {
        let language = self.language_of(Some(session)).await;
        Error::new(Code::ApprovalRefused, say(language, Text::PersonDeclined, &[]), say(language, Text::HintAskAgain, &[]))
            .with(json!({ "reason": "Declined" }))
    }

    /// What approve_plan answers to an answer of a question that is not open (any more).
    pub async fn approval_question_gone(&self, session: &str) -> Error {
        let language = self.language_of(Some(session)).await;
        Error::new(Code::ApprovalRefused, say(language, Text::QuestionGone, &[]), say(language, Text::HintAskAgain, &[]))
            .with(json!({ "reason": "QuestionGone" }))
    }

    /// The approval as it would be stored, judged by the same function the controllers use.
    fn early_judgement(&self, session: &Session, design: &Design, input: &ApprovePlan, sha: &str, now: &Time) -> Result<Approval, Error> {
        let language = session.spec.language;
        let status = design.status.clone().unwrap_or_default();
        let uid = design.metadata.uid.clone().unwrap_or_default();
        let generation = design.metadata.generation.unwrap_or_default();
        let expires_at = approval_end(status.plan.as_ref(), input.expires_in_seconds, now);
        let key = names::sha256_hex([uid.as_str(), sha, &generation.to_string(), &self.parts().identity.name].join("\u{1f}"));
        let name = format!("{}-{}-{}", name_of(design), short(sha), &key[..8]);
        let spec = ApprovalSpec {
            design_ref: name_of(design).to_owned(),
            design_uid: uid.clone(),
            plan_sha256: sha.to_owned(),
            generation,
            expires_at,
            reason: input.reason.clone(),
        };
        let mut approval = Approval::new(&name, spec);
        approval.status = Some(ApprovalStatus { role: Some(self.parts().identity.role), ..ApprovalStatus::default() });
        let state = status.state.clone().unwrap_or_default();
        let in_flight = status.outcome.as_ref().is_some_and(|outcome| outcome.in_flight.iter().any(|one| one.found_id.is_none()));
        let context = ApprovalContext {
            design_uid: &uid,
            generation,
            plan: status.plan.as_ref(),
            state: (&state.lineage, state.serial),
            policy: design.spec.policy.approval.max(self.parts().settings.min_approval),
            in_flight,
            now,
        };
        judge(&approval, &context).map_err(|refused| refusal(language, &refused, &input.session_id))?;
        // A yes to a plan that nothing would use would lie around until the next edit voids it.
        let wanted = design.metadata.deletion_timestamp.is_some()
            || session.metadata.deletion_timestamp.is_some()
            || matches!(design.spec.desired_state, DesiredState::Applied | DesiredState::Destroyed);
        if !wanted {
            let state = format!("{:?}", design.spec.desired_state);
            return Err(Error::new(
                Code::ApprovalRefused,
                say(language, Text::NotApplied, &[("state", &state)]),
                say(language, Text::HintWaitForPlan, &[]),
            )
            .with(json!({ "reason": "NotWanted", "desired_state": design.spec.desired_state })));
        }
        Ok(approval)
    }

    /// Creates the approval. The derived name makes a repeated call one approval; only when the former one is spent
    /// (refused, expired) a further one is made.
    async fn store_approval(&self, mut approval: Approval, session: &Session) -> Result<Approval, Error> {
        let language = session.spec.language;
        let name = name_of(&approval).to_owned();
        let fail = |error: kube::Error| Error::kube(language, &error, name_of(session));
        match self.approvals().create(&PostParams::default(), &approval).await {
            Ok(stored) => return Ok(stored),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(fail(error)),
        }
        if let Some(former) = self.approvals().get_opt(&name).await.map_err(fail)? {
            let spent = former.status.as_ref().is_some_and(|status| status.refused.is_some())
                || former.spec.expires_at.0 <= self.parts().clock.now().0;
            if !spent {
                return Ok(former);
            }
        }
        approval.metadata.name = None;
        approval.metadata.generate_name = Some(format!("{name}-"));
        self.approvals().create(&PostParams::default(), &approval).await.map_err(fail)
    }

    /// Asks a job to stop.
    ///
    /// # Errors
    /// `session_not_found`, `invalid_argument` (no such job, or none is active), `storage_unavailable`.
    pub async fn cancel_job(&self, input: CancelJob) -> Result<JobCancelled, Error> {
        let session = self.session(&input.session_id).await?;
        let language = session.spec.language;
        let refuse = |text, value: Option<Value>| {
            let message = say(language, text, &[("session", &input.session_id)]);
            Error::argument(
                language,
                Problem { path: "job".into(), message, value, hint: Some(say(language, Text::HintJobs, &[])), ..Problem::default() },
            )
        };
        let name = match &input.job {
            Some(name) => name.clone(),
            None => {
                let design = self.design_opt(&session).await?;
                status::active_job_name(&session, design.as_ref()).ok_or_else(|| refuse(Text::NoActiveJob, None))?
            }
        };
        let job = self.job_opt(&session, &name).await?.ok_or_else(|| refuse(Text::NoJob, Some(Value::from(name.clone()))))?;
        let phase = job.phase();
        let cancelling = !phase.is_terminal();
        if cancelling && !job.spec.cancel {
            self.ask_to_cancel(&session, &name).await?;
        }
        let summary = match cancelling {
            true => say(language, Text::JobCancelling, &[("job", &name)]),
            false => say(language, Text::JobEnded, &[("job", &name), ("phase", &format!("{phase:?}"))]),
        };
        let next_actions = vec![say(language, Text::NextWait, &[])];
        Ok(JobCancelled { summary, session_id: input.session_id, job: name, cancelling, phase: Some(phase), next_actions })
    }
}

fn refusal(language: Language, refused: &Refused, session: &str) -> Error {
    let mut error = Error::refused(language, refused, session);
    match refused.reason {
        // The policy says who can: name the ways, so that the model tells the person and does not try again.
        RefusedReason::ApproverRequired | RefusedReason::InFlight => {
            error.details = json!({ "reason": refused.reason, "approve_with": [format!("galley approve {session}"), "page"] });
        }
        RefusedReason::NoPlan
        | RefusedReason::WrongPlan
        | RefusedReason::GenerationChanged
        | RefusedReason::StateChanged
        | RefusedReason::Expired
        | RefusedReason::AlreadyConsumed
        | RefusedReason::WrongDesign
        | RefusedReason::PlanTampered => {}
    }
    error
}

fn check_input(input: &SetDesiredState, language: Language) -> Result<(), Error> {
    let asked = input.desired_state.is_some()
        || input.suspend.is_some()
        || input.request.is_some()
        || input.approval_policy.is_some()
        || input.drift_interval_seconds.is_some();
    if !asked {
        let message = say(language, Text::NothingAsked, &[]);
        return Err(Error::argument(language, Problem { message, ..Problem::default() }));
    }
    if let Some(seconds) = input.drift_interval_seconds.filter(|seconds| *seconds != 0 && !(60..=2_592_000).contains(seconds)) {
        let message = say(language, Text::NumberOutside, &[("min", "60"), ("max", "2592000")]);
        let path = "drift_interval_seconds".to_owned();
        return Err(Error::argument(language, Problem { path, message, value: Some(seconds.into()), ..Problem::default() }));
    }
    Ok(())
}

/// Whether the edit asks for a heavy operation: a request, or a change of desired state that starts one.
fn starts_work(input: &SetDesiredState, design: &Design) -> bool {
    let wakes = |state| match state {
        DesiredState::Draft => false,
        DesiredState::Planned | DesiredState::Applied | DesiredState::Destroyed => true,
    };
    input.request.is_some() || input.desired_state.is_some_and(|state| state != design.spec.desired_state && wakes(state))
}

fn full_sha(given: &str, language: Language) -> Result<String, Error> {
    let sha = given.trim().to_ascii_lowercase();
    let hex = sha.bytes().all(|b| b.is_ascii_hexdigit());
    if sha.len() == 64 && hex {
        return Ok(sha);
    }
    Err(Error::argument(
        language,
        Problem {
            path: "plan_sha256".into(),
            message: say(language, Text::ShaPrefix, &[]),
            value: Some(Value::from(crate::api::condition::clip(given, 80))),
            hint: Some(say(language, Text::HintCopySha, &[])),
            ..Problem::default()
        },
    ))
}

/// The end of a yes: as asked, never later than the plan.
fn approval_end(plan: Option<&PlanRecord>, seconds: Option<i64>, now: &Time) -> Time {
    let asked = seconds.and_then(|seconds| now.0.checked_add(SignedDuration::from_secs(seconds)).ok());
    let plan_end = plan.map_or(now.0, |plan| plan.expires_at.0);
    Time(asked.map_or(plan_end, |asked| asked.min(plan_end)))
}

pub(super) fn policy_word(policy: ApprovalPolicy) -> &'static str {
    match policy {
        ApprovalPolicy::Auto => "auto",
        ApprovalPolicy::Agent => "agent",
        ApprovalPolicy::Human => "human",
    }
}
