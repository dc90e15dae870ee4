//! Writes the picture down: boxes, lines, cards, words, legend, in this order. Every text is escaped here. Pure.

use std::fmt::Write as _;

use super::labels::{self, Label};
use super::layout::{Card, Frame, HEAD_W, Kind, Layout, MARGIN, PITCH, SMALL_H};
use super::legend::{self, Sample, legend};
use super::pictogram;
use super::rect::{Point, Rect};
use super::sizes::{NAME_MEASURE, NAME_SIZE, SMALL_NAME_MEASURE, SMALL_NAME_SIZE, SMALL_SIZE, TINY_SIZE, TITLE_SIZE};
use super::titles::Titles;
use super::{Line, class, words};
use crate::api::session::Language;
use crate::catalog::service::SubnetTier;
use crate::render::export::Subject;
use crate::render::export::model::{Chart, Node};
use crate::render::export::text::{cut, width, wrap, xml};

/// The sheet; ASCII, no address.
const STYLE: &str = include_str!("style.css");
/// Where text on a card begins, right of the pictogram.
pub const TEXT_X: i32 = 50;

/// The lines of text on a card: name, and below it the service.
pub fn card_text(node: &Node, rect: &Rect) -> (Vec<String>, String) {
    let room = rect.w - TEXT_X - 8;
    let name = match rect.h {
        SMALL_H => wrap(&node.name, SMALL_NAME_MEASURE, room, 1),
        _ => wrap(&node.name, NAME_MEASURE, room, 2),
    };
    // what was added is dashed, and the legend says so
    let mark = if node.known { "" } else { " ?" };
    let service = cut(&node.service, TINY_SIZE, room - width(mark, TINY_SIZE));
    (name, format!("{service}{mark}"))
}

/// The document being written. Writing to a String does not fail, so results of `write!` are dropped.
struct Sheet {
    out: String,
}

