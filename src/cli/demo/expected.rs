//! The second act: a design file that says what it expects is answered, saved, planned, built and destroyed, and every
//! expectation is held exactly against the rendered Terraform and the simulated cloud.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use super::agent::ToolError;
use super::facts::{self, PlanSeen};
use super::story::Story;
use super::words::Line;
use crate::cli::client::As;
use crate::cli::expect::{Expectation, Flag, PartialFailure, Refusal, World};

/// An error that no retry mends: what a tenancy answers when a quota is used up.
const STATUS: u16 = 400;
const CODE: &str = "LimitExceeded";

/// How many headings the act has for this file.
pub(super) fn steps(file: &Value) -> usize {
    let expectation = Expectation::of(file).ok().flatten();
    if expectation.is_some_and(|expectation| expectation.refusal().is_some()) {
        return 2;
    }
    let fails = expectation.and_then(|expectation| expectation.partial_failure().ok().flatten());
    4 + usize::from(fails.is_some())
}

impl Story<'_> {
    /// Plays a design file.
    pub(super) async fn expected(&mut self, file: &Value) -> Result<(), String> {
        let expectation = Expectation::of(file)?.ok_or_else(|| "the file has no `expect`".to_owned())?;
        self.show.unchecked.extend(expectation.unknown());
        if let Some(refusal) = expectation.refusal() {
            self.refused(file, refusal).await?;
            self.show.step(Line::StepFileGone);
            return self.goodbye().await;
        }
        self.hear_and_save(file).await?;
        let (mut plan, rendered) = self.planned(expectation).await?;
        if let Some(fails) = expectation.partial_failure()? {
            plan = self.survive(&plan, fails).await?;
        }
        self.built(expectation, &plan, &rendered).await?;
        self.show.step(Line::StepFileGone);
        self.tear_down().await?;
        self.goodbye().await
    }

    async fn hear_and_save(&mut self, file: &Value) -> Result<(), String> {
        self.show.step(Line::StepFile);
        self.open(file["name"].as_str().unwrap_or("galley demo")).await?;
        self.hear(file).await?;
        let found = self.save(file).await?;
        self.show.check(Line::NoErrors, &[("errors", &found.errors), ("warnings", &found.warnings), ("infos", &found.infos)]);
        Ok(())
    }

    /// The answers of the file. A file may know less than a hearing asks: the design is played all the same.
    async fn hear(&mut self, file: &Value) -> Result<(), String> {
        let Some(arguments) = facts::save_answers(&self.session, file) else { return Ok(()) };
        let answers = arguments["answers"].as_object().map_or(0, serde_json::Map::len);
        let saved = self.ask("save_answers", arguments).await;
        let heard = match saved {
            Ok(_) => self.ask("complete_hearing", facts::complete_hearing(&self.session)).await,
            Err(refused) => Err(refused),
        };
        match heard {
            Ok(heard) => {
                let (requirements, constraints) = facts::heard(&heard).map_err(|problem| self.missing("complete_hearing", &problem))?;
                self.show.check(Line::Heard, &[("answers", &answers), ("requirements", &requirements), ("constraints", &constraints)]);
            }
            Err(ToolError { code, message, .. }) if !matches!(code.as_str(), "transport" | "internal") => {
                self.show.note(&self.show.words(Line::NotHeard, &[("problem", &message)]));
            }
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }

    /// A design that must not be saved, and the answer that says why.
    async fn refused(&mut self, file: &Value, refusal: Refusal<'_>) -> Result<(), String> {
        self.show.step(Line::StepRefused);
        self.open(file["name"].as_str().unwrap_or("galley demo")).await?;
        self.hear(file).await?;
        let Err(error) = self.ask("save_architecture", facts::save_architecture(&self.session, file)).await else {
            return Err(self.show.words(Line::NotRefused, &[]));
        };
        let facts = refusal.check(&error.code, &error.details).map_err(|problems| problems.join("; "))?;
        facts.iter().for_each(|what| self.show.check(Line::Refused, &[("what", what)]));
        for problem in super::facts::problems(&error.details) {
            self.show.note(&self.show.words(Line::RefusedProblem, &[("problem", &problem)]));
        }
        let there = self.document().await?.is_some();
        self.same("a document of the refused design", there, false)
    }

    /// A plan, and what Terraform reads: as expected, and the cloud still empty.
    async fn planned(&mut self, expectation: Expectation<'_>) -> Result<(PlanSeen, World), String> {
        self.show.step(Line::StepFilePlan);
        self.call("set_desired_state", facts::set_desired_state(&self.session, "Applied", None)).await?;
        let plan = self.next_plan(None).await?;
        // the answer of save_architecture holds the first findings only; the status has more
        let findings = self.document().await?.and_then(|design| design.status).and_then(|status| status.findings).unwrap_or_default();
        let flags: Vec<Flag> = findings.items.into_iter().map(Flag::from).collect();
        for what in expectation.flagged(&flags).map_err(|problems| problems.join("; "))? {
            self.show.check(Line::Flagged, &[("what", &what)]);
        }
        let rendered = self.rendered().await?;
        self.confirm(expectation, &rendered)?;
        self.same("resources the plan creates and the files hold", plan.counts.create, rendered.parts.len())?;
        self.show.check(Line::SamePlanned, &[("plan", &plan.counts.create), ("rendered", &rendered.parts.len())]);
        let count = self.cloud().await?.len();
        self.same("resources before the approval", count, 0)?;
        self.show.check(Line::CloudStillEmpty, &[("count", &count)]);
        Ok((plan, rendered))
    }

    /// One type cannot be made: the rest is there, the failure is told, and a new apply is taken at once. Gives the plan
    /// that finishes it.
    async fn survive(&mut self, plan: &PlanSeen, fails: PartialFailure) -> Result<PlanSeen, String> {
        self.show.step(Line::StepSurvive);
        let admin = format!("/admin/sandbox/{}", self.uid);
        let fault = json!({ "resource_type": fails.failed, "operation": "create", "status": STATUS, "code": CODE });
        let failed = |failure: crate::cli::failure::Failure| failure.message;
        self.server.http(As::Approver, Method::POST, &format!("{admin}/fail"), Some(&fault)).await.map_err(failed)?;
        self.show.check(Line::FaultSet, &[("kind", &fails.failed), ("error", &format!("{STATUS}-{CODE}"))]);
        self.approve(plan).await?;
        let seen = self.wait("JobFailed", |seen| seen.reason == "JobFailed").await?;
        let failure = seen.failure.ok_or_else(|| self.missing("get_status", "last_failure"))?;
        let cloud = self.cloud().await?;
        let there = |kind: &str| cloud.iter().any(|resource| resource.kind == kind);
        self.same(fails.made, there(fails.made), true)?;
        self.same(fails.failed, there(fails.failed), false)?;
        let told = failure.failed.iter().any(|address| address.starts_with(&format!("{}.", fails.failed)));
        self.same("the failure names what failed", told, true)?;
        let values: [(&str, &dyn std::fmt::Display); 3] =
            [("job", &failure.job), ("failed", &failure.failed.join(", ")), ("made", &fails.made)];
        self.show.check(Line::PartlyMade, &values);

        self.server.http(As::Approver, Method::POST, &format!("{admin}/clear"), Some(&json!({}))).await.map_err(failed)?;
        self.forgiven = Some(failure.job);
        self.call("set_desired_state", facts::set_desired_state(&self.session, "Applied", Some("Retry"))).await?;
        let rest = self.next_plan(Some(&plan.sha)).await?;
        self.same("resources of both plans", rest.counts.create + cloud.len(), plan.counts.create)?;
        Ok(rest)
    }

    async fn built(&mut self, expectation: Expectation<'_>, plan: &PlanSeen, rendered: &World) -> Result<(), String> {
        self.show.step(Line::StepFileApply);
        self.approve_and_settle(plan).await?;
        let cloud = self.cloud().await?;
        self.same("resources in the files and in the cloud", rendered.parts.len(), cloud.len())?;
        self.show.check(Line::AllMade, &[("count", &rendered.parts.len()), ("cloud", &cloud.len())]);
        self.confirm(expectation, &World::cloud(&cloud))?;
        let files: BTreeSet<String> = rendered.parts.iter().map(|part| part.address.clone()).collect();
        let state = self.addresses().await?;
        self.same("terraform state list and the files", &state, &files)?;
        self.show.check(Line::SameFiles, &[("count", &state.len())]);
        self.nothing_to_do().await
    }
}
