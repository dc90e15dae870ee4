//! The first act of the demo, a design's whole life, and what both acts need: calls, waits, checks.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use http::Method;
use kube::Api;
use serde_json::{Value, json};

use super::agent::{Agent, ToolError};
use super::facts::{self, PlanSeen, Seen};
use super::show::Show;
use super::{Act, Backstage, CloudResource, Line};
use crate::api::approval::short;
use crate::api::design::{Change, ChangeAction, Counts, Finding, Severity};
use crate::api::{Design, NAMESPACE, Session};
use crate::cli::client::{As, Server};
use crate::cli::expect::{Expectation, World};
use crate::cli::plan::change_table;
use crate::cli::screen::table;
use crate::cli::text::{Lang, Text};

/// Headings of the first act, the goodbye included.
pub(super) const STEPS: usize = 9;
/// Longest wait for one thing that does not move. The whole demo takes half of it on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// And for each component of a file: while a plan of a thousand resources is made, nothing moves.
const PATIENCE_FOR_ONE: Duration = Duration::from_secs(2);
/// Longest wait of one `get_status`: short, so that a bar moves.
const LONG_POLL: u64 = 5;
/// Most changes that are shown as a table.
const TABLE: usize = 30;
/// The tools the demo needs.
const TOOLS: &[&str] = &[
    "create_session",
    "save_answers",
    "complete_hearing",
    "save_architecture",
    "set_desired_state",
    "get_status",
    "get_plan",
    "approve_plan",
    "get_job_log",
    "delete_session",
];

/// Everything one telling needs.
pub(super) struct Story<'a> {
    pub(super) show: &'a mut Show,
    agent: &'a Agent,
    pub(super) server: &'a Server,
    backstage: &'a dyn Backstage,
    data_dir: &'a Path,
    pub(super) session: String,
    pub(super) uid: String,
    since: Option<String>,
    /// a job that failed on purpose: its failure ends no wait
    pub(super) forgiven: Option<String>,
    /// longest wait for one thing that does not move
    patience: Duration,
}

/// Tells the story. Err: what is untrue, in one line.
pub async fn tell(
    show: &mut Show,
    server: &Server,
    pid: u32,
    backstage: &dyn Backstage,
    data_dir: &Path,
    acts: &[Act],
) -> Result<(), String> {
    show.check(Line::ServerReady, &[("url", &server.base_url()), ("pid", &pid)]);
    let token = server.token(As::Editor).map_err(|failure| failure.message)?;
    let agent = Agent::connect(server.base_url(), &token).await.map_err(|error| error.to_string())?;
    let tools = agent.tools().await.map_err(|error| error.to_string())?;
    if let Some(missing) = TOOLS.iter().find(|tool| !tools.iter().any(|found| found == *tool)) {
        return Err(show.words(Line::Missing, &[("tool", &"tools/list"), ("field", missing)]));
    }
    show.check(Line::Connected, &[("version", &agent.version()), ("tools", &tools.len())]);
    for act in acts {
        let (session, uid) = (String::new(), String::new());
        let components = match act {
            Act::Life(file) | Act::Expected(file) => file["components"].as_array().map_or(0, Vec::len),
        };
        let patience = PATIENCE + PATIENCE_FOR_ONE * u32::try_from(components).unwrap_or(u32::MAX);
        let mut story =
            Story { show: &mut *show, agent: &agent, server, backstage, data_dir, session, uid, since: None, forgiven: None, patience };
        match act {
            Act::Life(architecture) => story.life(architecture).await?,
            Act::Expected(file) => story.expected(file).await?,
        }
    }
    agent.close().await;
    Ok(())
}

