//! The picture as one SVG file: own layout, own pictograms, no font, image, script or address from outside. Follows the
//! reader's light or dark setting through a media query. Every class stands under `.gd`, so that a page may inline it.

mod labels;
mod layout;
mod pictogram;
mod route;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use super::Subject;
use super::model::{Chart, Link, chart};
use super::text::{cut, width, wrap, xml};
use crate::catalog::service::SubnetTier;
use labels::Label;
use layout::{Card, Frame, HEADER, Kind, Layout, MARGIN, PITCH, Rect, SUBNET_HEADER, layout};
use route::{End, Point, Router};

/// The sheet; ASCII, no address.
const STYLE: &str = include_str!("style.css");
/// Font sizes: title of the picture, title of a box, name on a card, everything small.
const TITLE_SIZE: u32 = 22;
const BOX_SIZE: u32 = 14;
const NAME_SIZE: u32 = 13;
const SMALL_SIZE: u32 = 11;
/// Room for text on a card, right of the pictogram.
const TEXT_X: i32 = 48;
/// One row of the legend.
const LEGEND_ROW: i32 = 24;

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
    let layout = layout(&chart);
    let lines = connect(&chart, &layout);
    draw(subject, &chart, &layout, &lines)
}

/// Text in a title line: left part and the room it takes.
fn title_rect(frame: &Frame<'_>, subject_name: &str) -> Rect {
    let text = width(subject_name, BOX_SIZE) + width(&frame.detail, SMALL_SIZE) + 40;
    let (note, height) = match frame.kind {
        Kind::Subnet(_) => (width(&frame.note, SMALL_SIZE) + 20, SUBNET_HEADER - 8),
        Kind::Region | Kind::Vcn | Kind::Services => (0, HEADER - 10),
    };
    Rect { x: frame.rect.x, y: frame.rect.y, w: text.max(note).min(frame.rect.w), h: height }
}

/// Routes every connection, short ones first, and places the words.
fn connect<'a>(chart: &'a Chart, layout: &Layout<'_>) -> Vec<Line<'a>> {
    let cards: Vec<Rect> = layout.cards.iter().map(|card| card.rect).collect();
    let boxes: Vec<Rect> = layout.frames.iter().map(|frame| frame.rect).collect();
    let titles: Vec<Rect> = layout.frames.iter().map(|f| title_rect(f, f.node.map_or("", |node| &node.name))).collect();
    let end = |key: usize| {
        let card = layout.cards.iter().find(|card| card.node.key == key).map(|card| End { rect: card.rect, card: true });
        let frame = || layout.frames.iter().find(|frame| frame.node.is_some_and(|node| node.key == key));
        card.or_else(|| frame().map(|frame| End { rect: frame.rect, card: false }))
    };
    let mut ends: Vec<(&Link, End, End)> = chart.links.iter().filter_map(|link| Some((link, end(link.from)?, end(link.to)?))).collect();
    let middle = |r: &Rect| (r.x + r.w / 2, r.y + r.h / 2);
    ends.sort_by_key(|(_, from, to)| {
        let (a, b) = (middle(&from.rect), middle(&to.rect));
        (a.0 - b.0).abs() + (a.1 - b.1).abs()
    });
    let mut router = Router::new((layout.width, layout.height), &cards, &boxes, &titles);
    let mut lines: Vec<Line<'a>> =
        ends.into_iter().filter_map(|(link, from, to)| Some(Line { link, points: router.route(&from, &to)?, label: None })).collect();
    let mut taken: Vec<Rect> = cards.iter().map(|card| card.grown(2)).chain(titles).collect();
    for at in 0..lines.len() {
        let others: Vec<Rect> =
            lines.iter().enumerate().filter(|(other, _)| *other != at).flat_map(|(_, line)| labels::stretches(&line.points)).collect();
        let line = &mut lines[at];
        line.label = labels::place(&words(&line.link.kinds), &line.points, &taken, &others);
        taken.extend(line.label.as_ref().map(|label| label.rect.grown(2)));
    }
    lines
}

fn words(kinds: &[String]) -> String {
    kinds.iter().map(|kind| kind.replace('_', " ")).collect::<Vec<_>>().join(", ")
}

