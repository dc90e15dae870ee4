//! `galley status`: where a design stands, what it waits for, who acts next. The judgement and the drawing are pure.

use std::time::{Duration, Instant};

use kube::Api;

use super::args::{StatusArgs, Until};
use super::client::{As, Server};
use super::documents::print_data;
use super::failure::{Exit, Failure};
use super::hints::closing;
use super::plan::{change_line, counts_line};
use super::screen::{Screen, Tone, age, bar, clean, say, table};
use super::text::Text;
use crate::api::advice::spoken;
use crate::api::condition::{READY, STALLED, clip, condition};
use crate::api::design::{Change, ChangeAction, DesiredState, Finding, Health, LastFailure, Severity, Sync};
use crate::api::terraformjob::{JobPhase, TerraformJob};
use crate::api::{Design, NAMESPACE, Reason, Time, WhoActs};
use crate::clock::{Clock, SystemClock};

/// Between two looks. A look is two reads from memory; half a second is below what a person calls waiting.
const POLL: Duration = Duration::from_millis(500);
/// Resource types that are named; more would fill a screen.
const KINDS: usize = 3;
/// Longest value of an output, in bytes: connection strings are longer, and `-o json` has them whole.
const VALUE: usize = 200;
/// Lines of a list before "… and n more": a frame must fit on a terminal.
const LIST: usize = 12;

/// What a look says to a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// there
    Done(String),
    /// a person has to act
    Waits(String),
    /// it will not get there by itself
    Failed(String),
    /// goes on
    InProgress(String),
}

impl Verdict {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Verdict::Done(_) => Exit::Done,
            Verdict::Waits(_) => Exit::Waits,
            Verdict::Failed(_) => Exit::Failed,
            Verdict::InProgress(_) => Exit::InProgress,
        }
    }
    /// The verdict in one line.
    pub fn line(&self, screen: Screen) -> String {
        let (tone, text, what) = match self {
            Verdict::Done(what) => (Tone::Good, Text::VerdictDone, what),
            Verdict::Waits(what) => (Tone::Warn, Text::VerdictWaits, what),
            Verdict::Failed(what) => (Tone::Bad, Text::VerdictFailed, what),
            Verdict::InProgress(what) => (Tone::Faint, Text::VerdictProgress, what),
        };
        screen.paint(tone, &screen.lang.fill(text, &[("what", &clean(what))]))
    }
}

/// Who acts on a reason. `None`: the reason alone does not end the wait.
fn by_reason(reason: Reason) -> Option<WhoActs> {
    match reason {
        Reason::AwaitingApproval
        | Reason::PlanExpired
        | Reason::InFlightUnconfirmed
        | Reason::ResourcesVanished
        | Reason::OwnerUnknown
        | Reason::SecretMissing
        | Reason::Suspended
        | Reason::ApprovalRefused
        | Reason::Cancelled => Some(WhoActs::Waiting),
        Reason::InvalidDesign
        | Reason::InvalidDocument
        | Reason::JobFailed
        | Reason::StateUnavailable
        | Reason::TenancyUnavailable
        | Reason::Internal => Some(WhoActs::Stalled),
        Reason::JobRunning
        | Reason::SessionBusy
        | Reason::RetryScheduled
        | Reason::OutcomeUnknown
        | Reason::StorageUnavailable
        | Reason::Draft
        | Reason::Synced
        | Reason::PlanReady
        | Reason::Destroyed => None,
    }
}

fn ready_reason(design: &Design) -> (Option<Reason>, Option<bool>, String) {
    let conditions = design.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let stalled = condition(conditions, STALLED).filter(|stalled| stalled.status == "True");
    let ready = condition(conditions, READY);
    let spoken = stalled.or(ready);
    let reason = spoken.and_then(|condition| serde_json::from_value(condition.reason.clone().into()).ok());
    let message = spoken.map(|condition| {
        if condition.message.is_empty() { condition.reason.clone() } else { format!("{}: {}", condition.reason, condition.message) }
    });
    (reason, ready.map(|ready| ready.status == "True"), message.unwrap_or_default())
}

