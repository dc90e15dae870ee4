//! The picture as one SVG file: own layout, own pictograms, no font, image, script or address from outside. Follows the
//! reader's light or dark setting through a media query. Every class stands under `.gd`, so that a page may inline it.
//!
//! `layout` says where boxes and cards stand (`arrange`: in which order), `route` where lines run, `labels` where the
//! words on them stand, `titles` what a box is called, `draw` writes it all down, `legend` explains it.

mod arrange;
mod draw;
mod labels;
mod layout;
mod legend;
mod pictogram;
mod rect;
mod route;
mod sizes;
#[cfg(test)]
mod tests;
mod titles;

use super::Subject;
use super::chart::chart;
use super::model::{Chart, Link};
use labels::Label;
use layout::{Layout, layout};
use rect::{Point, Rect};
use route::{End, Router};
use titles::Titles;

/// Between a label and a border, beyond the air that every label has: words that touch a border look struck through.
const BORDER_AIR: i32 = 2;

/// A connection with its way.
#[derive(Debug)]
struct Line<'a> {
    link: &'a Link,
    points: Vec<Point>,
    label: Option<Label>,
}

/// The design as an SVG document.
pub fn svg(subject: &Subject<'_>) -> String {
    let chart = chart(subject);
    let titles = Titles::new(subject);
    let layout = layout(&chart, &titles);
    let (lines, _) = connect(&chart, &layout, &titles);
    draw::draw(subject, &chart, &layout, &lines)
}

/// Routes every connection, short ones first, and places the words. Also says in how many steps.
fn connect<'a>(chart: &'a Chart, layout: &Layout<'_>, titles: &Titles<'_>) -> (Vec<Line<'a>>, u64) {
    let cards: Vec<Rect> = layout.cards.iter().map(|card| card.rect).collect();
    let boxes: Vec<Rect> = layout.frames.iter().map(|frame| frame.rect).collect();
    let titles: Vec<Rect> = layout.frames.iter().map(|frame| titles.rect(frame)).collect();
    let end = |key: usize| {
        let card = layout.cards.iter().find(|card| card.node.key == key).map(|card| End { rect: card.rect, card: true });
        let frame = || layout.frames.iter().find(|frame| frame.node.is_some_and(|node| node.key == key));
        card.or_else(|| frame().map(|frame| End { rect: frame.rect, card: false }))
    };
    let mut ends: Vec<(&Link, End, End)> = chart.links.iter().filter_map(|link| Some((link, end(link.from)?, end(link.to)?))).collect();
    ends.sort_by_key(|(_, from, to)| {
        let (a, b) = (from.rect.middle(), to.rect.middle());
        (a.0 - b.0).abs() + (a.1 - b.1).abs()
    });
    let mut router = Router::new(ends.len(), (layout.width, layout.height), &cards, &boxes, &titles);
    let mut lines: Vec<Line<'a>> =
        ends.into_iter().filter_map(|(link, from, to)| Some(Line { link, points: router.route(&from, &to)?, label: None })).collect();
    let sheet = Rect { x: 0, y: 0, w: layout.width, h: layout.height };
    let borders = boxes.iter().flat_map(Rect::sides).map(|side| side.grown(BORDER_AIR));
    let mut taken: Vec<Rect> = cards.iter().copied().chain(titles).chain(borders).collect();
    for at in 0..lines.len() {
        let others = lines.iter().enumerate().filter(|(other, _)| *other != at).flat_map(|(_, line)| labels::stretches(&line.points));
        let untouched: Vec<Rect> = taken.iter().copied().chain(others).collect();
        let line = &mut lines[at];
        line.label = labels::place(&words(&line.link.kinds), &line.points, &untouched, &sheet);
        taken.extend(line.label.as_ref().map(|label| label.rect));
    }
    (lines, router.steps())
}

/// Connection types as people read them.
fn words(kinds: &[String]) -> String {
    kinds.iter().map(|kind| kind.replace('_', " ")).collect::<Vec<_>>().join(", ")
}

/// Colour class of a connection type.
fn class(kinds: &[String]) -> usize {
    match kinds.first().map(String::as_str) {
        Some("https" | "http" | "routes_to" | "public" | "resolves_to" | "ssh") => 0,
        Some("private_endpoint" | "vcn_peering" | "mounts") => 1,
        Some("service_gateway") => 2,
        Some("event" | "logs") => 3,
        Some(_) | None => 4,
    }
}