impl Sheet {
    fn rect(&mut self, class: &str, rect: &Rect, round: i32) {
        let Rect { x, y, w, h } = rect;
        let _ = writeln!(self.out, r#"<rect class="{class}" x="{x}" y="{y}" width="{w}" height="{h}" rx="{round}"/>"#);
    }

    /// Text from its left base point. `text` is raw: it is escaped here.
    fn text(&mut self, class: &str, (x, y): Point, size: u32, text: &str) {
        if !text.is_empty() {
            let weight = if class == "t" { r#" font-weight="600""# } else { "" };
            let _ = writeln!(self.out, r#"<text class="{class}" x="{x}" y="{y}" font-size="{size}"{weight}>{}</text>"#, xml(text));
        }
    }

    fn title(&mut self, text: &str) {
        let _ = writeln!(self.out, "<title>{}</title>", xml(text));
    }

    fn frame(&mut self, titles: &Titles<'_>, frame: &Frame<'_>) {
        let (class, round) = match frame.kind {
            Kind::Region => ("region", 14),
            Kind::Vcn => ("vcn", 12),
            Kind::Services => ("services", 12),
            Kind::Subnet(SubnetTier::Public) => ("public", 8),
            Kind::Subnet(SubnetTier::App) => ("app", 8),
            Kind::Subnet(SubnetTier::Db) => ("db", 8),
        };
        let derived = if frame.node.is_some_and(|node| node.derived) { " derived" } else { "" };
        self.out.push_str("<g>\n");
        self.title(
            &[&titles.name(frame), &frame.detail].iter().filter(|t| !t.is_empty()).map(|t| t.as_str()).collect::<Vec<_>>().join(" "),
        );
        self.rect(&format!("{class}{derived}"), &frame.rect, round);
        if matches!(frame.kind, Kind::Subnet(_)) {
            let Rect { x, y, h, .. } = frame.rect;
            // round where the lane is round, straight where its cards begin
            let _ = writeln!(
                self.out,
                r#"<path class="head {class}" d="M{} {y}h-{1}a8 8 0 0 0 -8 8v{2}a8 8 0 0 0 8 8h{1}z"/>"#,
                x + HEAD_W,
                HEAD_W - 8,
                h - 16
            );
        }
        for line in titles.lines(frame) {
            self.text(if line.strong { "t" } else { "m" }, line.at, line.size, &line.text);
        }
        self.out.push_str("</g>\n");
    }

    fn card(&mut self, card: &Card<'_>) {
        let (node, Rect { x, y, w, h }) = (card.node, card.rect);
        let known = if node.known { "" } else { " class=\"unknown\"" };
        // a nested svg clips: even a glyph that is wider than estimated cannot leave its card
        let _ = writeln!(self.out, r#"<svg x="{x}" y="{y}" width="{w}" height="{h}"><g{known}>"#);
        self.title(&format!("{} ({})", node.name, node.service));
        let derived = if node.derived { " derived" } else { "" };
        self.rect(&format!("card{derived}"), &Rect { x: 1, y: 1, w: w - 2, h: h - 2 }, 6);
        let _ =
            writeln!(self.out, r#"<path class="p" transform="translate(12 {})" d="{}"/>"#, (h - 28) / 2, pictogram::path(node.category));
        let (name, service) = card_text(node, &card.rect);
        let (size, step) = if h == SMALL_H { (SMALL_NAME_SIZE, 18) } else { (NAME_SIZE, 20) };
        let lines = i32::try_from(name.len()).unwrap_or(1);
        // the block of lines stands in the middle of the card: letters reach about a third of a line above their middle
        let mut at = h / 2 - (lines * step) / 2 + 5;
        for line in &name {
            self.text("t", (TEXT_X, at), size, line);
            at += step;
        }
        self.text("m", (TEXT_X, at - 1), TINY_SIZE, &service);
        self.out.push_str("</g></svg>\n");
    }

    /// The line with rounded corners, and its arrow head.
    fn line(&mut self, line: &Line<'_>, names: &(String, String)) {
        let class = class(&line.link.kinds);
        let mut path = String::new();
        for (at, (x, y)) in line.points.iter().enumerate() {
            let corner = at.checked_sub(1).and_then(|before| Some((*line.points.get(before)?, *line.points.get(at + 1)?)));
            let _ = match corner {
                None if at == 0 => write!(path, "M{x} {y}"),
                None => write!(path, "L{x} {y}"),
                Some((before, after)) => {
                    let ((ax, ay), (bx, by)) = (towards((*x, *y), before, 5), towards((*x, *y), after, 5));
                    write!(path, "L{ax} {ay}Q{x} {y} {bx} {by}")
                }
            };
        }
        self.out.push_str("<g>\n");
        self.title(&format!("{} → {}: {}", names.0, names.1, words(&line.link.kinds)));
        let _ = writeln!(self.out, r#"<path class="l k{class}" d="{path}"/>"#);
        if let [.., before, (x, y)] = line.points.as_slice() {
            let (dx, dy) = ((x - before.0).signum(), (y - before.1).signum());
            let (bx, by) = (x - 9 * dx, y - 9 * dy);
            let (sx, sy) = (4 * dy, 4 * dx);
            let _ = writeln!(self.out, r#"<path class="a k{class}" d="M{x} {y}L{} {}L{} {}Z"/>"#, bx + sx, by + sy, bx - sx, by - sy);
        }
        self.out.push_str("</g>\n");
    }

    fn label(&mut self, label: &Label) {
        self.rect("w", &label.rect, 4);
        let Rect { x, y, w, h } = label.rect;
        if label.turned {
            let (cx, cy) = (x + w / 2, y + h / 2);
            let text = label.lines.first().map(|line| xml(line)).unwrap_or_default();
            let _ = writeln!(
                self.out,
                r#"<text class="m" transform="rotate(-90 {cx} {cy})" x="{cx}" y="{}" font-size="{SMALL_SIZE}" text-anchor="middle">{text}</text>"#,
                cy + 4
            );
            return;
        }
        let mut base = y + 13;
        for line in &label.lines {
            let _ = writeln!(
                self.out,
                r#"<text class="m" x="{}" y="{base}" font-size="{SMALL_SIZE}" text-anchor="middle">{}</text>"#,
                x + w / 2,
                xml(line)
            );
            base += labels::LINE;
        }
    }

    fn legend(&mut self, entries: &[legend::Entry]) {
        for entry in entries {
            let Rect { x, y, .. } = entry.rect;
            match entry.sample {
                Sample::Box(class) => self.rect(class, &Rect { x, y: y + 3, w: 34, h: 14 }, 3),
                Sample::Line(colour) => {
                    let _ = writeln!(self.out, r#"<path class="l k{colour}" d="M{x} {0}h34"/>"#, y + 10);
                }
            }
            self.text("m", (x + legend::TEXT_X, y + 15), SMALL_SIZE, &entry.text);
        }
    }
}

/// A point so far from `from` in the direction of `to`, at most half way.
fn towards(from: Point, to: Point, far: i32) -> Point {
    let go = |a: i32, b: i32| a + (b - a).signum() * far.min((b - a).abs() / 2);
    (go(from.0, to.0), go(from.1, to.1))
}

/// The whole document.
pub fn draw(subject: &Subject<'_>, chart: &Chart, layout: &Layout<'_>, lines: &[Line<'_>]) -> String {
    let entries = legend(subject, layout, lines);
    let wide = layout.width;
    let high = entries.iter().map(|entry| entry.rect.bottom() + PITCH).max().unwrap_or(layout.height);
    let mut sheet = Sheet { out: String::with_capacity(16 * 1024) };
    let _ = writeln!(
        sheet.out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="gd" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" role="img">"#
    );
    sheet.title(&chart.title);
    let _ = writeln!(sheet.out, "<style>\n{STYLE}</style>");
    sheet.rect("bg", &Rect { x: 0, y: 0, w: wide, h: high }, 0);
    let title = cut(&chart.title, TITLE_SIZE + 1, wide - 2 * MARGIN);
    sheet.text("t", (MARGIN, MARGIN + 26), TITLE_SIZE, &title);
    sheet.text("m", (MARGIN, MARGIN + 48), SMALL_SIZE, &counted(subject));
    let titles = Titles::new(subject);
    layout.frames.iter().for_each(|frame| sheet.frame(&titles, frame));
    let name = |key: usize| {
        let card = layout.cards.iter().map(|card| card.node).find(|node| node.key == key);
        let frame = || layout.frames.iter().filter_map(|frame| frame.node).find(|node| node.key == key);
        card.or_else(frame).map(|node| node.name.clone()).unwrap_or_default()
    };
    lines.iter().for_each(|line| sheet.line(line, &(name(line.link.from), name(line.link.to))));
    layout.cards.iter().for_each(|card| sheet.card(card));
    lines.iter().filter_map(|line| line.label.as_ref()).for_each(|label| sheet.label(label));
    sheet.legend(&entries);
    sheet.out.push_str("</svg>\n");
    sheet.out
}

/// How much there is.
fn counted(subject: &Subject<'_>) -> String {
    let count = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
    let (components, connections) = (subject.spec.components.len(), subject.spec.connections.len());
    match subject.language {
        Language::Ja => format!("コンポーネント {components}、接続 {connections}"),
        Language::En => {
            format!("{}, {}", count(components, "component", "components"), count(connections, "connection", "connections"))
        }
    }
}