/// Judges a design against what is waited for.
pub fn judge(design: &Design, until: Option<Until>, screen: Screen) -> Verdict {
    let Some(status) = &design.status else { return Verdict::InProgress(screen.lang.text(Text::NothingKnown).to_owned()) };
    let (reason, ready, message) = ready_reason(design);
    let generation = design.metadata.generation;
    let current = status.observed_generation.is_some() && status.observed_generation >= generation;
    let answered = design.spec.request.as_ref().is_none_or(|request| status.handled_request_id.as_deref() == Some(request.id.as_str()));
    let synced = status.sync == Some(Sync::Synced) && status.health == Some(Health::Healthy);
    let planned = status.plan.as_ref().is_some_and(|plan| Some(plan.generation) == generation);
    let there = match until {
        Some(Until::Ready) => ready == Some(true),
        Some(Until::Plan) => planned || reason == Some(Reason::Synced),
        Some(Until::Synced) => synced,
        Some(Until::Destroyed) => reason == Some(Reason::Destroyed),
        // gone is what is waited for
        None if design.metadata.deletion_timestamp.is_some() => false,
        None => match design.spec.desired_state {
            DesiredState::Draft => reason == Some(Reason::Draft),
            DesiredState::Planned => matches!(reason, Some(Reason::PlanReady | Reason::Synced)),
            DesiredState::Applied => synced,
            DesiredState::Destroyed => reason == Some(Reason::Destroyed),
        },
    };
    if !current {
        return Verdict::InProgress(status.wait_reason.clone().unwrap_or_else(|| screen.lang.text(Text::InProgress).to_owned()));
    }
    if there && answered {
        return Verdict::Done(message);
    }
    let waiting = status.wait_reason.clone().unwrap_or_else(|| message.clone());
    match reason.and_then(by_reason) {
        Some(WhoActs::Waiting) => Verdict::Waits(message),
        Some(WhoActs::Stalled) => Verdict::Failed(message),
        Some(WhoActs::Retry) | None => Verdict::InProgress(waiting),
    }
}

/// One frame of the view.
pub fn render(design: &Design, job: Option<&TerraformJob>, now: &Time, screen: Screen) -> String {
    let lang = screen.lang;
    let name = design.metadata.name.clone().unwrap_or_default();
    let mut rows: Vec<Vec<String>> = vec![
        vec![lang.text(Text::Session).into(), name.clone()],
        vec![lang.text(Text::TargetLabel).into(), format!("{:?}", design.spec.target).to_lowercase()],
        vec![
            lang.text(Text::Desired).into(),
            match design.metadata.deletion_timestamp {
                Some(_) => lang.text(Text::BeingDeleted).into(),
                None => format!("{:?}", design.spec.desired_state),
            },
        ],
    ];
    let Some(status) = &design.status else {
        return format!("{}\n{}", table::<&str, _>(&[], &rows), lang.text(Text::NothingKnown));
    };
    let mut add = |label: Text, value: String| rows.push(vec![lang.text(label).to_owned(), value]);
    let (_, _, ready) = ready_reason(design);
    add(Text::Sync, status.sync.map_or_else(|| "-".into(), |sync| format!("{sync:?}")));
    add(Text::HealthLabel, status.health.map_or_else(|| "-".into(), |health| format!("{health:?}")));
    add(Text::Ready, ready);
    if let Some(reason) = &status.wait_reason {
        add(Text::WaitsFor, reason.clone());
    }
    if let Some(found) = &status.findings {
        add(
            Text::Findings,
            lang.fill(Text::FindingCounts, &[("errors", &found.errors), ("warnings", &found.warnings), ("infos", &found.infos)]),
        );
    }
    if let Some(plan) = &status.plan {
        add(Text::PlanLabel, format!("{}  {}", crate::api::approval::short(&plan.plan_sha256), counts_line(plan, screen)));
    }
    if let Some(resources) = &status.resources {
        let kinds: Vec<String> = resources.by_type.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        add(
            Text::Resources,
            match kinds.len() {
                0 => resources.total.to_string(),
                1..=KINDS => format!("{} ({})", resources.total, kinds.join(", ")),
                many => lang.fill(Text::ResourcesOf, &[("total", &resources.total), ("kinds", &many)]),
            },
        );
    }
    if let Some(drift) = &status.drift
        && drift.items.is_empty()
        && let Some(checked) = &drift.checked_at
    {
        add(Text::Drift, lang.fill(Text::DriftNone, &[("age", &age(checked, now))]));
    }
    let mut lines = vec![table::<&str, _>(&[], &rows)];
    lines.extend(status.findings.iter().flat_map(|found| finding_lines(&found.items, screen)));
    if let Some(job) = job {
        lines.extend(job_lines(job, status.plan.as_ref().map(|plan| plan.changes.as_slice()).unwrap_or_default(), screen));
    }
    if let Some(drift) = status.drift.as_ref().filter(|drift| !drift.items.is_empty()) {
        lines.push(screen.paint(Tone::Warn, lang.text(Text::Drift)));
        lines.extend(drift.items.iter().take(LIST).map(|change| format!("  {}", drift_line(change, screen))));
    }
    if let Some(failure) = &status.last_failure {
        lines.extend(failure_lines(failure, screen));
    }
    if !status.outputs.is_empty() {
        lines.push(screen.paint(Tone::Strong, lang.text(Text::Outputs)));
        let told = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let rows: Vec<Vec<String>> =
            status.outputs.iter().take(LIST).map(|(name, value)| vec![format!("  {name}"), clip(&told(value), VALUE)]).collect();
        lines.push(table::<&str, _>(&[], &rows));
        if status.outputs.len() > LIST {
            lines.push(format!("  {}", lang.fill(Text::MoreItems, &[("count", &(status.outputs.len() - LIST))])));
        }
    }
    lines.join("\n")
}

