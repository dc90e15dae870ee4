//! Where everything stands: region box, VCN boxes one above the other, subnets one above the other in each, cards on one
//! column raster, regional services in a box at the right. Every length is a multiple of [`PITCH`], so that lines can
//! run on a raster between the cards. Pure arithmetic; nothing overlaps by construction, and the tests look.

use crate::catalog::service::SubnetTier;
use crate::render::export::model::{Chart, Node, Vcn};

/// Raster of lines: two parallel lines this far apart are still two lines.
pub const PITCH: i32 = 10;
/// Card: room for a pictogram and two lines of about 13 wide characters.
pub const CARD_W: i32 = 200;
/// Card: two lines of name, one of service.
pub const CARD_H: i32 = 70;
/// Between columns: five lines, or a label of two words one above the other.
pub const GAP_X: i32 = 70;
/// Between rows: four lines, and a label on one of them.
pub const GAP_Y: i32 = 50;
/// Between a box and what is in it.
const PAD: i32 = 30;
/// Title line of a box.
pub const HEADER: i32 = 40;
/// Title line of a subnet: name, and below it its tables.
pub const SUBNET_HEADER: i32 = 50;
/// Around everything.
pub const MARGIN: i32 = 30;
/// Title of the picture.
const TITLE: i32 = 60;
/// Most columns of a VCN: beyond, a page is too small to read.
const MAX_COLUMNS: usize = 7;
/// Width to height that suits a slide and a screen.
const ASPECT: f64 = 1.45;

/// A rectangle in pixels; `x`, `y` is the upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// left
    pub x: i32,
    /// top
    pub y: i32,
    /// width
    pub w: i32,
    /// height
    pub h: i32,
}

impl Rect {
    /// Right edge.
    pub fn right(&self) -> i32 {
        self.x + self.w
    }
    /// Lower edge.
    pub fn bottom(&self) -> i32 {
        self.y + self.h
    }
    /// Whether two rectangles share a point inside.
    pub fn overlaps(&self, other: &Rect) -> bool {
        self.x < other.right() && other.x < self.right() && self.y < other.bottom() && other.y < self.bottom()
    }
    /// Whether the other lies in this one.
    #[cfg(test)]
    pub fn holds(&self, other: &Rect) -> bool {
        self.x <= other.x && self.y <= other.y && other.right() <= self.right() && other.bottom() <= self.bottom()
    }
    /// Grown by so much on each side.
    pub fn grown(&self, by: i32) -> Rect {
        Rect { x: self.x - by, y: self.y - by, w: self.w + 2 * by, h: self.h + 2 * by }
    }
}

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
    /// what stands after its name
    pub detail: String,
    /// second line of the title
    pub note: String,
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

/// The finished layout.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layout<'a> {
    /// boxes, outer before inner
    pub frames: Vec<Frame<'a>>,
    /// cards
    pub cards: Vec<Card<'a>>,
    /// width of the picture without its legend
    pub width: i32,
    /// height of the picture without its legend
    pub height: i32,
}

/// Lays a chart out: the number of columns that comes nearest to the shape of a slide.
pub fn layout(chart: &Chart) -> Layout<'_> {
    let groups = || chart.vcns.iter().flat_map(groups);
    let most = groups().map(|group| group.len()).max().unwrap_or(chart.regional.len()).clamp(1, MAX_COLUMNS);
    let distance = |layout: &Layout<'_>| (f64::from(layout.width) / f64::from(layout.height.max(1)) / ASPECT).ln().abs();
    let mut best = with_columns(chart, most.min(2));
    for columns in 3..=most {
        let next = with_columns(chart, columns);
        if distance(&next) < distance(&best) {
            best = next;
        }
    }
    best
}

