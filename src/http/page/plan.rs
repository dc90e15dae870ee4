//! A plan to read and to decide about: counts, everything that is lost first and with its cause, then the rest; and one
//! resource attribute by attribute. Pure markup.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::Value;

use super::design::Viewer;
use super::parts::{action_tone, chip, counts, escaped, exact, relative, time};
use super::read::{DesignView, PlanView, reason};
use super::words::{Say, Word};
use crate::api::approval::{Role, short};
use crate::api::condition::clip;
use crate::api::design::{ChangeAction, Component, DesiredState};
use crate::api::{Design, Reason};
use crate::services::plan::{ChangeView, PlanPage};

/// Longest value a cell shows.
const VALUE_LIMIT: usize = 600;

/// The plan, and what can be done about it.
pub(super) fn plan(viewer: &Viewer<'_>, view: &DesignView, plan: &PlanView) -> Markup {
    let Viewer { say, now, .. } = viewer;
    let decidable = decidable(view, plan);
    let head = match (&plan.refused, plan.expired, decidable, plan.record.destroy) {
        (Some(_), ..) => Word::PlanRefused,
        (None, true, ..) => Word::PlanOld,
        (None, false, true, true) => Word::DecisionDestroy,
        (None, false, true, false) => Word::Decision,
        (None, false, false, _) => Word::PlanHead,
    };
    let name = view.design.metadata.name.as_deref().unwrap_or_default();
    let (mut lost, rest): (Vec<&ChangeView>, Vec<&ChangeView>) =
        plan.changes.iter().partition(|change| matches!(change.action, ChangeAction::Delete | ChangeAction::Replace));
    // what holds data first: a rule is made again in a second
    lost.sort_by_key(|change| !holds_data(&change.address));
    html! {
        section.card.plan.decision[decidable] #plan aria-labelledby="plan-head" {
            header.row {
                h2 #plan-head { (say.word(head)) }
                p.mute.small {
                    (say.fill(Word::PlanMade, &[("when", &relative(*say, &plan.record.created_at, now)), ("until", &exact(&plan.record.expires_at))]))
                }
            }
            (counts(*say, &plan.record.counts))
            @if plan.record.output_changes { p { (say.word(Word::OutputsChange)) } }
            (losses(*say, view, plan, &lost))
            (drift(*say, plan))
            @if !rest.is_empty() {
                details #changes open[rest.len() <= 8] {
                    summary {
                        @if lost.is_empty() { (say.number(Word::AllChanges, rest.len())) }
                        @else if rest.len() == 1 { (say.word(Word::OneOther)) }
                        @else { (say.number(Word::Others, rest.len())) }
                    }
                    (table(*say, name, &rest, &view.design))
                }
            }
            @if plan.omitted > 0 { p.mute { (say.number(Word::MoreChanges, plan.omitted)) } }
            (decide(viewer, view, plan, decidable, name))
            p.mute.small.finger { (say.word(Word::Fingerprint)) " " code title=(plan.record.plan_sha256) { (short(&plan.record.plan_sha256)) } " · " (say.word(Word::FingerprintHelp)) }
        }
    }
}

/// The plan is the newest, somebody wants it applied, nobody said no, and nothing else goes on.
fn decidable(view: &DesignView, plan: &PlanView) -> bool {
    let waits = matches!(reason(&view.design), Some(Reason::AwaitingApproval | Reason::ResourcesVanished | Reason::ApprovalRefused));
    plan.current && !plan.expired && plan.refused.is_none() && waits && view.job.is_none()
}

