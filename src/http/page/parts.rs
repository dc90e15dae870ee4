//! Small pieces of markup that several pages use: chips, times, counts. Pure; every value is escaped by the template.

use k8s_openapi::jiff::SignedDuration;
use maud::{Markup, html};

use super::words::{Say, Word};
use crate::api::Time;
use crate::api::design::{ChangeAction, Counts, DesignStatus, Health, Severity, Sync};
use crate::api::terraformjob::JobPhase;

/// How a chip looks. The word on it says the same: colour never stands alone.
#[derive(Clone, Copy)]
pub(super) enum Tone {
    Good,
    Busy,
    Warn,
    Bad,
    Calm,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Busy => "busy",
            Tone::Warn => "warn",
            Tone::Bad => "bad",
            Tone::Calm => "calm",
        }
    }
}

/// A word in a frame.
pub(super) fn chip(tone: Tone, text: &str) -> Markup {
    html! { span class=(format!("chip {}", tone.class())) { (text) } }
}

pub(super) fn sync_chip(say: Say, status: &DesignStatus) -> Markup {
    let sync = status.sync.unwrap_or(Sync::Unknown);
    // of a draft nobody asked: "unknown" would sound as if something were wrong
    if sync == Sync::Unknown && !status.apply_started && status.plan.is_none() {
        return chip(Tone::Calm, say.word(Word::Unplanned));
    }
    let tone = match sync {
        Sync::Synced => Tone::Good,
        Sync::OutOfSync => Tone::Warn,
        Sync::Unknown => Tone::Calm,
    };
    chip(tone, say.sync(sync))
}

pub(super) fn health_chip(say: Say, health: Option<Health>) -> Markup {
    let health = health.unwrap_or(Health::Missing);
    let tone = match health {
        Health::Healthy => Tone::Good,
        Health::Progressing => Tone::Busy,
        Health::Degraded => Tone::Bad,
        Health::Suspended | Health::Missing => Tone::Calm,
    };
    chip(tone, say.health(health))
}

pub(super) fn phase_chip(say: Say, phase: JobPhase) -> Markup {
    let tone = match phase {
        JobPhase::Succeeded => Tone::Good,
        JobPhase::Pending | JobPhase::Running => Tone::Busy,
        JobPhase::Interrupted | JobPhase::Cancelled => Tone::Warn,
        JobPhase::Failed => Tone::Bad,
    };
    chip(tone, say.phase(phase))
}

pub(super) fn severity_chip(say: Say, severity: Severity) -> Markup {
    let tone = match severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Warn,
        Severity::Info => Tone::Calm,
    };
    chip(tone, say.severity(severity))
}

pub(super) fn action_tone(action: ChangeAction) -> Tone {
    match action {
        ChangeAction::Delete | ChangeAction::Replace => Tone::Bad,
        ChangeAction::Create => Tone::Good,
        ChangeAction::Update => Tone::Warn,
        ChangeAction::Import => Tone::Calm,
    }
}

/// The counts of a plan in one line, zeros left out.
pub(super) fn counted(say: Say, counts: &Counts) -> String {
    let Counts { create, update, replace, delete, import } = *counts;
    let all = [
        (ChangeAction::Create, create),
        (ChangeAction::Update, update),
        (ChangeAction::Replace, replace),
        (ChangeAction::Delete, delete),
        (ChangeAction::Import, import),
    ];
    all.into_iter().filter(|(_, n)| *n > 0).map(|(action, n)| format!("{n} {}", say.change(action))).collect::<Vec<_>>().join(" · ")
}

/// The counts of a plan as tiles: what builds first, what destroys last and loud.
pub(super) fn counts(say: Say, counts: &Counts) -> Markup {
    let tiles = [
        (ChangeAction::Create, counts.create),
        (ChangeAction::Update, counts.update),
        (ChangeAction::Replace, counts.replace),
        (ChangeAction::Delete, counts.delete),
        (ChangeAction::Import, counts.import),
    ];
    html! {
        ul.counts role="list" {
            @for (action, n) in tiles {
                @if n > 0 || !matches!(action, ChangeAction::Import) {
                    li class=(if n > 0 { action_tone(action).class() } else { "none" }) { b { (n) } " " span { (say.change(action)) } }
                }
            }
        }
    }
}

/// How many resources, in words.
pub(super) fn resources(say: Say, n: usize) -> String {
    match n {
        0 => say.word(Word::NothingBuilt).to_owned(),
        1 => say.word(Word::OneResource).to_owned(),
        n => say.number(Word::Resources, n),
    }
}

/// An instant: how long ago for the eye, exactly for whoever asks.
pub(super) fn time(say: Say, at: &Time, now: &Time) -> Markup {
    html! { time datetime=(at.0.to_string()) title=(exact(at)) { (relative(say, at, now)) } }
}

/// `2026-01-01 09:30 UTC`: without a script the reader's time zone is not known.
pub(super) fn exact(at: &Time) -> String {
    at.0.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// "5 min ago", "in 40 min".
pub(super) fn relative(say: Say, at: &Time, now: &Time) -> String {
    let seconds = now.0.duration_since(at.0).as_secs();
    let number = |word, n: i64| say.fill(word, &[("n", &n.to_string())]);
    match seconds {
        ..-5400 => number(Word::InHours, (-seconds + 1800) / 3600),
        -5400..-30 => number(Word::InMinutes, (-seconds + 30) / 60),
        -30..45 => say.word(Word::JustNow).to_owned(),
        45..5400 => number(Word::MinutesAgo, (seconds + 30) / 60),
        5400..129_600 => number(Word::HoursAgo, (seconds + 1800) / 3600),
        129_600.. => number(Word::DaysAgo, (seconds + 43_200) / 86_400),
    }
}

/// "42 s", "3 min".
pub(super) fn span(say: Say, time: SignedDuration) -> String {
    match time.as_secs().max(0) {
        seconds @ 0..100 => say.number(Word::Seconds, usize::try_from(seconds).unwrap_or_default()),
        seconds => say.number(Word::Minutes, usize::try_from((seconds + 30) / 60).unwrap_or_default()),
    }
}

/// Bytes of a query or path that browsers take as they are.
pub(super) fn escaped(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
