//! One design: what it is and how it stands, what goes on or waits for a decision, the picture, findings, what was built,
//! what happened. In this order, because that is what a person asks. Pure markup.

use maud::{Markup, html};

use super::history;
use super::parts::{Tone, chip, health_chip, phase_chip, severity_chip, sync_chip};
use super::plan;
use super::read::{DesignView, changes, reason};
use super::request::language_word;
use super::sessions::PageSession;
use super::words::{Say, Word};
use crate::api::advice::spoken;
use crate::api::condition::{self, READY};
use crate::api::design::{Component, DesignStatus, Finding, Findings, Health, LastFailure, Severity, Target};
use crate::api::{Design, Reason, TerraformJob, Time};
use crate::services::export::What;

/// Outputs shown; a design has a handful.
const MOST_OUTPUTS: usize = 40;

/// Who looks, in which language, when.
pub(super) struct Viewer<'a> {
    pub(super) say: Say,
    pub(super) session: &'a PageSession,
    pub(super) now: Time,
}

/// The whole page of a design.
pub(super) fn design(viewer: &Viewer<'_>, view: &DesignView) -> Markup {
    let say = viewer.say;
    let status = view.design.status.clone().unwrap_or_default();
    let decided = status.plan.as_ref().is_some_and(|plan| plan.is_empty()) || reason(&view.design) == Some(Reason::Synced);
    let plan = view.plan.as_ref().filter(|_| !decided);
    html! {
        (hero(say, view, &status))
        @if let Some(job) = &view.job { (running(say, &view.design, job)) }
        @if let Some(failure) = &status.last_failure { (failed(viewer, &view.design, failure)) }
        @if let Some(plan) = plan { @if !view.job.as_ref().is_some_and(|job| changes(job.spec.action)) { (plan::plan(viewer, view, plan)) } }
        // what must be mended stands before what is fine
        @if reason(&view.design) == Some(Reason::InvalidDesign) { (findings(say, status.findings.as_ref())) (picture(say, view)) }
        @else { (picture(say, view)) (findings(say, status.findings.as_ref())) }
        (built(say, &status))
        (history::history(say, &view.design, &view.history, &viewer.now))
    }
}

fn hero(say: Say, view: &DesignView, status: &DesignStatus) -> Markup {
    let design = &view.design;
    let ready = condition::condition(&status.conditions, READY);
    html! {
        nav.crumbs aria-label="breadcrumb" { a href="/" { (say.word(Word::Designs)) } }
        div.hero {
            h1 { (view.session.spec.title) }
            p.chips {
                (sync_chip(say, status)) " " (health_chip(say, status.health))
                @if design.metadata.deletion_timestamp.is_some() { " " (chip(Tone::Warn, say.word(Word::Deleting))) }
            }
            p.now {
                @if let Some(reason) = reason(design) { strong { (say.headline(reason)) } }
            }
            @if let Some(reason) = reason(design) {
                @if let Some(ready) = ready.filter(|ready| Say::tells_more(reason) && !ready.message.is_empty()) { p.mute { (ready.message) } }
                @if let Some((advice, command)) = say.advice(reason) {
                    p { (advice) }
                    @if let Some(command) = command {
                        p.small { (say.word(Word::OnTheCommandLine)) " " code { (command) " " (design.metadata.name.as_deref().unwrap_or_default()) } }
                    }
                }
            }
            p.mute.small.facts {
                span { (say.target(design.spec.target)) @if design.spec.target == Target::Sandbox { " (" (say.word(Word::SandboxHelp)) ")" } }
                @if let Some(region) = &design.spec.region { span { (region) } }
                span { (say.fill(Word::Asked, &[("state", say.desired(design.spec.desired_state))])) }
                span { (say.fill(Word::Policy, &[("policy", say.policy(design.spec.policy.approval))])) }
                span { code { (design.metadata.name.as_deref().unwrap_or_default()) } }
            }
        }
    }
}

