//! What the picture's colours and strokes mean: only of what is in it. Pure.

use super::layout::{Kind, Layout, MARGIN};
use super::rect::Rect;
use super::sizes::SMALL_SIZE;
use super::{Line, class};
use crate::catalog::service::SubnetTier;
use crate::render::export::Subject;
use crate::render::export::text::{cut, width};

/// One row of the legend.
const ROW: i32 = 26;
/// Where the text of an entry begins, right of its sample.
pub const TEXT_X: i32 = 42;
/// Between two entries.
const GAP: i32 = 26;
/// Widest text: a chart with many types of connections names the first of them.
const ROOM: i32 = 620;

/// What an entry shows.
#[derive(Debug, Clone, Copy)]
pub enum Sample {
    /// a box of that class
    Box(&'static str),
    /// a line of that colour
    Line(usize),
}

/// One entry, placed below the picture.
#[derive(Debug)]
pub struct Entry {
    /// what it shows
    pub sample: Sample,
    /// what it says
    pub text: String,
    /// where
    pub rect: Rect,
}

/// The entries in reading order.
pub fn legend(subject: &Subject<'_>, layout: &Layout<'_>, lines: &[Line<'_>]) -> Vec<Entry> {
    let (mut x, mut y) = (MARGIN, layout.height);
    let mut entries = Vec::new();
    for (sample, text) in explained(subject, layout, lines) {
        let text = cut(&text, SMALL_SIZE, ROOM.min(layout.width - 2 * MARGIN - TEXT_X));
        let wide = TEXT_X + width(&text, SMALL_SIZE);
        if x > MARGIN && x + wide > layout.width - MARGIN {
            (x, y) = (MARGIN, y + ROW);
        }
        entries.push(Entry { sample, text, rect: Rect { x, y, w: wide, h: ROW } });
        x += wide + GAP;
    }
    entries
}

fn explained(subject: &Subject<'_>, layout: &Layout<'_>, lines: &[Line<'_>]) -> Vec<(Sample, String)> {
    let mut entries = Vec::new();
    for (tier, class, ja, en) in [
        (SubnetTier::Public, "public", "パブリック・サブネット", "public subnet"),
        (SubnetTier::App, "app", "プライベート・サブネット", "private subnet"),
        (SubnetTier::Db, "db", "データベース用サブネット", "database subnet"),
    ] {
        if layout.frames.iter().any(|frame| frame.kind == Kind::Subnet(tier)) {
            entries.push((Sample::Box(class), subject.say(ja, en).to_owned()));
        }
    }
    let mut nodes = layout.frames.iter().filter_map(|frame| frame.node).chain(layout.cards.iter().map(|card| card.node));
    if nodes.any(|node| node.derived) {
        entries.push((Sample::Box("card derived"), subject.say("Galley が補ったもの", "added by Galley").to_owned()));
    }
    for colour in 0..5 {
        let mut kinds: Vec<&str> = Vec::new();
        for kind in lines.iter().filter(|line| class(&line.link.kinds) == colour).flat_map(|line| &line.link.kinds) {
            if !kinds.contains(&kind.as_str()) {
                kinds.push(kind);
            }
        }
        if !kinds.is_empty() {
            entries.push((Sample::Line(colour), kinds.join(", ").replace('_', " ")));
        }
    }
    entries
}