/// Errors and warnings with their place and what to do; notes are counted only.
fn finding_lines(items: &[Finding], screen: Screen) -> Vec<String> {
    let told: Vec<&Finding> = items.iter().filter(|finding| finding.severity != Severity::Info).collect();
    let mut lines: Vec<String> = told
        .iter()
        .take(LIST)
        .map(|finding| {
            let mark = if finding.severity == Severity::Error { screen.paint(Tone::Bad, "✗") } else { screen.paint(Tone::Warn, "!") };
            let advice = finding.recommendation.as_ref().map(|text| format!("  → {}", clean(text))).unwrap_or_default();
            format!("  {mark} {}  {}{advice}", clean(&finding.path), clean(&finding.message))
        })
        .collect();
    if told.len() > LIST {
        lines.push(format!("  {}", screen.lang.fill(Text::MoreItems, &[("count", &(told.len() - LIST))])));
    }
    lines
}

fn drift_line(change: &Change, screen: Screen) -> String {
    let what = match change.action {
        ChangeAction::Delete => screen.lang.text(Text::Gone).to_owned(),
        ChangeAction::Replace | ChangeAction::Create | ChangeAction::Update | ChangeAction::Import => {
            screen.lang.fill(Text::ChangedOutside, &[("paths", &change.changed_paths.join(", "))])
        }
    };
    format!("{}  {}", clean(&change.address), clean(&what))
}

/// The job: a bar, and each resource with what became of it.
fn job_lines(job: &TerraformJob, planned: &[Change], screen: Screen) -> Vec<String> {
    let name = job.metadata.name.clone().unwrap_or_default();
    let mut lines = vec![format!("{} {}  {:?}", screen.paint(Tone::Strong, screen.lang.text(Text::Job)), clean(&name), job.phase())];
    let Some(status) = &job.status else { return lines };
    if let Some(reason) = status.wait_reason.as_ref().filter(|_| job.phase() == JobPhase::Pending) {
        lines.push(format!("  {}", clean(reason)));
    }
    let Some(progress) = &status.progress else { return lines };
    lines.push(format!("  {:<8} {} {}/{}", progress.step, bar(progress.done, progress.total, 24), progress.done, progress.total));
    if !job.spec.action.changes_the_cloud() {
        return lines;
    }
    let mark = |change: &Change| {
        let address = &change.address;
        if status.failed.contains(address) {
            screen.paint(Tone::Bad, "✗")
        } else if status.created.contains(address) {
            screen.paint(Tone::Good, "✓")
        } else if progress.current.contains(address) {
            screen.paint(Tone::Warn, "▸")
        } else {
            screen.paint(Tone::Faint, "·")
        }
    };
    // what failed and what is being done is what a person looks for; what is done counts in the bar
    let rank = |change: &Change| match &change.address {
        address if status.failed.contains(address) => 0,
        address if progress.current.contains(address) => 1,
        address if status.created.contains(address) => 3,
        _ => 2,
    };
    let mut shown: Vec<&Change> = planned.iter().collect();
    if planned.len() > LIST {
        shown.sort_by_key(|change| rank(change));
    }
    lines.extend(shown.into_iter().take(LIST).map(|change| format!("  {} {}", mark(change), change_line(change, screen))));
    if planned.len() > LIST {
        lines.push(format!("  {}", screen.lang.fill(Text::MoreItems, &[("count", &(planned.len() - LIST))])));
    }
    lines
}

fn failure_lines(failure: &LastFailure, screen: Screen) -> Vec<String> {
    let lang = screen.lang;
    let mut head = vec![failure.reason.to_string(), lang.fill(Text::Attempts, &[("count", &failure.attempts)])];
    let tried = failure.created.len() + failure.failed.len() + failure.not_attempted.len();
    if tried > 0 {
        head.push(lang.fill(Text::Created, &[("count", &failure.created.len())]));
        head.push(lang.fill(Text::FailedCount, &[("count", &failure.failed.len())]));
        head.push(lang.fill(Text::NotAttempted, &[("count", &failure.not_attempted.len())]));
    }
    if let Some(time) = &failure.retry_at {
        head.push(lang.fill(Text::RetryAt, &[("time", &time.0)]));
    }
    let mut lines = vec![format!("{} {:?}: {}", screen.paint(Tone::Bad, lang.text(Text::Failure)), failure.action, head.join(", "))];
    for diagnostic in failure.diagnostics.iter().take(3) {
        let place =
            diagnostic.address.clone().or_else(|| diagnostic.file.clone().map(|file| format!("{file}:{}", diagnostic.line.unwrap_or(0))));
        let first = diagnostic.summary.lines().next().unwrap_or_default();
        lines.push(format!("  {}{}", place.map(|place| format!("{}: ", clean(&place))).unwrap_or_default(), clean(first)));
    }
    lines.extend(
        failure.next_actions.iter().map(|action| format!("  {}: {}", lang.text(Text::NextStep), clean(spoken(action, lang.into())))),
    );
    lines
}

