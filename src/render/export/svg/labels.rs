//! Where the words on lines stand: on their own line, over no card, title or other word, and over another line only when
//! there is no better place. Pure.

use super::layout::Rect;
use super::route::Point;
use crate::render::export::text::{cut, width};

/// Font size of a label.
pub const SIZE: u32 = 11;
/// Height of one line of a label.
pub const LINE: i32 = 14;
/// Widest line of a label.
const ROOM: i32 = 130;

/// A placed label.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// where
    pub rect: Rect,
    /// its lines
    pub lines: Vec<String>,
}

/// One line, and one word per line: what fits a horizontal and a vertical stretch.
fn variants(text: &str) -> Vec<Vec<String>> {
    let whole = vec![cut(text, SIZE, ROOM)];
    let words: Vec<String> = text.split(' ').filter(|w| !w.is_empty()).map(|w| cut(w, SIZE, ROOM)).collect();
    if (2..=3).contains(&words.len()) { vec![whole, words] } else { vec![whole] }
}

fn size(lines: &[String]) -> (i32, i32) {
    let wide = lines.iter().map(|line| width(line, SIZE)).max().unwrap_or_default();
    (wide + 8, i32::try_from(lines.len()).unwrap_or(1) * LINE + 2)
}

/// Rectangle of a stretch between two corners.
fn stretch(a: Point, b: Point) -> Rect {
    Rect { x: a.0.min(b.0), y: a.1.min(b.1), w: (a.0 - b.0).abs(), h: (a.1 - b.1).abs() }
}

/// Stretches of a line.
pub fn stretches(line: &[Point]) -> Vec<Rect> {
    line.windows(2).filter_map(|pair| Some(stretch(*pair.first()?, *pair.get(1)?))).collect()
}

/// Places the label of `line`. `taken`: what it may not touch. `others`: stretches of other lines.
pub fn place(text: &str, line: &[Point], taken: &[Rect], others: &[Rect]) -> Option<Label> {
    let mut best: Option<(i32, Label)> = None;
    for (variant, lines) in variants(text).into_iter().enumerate() {
        let (w, h) = size(&lines);
        for part in stretches(line) {
            let (length, need) = if part.w > 0 { (part.w, w) } else { (part.h, h) };
            // an arrow head and a corner stay visible at the ends
            if length < need + 12 {
                continue;
            }
            for place in 1..12 {
                let middle = length * place / 12;
                if middle < need / 2 + 5 || length - middle < need / 2 + 5 {
                    continue;
                }
                let (cx, cy) = if part.w > 0 { (part.x + middle, part.y) } else { (part.x, part.y + middle) };
                let rect = Rect { x: cx - w / 2, y: cy - h / 2, w, h };
                if taken.iter().any(|t| t.overlaps(&rect)) {
                    continue;
                }
                let crossed = others.iter().filter(|o| o.grown(1).overlaps(&rect)).count();
                let off = (2 * middle - length).abs();
                let cost = i32::try_from(crossed).unwrap_or(i32::MAX / 2000) * 1000 + off - length
                    + i32::try_from(variant).unwrap_or_default() * 60;
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, Label { rect, lines: lines.clone() }));
                }
            }
        }
    }
    best.map(|(_, label)| label)
}
