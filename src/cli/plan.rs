//! A plan for people: summary, table of changes, and its approval with the approver credential.

use std::io::{BufRead, IsTerminal, Write};
use std::time::{Duration, Instant};

use kube::Api;
use kube::api::PostParams;

use super::args::{ApproveArgs, DiffArgs, PlanArgs};
use super::client::{As, Server};
use super::documents::print_data;
use super::failure::{Exit, Failure};
use super::screen::{Screen, Tone, age, clean, say, span, table};
use super::text::Text;
use crate::api::approval::{Approval, ApprovalSpec, short};
use crate::api::design::{Change, ChangeAction, Counts, DesiredState, PlanRecord, Preview, Sync};
use crate::api::{Design, NAMESPACE, Time};
use crate::clock::{Clock, SystemClock};

/// How long `approve` looks for a refusal before it says yes.
const LOOK: Duration = Duration::from_secs(5);

/// `3 to create, …`, or that nothing would change.
pub fn counts_line(plan: &PlanRecord, screen: Screen) -> String {
    if plan.is_empty() {
        return screen.lang.text(Text::PlanEmpty).to_owned();
    }
    count_words(plan.counts, screen)
}

fn count_words(counts: Counts, screen: Screen) -> String {
    let Counts { create, update, replace, delete, import } = counts;
    let mut text =
        screen.lang.fill(Text::PlanCounts, &[("create", &create), ("update", &update), ("replace", &replace), ("delete", &delete)]);
    // seldom, and only after something went wrong: adoption
    if import > 0 {
        text.push_str(&screen.lang.fill(Text::PlanImports, &[("import", &import)]));
    }
    text
}

fn symbol(action: ChangeAction) -> (&'static str, Text, Tone) {
    match action {
        ChangeAction::Create => ("+", Text::ActionCreate, Tone::Good),
        ChangeAction::Update => ("~", Text::ActionUpdate, Tone::Warn),
        ChangeAction::Replace => ("±", Text::ActionReplace, Tone::Bad),
        ChangeAction::Delete => ("-", Text::ActionDelete, Tone::Bad),
        ChangeAction::Import => ("←", Text::ActionImport, Tone::Warn),
    }
}

fn why(change: &Change, screen: Screen) -> String {
    if !change.replace_paths.is_empty() {
        screen.lang.fill(Text::ForcedBy, &[("paths", &change.replace_paths.join(", "))])
    } else if change.changed_paths.is_empty() {
        String::new()
    } else {
        screen.lang.fill(Text::ChangedPaths, &[("paths", &change.changed_paths.join(", "))])
    }
}

/// `± oci_core_instance.vm  replaced because of …`
pub fn change_line(change: &Change, screen: Screen) -> String {
    let (mark, _, tone) = symbol(change.action);
    let why = why(change, screen);
    let line = format!("{} {}", screen.paint(tone, mark), clean(&change.address));
    if why.is_empty() { line } else { format!("{line}  {}", clean(&why)) }
}

/// The table of changes: what happens to which address, and why where there is a reason. What happens is coloured.
pub fn change_table(changes: &[Change], screen: Screen) -> String {
    let head = [Text::ColumnChange, Text::ColumnAddress, Text::ColumnWhy].map(|text| screen.lang.text(text));
    let reasons = changes.iter().any(|change| !why(change, screen).is_empty());
    let columns = if reasons { 3 } else { 2 };
    let rows: Vec<Vec<String>> = changes
        .iter()
        .map(|change| {
            let (mark, text, _) = symbol(change.action);
            let row = [format!("{mark} {}", screen.lang.text(text)), change.address.clone(), why(change, screen)];
            row.into_iter().take(columns).collect()
        })
        .collect();
    let text = table(&head[..columns], &rows);
    let mut lines = text.lines();
    let first = lines.next().map(|line| screen.paint(Tone::Strong, line));
    // painted when the columns stand: a colour takes no room on the screen
    let painted = lines.zip(changes).map(|(line, change)| {
        let (mark, verb, tone) = symbol(change.action);
        let done = format!("{mark} {}", screen.lang.text(verb));
        line.strip_prefix(&done).map_or_else(|| line.to_owned(), |rest| format!("{}{rest}", screen.paint(tone, &done)))
    });
    first.into_iter().chain(painted).collect::<Vec<_>>().join("\n")
}

