//! Where everything stands: region box, VCN boxes one above the other, subnets as lanes one above the other in each (title
//! at the left, cards beside it on one column raster, so that lines between lanes never meet a title), regional services in
//! a box at the right. Every length is a multiple of [`PITCH`], so that lines can run on a raster between the cards. Pure
//! arithmetic; nothing overlaps by construction, and the tests look.

use super::arrange::arrange;
use super::rect::{Point, Rect};
use super::titles::Titles;
use crate::catalog::service::SubnetTier;
use crate::render::export::model::{Chart, Node, Vcn};

/// Raster of lines: two parallel lines this far apart are still two lines.
pub const PITCH: i32 = 10;
/// Card: room for a pictogram and two lines of about eleven wide characters.
pub const CARD_W: i32 = 240;
/// Card of a workload: two lines of name, one of service.
pub const CARD_H: i32 = 80;
/// Card of a gateway or a table: one line of each; a reader looks for workloads first.
pub const SMALL_H: i32 = 60;
/// Between columns: eight lines, or a label of two words one above the other on a line from card to card.
const GAP_X: i32 = 90;
/// Between rows of one lane: three lines, and a label on one of them.
const GAP_Y: i32 = 40;
/// Widest gap that many lines make: beyond, cards stand too far apart to be seen together.
const MOST_GAP: i32 = 240;
/// Between rows of small cards: seldom more than one line.
const SMALL_GAP: i32 = 20;
/// Between a box and the cards in it.
const PAD: i32 = 30;
/// Above and below the cards of a lane.
const LANE_PAD: i32 = 20;
/// Between lanes: a label on a line that goes down touches neither.
const LANE_GAP: i32 = 30;
/// Between the border of a VCN and its lanes: four lines that go round.
pub const SIDE: i32 = 50;
/// Title block of a lane: three lines of about ten wide characters.
pub const HEAD_W: i32 = 190;
/// Title line of region and services.
pub const HEADER: i32 = 40;
/// Around everything.
pub const MARGIN: i32 = 30;
/// Title of the picture.
const TITLE: i32 = 60;
/// Between VCNs: lines of several VCNs go there.
const BETWEEN: i32 = 50;
/// Between VCNs and the services: the words "service gateway" on each line that goes there.
const TO_SERVICES: i32 = 140;
/// Most columns of a VCN: beyond, a page is too small to read.
const MAX_COLUMNS: usize = 7;
/// Most columns of regional services.
const MAX_SERVICES: usize = 3;
/// Width to height that suits a slide and a screen.
const ASPECT: f64 = 1.5;

/// What a box is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// the region
    Region,
    /// a VCN
    Vcn,
    /// a subnet
    Subnet(SubnetTier),
    /// services of the region outside every VCN
    Services,
}

/// A box that holds others.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame<'a> {
    /// what it is
    pub kind: Kind,
    /// where
    pub rect: Rect,
    /// the component it shows; None for region and services
    pub node: Option<&'a Node>,
    /// what stands below its name
    pub detail: String,
    /// names of what is attached to it
    pub attached: &'a [String],
    /// index of the box around it
    pub parent: Option<usize>,
}

/// A card.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Card<'a> {
    /// the component
    pub node: &'a Node,
    /// where
    pub rect: Rect,
    /// index of the box it is in
    pub parent: usize,
}

/// Room between cards: wider where many lines run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gaps {
    /// between columns
    pub x: i32,
    /// between rows
    pub y: i32,
}

/// The finished layout.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout<'a> {
    /// room between cards
    pub gaps: Gaps,
    /// boxes, outer before inner
    pub frames: Vec<Frame<'a>>,
    /// cards
    pub cards: Vec<Card<'a>>,
    /// width of the picture without its legend
    pub width: i32,
    /// height of the picture without its legend
    pub height: i32,
}