fn losses(say: Say, view: &DesignView, plan: &PlanView, lost: &[&ChangeView]) -> Markup {
    let name = view.design.metadata.name.as_deref().unwrap_or_default();
    html! {
        @if lost.is_empty() && !plan.is_destructive() {
            p.calmly { (say.word(Word::NothingLost)) }
        } @else {
            div.losses {
                h3 { (say.word(Word::Destructive)) }
                p { (say.word(Word::DestructiveHelp)) }
                table.stack {
                    thead { tr { th scope="col" { (say.word(Word::Resource)) } th scope="col" { (say.word(Word::Happens)) } th scope="col" { (say.word(Word::Why)) } } }
                    tbody {
                        @for change in lost {
                            tr {
                                (resource_cell(name, change, &view.design))
                                td data-label=(say.word(Word::Happens)) {
                                    (chip(action_tone(change.action), say.change(change.action)))
                                    @if holds_data(&change.address) { " " strong.lossy { (say.word(Word::HoldsData)) } }
                                }
                                td data-label=(say.word(Word::Why)) { (cause(say, plan, change)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether destroying a resource of this type destroys what people put into it.
pub(super) fn holds_data(address: &str) -> bool {
    const STORES: [&str; 15] = [
        "oci_database_",
        "oci_mysql_mysql_db_system",
        "oci_psql_db_system",
        "oci_nosql_table",
        "oci_redis_",
        "oci_opensearch_",
        "oci_objectstorage_bucket",
        "oci_core_volume",
        "oci_core_boot_volume",
        "oci_core_instance",
        "oci_file_storage_file_system",
        "oci_streaming_stream",
        "oci_queue_queue",
        "oci_vault_secret",
        "oci_kms_",
    ];
    // an attachment, a policy or a configuration of one holds nothing
    let beside = ["_attachment", "_policy", "_configuration", "_pool", "_rule", "_backup_policy_assignment"];
    let resource_type = address.split('.').next().unwrap_or_default();
    STORES.iter().any(|store| resource_type.starts_with(store)) && !beside.iter().any(|end| resource_type.ends_with(end))
}

fn cause(say: Say, plan: &PlanView, change: &ChangeView) -> String {
    match (change.action, change.forced_by.is_empty(), plan.record.destroy) {
        (_, false, _) => say.fill(Word::ForcedBy, &[("paths", &change.forced_by.join(", "))]),
        (ChangeAction::Delete, true, true) => say.word(Word::AllDestroyed).to_owned(),
        (ChangeAction::Delete, true, false) => say.word(Word::NotWanted).to_owned(),
        (ChangeAction::Replace | ChangeAction::Create | ChangeAction::Update | ChangeAction::Import, true, _) => String::new(),
    }
}

fn drift(say: Say, plan: &PlanView) -> Markup {
    let updates: Vec<String> = plan
        .record
        .drift_updates
        .iter()
        .map(|change| match change.changed_paths.is_empty() {
            true => change.address.clone(),
            false => format!("{} ({})", change.address, change.changed_paths.join(", ")),
        })
        .collect();
    html! {
        @for (word, list) in [(Word::DriftDeleted, &plan.record.drift_deletes), (Word::DriftChanged, &updates)] {
            @if !list.is_empty() {
                div.drift { h3 { (say.word(word)) } ul { @for one in list { li { code { (one) } } } } }
            }
        }
    }
}

fn table(say: Say, name: &str, changes: &[&ChangeView], design: &Design) -> Markup {
    html! {
        table.stack {
            thead { tr { th scope="col" { (say.word(Word::Resource)) } th scope="col" { (say.word(Word::Happens)) } } }
            tbody {
                @for change in changes {
                    tr {
                        (resource_cell(name, change, design))
                        td data-label=(say.word(Word::Happens)) {
                            (chip(action_tone(change.action), say.change(change.action)))
                            @if !change.changed.is_empty() { " " span.mute.small { (say.fill(Word::Changes, &[("paths", &change.changed.join(", "))])) } }
                        }
                    }
                }
            }
        }
    }
}

/// The address, and what the person calls it.
fn resource_cell(name: &str, change: &ChangeView, design: &Design) -> Markup {
    let called = component_of(&change.address, design).and_then(|component| component.display_name.as_deref());
    html! {
        th scope="row" {
            a href=(format!("/designs/{name}/plan?address={}", escaped(&change.address))) { code { (broken(&change.address)) } }
            @if let Some(called) = called { span.id { (called) } }
        }
    }
}

/// An address that may be broken between type and name, and seldom elsewhere.
fn broken(address: &str) -> Markup {
    match address.split_once('.') {
        Some((kind, name)) => html! { (kind) "." wbr; (name) },
        None => html! { (address) },
    }
}

/// The component whose id became the label of an address.
fn component_of<'a>(address: &str, design: &'a Design) -> Option<&'a Component> {
    let label = address.split('[').next()?.rsplit('.').next()?;
    let plain = |text: &str| text.replace('-', "_").to_ascii_lowercase();
    design.spec.components.iter().find(|component| plain(&component.id) == plain(label))
}

/// The form, or why there is none.
fn decide(viewer: &Viewer<'_>, view: &DesignView, plan: &PlanView, decidable: bool, name: &str) -> Markup {
    let Viewer { say, session, now } = viewer;
    let approver = session.role == Role::Approver;
    let deleting = view.design.metadata.deletion_timestamp.is_some();
    html! {
        @if let Some(refused) = &plan.refused {
            div.note.warn {
                p { (say.fill(Word::PlanRefusedWhy, &[("who", &refused.by), ("when", &relative(*say, &refused.at, now))])) }
                @if let Some(why) = &refused.reason { blockquote { (why) } }
            }
        } @else if !plan.current {
            p.note.warn { (say.word(Word::PlanOther)) }
        } @else if view.design.spec.desired_state == DesiredState::Planned && !deleting && view.job.is_none() {
            p.note.calm { (say.word(Word::PlanReading)) }
        }
        @if decidable {
            form.decide method="post" action=(format!("/designs/{name}/approve")) {
                input type="hidden" name="csrf" value=(session.csrf);
                input type="hidden" name="plan_sha256" value=(plan.record.plan_sha256);
                @if plan.is_destructive() {
                    label.check { input #confirm type="checkbox" name="confirm" value="1" required disabled[!approver]; " " (say.word(Word::Confirm)) }
                }
                label for="reason" { (say.word(Word::ReasonLabel)) }
                input #reason type="text" name="reason" maxlength="500" autocomplete="off" disabled[!approver];
                div.buttons {
                    button #approve .primary .danger[plan.is_destructive()] type="submit" disabled[!approver] aria-describedby=[(!approver).then_some("readers")] {
                        (approving(*say, plan))
                    }
                    button #refuse .secondary type="submit" formaction=(format!("/designs/{name}/refuse")) formnovalidate disabled[!approver] aria-describedby=(if approver { "refusing" } else { "readers" }) {
                        (say.word(Word::Refuse))
                    }
                }
                @if approver { p #refusing .mute.small { (say.word(if deleting { Word::RefuseHelpDeleting } else { Word::RefuseHelp })) } }
                @else { p #readers .note.calm { (say.word(Word::ReadersOnly)) } }
            }
        } @else if approver && view.job.is_none() && (plan.expired || plan.refused.is_some()) {
            form method="post" action=(format!("/designs/{name}/replan")) {
                input type="hidden" name="csrf" value=(session.csrf);
                button #replan .secondary type="submit" { (say.word(Word::Replan)) }
            }
        }
    }
}

/// What the button does, with the number of what is lost: the last thing that is read before it is pressed.
fn approving(say: Say, plan: &PlanView) -> String {
    let counts = plan.record.counts;
    match (plan.record.destroy, counts.delete + counts.replace) {
        (true, _) => say.word(Word::ApproveDestroy).to_owned(),
        (false, 0) => say.word(Word::Approve).to_owned(),
        (false, 1) => say.word(Word::ApproveLosingOne).to_owned(),
        (false, n) => say.number(Word::ApproveLosing, n),
    }
}

/// One resource of a plan, before and after.
pub(super) fn resource(say: Say, name: &str, address: &str, page: &PlanPage) -> Markup {
    let change = page.changes.first();
    html! {
        (back(say, name))
        section.card {
            header.row { h1.small-head { code { (address) } } @if let Some(change) = change { (chip(action_tone(change.action), say.change(change.action))) } }
            @if let Some(change) = change {
                @if !change.forced_by.is_empty() { p { (say.fill(Word::ForcedBy, &[("paths", &change.forced_by.join(", "))])) } }
            }
            @if page.values.is_empty() { p { (say.word(Word::NoValues)) } } @else {
                table.stack {
                    thead { tr { th scope="col" { (say.word(Word::Attribute)) } th scope="col" { (say.word(Word::Before)) } th scope="col" { (say.word(Word::After)) } } }
                    tbody {
                        @for value in &page.values {
                            tr {
                                th scope="row" { code { (value.path) } @if value.forces_replace { span.id { (say.word(Word::ForcesReplace)) } } }
                                td data-label=(say.word(Word::Before)) { (shown(&value.before)) }
                                td data-label=(say.word(Word::After)) { (shown(&value.after)) }
                            }
                        }
                    }
                }
                @if page.omitted > 0 { p.mute { (say.number(Word::MoreChanges, page.omitted)) } }
            }
        }
    }
}

/// The way back to the design.
pub(super) fn back(say: Say, name: &str) -> Markup {
    html! { p.back { a href=(format!("/designs/{name}")) { "← " (say.word(Word::BackToDesign)) } } }
}

/// A value in a cell.
pub(super) fn shown(value: &Value) -> Markup {
    match value {
        Value::Null => html! { span.mute { "–" } },
        Value::String(text) => html! { span.value { (clip(text, VALUE_LIMIT)) } },
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            html! { code.value { (clip(&value.to_string(), VALUE_LIMIT)) } }
        }
    }
}

/// Resources by type, for a glance.
pub(super) fn by_type(say: Say, counted: &BTreeMap<String, usize>) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { (say.word(Word::Resource)) } th.number scope="col" { (say.word(Word::HowMany)) } } }
            tbody { @for (kind, n) in counted { tr { th scope="row" { code { (kind) } } td.number { (n) } } } }
        }
    }
}

/// When something is tried again.
pub(super) fn retry(say: Say, at: &crate::api::Time, now: &crate::api::Time) -> Markup {
    html! { p { (say.fill(Word::RetryAt, &[("when", &relative(say, at, now))])) " (" (time(say, at, now)) ")" } }
}