/// The whole summary.
pub fn render(name: &str, plan: &PlanRecord, now: &Time, screen: Screen) -> String {
    let lang = screen.lang;
    let left = plan.expires_at.0.as_second() - now.0.as_second();
    let made = age(&plan.created_at, now);
    let ages = if left > 0 {
        lang.fill(Text::PlanAges, &[("age", &made), ("left", &span(left))])
    } else {
        screen.paint(Tone::Warn, &lang.fill(Text::PlanExpired, &[("age", &made)]))
    };
    let mut lines = vec![
        format!("{} {}  {}", screen.paint(Tone::Strong, lang.text(Text::PlanLabel)), plan.plan_sha256, clean(name)),
        format!("  {}", counts_line(plan, screen)),
        format!("  {ages}"),
    ];
    if plan.destroy {
        lines.push(format!("  {}", screen.paint(Tone::Bad, lang.text(Text::PlanDestroys))));
    }
    if !plan.changes.is_empty() {
        lines.push(change_table(&plan.changes, screen));
        let more = plan.counts.total().saturating_sub(plan.changes.len());
        if more > 0 {
            lines.push(lang.fill(Text::MoreItems, &[("count", &more)]));
        }
    }
    let gone = plan.drift_deletes.iter().map(|address| format!("  {}  {}", clean(address), screen.paint(Tone::Bad, lang.text(Text::Gone))));
    let changed = plan.drift_updates.iter().map(|change| {
        format!("  {}  {}", clean(&change.address), lang.fill(Text::ChangedOutside, &[("paths", &clean(&change.changed_paths.join(", ")))]))
    });
    let drift: Vec<String> = gone.chain(changed).collect();
    if !drift.is_empty() {
        lines.push(screen.paint(Tone::Warn, lang.text(Text::Drift)));
        lines.extend(drift);
    }
    lines.join("\n")
}

async fn fetch(server: &Server, designs: &Api<Design>, name: &str, screen: Screen) -> Result<(Design, PlanRecord), Failure> {
    let design = designs.get_opt(name).await.map_err(|error| server.kube_failure(&error))?;
    let Some(design) = design else {
        return Err(Failure::new(Exit::NotFound, screen.lang.fill(Text::NotFound, &[("kind", &"design"), ("name", &name)])));
    };
    match design.status.as_ref().and_then(|status| status.plan.clone()) {
        Some(plan) => Ok((design, plan)),
        None => {
            let synced = design.status.as_ref().is_some_and(|status| status.sync == Some(Sync::Synced));
            let text = if synced { Text::NothingToPlan } else { Text::NoPlan };
            Err(Failure::new(Exit::NotFound, screen.lang.fill(text, &[("name", &name)])))
        }
    }
}

/// `galley plan`
pub async fn show(server: &Server, args: PlanArgs, screen: Screen) -> Result<Exit, Failure> {
    let PlanArgs { name, output } = args;
    let designs: Api<Design> = Api::namespaced(server.kube(As::Editor)?, NAMESPACE);
    let (_, plan) = fetch(server, &designs, &name, screen).await?;
    match output {
        Some(form) => print_data(&plan, form)?,
        None => say!("{}", render(&name, &plan, &SystemClock.now(), screen)),
    }
    Ok(Exit::Done)
}