/// Lays a chart out: the number of columns that comes nearest to the shape of a slide with the shortest lines, and gaps
/// that hold the lines.
pub fn layout<'a>(chart: &'a Chart, titles: &Titles<'_>) -> Layout<'a> {
    let rows = |vcn: &'a Vcn| vcn.subnets.iter().map(|subnet| subnet.cards.len()).chain([vcn.gateways.len(), vcn.tables.len()]);
    let most = chart.vcns.iter().flat_map(rows).max().unwrap_or(chart.regional.len()).clamp(1, MAX_COLUMNS);
    let least = Gaps { x: GAP_X, y: GAP_Y };
    let mut best = laid(chart, most.min(2), least, titles);
    let mut columns = most.min(2);
    for more in columns + 1..=most {
        let next = laid(chart, more, least, titles);
        if burden(&next) < burden(&best) {
            (best, columns) = (next, more);
        }
    }
    match needed(&best.0, best.1, columns) {
        gaps if gaps == least => best.0,
        gaps => laid(chart, columns, gaps, titles).0,
    }
}

/// A layout with so many columns, its cards in order, and how far its lines go across and down.
fn laid<'a>(chart: &'a Chart, columns: usize, gaps: Gaps, titles: &Titles<'_>) -> (Layout<'a>, Point) {
    let mut layout = with_columns(chart, columns, gaps, titles);
    let lines = arrange(&mut layout, &chart.links);
    (layout, lines)
}

/// Gaps in which all lines have room: as many tracks as lines run side by side on average, and as many again, because they
/// do not run evenly.
fn needed(layout: &Layout<'_>, (across, down): Point, columns: usize) -> Gaps {
    let rows = (layout.height / (CARD_H + GAP_Y)).max(1);
    let gap = |length: i32, side: i32, gaps: i32, least: i32| (3 * length / side.max(1) / gaps * PITCH + PITCH).clamp(least, MOST_GAP);
    Gaps { x: gap(down, layout.height, count(columns) + 1, GAP_X), y: gap(across, layout.width, rows, GAP_Y) }
}