impl Story<'_> {
    /// The whole life of a small design.
    async fn life(&mut self, architecture: &Value) -> Result<(), String> {
        let expectation = Expectation::of(architecture)?;
        self.design(architecture).await?;
        let plan = self.plan(expectation).await?;
        self.apply(&plan).await?;
        self.compare(expectation).await?;
        let before = self.drift().await?;
        self.repair(&before).await?;
        self.replace(architecture).await?;
        self.destroy().await?;
        self.show.step(Line::StepGone);
        self.goodbye().await
    }

    pub(super) async fn call(&self, tool: &'static str, arguments: Value) -> Result<Value, String> {
        self.ask(tool, arguments).await.map_err(|ToolError { tool, code, message, details }| {
            // the message is the first problem; a person who mends the design needs the others too
            let others = facts::problems(&details).split_off(1.min(facts::problems(&details).len()));
            let message = std::iter::once(message).chain(others).collect::<Vec<_>>().join("; ");
            self.show.words(Line::ToolFailed, &[("tool", &tool), ("code", &code), ("message", &message)])
        })
    }

    /// The same with the tool's own refusal.
    pub(super) async fn ask(&self, tool: &'static str, arguments: Value) -> Result<Value, ToolError> {
        self.agent.call(tool, arguments).await
    }

    /// `missing("get_plan", "missing field x")`: why an answer cannot be used.
    pub(super) fn missing(&self, tool: &str, field: &str) -> String {
        self.show.words(Line::Missing, &[("tool", &tool), ("field", &field)])
    }

    /// What Terraform reads, parsed.
    pub(super) async fn rendered(&self) -> Result<World, String> {
        let files = self.backstage.rendered(self.data_dir, &self.uid).await.map_err(|error| format!("{error:#}"))?;
        World::rendered(&files)
    }

    /// Every member of `expect` against one view, a line for each.
    pub(super) fn confirm(&self, expectation: Expectation<'_>, world: &World) -> Result<(), String> {
        for one in expectation.check(world).map_err(|problems| problems.join("; "))? {
            let detail = crate::api::condition::clip(&one.detail, 200);
            let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
            let values: [(&str, &dyn std::fmt::Display); 4] =
                [("view", &self.show.view(world.view)), ("member", &one.member), ("count", &one.count), ("detail", &detail)];
            self.show.check(Line::AsExpected, &values);
        }
        Ok(())
    }

    /// Ok when both are equal, else what differs.
    pub(super) fn same<T: PartialEq + std::fmt::Debug>(&self, what: &str, left: T, right: T) -> Result<(), String> {
        if left == right {
            return Ok(());
        }
        Err(self.show.words(Line::Differs, &[("what", &what), ("left", &format!("{left:?}")), ("right", &format!("{right:?}"))]))
    }

    pub(super) async fn cloud(&self) -> Result<Vec<CloudResource>, String> {
        self.backstage.cloud(self.data_dir, &self.uid).await.map_err(|error| format!("{error:#}"))
    }

    /// Managed addresses of `terraform state list`.
    pub(super) async fn addresses(&self) -> Result<BTreeSet<String>, String> {
        let all = self.backstage.state_list(self.data_dir, &self.uid).await.map_err(|error| format!("{error:#}"))?;
        Ok(all.into_iter().filter(|address| !address.starts_with("data.") && !address.contains(".data.")).collect())
    }

    pub(super) async fn document(&self) -> Result<Option<Design>, String> {
        let client = self.server.kube(As::Editor).map_err(|failure| failure.message)?;
        let designs: Api<Design> = Api::namespaced(client, NAMESPACE);
        designs.get_opt(&self.session).await.map_err(|error| self.server.kube_failure(&error).message)
    }

    /// Long-polls `get_status` until `there`, showing how far a job is.
    pub(super) async fn wait(&mut self, what: &str, there: impl Fn(&Seen) -> bool) -> Result<Seen, String> {
        let mut deadline = Instant::now() + self.patience;
        let mut moved = None;
        loop {
            let answer = self.call("get_status", facts::get_status(&self.session, LONG_POLL, self.since.as_deref())).await?;
            let seen = facts::status(&answer).map_err(|problem| self.missing("get_status", &problem))?;
            self.since = Some(seen.cursor.clone());
            if there(&seen) {
                self.show.quiet();
                return Ok(seen);
            }
            let forgiven = self.forgiven.is_some() && seen.failure.as_ref().map(|failure| &failure.job) == self.forgiven.as_ref();
            if seen.failed() && !forgiven {
                return Err(self.show.words(Line::WentWrong, &[("reason", &seen.reason), ("message", &seen.message)]));
            }
            if let Some(progress) = &seen.progress {
                self.show.progress(progress);
            }
            // a large design is waited for as long as it moves
            let now = seen.progress.as_ref().map(|progress| (progress.step.clone(), progress.done));
            if now.is_some() && now != moved {
                (moved, deadline) = (now, Instant::now() + self.patience);
            }
            if Instant::now() >= deadline {
                return Err(self
                    .show
                    .words(Line::TooLong, &[("what", &what), ("seconds", &self.patience.as_secs()), ("seen", &seen.line())]));
            }
            // a server that answers at once although nothing is new must not be hammered
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits for a plan that is not `old` and reads it.
    pub(super) async fn next_plan(&mut self, old: Option<&str>) -> Result<PlanSeen, String> {
        let seen = self
            .wait("AwaitingApproval", |seen| {
                seen.reason == "AwaitingApproval" && seen.plan_sha.is_some() && seen.plan_sha.as_deref() != old
            })
            .await?;
        let answer = self.call("get_plan", facts::get_plan(&self.session)).await?;
        let plan = facts::plan(&answer).map_err(|problem| self.missing("get_plan", &problem))?;
        self.same("plan_sha256 of get_plan and get_status", Some(plan.sha.clone()), seen.plan_sha)?;
        self.show.check(Line::PlanReady, &[("sha", &short(&plan.sha))]);
        // a table of a hundred rows is no demo: the counts speak, and destruction is always named
        let shown = |change: &&Change| plan.counts.total() <= TABLE || change.action == ChangeAction::Replace;
        let changes: Vec<Change> = plan.changes.iter().filter(shown).cloned().collect();
        if changes.is_empty() {
            let Counts { create, update, replace, delete, import: _ } = plan.counts;
            let values: [(&str, &dyn std::fmt::Display); 4] =
                [("create", &create), ("update", &update), ("replace", &replace), ("delete", &delete)];
            self.show.note(&self.show.words(Line::PlanCounts, &values));
        } else {
            self.show.block(&change_table(&changes, self.show.screen));
        }
        Ok(plan)
    }

    pub(super) async fn approve(&mut self, plan: &PlanSeen) -> Result<(), String> {
        self.call("approve_plan", facts::approve_plan(&self.session, &plan.sha)).await?;
        self.show.check(Line::ApprovedPlan, &[("sha", &short(&plan.sha))]);
        Ok(())
    }

    pub(super) async fn approve_and_settle(&mut self, plan: &PlanSeen) -> Result<(), String> {
        self.approve(plan).await?;
        let old = plan.sha.clone();
        // the status of before the approval must not pass for the one after it
        self.wait("Synced / Healthy", move |seen| {
            seen.settled() && (seen.reason != "AwaitingApproval" || seen.plan_sha.as_deref() != Some(old.as_str()))
        })
        .await?;
        if plan.counts.total() <= TABLE {
            self.list_done(&plan.changes).await?;
        }
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

    /// A session of the language that the demo speaks.
    pub(super) async fn open(&mut self, title: &str) -> Result<(), String> {
        let language = match self.show.screen.lang {
            Lang::En => "en",
            Lang::Ja => "ja",
        };
        let answer = self.call("create_session", facts::create_session(title, language)).await?;
        self.session = facts::session_id(&answer).map_err(|problem| self.missing("create_session", &problem))?;
        self.show.check(Line::SessionMade, &[("session", &self.session)]);
        Ok(())
    }

    /// Saves components and connections; what is stored is as many. Gives the findings.
    pub(super) async fn save(&mut self, architecture: &Value) -> Result<facts::FindingsSeen, String> {
        let answer = self.call("save_architecture", facts::save_architecture(&self.session, architecture)).await?;
        let document = self.document().await?.ok_or_else(|| self.missing("save_architecture", "design"))?;
        self.uid = document.metadata.uid.unwrap_or_default();
        let count = |list: &str| architecture[list].as_array().map_or(0, Vec::len);
        self.same("components", document.spec.components.len(), count("components"))?;
        self.same("connections", document.spec.connections.len(), count("connections"))?;
        self.show.check(Line::Saved, &[("components", &count("components")), ("connections", &count("connections"))]);
        let found = facts::findings(&answer).map_err(|problem| self.missing("save_architecture", &problem))?;
        let errors: Vec<String> =
            found.items.iter().filter(|f| f.severity == Severity::Error).map(|f| format!("{}: {}", f.path, f.message)).collect();
        self.same("findings of severity error", errors, Vec::new())?;
        Ok(found)
    }

    async fn design(&mut self, architecture: &Value) -> Result<(), String> {
        self.show.step(Line::StepDesign);
        self.open("Compute + ATP").await?;
        let found = self.save(architecture).await?;
        if found.items.is_empty() {
            self.show.check(Line::NoFindings, &[]);
        } else {
            let heads = [Text::ColumnSeverity, Text::ColumnRule, Text::ColumnWhere, Text::ColumnMessage]
                .map(|text| self.show.screen.lang.text(text));
            let row = |item: &Finding| vec![severity(item.severity).to_owned(), item.rule.clone(), item.path.clone(), item.message.clone()];
            self.show.block(&table(&heads, &found.items.iter().map(row).collect::<Vec<_>>()));
        }
        self.show.check(Line::NoErrors, &[("errors", &found.errors), ("warnings", &found.warnings), ("infos", &found.infos)]);
        Ok(())
    }

    async fn plan(&mut self, expectation: Option<Expectation<'_>>) -> Result<PlanSeen, String> {
        self.show.step(Line::StepPlan);
        self.call("set_desired_state", facts::set_desired_state(&self.session, "Applied", None)).await?;
        let plan = self.next_plan(None).await?;
        let count = self.cloud().await?.len();
        self.same("resources before the approval", count, 0)?;
        self.show.check(Line::CloudStillEmpty, &[("count", &count)]);
        if let Some(expectation) = expectation {
            self.confirm(expectation, &self.rendered().await?)?;
        }
        Ok(plan)
    }

    async fn apply(&mut self, plan: &PlanSeen) -> Result<(), String> {
        self.show.step(Line::StepApply);
        let wrong = "0".repeat(64);
        match self.agent.call("approve_plan", facts::approve_plan(&self.session, &wrong)).await {
            Err(ToolError { code, .. }) if !matches!(code.as_str(), "transport" | "internal") => {
                self.same("resources after the refusal", self.cloud().await?.len(), 0)?;
                self.show.check(Line::WrongRefused, &[("sha", &short(&wrong)), ("code", &code)]);
            }
            Err(error) => return Err(error.to_string()),
            Ok(_) => {
                return Err(self.show.words(Line::Differs, &[("what", &"approve_plan"), ("left", &"refused"), ("right", &"accepted")]));
            }
        }
        self.approve_and_settle(plan).await?;
        let cloud = self.cloud().await?.len();
        self.same("resources planned and in the cloud", plan.counts.create, cloud)?;
        self.show.check(Line::AllMade, &[("count", &plan.counts.create), ("cloud", &cloud)]);
        Ok(())
    }

    /// Terraform's state, the cloud and the status hold the same resources; Terraform alone finds nothing to do.
    async fn compare(&mut self, expectation: Option<Expectation<'_>>) -> Result<(), String> {
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
        self.nothing_to_do().await?;
        if let Some(expectation) = expectation {
            self.confirm(expectation, &World::cloud(&self.cloud().await?))?;
        }
        Ok(())
    }

    /// Terraform by hand: formatted files, and a plan without changes.
    pub(super) async fn nothing_to_do(&self) -> Result<(), String> {
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

    pub(super) async fn newest_plan(&self) -> Result<Option<String>, String> {
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
        self.tear_down().await
    }

    /// A destroy plan, its approval, an empty cloud.
    pub(super) async fn tear_down(&mut self) -> Result<(), String> {
        let old = self.newest_plan().await?;
        self.call("set_desired_state", facts::set_desired_state(&self.session, "Destroyed", None)).await?;
        let plan = self.next_plan(old.as_deref()).await?;
        let cloud = self.cloud().await?.len();
        self.same("resources the destroy plan deletes and in the cloud", plan.counts.delete, cloud)?;
        self.show.check(Line::DestroyReviewed, &[("plan", &plan.counts.delete), ("cloud", &cloud)]);
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

    /// Deletes the session; its documents go.
    pub(super) async fn goodbye(&self) -> Result<(), String> {
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
        Ok(())
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}
