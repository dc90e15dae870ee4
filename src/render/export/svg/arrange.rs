//! Which card stands in which place of its lane: near the ones it has lines with. Pure and deterministic; a card moves only
//! when the lines become shorter, so what has no lines keeps the order of the design.

use std::collections::BTreeMap;

use super::layout::{Card, Kind, Layout, PITCH};
use super::rect::{Point, Rect};
use crate::render::export::model::Link;

/// Rounds of exchanges; most charts are done after three.
const ROUNDS: usize = 8;
/// Cards of one lane whose places are exchanged: pairs grow with the square.
const MOST: usize = 80;

/// Lines of each component: the other end.
type Ends = BTreeMap<usize, Vec<usize>>;

/// Exchanges cards within their boxes, and puts the services of the region beside what they serve. How far all lines
/// go across and down, were they drawn without a detour.
pub fn arrange(layout: &mut Layout<'_>, links: &[Link]) -> Point {
    let mut ends = Ends::new();
    for link in links {
        ends.entry(link.from).or_default().push(link.to);
        ends.entry(link.to).or_default().push(link.from);
    }
    spread(layout, &ends);
    let mut at: BTreeMap<usize, Point> = layout.cards.iter().map(|card| (card.node.key, card.rect.middle())).collect();
    let boxes = layout.frames.iter().filter_map(|frame| Some((frame.node?.key, frame.rect.middle())));
    at.extend(boxes);
    let lanes: Vec<usize> = (0..layout.frames.len()).filter(|at| layout.frames[*at].kind != Kind::Vcn).collect();
    for _ in 0..ROUNDS {
        let mut moved = false;
        for lane in &lanes {
            let members: Vec<usize> = (0..layout.cards.len()).filter(|card| layout.cards[*card].parent == *lane).take(MOST).collect();
            moved |= exchange(layout, &members, &ends, &mut at);
        }
        if !moved {
            break;
        }
    }
    let lines = links.iter().filter_map(|link| Some((at.get(&link.from)?, at.get(&link.to)?)));
    lines.fold((0, 0), |sum, (from, to)| (sum.0 + (from.0 - to.0).abs(), sum.1 + (from.1 - to.1).abs()))
}

/// Length of all lines of a component. Sideways and down cost the same; a straight line is worth a card's breadth less.
fn length(key: usize, place: Point, ends: &Ends, at: &BTreeMap<usize, Point>) -> i32 {
    let others = ends.get(&key).into_iter().flatten().filter_map(|other| at.get(other));
    others
        .map(|other| {
            let (dx, dy) = ((place.0 - other.0).abs(), (place.1 - other.1).abs());
            dx + dy + if dx == 0 || dy == 0 { 0 } else { 100 }
        })
        .sum()
}

/// One round of exchanges among the cards of a box. Whether anything moved.
fn exchange(layout: &mut Layout<'_>, members: &[usize], ends: &Ends, at: &mut BTreeMap<usize, Point>) -> bool {
    let mut moved = false;
    for (place, one) in members.iter().enumerate() {
        for two in members.iter().skip(place + 1) {
            let (a, b) = (layout.cards[*one], layout.cards[*two]);
            let cost = |at: &BTreeMap<usize, Point>| {
                let of = |key: usize| at.get(&key).map_or(0, |place| length(key, *place, ends, at));
                of(a.node.key) + of(b.node.key)
            };
            let before = cost(at);
            at.insert(a.node.key, b.rect.middle());
            at.insert(b.node.key, a.rect.middle());
            if cost(at) < before {
                layout.cards[*one].rect = b.rect;
                layout.cards[*two].rect = a.rect;
                moved = true;
            } else {
                at.insert(a.node.key, a.rect.middle());
                at.insert(b.node.key, b.rect.middle());
            }
        }
    }
    moved
}

/// Spreads the services over room that is left, so that few do not crowd in the upper corner of a tall box: around the
/// height that what they serve stands at.
fn spread(layout: &mut Layout<'_>, ends: &Ends) {
    let Some(services) = layout.frames.iter().position(|frame| frame.kind == Kind::Services) else { return };
    let (inside, rest): (Vec<&Card<'_>>, Vec<&Card<'_>>) = layout.cards.iter().partition(|card| card.parent == services);
    let (Some(top), Some(end)) = (inside.iter().map(|card| card.rect.y).min(), inside.iter().map(|card| card.rect.bottom()).max()) else {
        return;
    };
    let Rect { h, .. } = inside.first().map_or(layout.frames[services].rect, |card| card.rect);
    let partners: Vec<i32> = inside
        .iter()
        .flat_map(|card| ends.get(&card.node.key).into_iter().flatten())
        .filter_map(|key| rest.iter().find(|card| card.node.key == *key).map(|card| card.rect.middle().1))
        .collect();
    let wish = partners.iter().sum::<i32>().checked_div(i32::try_from(partners.len()).unwrap_or(i32::MAX));
    let spare = layout.frames[services].rect.bottom() - 3 * PITCH - end;
    let gap = layout.gaps.y;
    let rows = (end - top + gap) / (h + gap);
    // at most a card's height between two rows: further apart they no longer look like one group
    let extra = (spare / (rows + 1)).clamp(0, h) / PITCH * PITCH;
    let left = (spare - extra * (rows - 1)).max(0);
    let middle = top + (end - top + extra * (rows - 1)) / 2;
    let start = wish.map_or(left / 2, |wish| wish - middle).clamp(0, left) / PITCH * PITCH;
    for card in layout.cards.iter_mut().filter(|card| card.parent == services) {
        card.rect.y += start + extra * ((card.rect.y - top) / (h + gap));
    }
}