/// What the design as it is now would change, by comparison of the rendered resources with the recorded state.
pub fn render_preview(preview: &Preview, screen: Screen) -> String {
    let total = preview.counts.total();
    if total == 0 {
        return screen.lang.text(Text::PlanEmpty).to_owned();
    }
    let mut lines = vec![count_words(preview.counts, screen), change_table(&preview.changes, screen)];
    let more = total.saturating_sub(preview.changes.len());
    if more > 0 {
        lines.push(screen.lang.fill(Text::MoreItems, &[("count", &more)]));
    }
    lines.push(screen.paint(Tone::Faint, screen.lang.text(Text::PreviewNote)));
    lines.join("\n")
}

/// `galley diff`: exit code 3 while the controller has not looked at the newest edit, 1 when findings keep it from a preview.
pub async fn diff(server: &Server, args: DiffArgs, screen: Screen) -> Result<Exit, Failure> {
    let DiffArgs { name, output } = args;
    let designs: Api<Design> = Api::namespaced(server.kube(As::Editor)?, NAMESPACE);
    let design = designs.get_opt(&name).await.map_err(|error| server.kube_failure(&error))?;
    let Some(design) = design else {
        return Err(Failure::new(Exit::NotFound, screen.lang.fill(Text::NotFound, &[("kind", &"design"), ("name", &name)])));
    };
    let status = design.status.unwrap_or_default();
    if status.observed_generation.is_none() || status.observed_generation < design.metadata.generation {
        return Err(Failure::new(Exit::InProgress, screen.lang.text(Text::InProgress)));
    }
    let Some(preview) = status.preview else {
        return Err(Failure::new(Exit::Failed, screen.lang.fill(Text::NoPreview, &[("name", &name)])));
    };
    match output {
        Some(form) => print_data(&preview, form)?,
        None => say!("{}", render_preview(&preview, screen)),
    }
    Ok(Exit::Done)
}

/// Is this the plan that was asked for, of the design as it is now?
pub fn check(name: &str, asked: Option<&str>, design: &Design, plan: &PlanRecord, screen: Screen) -> Result<(), Failure> {
    let lang = screen.lang;
    if let Some(asked) = asked {
        // eight digits: 32 bits tell apart the few plans of one design
        if asked.len() < 8 || !plan.plan_sha256.starts_with(asked) {
            return Err(Failure::new(
                Exit::Refused,
                lang.fill(Text::OtherPlan, &[("found", &short(&plan.plan_sha256)), ("asked", &asked), ("name", &name)]),
            ));
        }
    }
    // a yes that no job would ever take is no yes
    let wanted = matches!(design.spec.desired_state, DesiredState::Applied | DesiredState::Destroyed);
    if !wanted && design.metadata.deletion_timestamp.is_none() {
        return Err(Failure::new(
            Exit::Refused,
            lang.fill(Text::OnlyPlanned, &[("name", &name), ("state", &format!("{:?}", design.spec.desired_state))]),
        ));
    }
    let now = design.metadata.generation.unwrap_or(plan.generation);
    if now != plan.generation {
        return Err(Failure::new(Exit::Refused, lang.fill(Text::OldPlan, &[("plan", &plan.generation), ("now", &now)])));
    }
    Ok(())
}

/// The approval of exactly this plan. Its name is derived, so that approving twice is a conflict and not two approvals.
pub fn approval(name: &str, design: &Design, plan: &PlanRecord, reason: Option<String>) -> Approval {
    Approval::new(
        &format!("{name}-{}-{}", short(&plan.plan_sha256), plan.generation),
        ApprovalSpec {
            design_ref: name.to_owned(),
            design_uid: design.metadata.uid.clone().unwrap_or_default(),
            plan_sha256: plan.plan_sha256.clone(),
            generation: plan.generation,
            expires_at: plan.expires_at.clone(),
            reason,
        },
    )
}

fn ask(name: &str, plan: &PlanRecord, screen: Screen) -> Result<bool, Failure> {
    let sha = short(&plan.plan_sha256);
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, screen.lang.fill(Text::NeedYes, &[("sha", &sha)])));
    }
    print!("{}", screen.lang.fill(Text::AskApprove, &[("sha", &sha), ("name", &name)]));
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "はい"))
}