/// Colour class of a connection type.
fn class(kinds: &[String]) -> usize {
    match kinds.first().map(String::as_str) {
        Some("https" | "http" | "routes_to" | "public") => 0,
        Some("private_endpoint" | "vcn_peering") => 1,
        Some("service_gateway") => 2,
        Some("event") => 3,
        Some(_) | None => 4,
    }
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
            let weight = if class == "t" && size > SMALL_SIZE { r#" font-weight="600""# } else { "" };
            let _ = writeln!(self.out, r#"<text class="{class}" x="{x}" y="{y}" font-size="{size}"{weight}>{}</text>"#, xml(text));
        }
    }

    fn title(&mut self, text: &str) {
        let _ = writeln!(self.out, "<title>{}</title>", xml(text));
    }

    fn frame(&mut self, subject: &Subject<'_>, frame: &Frame<'_>) {
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
        let (prefix, name) = match (frame.kind, frame.node) {
            (Kind::Region, _) => (subject.say("リージョン", "Region"), String::new()),
            (Kind::Services, _) => (subject.say("リージョンのサービス", "Services of the region"), String::new()),
            (_, Some(node)) => ("", node.name.clone()),
            (_, None) => ("", String::new()),
        };
        let whole = [prefix, &name, &frame.detail].iter().filter(|t| !t.is_empty()).copied().collect::<Vec<_>>().join(" ");
        self.title(&whole);
        self.rect(&format!("{class}{derived}"), &frame.rect, round);
        let (x, y) = (frame.rect.x + 14, frame.rect.y + 24);
        let head = if prefix.is_empty() { name } else { prefix.to_owned() };
        let tag = tag(subject, frame);
        let room = frame.rect.w - 44 - width(&frame.detail, SMALL_SIZE) - width(&tag, SMALL_SIZE);
        let head = cut(&head, BOX_SIZE, room);
        self.text("t", (x, y), BOX_SIZE, &head);
        self.text("m", (x + width(&head, BOX_SIZE) + 10, y), SMALL_SIZE, &frame.detail);
        self.text("m", (frame.rect.right() - 14 - width(&tag, SMALL_SIZE), y), SMALL_SIZE, &tag);
        self.text("m", (x, y + 17), SMALL_SIZE, &cut(&frame.note, SMALL_SIZE, frame.rect.w - 28));
        self.out.push_str("</g>\n");
    }

    fn card(&mut self, subject: &Subject<'_>, card: &Card<'_>) {
        let (node, Rect { x, y, w, h }) = (card.node, card.rect);
        let known = if node.known { "" } else { " class=\"unknown\"" };
        // a nested svg clips: even a glyph that is wider than estimated cannot leave its card
        let _ = writeln!(self.out, r#"<svg x="{x}" y="{y}" width="{w}" height="{h}"><g{known}>"#);
        self.title(&format!("{} ({})", node.name, node.service));
        let derived = if node.derived { " derived" } else { "" };
        self.rect(&format!("card{derived}"), &Rect { x: 1, y: 1, w: w - 2, h: h - 2 }, 6);
        let _ =
            writeln!(self.out, r#"<path class="p" transform="translate(12 {})" d="{}"/>"#, (h - 28) / 2, pictogram::path(node.category));
        let room = w - TEXT_X - 8;
        let name = wrap(&node.name, NAME_SIZE, room, 2);
        let first = if name.len() > 1 { 22 } else { 30 };
        let mut at = first;
        for line in &name {
            self.text("t", (TEXT_X, at), NAME_SIZE, line);
            at += 17;
        }
        let service = if node.known { node.service.clone() } else { format!("{} ?", cut(&node.service, SMALL_SIZE, room - 20)) };
        let service = if node.derived { format!("{service} · {}", subject.say("自動", "added")) } else { service };
        self.text("m", (TEXT_X, at), SMALL_SIZE, &cut(&service, SMALL_SIZE, room));
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
        let middle = label.rect.x + label.rect.w / 2;
        let mut y = label.rect.y + 12;
        for line in &label.lines {
            let _ = writeln!(
                self.out,
                r#"<text class="m" x="{middle}" y="{y}" font-size="{}" text-anchor="middle">{}</text>"#,
                labels::SIZE,
                xml(line)
            );
            y += labels::LINE;
        }
    }
}

/// A point so far from `from` in the direction of `to`, at most half way.
fn towards(from: Point, to: Point, far: i32) -> Point {
    let go = |a: i32, b: i32| a + (b - a).signum() * far.min((b - a).abs() / 2);
    (go(from.0, to.0), go(from.1, to.1))
}

/// Right end of a title line.
fn tag(subject: &Subject<'_>, frame: &Frame<'_>) -> String {
    let tier = match frame.kind {
        Kind::Region | Kind::Services => "",
        Kind::Vcn => "VCN",
        Kind::Subnet(SubnetTier::Public) => subject.say("パブリック", "public"),
        Kind::Subnet(SubnetTier::App) => subject.say("プライベート", "private"),
        Kind::Subnet(SubnetTier::Db) => subject.say("プライベート (DB)", "private (database)"),
    };
    let added = if frame.node.is_some_and(|node| node.derived) { subject.say(" · 自動", " · added") } else { "" };
    format!("{tier}{added}")
}

/// What a legend entry shows.
enum Sample {
    Box(&'static str),
    Line(usize),
}

fn legend(subject: &Subject<'_>, layout: &Layout<'_>, lines: &[Line<'_>]) -> Vec<(Sample, String)> {
    let mut entries = Vec::new();
    let has = |kind: Kind| layout.frames.iter().any(|frame| frame.kind == kind);
    for (tier, class, ja, en) in [
        (SubnetTier::Public, "public", "パブリック・サブネット", "public subnet"),
        (SubnetTier::App, "app", "プライベート・サブネット", "private subnet"),
        (SubnetTier::Db, "db", "データベース用サブネット", "database subnet"),
    ] {
        if has(Kind::Subnet(tier)) {
            entries.push((Sample::Box(class), subject.say(ja, en).to_owned()));
        }
    }
    let boxes = layout.frames.iter().filter_map(|frame| frame.node).any(|node| node.derived);
    if boxes || layout.cards.iter().any(|card| card.node.derived) {
        entries.push((Sample::Box("card derived"), subject.say("自動で補われたもの", "added by derivation").to_owned()));
    }
    for colour in 0..5 {
        let mut kinds: Vec<&str> = Vec::new();
        for kind in lines.iter().filter(|line| class(&line.link.kinds) == colour).flat_map(|line| &line.link.kinds) {
            if !kinds.contains(&kind.as_str()) {
                kinds.push(kind);
            }
        }
        if !kinds.is_empty() {
            entries.push((Sample::Line(colour), cut(&kinds.join(", ").replace('_', " "), SMALL_SIZE, 320)));
        }
    }
    entries
}

fn draw(subject: &Subject<'_>, chart: &Chart, layout: &Layout<'_>, lines: &[Line<'_>]) -> String {
    let entries = legend(subject, layout, lines);
    let mut rows: Vec<(i32, i32)> = Vec::new();
    let (mut x, mut row) = (MARGIN, 0);
    for (_, text) in &entries {
        let wide = 44 + width(text, SMALL_SIZE) + 24;
        if x > MARGIN && x + wide > layout.width - MARGIN {
            (x, row) = (MARGIN, row + 1);
        }
        rows.push((x, layout.height + row * LEGEND_ROW));
        x += wide;
    }
    let height = if entries.is_empty() { layout.height } else { layout.height + (row + 1) * LEGEND_ROW + PITCH };
    let width_all = layout.width;
    let mut sheet = Sheet { out: String::with_capacity(16 * 1024) };
    let _ = writeln!(
        sheet.out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="gd" viewBox="0 0 {width_all} {height}" width="{width_all}" height="{height}" role="img">"#
    );
    sheet.title(&chart.title);
    let _ = writeln!(sheet.out, "<style>\n{STYLE}</style>");
    sheet.rect("bg", &Rect { x: 0, y: 0, w: width_all, h: height }, 0);
    let title = cut(&chart.title, TITLE_SIZE, width_all - 2 * MARGIN);
    sheet.text("t", (MARGIN, MARGIN + 26), TITLE_SIZE, &title);
    let all = layout.cards.len();
    let count = match subject.say("ja", "en") {
        "ja" => format!("コンポーネント {all}、接続 {}", lines.len()),
        _ => format!("{all} components shown, {} connections", lines.len()),
    };
    sheet.text("m", (MARGIN, MARGIN + 47), SMALL_SIZE, &count);
    layout.frames.iter().for_each(|frame| sheet.frame(subject, frame));
    let name = |key: usize| {
        let card = layout.cards.iter().map(|card| card.node).find(|node| node.key == key);
        let frame = || layout.frames.iter().filter_map(|frame| frame.node).find(|node| node.key == key);
        card.or_else(frame).map(|node| node.name.clone()).unwrap_or_default()
    };
    lines.iter().for_each(|line| sheet.line(line, &(name(line.link.from), name(line.link.to))));
    layout.cards.iter().for_each(|card| sheet.card(subject, card));
    lines.iter().filter_map(|line| line.label.as_ref()).for_each(|label| sheet.label(label));
    for ((sample, text), (x, y)) in entries.iter().zip(&rows) {
        match sample {
            Sample::Box(class) => sheet.rect(class, &Rect { x: *x, y: y + 3, w: 34, h: 14 }, 3),
            Sample::Line(colour) => {
                let _ = writeln!(sheet.out, r#"<path class="l k{colour}" d="M{x} {0}h34"/>"#, y + 10);
            }
        }
        sheet.text("m", (x + 42, y + 14), SMALL_SIZE, text);
    }
    sheet.out.push_str("</svg>\n");
    sheet.out
}