/// How far a layout is from what a reader wants: the shape of a slide, full of cards, with short lines.
fn burden((layout, lines): &(Layout<'_>, Point)) -> f64 {
    let (w, h) = (f64::from(layout.width), f64::from(layout.height.max(1)));
    // a page half empty is worth a shape a third off
    let cards = f64::from(count(layout.cards.len())) * f64::from(CARD_W) * f64::from(CARD_H);
    // a page that is crossed by ten lines from end to end is worth a shape a third off, too
    (w / h / ASPECT).ln().abs() - cards / (w * h) + f64::from(lines.0 + lines.1) / (w + h) / 30.0
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Width of so many columns.
fn columns_width(columns: usize, gaps: Gaps) -> i32 {
    count(columns) * (CARD_W + gaps.x) - gaps.x
}

/// The next multiple of the raster.
fn up(length: i32) -> i32 {
    (length + PITCH - 1) / PITCH * PITCH
}

impl<'a> Layout<'a> {
    fn frame(&mut self, kind: Kind, node: Option<&'a Node>, rect: Rect, parent: Option<usize>) -> usize {
        self.frames.push(Frame { kind, rect, node, detail: String::new(), attached: &[], parent });
        self.frames.len() - 1
    }

    /// Cards in rows from a corner; returns the lower edge. Small ones stand closer: seldom more than one line runs there.
    fn rows(&mut self, nodes: &'a [Node], card: i32, columns: usize, (x, y): Point, parent: usize) -> i32 {
        let gap = if card == SMALL_H { SMALL_GAP } else { self.gaps.y };
        // rows of about the same length: two and two rather than three and one
        let columns = nodes.len().div_ceil(nodes.len().div_ceil(columns).max(1)).max(1);
        for (at, node) in nodes.iter().enumerate() {
            let (column, row) = (count(at % columns), count(at / columns));
            let rect = Rect { x: x + column * (CARD_W + self.gaps.x), y: y + row * (card + gap), w: CARD_W, h: card };
            self.cards.push(Card { node, rect, parent });
        }
        let total = count(nodes.len().div_ceil(columns));
        y + if total == 0 { 0 } else { total * (card + gap) - gap }
    }

    fn vcn(&mut self, vcn: &'a Vcn, columns: usize, titles: &Titles<'_>, (x, y): Point, region: usize) -> i32 {
        let width = vcn_width(columns, self.gaps);
        let between = LANE_GAP + self.gaps.y - GAP_Y;
        let me = self.frame(Kind::Vcn, Some(&vcn.node), Rect { x, y, w: width, h: 0 }, Some(region));
        self.frames[me].detail.clone_from(&vcn.cidr);
        let inner = x + SIDE + HEAD_W + PAD;
        let end = self.rows(&vcn.gateways, SMALL_H, columns, (inner, y + LANE_PAD), me);
        let mut bottom = end.max(y + up(titles.height(&self.frames[me])));
        for subnet in &vcn.subnets {
            let top = bottom + between;
            let rect = Rect { x: x + SIDE, y: top, w: width - 2 * SIDE, h: 0 };
            let lane = self.frame(Kind::Subnet(subnet.tier), Some(&subnet.node), rect, Some(me));
            self.frames[lane].detail.clone_from(&subnet.cidr);
            self.frames[lane].attached = &subnet.attached;
            let end = self.rows(&subnet.cards, CARD_H, columns, (inner, top + LANE_PAD), lane);
            let height = (end + LANE_PAD - top).max(up(titles.height(&self.frames[lane])));
            self.frames[lane].rect.h = height;
            bottom = top + height;
        }
        for (rest, card) in [(&vcn.loose, CARD_H), (&vcn.tables, SMALL_H)] {
            if !rest.is_empty() {
                bottom = self.rows(rest, card, columns, (inner, bottom + between), me);
            }
        }
        self.frames[me].rect.h = bottom + LANE_PAD - y;
        self.frames[me].rect.bottom()
    }

    /// The box of what stands in no VCN, from a corner; `tall` is the height of the VCNs.
    fn services(&mut self, chart: &'a Chart, columns: usize, tall: i32, (x, top): Point, region: usize) {
        let first = top + HEADER + PITCH;
        let room = usize::try_from((tall - HEADER - 2 * PAD + self.gaps.y) / (CARD_H + self.gaps.y)).unwrap_or(1).max(1);
        let wide = if chart.vcns.is_empty() { columns.max(2) } else { chart.regional.len().div_ceil(room).clamp(1, MAX_SERVICES) };
        let wide = wide.min(chart.regional.len());
        let rect = Rect { x, y: top, w: columns_width(wide, self.gaps) + 2 * PAD + 2 * PITCH, h: 0 };
        let frame = self.frame(Kind::Services, None, rect, Some(region));
        let end = self.rows(&chart.regional, CARD_H, wide, (x + PAD + PITCH, first), frame);
        self.frames[frame].rect.h = (end + PAD - top).max(tall);
    }
}

/// Width of a VCN of so many columns.
fn vcn_width(columns: usize, gaps: Gaps) -> i32 {
    columns_width(columns, gaps) + 2 * SIDE + HEAD_W + 2 * PAD
}

fn with_columns<'a>(chart: &'a Chart, columns: usize, gaps: Gaps, titles: &Titles<'_>) -> Layout<'a> {
    let mut layout = Layout { gaps, frames: Vec::new(), cards: Vec::new(), width: 0, height: 0 };
    let region = layout.frame(Kind::Region, None, Rect { x: MARGIN, y: MARGIN + TITLE, w: 0, h: 0 }, None);
    layout.frames[region].detail.clone_from(&chart.region);
    let (left, top) = (MARGIN + PAD, MARGIN + TITLE + HEADER + PITCH);
    let (mut right, mut bottom) = (left, top);
    for (at, vcn) in chart.vcns.iter().enumerate() {
        let y = if at == 0 { top } else { bottom + BETWEEN };
        bottom = layout.vcn(vcn, columns, titles, (left, y), region);
        right = left + vcn_width(columns, gaps);
    }
    if !chart.regional.is_empty() {
        let x = if chart.vcns.is_empty() { left } else { right + TO_SERVICES };
        layout.services(chart, columns, bottom - top, (x, top), region);
        let rect = layout.frames.last().map_or(Rect { x, y: top, w: 0, h: 0 }, |frame| frame.rect);
        (right, bottom) = (rect.right(), bottom.max(rect.bottom()));
    }
    if bottom == top {
        (right, bottom) = (left + columns_width(2, gaps), top + CARD_H);
    }
    let rect = &mut layout.frames[region].rect;
    (rect.w, rect.h) = (right + PAD - MARGIN, bottom + PAD - MARGIN - TITLE);
    (layout.width, layout.height) = (rect.right() + MARGIN, rect.bottom() + MARGIN);
    layout
}
