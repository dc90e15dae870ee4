//! The steps of the demo, in order, each with its checks.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use http::Method;
use kube::Api;
use serde_json::{Value, json};

use super::agent::{Agent, ToolError};
use super::facts::{self, PlanSeen, Seen};
use super::show::Show;
use super::{ARCHITECTURE, Backstage, CloudResource, Line};
use crate::api::approval::short;
use crate::api::design::{Change, ChangeAction};
use crate::api::{Design, NAMESPACE, Session};
use crate::cli::client::{As, Server};
use crate::cli::plan::change_table;
use crate::cli::screen::table;
use crate::cli::text::{Lang, Text};

/// How many headings there are.
pub const STEPS: usize = 10;
/// Longest wait for one thing. The whole demo takes half of it on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Longest wait of one `get_status`: short, so that a bar moves.
const LONG_POLL: u64 = 5;
/// The tools the demo needs.
const TOOLS: &[&str] = &[
    "create_session",
    "save_architecture",
    "set_desired_state",
    "get_status",
    "get_plan",
    "approve_plan",
    "get_job_log",
    "delete_session",
];

/// Everything one telling needs.
struct Story<'a> {
    show: &'a mut Show,
    agent: Agent,
    server: &'a Server,
    backstage: &'a dyn Backstage,
    data_dir: &'a Path,
    session: String,
    uid: String,
    since: Option<Value>,
}

/// Tells the story. Err: what is untrue, in one line.
pub async fn tell(show: &mut Show, server: &Server, pid: u32, backstage: &dyn Backstage, data_dir: &Path) -> Result<(), String> {
    show.check(Line::ServerReady, &[("url", &server.base_url()), ("pid", &pid)]);
    let token = server.token(As::Editor).map_err(|failure| failure.message)?;
    let agent = Agent::connect(server.base_url(), &token).await.map_err(|error| error.to_string())?;
    let tools = agent.tools().await.map_err(|error| error.to_string())?;
    if let Some(missing) = TOOLS.iter().find(|tool| !tools.iter().any(|found| found == *tool)) {
        return Err(show.words(Line::Missing, &[("tool", &"tools/list"), ("field", missing)]));
    }
    show.check(Line::Connected, &[("version", &agent.version()), ("tools", &tools.len())]);
    let architecture: Value = serde_json::from_str(ARCHITECTURE).map_err(|error| error.to_string())?;
    let mut story = Story { show, agent, server, backstage, data_dir, session: String::new(), uid: String::new(), since: None };
    story.design(&architecture).await?;
    let plan = story.plan().await?;
    story.apply(&plan).await?;
    story.compare().await?;
    let before = story.drift().await?;
    story.repair(&before).await?;
    story.replace(&architecture).await?;
    story.destroy().await?;
    story.goodbye().await
}