/// `galley approve`
pub async fn approve(server: &Server, args: ApproveArgs, screen: Screen) -> Result<Exit, Failure> {
    let ApproveArgs { name, plan: asked, yes, reason } = args;
    let client = server.kube(As::Approver)?;
    let designs: Api<Design> = Api::namespaced(client.clone(), NAMESPACE);
    let approvals: Api<Approval> = Api::namespaced(client, NAMESPACE);
    let (design, plan) = fetch(server, &designs, &name, screen).await?;
    check(&name, asked.as_deref(), &design, &plan, screen)?;
    say!("{}", render(&name, &plan, &SystemClock.now(), screen));
    if !yes && !ask(&name, &plan, screen)? {
        return Err(Failure::new(Exit::Waits, screen.lang.text(Text::NotApproved)));
    }
    let wanted = approval(&name, &design, &plan, reason);
    let sha = short(&plan.plan_sha256).to_owned();
    let document = wanted.metadata.name.clone().unwrap_or_default();
    match approvals.create(&PostParams::default(), &wanted).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 409 => say!("{}", screen.lang.fill(Text::AlreadyApproved, &[("sha", &sha)])),
        Err(error) => return Err(server.kube_failure(&error)),
    }
    // the controller judges it; a refusal must not look like a yes
    let deadline = Instant::now() + LOOK;
    loop {
        let status = approvals
            .get_opt(&document)
            .await
            .map_err(|error| server.kube_failure(&error))?
            .and_then(|found| found.status)
            .unwrap_or_default();
        if let Some(refused) = status.refused {
            let values: [(&str, &dyn std::fmt::Display); 2] = [("reason", &format!("{:?}", refused.reason)), ("message", &refused.message)];
            return Err(Failure::new(Exit::Refused, screen.lang.fill(Text::Refused, &values)));
        }
        if status.consumed_by.is_some() || Instant::now() >= deadline {
            say!("{}", screen.paint(Tone::Good, &screen.lang.fill(Text::Approved, &[("sha", &sha), ("name", &name)])));
            return Ok(Exit::Done);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::text::Lang;
    use super::*;

    fn plan() -> PlanRecord {
        serde_json::from_value(super::super::status::tests_plan("a")).unwrap()
    }

    fn design(generation: i64) -> Design {
        wanting("Applied", generation)
    }

    fn wanting(desired: &str, generation: i64) -> Design {
        serde_json::from_value(json!({ "apiVersion": "galley.dev/v1alpha1", "kind": "Design",
            "metadata": { "name": "s-1", "uid": "u-1", "generation": generation }, "spec": { "sessionRef": "s-1", "desiredState": desired } }))
        .unwrap()
    }

    #[test]
    fn the_summary_says_which_attribute_forces_a_replace() {
        let now: Time = serde_json::from_value(json!("2026-01-01T00:10:00Z")).unwrap();
        let expected = format!(
            "Plan {}  s-1\n  1 to create, 1 to change, 1 to replace, 0 to destroy\n  made 10m ago, to be applied within 50m\n\
CHANGE     ADDRESS               WHY
± replace  oci_core_instance.vm  replaced because of create_vnic_details.subnet_id
+ create   oci_core_subnet.app
~ change   oci_core_vcn.vcn      changes display_name
Drift
  oci_core_vcn.vcn  changed behind Terraform's back: display_name",
            "a".repeat(64)
        );
        assert_eq!(render("s-1", &plan(), &now, Screen::plain(Lang::En)), expected);
        let late: Time = serde_json::from_value(json!("2026-01-01T02:00:00Z")).unwrap();
        assert!(render("s-1", &plan(), &late, Screen::plain(Lang::En)).contains("too old to be applied"));
        let destroy = PlanRecord { destroy: true, ..plan() };
        assert!(render("s-1", &destroy, &now, Screen::plain(Lang::Ja)).contains("このプランはすべてを削除します"));
    }

    #[test]
    fn a_preview_says_what_would_change_and_that_the_plan_decides() {
        let preview: Preview =
            serde_json::from_value(json!({ "counts": { "create": 1, "update": 0, "replace": 1, "delete": 0 }, "changes": [
            { "address": "oci_core_instance.vm", "action": "replace", "replacePaths": ["shape"] }] }))
            .unwrap();
        assert_eq!(
            render_preview(&preview, Screen::plain(Lang::En)),
            "1 to create, 0 to change, 1 to replace, 0 to destroy\n\
CHANGE     ADDRESS               WHY\n\
± replace  oci_core_instance.vm  replaced because of shape\n\
… and 1 more\n\
expected by comparing the rendered resources with the state; the plan decides"
        );
        assert_eq!(render_preview(&Preview::default(), Screen::plain(Lang::En)), "nothing would change");
    }

    #[test]
    fn what_happens_is_coloured_and_the_columns_stand_where_they_stood() {
        let plain = change_table(&plan().changes, Screen::plain(Lang::En));
        let colours = Screen { lang: Lang::En, colour: true, live: true };
        let painted = change_table(&plan().changes, colours);
        assert!(painted.contains("\u{1b}[31m± replace\u{1b}[0m  oci_core_instance.vm"), "{painted}");
        let stripped = ["[1m", "[31m", "[32m", "[33m", "[0m"].iter().fold(painted, |text, code| text.replace(&format!("\u{1b}{code}"), ""));
        assert_eq!(stripped, plain);
        let calm: Vec<Change> = plan().changes.into_iter().filter(|change| change.action == ChangeAction::Create).collect();
        assert!(!change_table(&calm, colours).contains("WHY"), "no column without a word in it");
    }

    #[test]
    fn only_the_plan_that_was_named_is_approved() {
        let screen = Screen::plain(Lang::En);
        for (why, asked, generation, ok) in [
            ("not named: what was shown", None, 2, true),
            ("named in full", Some("a".repeat(64)), 2, true),
            ("named by its start", Some("aaaaaaaa".into()), 2, true),
            ("another", Some("bbbbbbbb".into()), 2, false),
            ("too short to tell", Some("aaa".into()), 2, false),
            ("empty", Some(String::new()), 2, false),
            ("the design moved on", None, 3, false),
        ] {
            let found = check("s-1", asked.as_deref(), &design(generation), &plan(), screen);
            assert_eq!(found.is_ok(), ok, "{why}");
            if let Err(failure) = found {
                assert_eq!(failure.exit, Exit::Refused, "{why}");
            }
        }
    }

    #[test]
    fn a_plan_that_nothing_would_apply_is_not_approved() {
        let mut deleted = wanting("Planned", 2);
        deleted.metadata.deletion_timestamp = Some(plan().created_at);
        for (why, design, ok) in [
            ("it is to be built", wanting("Applied", 2), true),
            ("it is to be torn down", wanting("Destroyed", 2), true),
            ("it is being deleted, which is a wish of its own", deleted, true),
            ("only a plan was asked for", wanting("Planned", 2), false),
            ("nothing was asked for", wanting("Draft", 2), false),
        ] {
            let found = check("s-1", None, &design, &plan(), Screen::plain(Lang::En));
            assert_eq!(found.as_ref().map_err(|failure| failure.exit).err(), (!ok).then_some(Exit::Refused), "{why}: {found:?}");
        }
    }

    #[test]
    fn an_approval_names_the_exact_bytes_and_no_approver() {
        let made = approval("s-1", &design(2), &plan(), None);
        assert_eq!(made.metadata.name.as_deref(), Some("s-1-aaaaaaaaaaaa-2"));
        assert_eq!(
            (made.spec.plan_sha256.as_str(), made.spec.design_uid.as_str(), made.spec.generation),
            ("a".repeat(64).as_str(), "u-1", 2)
        );
        assert_eq!(made.spec.expires_at, plan().expires_at);
        assert!(made.status.is_none(), "the server stamps who");
    }
}