/// The frame with its last lines.
fn frame(design: &Design, job: Option<&TerraformJob>, verdict: &Verdict, screen: Screen) -> String {
    let name = design.metadata.name.as_deref().unwrap_or_default();
    format!("{}\n{}", render(design, job, &SystemClock.now(), screen), closing(name, ready_reason(design).0, verdict, screen))
}

/// Runs the command.
pub async fn run(server: &Server, args: StatusArgs, screen: Screen) -> Result<Exit, Failure> {
    let client = server.kube(As::Editor)?;
    let designs: Api<Design> = Api::namespaced(client.clone(), NAMESPACE);
    let jobs: Api<TerraformJob> = Api::namespaced(client, NAMESPACE);
    let deadline = args.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let live = (args.watch && screen.live && args.output.is_none()).then(|| {
        let bar = indicatif::ProgressBar::new_spinner();
        bar.set_style(indicatif::ProgressStyle::with_template("{msg}").unwrap_or_else(|_| indicatif::ProgressStyle::default_spinner()));
        bar
    });
    let mut seen = false;
    let mut last = String::new();
    loop {
        let Some(design) = designs.get_opt(&args.name).await.map_err(|error| server.kube_failure(&error))? else {
            if let Some(live) = &live {
                live.finish_and_clear();
            }
            return gone(&args, seen, screen);
        };
        seen = true;
        let open = design.status.as_ref().and_then(|status| status.active_job.clone());
        let job = match open {
            Some(name) => jobs.get_opt(&name).await.map_err(|error| server.kube_failure(&error))?,
            None => None,
        };
        let verdict = judge(&design, args.until, screen);
        let ended =
            !args.watch || !matches!(verdict, Verdict::InProgress(_)) || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if let Some(form) = args.output {
            if ended {
                print_data(&design.status.clone().unwrap_or_default(), form)?;
                return Ok(verdict.exit());
            }
            pause(screen).await?;
            continue;
        }
        let text = if ended || live.is_some() {
            frame(&design, job.as_ref(), &verdict, screen)
        } else {
            short_line(&design, job.as_ref(), &verdict, screen)
        };
        match &live {
            Some(live) if ended => {
                live.finish_and_clear();
                say!("{text}");
            }
            Some(live) => live.set_message(text),
            None if text != last || ended => say!("{text}"),
            None => {}
        }
        if ended {
            return Ok(verdict.exit());
        }
        if live.is_none() {
            last = short_line(&design, job.as_ref(), &verdict, screen);
        }
        pause(screen).await?;
    }
}

/// Until the next look, or Ctrl-C.
async fn pause(screen: Screen) -> Result<(), Failure> {
    tokio::select! {
        () = tokio::time::sleep(POLL) => Ok(()),
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, screen.lang.text(Text::Interrupted))),
    }
}

/// One line per change, for pipes.
fn short_line(design: &Design, job: Option<&TerraformJob>, verdict: &Verdict, screen: Screen) -> String {
    let status = design.status.clone().unwrap_or_default();
    let mut parts = vec![
        status.sync.map_or_else(|| "-".into(), |sync| format!("{sync:?}")),
        status.health.map_or_else(|| "-".into(), |health| format!("{health:?}")),
    ];
    if let Some(progress) = job.and_then(|job| job.status.as_ref()).and_then(|status| status.progress.as_ref()) {
        parts.push(format!("{} {}/{}", progress.step, progress.done, progress.total));
        parts.extend(progress.current.first().map(|address| clean(address)));
    }
    parts.push(verdict.line(screen));
    parts.join("  ")
}

fn gone(args: &StatusArgs, seen: bool, screen: Screen) -> Result<Exit, Failure> {
    if seen && (args.until.is_none() || args.until == Some(Until::Destroyed)) {
        say!("{}", Verdict::Done(screen.lang.text(Text::DesignGone).to_owned()).line(screen));
        return Ok(Exit::Done);
    }
    Err(Failure::new(Exit::NotFound, screen.lang.fill(Text::NotFound, &[("kind", &"design"), ("name", &args.name)])))
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
#[cfg(test)]
pub(super) use tests::plan as tests_plan;