impl Story<'_> {
    async fn call(&self, tool: &'static str, arguments: Value) -> Result<Value, String> {
        self.agent.call(tool, arguments).await.map_err(|ToolError { tool, code, message }| {
            self.show.words(Line::ToolFailed, &[("tool", &tool), ("code", &code), ("message", &message)])
        })
    }

    fn missing(&self, tool: &str, field: &str) -> String {
        self.show.words(Line::Missing, &[("tool", &tool), ("field", &field)])
    }

    /// Ok when both are equal, else what differs.
    fn same<T: PartialEq + std::fmt::Debug>(&self, what: &str, left: T, right: T) -> Result<(), String> {
        if left == right {
            return Ok(());
        }
        Err(self.show.words(Line::Differs, &[("what", &what), ("left", &format!("{left:?}")), ("right", &format!("{right:?}"))]))
    }

    async fn cloud(&self) -> Result<Vec<CloudResource>, String> {
        self.backstage.cloud(self.data_dir, &self.uid).await.map_err(|error| format!("{error:#}"))
    }

    /// Managed addresses of `terraform state list`.
    async fn addresses(&self) -> Result<BTreeSet<String>, String> {
        let all = self.backstage.state_list(self.data_dir, &self.uid).await.map_err(|error| format!("{error:#}"))?;
        Ok(all.into_iter().filter(|address| !address.starts_with("data.") && !address.contains(".data.")).collect())
    }

    async fn document(&self) -> Result<Option<Design>, String> {
        let client = self.server.kube(As::Editor).map_err(|failure| failure.message)?;
        let designs: Api<Design> = Api::namespaced(client, NAMESPACE);
        designs.get_opt(&self.session).await.map_err(|error| self.server.kube_failure(&error).message)
    }

    /// Long-polls `get_status` until `there`, showing how far a job is.
    async fn wait(&mut self, what: &str, there: impl Fn(&Seen) -> bool) -> Result<Seen, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.call("get_status", facts::get_status(&self.session, LONG_POLL, self.since.as_ref())).await?;
            let seen = facts::status(&answer);
            self.since.clone_from(&seen.cursor);
            if there(&seen) {
                self.show.quiet();
                return Ok(seen);
            }
            if seen.failed() {
                return Err(self.show.words(Line::WentWrong, &[("reason", &seen.reason), ("message", &seen.message)]));
            }
            if let Some(progress) = &seen.progress {
                self.show.progress(progress);
            }
            if Instant::now() >= deadline {
                return Err(self.show.words(Line::TooLong, &[("what", &what), ("seconds", &PATIENCE.as_secs()), ("seen", &seen.line())]));
            }
            // a server that answers at once although nothing is new must not be hammered
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits for a plan that is not `old` and reads it.
    async fn next_plan(&mut self, old: Option<&str>) -> Result<PlanSeen, String> {
        let seen = self
            .wait("AwaitingApproval", |seen| {
                seen.reason == "AwaitingApproval" && seen.plan_sha.is_some() && seen.plan_sha.as_deref() != old
            })
            .await?;
        let answer = self.call("get_plan", facts::get_plan(&self.session)).await?;
        let mut plan = facts::plan(&answer).ok_or_else(|| self.missing("get_plan", "plan_sha256"))?;
        self.same("plan_sha256 of get_plan and get_status", Some(plan.sha.clone()), seen.plan_sha.clone())?;
        if plan.drift.is_empty() {
            plan.drift = seen.drift;
        }
        self.show.check(Line::PlanReady, &[("sha", &short(&plan.sha))]);
        self.show.block(&change_table(&plan.changes, self.show.screen));
        Ok(plan)
    }

    async fn approve(&mut self, plan: &PlanSeen) -> Result<(), String> {
        self.call("approve_plan", facts::approve_plan(&self.session, &plan.sha)).await?;
        self.show.check(Line::ApprovedPlan, &[("sha", &short(&plan.sha))]);
        Ok(())
    }

    async fn approve_and_settle(&mut self, plan: &PlanSeen) -> Result<(), String> {
        self.approve(plan).await?;
        let old = plan.sha.clone();
        // the status of before the approval must not pass for the one after it
        self.wait("Synced / Healthy", move |seen| {
            seen.settled() && (seen.reason != "AwaitingApproval" || seen.plan_sha.as_deref() != Some(old.as_str()))
        })
        .await?;
        self.list_done(&plan.changes).await?;
        self.show.check(Line::Settled, &[]);
        Ok(())
    }

    /// Each planned change with what Terraform's state says of it now.
    async fn list_done(&mut self, changes: &[Change]) -> Result<(), String> {
        let state = self.addresses().await?;
        for change in changes {
            let there = state.contains(&change.address);
            let wanted = change.action != ChangeAction::Delete;
            if there != wanted {
                return Err(self.show.words(Line::Differs, &[("what", &change.address), ("left", &wanted), ("right", &there)]));
            }
            let mark = self.show.screen.paint(crate::cli::screen::Tone::Good, "✓");
            self.show.block(&format!("{mark} {}", crate::cli::plan::change_line(change, self.show.screen)));
        }
        Ok(())
    }

    async fn design(&mut self, architecture: &Value) -> Result<(), String> {
        self.show.step(Line::StepDesign);
        let language = match self.show.screen.lang {
            Lang::En => "en",
            Lang::Ja => "ja",
        };
        let answer = self.call("create_session", facts::create_session("Compute + ATP", language)).await?;
        self.session = facts::session_id(&answer).ok_or_else(|| self.missing("create_session", "session_id"))?;
        self.show.check(Line::SessionMade, &[("session", &self.session)]);
        let answer = self.call("save_architecture", facts::save_architecture(&self.session, architecture)).await?;
        let document = self.document().await?.ok_or_else(|| self.missing("save_architecture", "design"))?;
        self.uid = document.metadata.uid.unwrap_or_default();
        let spec = document.spec;
        self.same("components", spec.components.len(), architecture["components"].as_array().map_or(0, Vec::len))?;
        self.show.check(Line::Saved, &[("components", &spec.components.len()), ("connections", &spec.connections.len())]);
        let (errors, warnings, infos, rows) = facts::findings(&answer);
        if rows.is_empty() {
            self.show.check(Line::NoFindings, &[]);
        } else {
            let heads = [Text::ColumnSeverity, Text::ColumnRule, Text::ColumnWhere, Text::ColumnMessage]
                .map(|text| self.show.screen.lang.text(text));
            self.show.block(&table(&heads, &rows));
        }
        self.same("findings of severity error", errors, 0)?;
        self.show.check(Line::NoErrors, &[("errors", &errors), ("warnings", &warnings), ("infos", &infos)]);
        Ok(())
    }

    async fn plan(&mut self) -> Result<PlanSeen, String> {
        self.show.step(Line::StepPlan);
        self.call("set_desired_state", facts::set_desired_state(&self.session, "Applied", None)).await?;
        let plan = self.next_plan(None).await?;
        let count = self.cloud().await?.len();
        self.same("resources before the approval", count, 0)?;
        self.show.check(Line::CloudStillEmpty, &[("count", &count)]);
        Ok(plan)
    }

    async fn apply(&mut self, plan: &PlanSeen) -> Result<(), String> {
        self.show.step(Line::StepApply);
        let wrong = "0".repeat(64);
        match self.agent.call("approve_plan", facts::approve_plan(&self.session, &wrong)).await {
            Err(ToolError { code, .. }) if code != "transport" => {
                self.show.check(Line::WrongRefused, &[("sha", &short(&wrong)), ("code", &code)]);
            }
            Err(error) => return Err(error.to_string()),
            Ok(_) => {
                return Err(self.show.words(Line::Differs, &[("what", &"approve_plan"), ("left", &"refused"), ("right", &"accepted")]));
            }
        }
        self.approve_and_settle(plan).await?;
        let cloud = self.cloud().await?.len();
        self.same("resources planned and in the cloud", plan.create, cloud)?;
        self.show.check(Line::AllMade, &[("count", &plan.create), ("cloud", &cloud)]);
        Ok(())
    }

    /// Terraform's state, the cloud and the status hold the same resources; Terraform alone finds nothing to do.
    async fn compare(&mut self) -> Result<(), String> {
        self.show.step(Line::StepCheck);
        let state = self.addresses().await?;
        let cloud: BTreeSet<String> = self.cloud().await?.into_iter().map(|resource| resource.id).collect();
        let resources = self.document().await?.and_then(|design| design.status).and_then(|status| status.resources).unwrap_or_default();
        self.same("terraform state list and status.resources.total", state.len(), resources.total)?;
        let addresses: BTreeSet<String> = resources.items.iter().map(|item| item.address.clone()).collect();
        self.same("addresses", &state, &addresses)?;
        self.show.check(Line::SameAddresses, &[("state", &state.len()), ("status", &resources.total)]);
        let ids: BTreeSet<String> = resources.items.iter().filter_map(|item| item.id.clone()).collect();
        self.same("ids in status and in the cloud", &ids, &cloud)?;
        self.show.check(Line::SameIds, &[("count", &cloud.len())]);
        let unformatted = self.backstage.unformatted(self.data_dir, &self.uid).await.map_err(|error| format!("{error:#}"))?;
        self.same("terraform fmt -check", unformatted, Vec::new())?;
        self.show.check(Line::FormatClean, &[]);
        let code = self.backstage.bare_plan(self.data_dir, &self.uid).await.map_err(|error| format!("{error:#}"))?;
        self.same("exit code of a bare terraform plan", code, 0)?;
        self.show.check(Line::BarePlanClean, &[]);
        Ok(())
    }

    /// The one VM in the cloud.
    async fn vm(&self) -> Result<CloudResource, String> {
        let mut found: Vec<CloudResource> = self.cloud().await?.into_iter().filter(|resource| resource.kind == facts::VM_TYPE).collect();
        self.same(facts::VM_TYPE, found.len(), 1)?;
        Ok(found.swap_remove(0))
    }

    /// Somebody changes the VM at the console; gives the VM as it was.
    async fn drift(&mut self) -> Result<CloudResource, String> {
        self.show.step(Line::StepDrift);
        let before = self.vm().await?;
        let body = json!({ "id": before.id, "attribute": facts::CHANGED_ATTRIBUTE, "value": facts::CHANGED_VALUE });
        let path = format!("/admin/sandbox/{}/set", self.uid);
        self.server.http(As::Approver, Method::POST, &path, Some(&body)).await.map_err(|failure| failure.message)?;
        let after = self.vm().await?;
        self.same(facts::CHANGED_ATTRIBUTE, after.attributes[facts::CHANGED_ATTRIBUTE].as_str(), Some(facts::CHANGED_VALUE))?;
        let values: [(&str, &dyn std::fmt::Display); 3] =
            [("attribute", &facts::CHANGED_ATTRIBUTE), ("id", &before.id), ("value", &facts::CHANGED_VALUE)];
        self.show.check(Line::ChangedOutside, &values);
        Ok(before)
    }

    async fn repair(&mut self, before: &CloudResource) -> Result<(), String> {
        self.show.step(Line::StepRepair);
        let old = self.newest_plan().await?;
        self.call("set_desired_state", facts::set_desired_state(&self.session, "Applied", Some("Plan"))).await?;
        let plan = self.next_plan(old.as_deref()).await?;
        let Some(found) = plan.drift.iter().find(|change| change.address.starts_with(facts::VM_TYPE)) else {
            return Err(self.missing("get_plan", "drift"));
        };
        let named = found.changed_paths.iter().any(|path| path == facts::CHANGED_ATTRIBUTE);
        self.same("the drift names display_name", named, true)?;
        self.show.check(Line::DriftNamed, &[("address", &found.address), ("paths", &found.changed_paths.join(", "))]);
        self.approve_and_settle(&plan).await?;
        let (is, was) =
            (self.vm().await?.attributes[facts::CHANGED_ATTRIBUTE].clone(), before.attributes[facts::CHANGED_ATTRIBUTE].clone());
        self.same(facts::CHANGED_ATTRIBUTE, &is, &was)?;
        self.show.check(Line::DriftRepaired, &[("attribute", &facts::CHANGED_ATTRIBUTE), ("value", &is)]);
        Ok(())
    }

    async fn newest_plan(&self) -> Result<Option<String>, String> {
        Ok(self.document().await?.and_then(|design| design.status).and_then(|status| status.plan).map(|plan| plan.plan_sha256))
    }

    async fn replace(&mut self, architecture: &Value) -> Result<(), String> {
        self.show.step(Line::StepReplace);
        let (old, before) = (self.newest_plan().await?, self.vm().await?);
        self.call("save_architecture", facts::save_architecture(&self.session, &facts::move_the_vm(architecture))).await?;
        self.show.note(Line::EditMade.of(self.show.screen.lang));
        let plan = self.next_plan(old.as_deref()).await?;
        let forced = plan.changes.iter().find(|change| change.action == ChangeAction::Replace && !change.replace_paths.is_empty());
        let Some(forced) = forced.filter(|change| change.address.starts_with(facts::VM_TYPE)) else {
            return Err(self.missing("get_plan", "replace_paths"));
        };
        self.show.check(Line::ReplaceForced, &[("address", &forced.address), ("paths", &forced.replace_paths.join(", "))]);
        self.same("the VM before the approval", &self.vm().await?.id, &before.id)?;
        self.approve_and_settle(&plan).await?;
        let after = self.vm().await?;
        if after.id == before.id {
            return Err(self.show.words(Line::Differs, &[("what", &"OCID"), ("left", &"new"), ("right", &after.id)]));
        }
        self.show.check(Line::Replaced, &[("old", &before.id), ("new", &after.id)]);
        Ok(())
    }

    async fn destroy(&mut self) -> Result<(), String> {
        self.show.step(Line::StepDestroy);
        let old = self.newest_plan().await?;
        self.call("set_desired_state", facts::set_desired_state(&self.session, "Destroyed", None)).await?;
        let plan = self.next_plan(old.as_deref()).await?;
        let cloud = self.cloud().await?.len();
        self.same("resources the destroy plan deletes and in the cloud", plan.delete, cloud)?;
        self.show.check(Line::DestroyReviewed, &[("plan", &plan.delete), ("cloud", &cloud)]);
        self.show.check(Line::CloudUntouched, &[("count", &cloud)]);
        self.approve(&plan).await?;
        self.wait("Destroyed", |seen| seen.reason == "Destroyed").await?;
        let (cloud, state) = (self.cloud().await?.len(), self.addresses().await?.len());
        self.same("resources after the destroy", cloud, 0)?;
        self.show.check(Line::CloudEmpty, &[("count", &cloud)]);
        self.same("addresses after the destroy", state, 0)?;
        self.show.check(Line::StateEmpty, &[("count", &state)]);
        Ok(())
    }

    async fn goodbye(self) -> Result<(), String> {
        self.show.step(Line::StepGone);
        self.call("delete_session", facts::delete_session(&self.session)).await?;
        let client = self.server.kube(As::Editor).map_err(|failure| failure.message)?;
        let sessions: Api<Session> = Api::namespaced(client, NAMESPACE);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let session = sessions.get_opt(&self.session).await.map_err(|error| self.server.kube_failure(&error).message)?;
            if session.is_none() && self.document().await?.is_none() {
                break;
            }
            if Instant::now() >= deadline {
                let what = self.show.words(Line::SessionGone, &[]);
                return Err(self.show.words(Line::TooLong, &[("what", &what), ("seconds", &PATIENCE.as_secs()), ("seen", &self.session)]));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.show.check(Line::SessionGone, &[]);
        self.agent.close().await;
        Ok(())
    }
}