/// The rows of a VCN that share the column raster.
fn groups(vcn: &Vcn) -> Vec<&[Node]> {
    let subnets = vcn.subnets.iter().map(|subnet| subnet.cards.as_slice());
    [vcn.gateways.as_slice()].into_iter().chain(subnets).chain([vcn.loose.as_slice(), vcn.tables.as_slice()]).collect()
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Width of so many columns.
fn columns_width(columns: usize) -> i32 {
    count(columns) * (CARD_W + GAP_X) - GAP_X
}

/// Height of so many rows.
fn rows_height(rows: usize) -> i32 {
    if rows == 0 { 0 } else { count(rows) * (CARD_H + GAP_Y) - GAP_Y }
}

impl<'a> Layout<'a> {
    fn frame(&mut self, kind: Kind, node: Option<&'a Node>, rect: Rect, parent: Option<usize>) -> usize {
        self.frames.push(Frame { kind, rect, node, detail: String::new(), note: String::new(), parent });
        self.frames.len() - 1
    }

    /// Cards in rows from a corner; returns the lower edge.
    fn rows(&mut self, nodes: &'a [Node], columns: usize, (x, y): (i32, i32), parent: usize) -> i32 {
        for (at, node) in nodes.iter().enumerate() {
            let (column, row) = (count(at % columns), count(at / columns));
            let rect = Rect { x: x + column * (CARD_W + GAP_X), y: y + row * (CARD_H + GAP_Y), w: CARD_W, h: CARD_H };
            self.cards.push(Card { node, rect, parent });
        }
        y + rows_height(nodes.len().div_ceil(columns))
    }

    fn vcn(&mut self, vcn: &'a Vcn, columns: usize, (x, y): (i32, i32), region: usize) -> i32 {
        let width = columns_width(columns) + 4 * PAD + 2 * PITCH;
        let me = self.frame(Kind::Vcn, Some(&vcn.node), Rect { x, y, w: width, h: 0 }, Some(region));
        self.frames[me].detail.clone_from(&vcn.cidr);
        let inner = x + 2 * PAD + PITCH;
        let mut at = y + HEADER + PITCH;
        if !vcn.gateways.is_empty() {
            at = self.rows(&vcn.gateways, columns, (inner, at), me) + GAP_Y;
        }
        for subnet in &vcn.subnets {
            let rect = Rect { x: x + PAD + PITCH, y: at, w: width - 2 * PAD - 2 * PITCH, h: 0 };
            let frame = self.frame(Kind::Subnet(subnet.tier), Some(&subnet.node), rect, Some(me));
            self.frames[frame].detail.clone_from(&subnet.cidr);
            self.frames[frame].note = subnet.attached.join(" · ");
            let end = self.rows(&subnet.cards, columns, (inner, at + SUBNET_HEADER + PITCH), frame);
            self.frames[frame].rect.h = end + PAD - at;
            at = end + PAD + GAP_Y - PITCH;
        }
        for rest in [&vcn.loose, &vcn.tables] {
            if !rest.is_empty() {
                at = self.rows(rest, columns, (inner, at), me) + GAP_Y;
            }
        }
        self.frames[me].rect.h = at - GAP_Y + PAD + PITCH - y;
        self.frames[me].rect.bottom()
    }
}

fn with_columns(chart: &Chart, columns: usize) -> Layout<'_> {
    let mut layout = Layout::default();
    let region = layout.frame(Kind::Region, None, Rect { x: MARGIN, y: MARGIN + TITLE, w: 0, h: 0 }, None);
    layout.frames[region].detail.clone_from(&chart.region);
    let (left, top) = (MARGIN + PAD, MARGIN + TITLE + HEADER + PITCH);
    let (mut right, mut bottom) = (left, top);
    for vcn in &chart.vcns {
        let y = if bottom == top { top } else { bottom + GAP_Y };
        bottom = layout.vcn(vcn, columns, (left, y), region);
        right = right.max(left + columns_width(columns) + 4 * PAD + 2 * PITCH);
    }
    if !chart.regional.is_empty() {
        let tall = (bottom - top - HEADER - PAD - PITCH).max(rows_height(1));
        let room = usize::try_from((tall + GAP_Y) / (CARD_H + GAP_Y)).unwrap_or(1).max(1);
        let wide = if chart.vcns.is_empty() { columns.max(2) } else { chart.regional.len().div_ceil(room).clamp(1, 3) };
        let wide = wide.min(chart.regional.len());
        let x = if chart.vcns.is_empty() { left } else { right + 3 * PAD };
        let rect = Rect { x, y: top, w: columns_width(wide) + 2 * PAD + 2 * PITCH, h: 0 };
        let frame = layout.frame(Kind::Services, None, rect, Some(region));
        let first = layout.cards.len();
        let end = layout.rows(&chart.regional, wide, (x + PAD + PITCH, top + HEADER + PITCH), frame);
        let height = (end + PAD - top).max(bottom - top);
        layout.frames[frame].rect.h = height;
        spread(&mut layout.cards[first..], wide, top + height - PAD - end);
        right = layout.frames[frame].rect.right();
        bottom = bottom.max(layout.frames[frame].rect.bottom());
    }
    if bottom == top {
        (right, bottom) = (left + columns_width(2), top + CARD_H);
    }
    let rect = &mut layout.frames[region].rect;
    (rect.w, rect.h) = (right + PAD - MARGIN, bottom + PAD - MARGIN - TITLE);
    (layout.width, layout.height) = (rect.right() + MARGIN, rect.bottom() + MARGIN);
    layout
}

/// Spreads rows over room that is left, so that few services do not crowd in the upper corner of a tall box.
fn spread(cards: &mut [Card<'_>], columns: usize, spare: i32) {
    let rows = count(cards.len().div_ceil(columns));
    // at most a card's height between two rows: further apart they no longer look like one group
    let extra = (spare / (rows + 1)).clamp(0, CARD_H + GAP_Y) / PITCH * PITCH;
    let start = ((spare - extra * (rows - 1)) / 2).max(0) / PITCH * PITCH;
    for (at, card) in cards.iter_mut().enumerate() {
        card.rect.y += start + extra * count(at / columns);
    }
}
