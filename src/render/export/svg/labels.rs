//! Where the words on lines stand: on their own line, over no card, title, border, other word or other line. In a lane
//! that is too narrow they are turned, as on a map. A line in a crowd has none: its colour is in the legend, and its title
//! says all. Pure.

use super::rect::{Point, Rect};
use super::sizes::SMALL_SIZE;
use crate::render::export::text::{cut, width};

/// Height of one line of a label.
pub const LINE: i32 = 16;
/// Widest line of a label.
const ROOM: i32 = 150;
/// What stays visible of a line at both ends of a label: a corner or an arrow head.
const END: i32 = 8;
/// How finely places are tried.
const STEP: usize = 4;
/// Air between a label and what it may not touch.
const AIR: i32 = 2;

/// A placed label.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// where
    pub rect: Rect,
    /// its lines
    pub lines: Vec<String>,
    /// read from bottom to top
    pub turned: bool,
}

/// A way to write a text.
struct Variant {
    lines: Vec<String>,
    turned: bool,
    /// what it costs to be read that way, in pixels off the middle
    burden: i32,
}

/// One line, one word per line, one line turned.
fn variants(text: &str) -> Vec<Variant> {
    let whole = vec![cut(text, SMALL_SIZE, ROOM)];
    let words: Vec<String> = text.split(' ').filter(|w| !w.is_empty()).map(|w| cut(w, SMALL_SIZE, ROOM)).collect();
    let mut all = vec![Variant { lines: whole.clone(), turned: false, burden: 0 }];
    if (2..=3).contains(&words.len()) {
        all.push(Variant { lines: words, turned: false, burden: 60 });
    }
    all.push(Variant { lines: whole, turned: true, burden: 400 });
    all
}

/// Size of a variant.
fn size(variant: &Variant) -> (i32, i32) {
    let wide = variant.lines.iter().map(|line| width(line, SMALL_SIZE)).max().unwrap_or_default() + 8;
    let high = i32::try_from(variant.lines.len()).unwrap_or(1) * LINE + 2;
    if variant.turned { (high, wide) } else { (wide, high) }
}

/// Rectangle of a stretch between two corners.
fn stretch(a: Point, b: Point) -> Rect {
    Rect { x: a.0.min(b.0), y: a.1.min(b.1), w: (a.0 - b.0).abs(), h: (a.1 - b.1).abs() }
}

/// Stretches of a line.
pub fn stretches(line: &[Point]) -> Vec<Rect> {
    line.windows(2).filter_map(|pair| Some(stretch(*pair.first()?, *pair.get(1)?))).collect()
}

/// Places the label of `line`. `taken`: what it may not touch, stretches of other lines and borders among it. It stays on
/// the `sheet`.
pub fn place(text: &str, line: &[Point], taken: &[Rect], sheet: &Rect) -> Option<Label> {
    let mut best: Option<(i32, Label)> = None;
    let parts = stretches(line);
    for variant in variants(text) {
        let (w, h) = size(&variant);
        for part in &parts {
            let flat = part.w > 0;
            let (length, need) = if flat { (part.w, w) } else { (part.h, h) };
            let first = need / 2 + END;
            if flat && variant.turned || length < 2 * first {
                continue;
            }
            let corridor = if flat { Rect { y: part.y - h / 2, h, ..*part } } else { Rect { x: part.x - w / 2, w, ..*part } };
            let near: Vec<Rect> =
                taken.iter().chain(&parts).filter(|t| *t != part).map(|t| t.grown(AIR)).filter(|t| t.overlaps(&corridor)).collect();
            for middle in (first..=length - first).step_by(STEP) {
                let (cx, cy) = if flat { (part.x + middle, part.y) } else { (part.x, part.y + middle) };
                let rect = Rect { x: cx - w / 2, y: cy - h / 2, w, h };
                if !sheet.holds(&rect) || near.iter().any(|t| t.overlaps(&rect)) {
                    continue;
                }
                let cost = (2 * middle - length).abs() - length + variant.burden;
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, Label { rect, lines: variant.lines.clone(), turned: variant.turned }));
                }
            }
        }
    }
    best.map(|(_, label)| label)
}