fn running(say: Say, design: &Design, job: &TerraformJob) -> Markup {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let progress = job.status.as_ref().and_then(|status| status.progress.clone()).unwrap_or_default();
    let (done, total) = (progress.done.to_string(), progress.total.to_string());
    html! {
        section.card.running #running aria-labelledby="running-head" {
            header.row {
                h2 #running-head { (say.word(Word::Job)) ": " (say.action(job.spec.action)) }
                (phase_chip(say, job.phase()))
            }
            @if progress.total > 0 {
                progress value=(done) max=(total) aria-labelledby="running-head" { (done) "/" (total) }
                p { (say.fill(Word::JobDone, &[("done", &done), ("total", &total)])) }
            } @else { p { (say.word(Word::Starting)) } }
            @if let Some(wait) = job.status.as_ref().and_then(|status| status.wait_reason.as_ref()) { p.mute { (wait) } }
            @if !progress.current.is_empty() { p.mute.small { @for address in &progress.current { code { (address) } " " } } }
            p { a href=(format!("/designs/{}/jobs/{name}", design.metadata.name.as_deref().unwrap_or_default())) { (say.word(Word::JobLog)) " →" } }
        }
    }
}

fn failed(viewer: &Viewer<'_>, design: &Design, failure: &LastFailure) -> Markup {
    let say = viewer.say;
    html! {
        section.card.failure #failure aria-labelledby="failure-head" {
            h2 #failure-head { (say.word(Word::Failure)) ": " (say.action(failure.action)) }
            @for diagnostic in &failure.diagnostics {
                div.diagnostic {
                    p { (severity_chip(say, diagnostic.severity)) " " strong { (diagnostic.summary) } @if let Some(code) = &diagnostic.code { " " code { (code) } } }
                    @if let Some(address) = &diagnostic.address { p.mute.small { code { (address) } } }
                    @if !diagnostic.detail.is_empty() { details { summary { (say.word(Word::Details)) } p.detail.mute.small { (diagnostic.detail) } } }
                }
            }
            @if !failure.next_actions.is_empty() { h3 { (say.word(Word::NextSteps)) } ul { @for next in &failure.next_actions { li { (spoken(next, say.0)) } } } }
            @if let Some(at) = &failure.retry_at { (plan::retry(say, at, &viewer.now)) }
            p { a href=(format!("/designs/{}/jobs/{}", design.metadata.name.as_deref().unwrap_or_default(), failure.job)) { (say.word(Word::Log)) " →" } }
        }
    }
}

fn called(component: &Component) -> &str {
    component.display_name.as_deref().unwrap_or(&component.id)
}

/// The picture, and the same in words for whoever does not see it.
fn picture(say: Say, view: &DesignView) -> Markup {
    let spec = &view.design.spec;
    let name = view.design.metadata.name.as_deref().unwrap_or_default();
    let generation = view.design.metadata.generation.unwrap_or_default();
    let address = format!("/designs/{name}/diagram.svg?lang={}&g={generation}", language_word(say.0));
    let values = [
        ("title", view.session.spec.title.clone()),
        ("components", spec.components.len().to_string()),
        ("connections", spec.connections.len().to_string()),
    ];
    let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let broken = reason(&view.design) == Some(Reason::InvalidDesign);
    html! {
        section.card.picture #diagram aria-labelledby="diagram-head" {
            header.row { h2 #diagram-head { (say.word(Word::Diagram)) } @if !spec.components.is_empty() { a.small href=(address) { (say.word(Word::DiagramOpen)) } } }
            @if spec.components.is_empty() { p.mute { (say.word(Word::NoComponents)) } } @else {
                figure tabindex="0" aria-labelledby="diagram-head" { img src=(address) alt=(say.fill(Word::DiagramAlt, &values)); }
                p.downloads.small {
                    span.mute { (say.word(Word::Downloads)) } " "
                    @for (what, word) in [
                        (What::Summary, Word::ExportSummary), (What::Mermaid, Word::ExportMermaid), (What::Svg, Word::ExportSvg),
                        (What::Terraform, Word::ExportTerraform), (What::All, Word::ExportAll),
                    ] {
                        // a design with errors has no Terraform
                        @if what != What::Terraform || !broken { a href=(format!("/designs/{name}/exports/{}", what.file())) download { (say.word(word)) } " " }
                    }
                }
                details #components { summary { (say.word(Word::AsList)) } (tree(say, view)) }
            }
        }
    }
}

