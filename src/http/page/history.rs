//! What happened to a design, newest first, and one job with its log. Pure markup.

use maud::{Markup, html};

use super::parts::{Tone, chip, phase_chip, severity_chip, span, time};
use super::plan::back;
use super::read::{Event, channel_of};
use super::words::{Say, Word};
use crate::api::approval::short;
use crate::api::terraformjob::JobPhase;
use crate::api::{Approval, Design, TerraformJob, Time};

/// Jobs, approvals and refusals.
pub(super) fn history(say: Say, design: &Design, events: &[Event], now: &Time) -> Markup {
    html! {
        section.card #history aria-labelledby="history-head" {
            h2 #history-head { (say.word(Word::History)) }
            @if events.is_empty() { p.mute { (say.word(Word::NoHistory)) } } @else {
                table.stack {
                    thead { tr { @for head in [Word::What, Word::Who, Word::Outcome, Word::When] { th scope="col" { (say.word(head)) } } } }
                    tbody {
                        @for event in events {
                            @match event {
                                Event::Job(job) => (job_row(say, design, job, now)),
                                Event::Approval(approval) => (approval_row(say, approval, now)),
                                Event::Refusal(refusal) => {
                                    tr {
                                        th scope="row" { (say.fill(Word::Refusal, &[("plan", short(&refusal.plan_sha256))])) @if let Some(why) = &refusal.reason { span.id { (why) } } }
                                        td data-label=(say.word(Word::Who)) { (refusal.by) }
                                        td data-label=(say.word(Word::Outcome)) { (chip(Tone::Warn, say.word(Word::DidRefuse))) }
                                        td.nowrap data-label=(say.word(Word::When)) { (time(say, &refusal.at, now)) }
                                    }
                                },
                            }
                        }
                    }
                }
            }
        }
    }
}

fn job_row(say: Say, design: &Design, job: &TerraformJob, now: &Time) -> Markup {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let status = job.status.clone().unwrap_or_default();
    html! {
        tr {
            th scope="row" {
                a href=(format!("/designs/{}/jobs/{name}", design.metadata.name.as_deref().unwrap_or_default())) { (say.action(job.spec.action)) }
                @if job.spec.destroy_plan { " (" (say.word(Word::ToDelete)) ")" }
                span.id { (name) }
            }
            td data-label=(say.word(Word::Who)) { (say.word(Word::Galley)) }
            td data-label=(say.word(Word::Outcome)) {
                (phase_chip(say, job.phase()))
                @if let (Some(from), Some(to)) = (&status.started_at, &status.finished_at) {
                    " " span.mute.small { (say.fill(Word::Took, &[("time", &span(say, to.0.duration_since(from.0)))])) }
                }
                @if let Some(message) = &status.message { @if job.phase() != JobPhase::Succeeded { span.id { (message) } } }
            }
            td.nowrap data-label=(say.word(Word::When)) { @if let Some(at) = &job.metadata.creation_timestamp { (time(say, at, now)) } }
        }
    }
}

fn approval_row(say: Say, approval: &Approval, now: &Time) -> Markup {
    let status = approval.status.clone().unwrap_or_default();
    html! {
        tr {
            th scope="row" {
                (say.fill(Word::Approval, &[("plan", short(&approval.spec.plan_sha256))]))
                @if let Some(reason) = &approval.spec.reason { span.id { (reason) } }
            }
            td data-label=(say.word(Word::Who)) {
                (status.approver.as_deref().unwrap_or("–"))
                @if let Some(channel) = channel_of(approval) { " " span.mute.small { (say.channel(channel)) } }
            }
            td data-label=(say.word(Word::Outcome)) {
                @if let Some(refused) = &status.refused { (chip(Tone::Bad, &format!("{:?}", refused.reason))) span.id { (refused.message) } }
                @else if let Some(job) = &status.consumed_by { (chip(Tone::Good, say.word(Word::Accepted))) span.id { (say.fill(Word::Used, &[("job", job)])) } }
                @else { (chip(Tone::Calm, say.word(Word::NotUsed))) }
            }
            td.nowrap data-label=(say.word(Word::When)) { @if let Some(at) = &approval.metadata.creation_timestamp { (time(say, at, now)) } }
        }
    }
}

/// One job with the end of its log.
pub(super) fn job(say: Say, title: &str, job: &TerraformJob, lines: &[String], cut: bool, now: &Time) -> Markup {
    let status = job.status.clone().unwrap_or_default();
    let progress = status.progress.clone().unwrap_or_default();
    let open = !job.phase().is_terminal();
    html! {
        (back(say, &job.spec.design_ref))
        div.hero {
            h1 { (say.action(job.spec.action)) @if job.spec.destroy_plan { " (" (say.word(Word::ToDelete)) ")" } }
            p.chips { (phase_chip(say, job.phase())) }
            p.mute { (title) " · " code { (job.metadata.name.as_deref().unwrap_or_default()) } @if let Some(at) = &status.started_at { " · " (time(say, at, now)) } }
        }
        section.card aria-labelledby="log-head" {
            // a full bar would say that all is well
            @if progress.total > 0 && (open || job.phase() == JobPhase::Succeeded) {
                progress value=(progress.done) max=(progress.total) aria-label=(say.action(job.spec.action)) { (progress.done) "/" (progress.total) }
                p { (say.fill(Word::JobDone, &[("done", &progress.done.to_string()), ("total", &progress.total.to_string())])) }
            }
            p.mute.small.facts {
                @for (word, n) in [(Word::Made, status.created.len()), (Word::FailedCount, status.failed.len()), (Word::Untried, status.not_attempted.len())] {
                    @if n > 0 { span { (say.number(word, n)) } }
                }
            }
            @for diagnostic in &status.diagnostics {
                div.diagnostic {
                    p { (severity_chip(say, diagnostic.severity)) " " strong { (diagnostic.summary) } @if let Some(code) = &diagnostic.code { " " code { (code) } } }
                    @if !diagnostic.detail.is_empty() { p.detail { (diagnostic.detail) } }
                }
            }
            header.row { h2 #log-head { (say.word(if open { Word::JobLog } else { Word::Log })) } @if open { p.mute.small { (say.word(Word::LiveNote)) } } }
            @if cut { p.mute.small { (say.word(Word::LogCut)) } }
            pre.log #log tabindex="0" role="log" aria-labelledby="log-head" aria-live="off" {
                @if lines.is_empty() { (say.word(Word::LogEmpty)) }
                @for line in lines { (log_line(line)) "\n" }
            }
        }
    }
}

/// "time level message" with the time short and the level only where it says something.
fn log_line(line: &str) -> Markup {
    let mut words = line.splitn(3, ' ');
    let (Some(at), Some(level), Some(message)) = (words.next(), words.next(), words.next()) else { return html! { (line) } };
    let Some(clock) = at.split_once('T').and_then(|(_, clock)| clock.get(..8)).filter(|_| at.ends_with('Z')) else {
        return html! { (line) };
    };
    html! {
        span.at { (clock) } " "
        @if !matches!(level, "info" | "debug" | "trace") { span.loud { (level) } " " }
        // ids are long and seldom read: they stay in the background
        @match message.split_once(" [id=") {
            Some((said, id)) => { (said) span.at { " [id=" (id) } },
            None => { (message) },
        }
    }
}
