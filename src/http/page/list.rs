//! The list of designs, and the form to sign in. Pure markup.

use maud::{Markup, html};

use super::parts::{Tone, chip, counted, health_chip, resources, sync_chip, time};
use super::read::{Row, reason};
use super::words::{Say, Word};
use crate::api::Time;
use crate::api::condition::clip;

/// How a host is connected, and a design is made without one: what somebody needs who sees an empty page.
const HOST: &str = r#"{ "mcpServers": { "galley": { "command": "galley", "args": ["mcp"] } } }"#;
const FILE: &str = "galley apply -f design.json --session new";
/// Rows on one page: a screen or two.
const PAGE: usize = 50;

/// The form to sign in.
pub(super) fn login(say: Say, csrf: &str, next: &str, wrong: Option<Word>) -> Markup {
    html! {
        section.card.login aria-labelledby="signin" {
            p.tagline { (say.word(Word::Tagline)) }
            h1 #signin { (say.word(Word::SignIn)) }
            @if let Some(wrong) = wrong { p.note.bad role="alert" { (say.word(wrong)) } }
            form method="post" action="/login" {
                input type="hidden" name="csrf" value=(csrf);
                input type="hidden" name="next" value=(next);
                label for="token" { (say.word(Word::Token)) }
                input #token type="password" name="token" autocomplete="current-password" required autofocus spellcheck="false" aria-describedby="token-help";
                p #token-help .mute { (say.word(Word::TokenHelp)) }
                button.primary type="submit" { (say.word(Word::SignIn)) }
            }
            p.mute.small { (say.word(Word::OtherDoors)) }
        }
    }
}

/// The designs, page `at` from 0.
pub(super) fn list(say: Say, rows: &[Row], at: usize, now: &Time) -> Markup {
    let waiting = rows.iter().filter(|row| row.waits()).count();
    let stuck = rows.iter().filter(|row| row.stuck()).count();
    let start = at.saturating_mul(PAGE).min(rows.len());
    let shown = &rows[start..rows.len().min(start + PAGE)];
    html! {
        div.hero {
            h1 { (say.word(Word::Designs)) }
            p.now {
                @match waiting {
                    0 => (say.word(Word::NoneWaiting)),
                    1 => strong.attention { (say.word(Word::OneWaiting)) },
                    n => strong.attention { (say.number(Word::Waiting, n)) },
                }
                @match stuck {
                    0 => {},
                    1 => { " · " strong.trouble { (say.word(Word::OneTrouble)) } },
                    n => { " · " strong.trouble { (say.number(Word::Trouble, n)) } },
                }
                span.mute { " · " (say.number(Word::Count, rows.len())) }
            }
        }
        @if rows.is_empty() {
            section.card.lonely {
                h2 { (say.word(Word::NoDesigns)) }
                p { (say.word(Word::NoDesignsHelp)) }
                pre.sample { (HOST) }
                p.mute { (say.word(Word::NoDesignsFile)) }
                pre.sample { (FILE) }
            }
        } @else {
            div.card.flush {
                table.stack {
                    thead { tr {
                        @for head in [Word::Design, Word::State, Word::SyncHead, Word::HealthHead, Word::Where, Word::Built, Word::Since] {
                            th scope="col" { (say.word(head)) }
                        }
                    } }
                    tbody { @for row in shown { (line(say, row, now)) } }
                }
            }
            @if rows.len() > PAGE {
                nav.pages aria-label=(say.word(Word::Designs)) {
                    @if start > 0 { a rel="prev" href=(format!("/?page={}", at - 1)) { "← " (say.word(Word::Earlier)) } }
                    @if start + PAGE < rows.len() { a rel="next" href=(format!("/?page={}", at + 1)) { (say.word(Word::Later)) " →" } }
                }
            }
        }
    }
}

fn line(say: Say, row: &Row, now: &Time) -> Markup {
    let status = row.design.as_ref().and_then(|design| design.status.clone()).unwrap_or_default();
    html! {
        tr.attention[row.waits()].trouble[row.stuck()] {
            th scope="row" {
                @if row.design.is_some() { a href=(format!("/designs/{}", row.name)) { (row.title) } } @else { (row.title) }
                span.id { (row.name) }
            }
            @if let Some(broken) = &row.broken {
                td colspan="5" data-label=(say.word(Word::State)) { (chip(Tone::Bad, say.fill(Word::Unreadable, &[("why", &clip(broken, 200))]).as_str())) }
            } @else if let Some(design) = &row.design {
                td.wide data-label=(say.word(Word::State)) {
                    @if let Some(reason) = reason(design) { (say.headline(reason)) }
                    @if let Some(plan) = status.plan.as_ref().filter(|_| row.waits()) { span.id { (counted(say, &plan.counts)) } }
                    @if design.metadata.deletion_timestamp.is_some() { " " (chip(Tone::Warn, say.word(Word::Deleting))) }
                }
                td data-label=(say.word(Word::SyncHead)) { (sync_chip(say, &status)) }
                td data-label=(say.word(Word::HealthHead)) { (health_chip(say, status.health)) }
                td data-label=(say.word(Word::Where)) {
                    (say.target(design.spec.target))
                    @if let Some(region) = &design.spec.region { " " span.mute { (region) } }
                }
                td data-label=(say.word(Word::Built)) { (resources(say, status.resources.map_or(0, |resources| resources.total))) }
            } @else {
                td.mute colspan="5" data-label=(say.word(Word::State)) { (say.word(Word::Conversation)) }
            }
            td.nowrap data-label=(say.word(Word::Since)) { @if let Some(created) = &row.created { (time(say, created, now)) } }
        }
    }
}