fn tree(say: Say, view: &DesignView) -> Markup {
    let spec = &view.design.spec;
    let name_of = |id: &str| spec.components.iter().find(|one| one.id == id).map_or_else(|| id.to_owned(), |one| called(one).to_owned());
    html! {
        table.stack {
            thead { tr { @for head in [Word::Component, Word::Service, Word::ConnectsTo] { th scope="col" { (say.word(head)) } } } }
            tbody {
                @for component in &spec.components {
                    tr {
                        th scope="row" { (called(component)) span.id { (component.id) } }
                        td data-label=(say.word(Word::Service)) { code { (component.service_type) } }
                        td data-label=(say.word(Word::ConnectsTo)) {
                            @for link in spec.connections.iter().filter(|link| link.source_id == component.id) {
                                div { (name_of(&link.target_id)) " " span.mute.small { (link.connection_type.replace('_', " ")) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Errors and warnings open, notes folded away: a large design has many of them, and none stops anything.
fn findings(say: Say, findings: Option<&Findings>) -> Markup {
    let Some(findings) = findings else { return html! {} };
    let total = findings.errors + findings.warnings + findings.infos;
    let (notes, loud): (Vec<&Finding>, Vec<&Finding>) = findings.items.iter().partition(|one| one.severity == Severity::Info);
    html! {
        section.card #findings aria-labelledby="findings-head" {
            h2 #findings-head { (say.word(Word::Findings)) @if total > 0 { " " span.mute { "(" (total) ")" } } }
            @if total == 0 { p.calmly { (say.word(Word::NoFindings)) } }
            @else if loud.is_empty() { p.calmly { (say.word(Word::NothingWrong)) } }
            (finding_list(say, &loud))
            @if !notes.is_empty() {
                details #notes {
                    summary { @if findings.infos == 1 { (say.word(Word::OneNote)) } @else { (say.number(Word::Notes, findings.infos)) } }
                    (finding_list(say, &notes))
                }
            }
            @if total > findings.items.len() { p.mute { (say.number(Word::MoreFindings, total - findings.items.len())) } }
        }
    }
}

fn finding_list(say: Say, findings: &[&Finding]) -> Markup {
    html! {
        @if !findings.is_empty() {
            ul.findings role="list" {
                @for finding in findings {
                    li {
                        p { (severity_chip(say, finding.severity)) " " (finding.message) }
                        @if let Some(advice) = &finding.recommendation { p.mute { (advice) } }
                        @if !finding.allowed.is_empty() { p.mute.small { (say.fill(Word::Allowed, &[("list", &finding.allowed.join(", "))])) } }
                        p.mute.small { code { (finding.path) } }
                    }
                }
            }
        }
    }
}

fn built(say: Say, status: &DesignStatus) -> Markup {
    let resources = status.resources.clone().unwrap_or_default();
    if resources.total == 0 && status.outputs.is_empty() {
        return html! {};
    }
    html! {
        section.card #built aria-labelledby="built-head" {
            header.row {
                h2 #built-head { (say.word(Word::Built)) }
                p.mute { (super::parts::resources(say, resources.total)) @if status.health == Some(Health::Healthy) { " · " (say.health(Health::Healthy)) } }
            }
            @if !status.outputs.is_empty() {
                h3 { (say.word(Word::Outputs)) }
                table.stack {
                    thead { tr { th scope="col" { (say.word(Word::Output)) } th scope="col" { (say.word(Word::Value)) } } }
                    tbody {
                        @for (name, value) in status.outputs.iter().take(MOST_OUTPUTS) {
                            tr { th scope="row" { code { (name) } } td data-label=(say.word(Word::Value)) { (plan::shown(value)) } }
                        }
                    }
                }
            }
            @if !resources.by_type.is_empty() { details #types { summary { (say.word(Word::ByType)) } (plan::by_type(say, &resources.by_type)) } }
        }
    }
}
