//! Lines on a raster: from any free port of one rectangle to any of the other, only horizontal and vertical, never over
//! a card, seldom along another line. A* over the raster lines that lie between cards (and the ports on them), so that
//! the work grows with the number of gaps and not with the number of pixels. Deterministic.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::layout::{CARD_H, PITCH, Rect};

/// A point of a line.
pub type Point = (i32, i32);

/// What a change of direction costs, in pixels of detour.
const BEND: u32 = 40;
/// What crossing another line costs.
const CROSSING: u32 = 25;
/// What touching or following another line costs per raster step: a way round is nearly always better.
const SHARED: u32 = 300;
/// What following a box's border or crossing its title costs per raster step.
const NUISANCE: u32 = 60;
/// Most ends of one line that are tried: a box has many points on its border.
const MAX_PORTS: usize = 64;

/// The four ways to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Left,
    Right,
    Up,
    Down,
}

impl Way {
    const ALL: [Way; 4] = [Way::Left, Way::Right, Way::Up, Way::Down];

    fn index(self) -> usize {
        match self {
            Way::Left => 0,
            Way::Right => 1,
            Way::Up => 2,
            Way::Down => 3,
        }
    }
    fn horizontal(self) -> bool {
        matches!(self, Way::Left | Way::Right)
    }
}

/// The raster and what already runs on it.
pub struct Router {
    xs: Vec<i32>,
    ys: Vec<i32>,
    blocked: Vec<bool>,
    /// extra cost of a point for a line in that direction: 0 horizontal, 1 vertical
    nuisance: [Vec<bool>; 2],
    /// whether a line runs through a point: 0 horizontal, 1 vertical
    used: [Vec<bool>; 2],
}

/// One end of a line.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// the card or box
    pub rect: Rect,
    /// a card is left to its outside; a box is met on its border from either side
    pub card: bool,
}

/// Ports of a card: thirds and middle of the long sides, three points of the short ones.
fn offsets(length: i32) -> [i32; 3] {
    if length == CARD_H { [20, 40, 60] } else { [length / 4 / PITCH * PITCH, length / 2 / PITCH * PITCH, length * 3 / 4 / PITCH * PITCH] }
}

impl Router {
    /// A raster over `size` around `cards`; borders of `boxes` and `titles` are to be avoided.
    pub fn new(size: (i32, i32), cards: &[Rect], boxes: &[Rect], titles: &[Rect]) -> Router {
        // columns of cards are aligned, so inside a column only its ports matter; rows are not
        let mut columns: BTreeSet<i32> = (1..size.0 / PITCH).map(|at| at * PITCH).collect();
        for card in cards {
            columns.retain(|at| *at <= card.x || *at >= card.right());
        }
        columns.extend(cards.iter().flat_map(|card| offsets(card.w).map(|offset| card.x + offset)));
        let xs: Vec<i32> = columns.into_iter().collect();
        let ys: Vec<i32> = (1..size.1 / PITCH).map(|at| at * PITCH).collect();
        let cells = xs.len() * ys.len();
        let mut router = Router {
            xs,
            ys,
            blocked: vec![false; cells],
            nuisance: [vec![false; cells], vec![false; cells]],
            used: [vec![false; cells], vec![false; cells]],
        };
        for card in cards {
            router.each(card, |router, at| router.blocked[at] = true);
        }
        for title in titles {
            router.each(title, |router, at| router.nuisance.iter_mut().for_each(|n| n[at] = true));
        }
        for frame in boxes {
            for (side, way) in [
                (Rect { h: 0, ..*frame }, 0),
                (Rect { y: frame.bottom(), h: 0, ..*frame }, 0),
                (Rect { w: 0, ..*frame }, 1),
                (Rect { x: frame.right(), w: 0, ..*frame }, 1),
            ] {
                router.each(&side, |router, at| router.nuisance[way][at] = true);
            }
        }
        router
    }

    fn cell(&self, column: usize, row: usize) -> usize {
        row * self.xs.len() + column
    }

    /// Every raster point of a closed rectangle.
    fn each(&mut self, rect: &Rect, mut act: impl FnMut(&mut Router, usize)) {
        let columns = self.xs.partition_point(|x| *x < rect.x)..self.xs.partition_point(|x| *x <= rect.right());
        let rows = self.ys.partition_point(|y| *y < rect.y)..self.ys.partition_point(|y| *y <= rect.bottom());
        for row in rows {
            for column in columns.clone() {
                let at = self.cell(column, row);
                act(self, at);
            }
        }
    }

    /// Points where a line may meet this end, with the way that leads out of it.
    fn ports(&self, end: &End) -> Vec<(usize, usize, Way)> {
        let Rect { x, y, w, h } = end.rect;
        let (across, down): (Vec<i32>, Vec<i32>) = if end.card {
            (offsets(w).map(|o| x + o).to_vec(), offsets(h).map(|o| y + o).to_vec())
        } else {
            let inside = |all: &[i32], from: i32, to: i32| -> Vec<i32> {
                let points: Vec<i32> = all.iter().copied().filter(|p| from + PITCH < *p && *p < to - PITCH).collect();
                let step = points.len().div_ceil(MAX_PORTS / 4).max(1);
                points.into_iter().step_by(step).collect()
            };
            (inside(&self.xs, x, x + w), inside(&self.ys, y, y + h))
        };
        let top_bottom = across.into_iter().flat_map(|px| [((px, y), Way::Up), ((px, y + h), Way::Down)]);
        let sides = down.into_iter().flat_map(|py| [((x, py), Way::Left), ((x + w, py), Way::Right)]);
        let found = top_bottom.chain(sides).filter_map(|((px, py), way)| {
            let column = self.xs.binary_search(&px).ok()?;
            Some((column, self.ys.binary_search(&py).ok()?, way))
        });
        found.collect()
    }

    fn step(&self, column: usize, row: usize, way: Way) -> Option<(usize, usize)> {
        let (column, row) = match way {
            Way::Left => (column.checked_sub(1)?, row),
            Way::Right => (column + 1, row),
            Way::Up => (column, row.checked_sub(1)?),
            Way::Down => (column, row + 1),
        };
        (column < self.xs.len() && row < self.ys.len()).then_some((column, row))
    }

    fn length(&self, from: (usize, usize), to: (usize, usize)) -> u32 {
        self.xs[from.0].abs_diff(self.xs[to.0]) + self.ys[from.1].abs_diff(self.ys[to.1])
    }

    /// What it costs to arrive at a point that way, beside the length.
    fn burden(&self, at: usize, way: Way) -> u32 {
        let (along, across) = if way.horizontal() { (0, 1) } else { (1, 0) };
        let mut cost = 0;
        if self.used[along][at] {
            cost += SHARED;
        }
        if self.used[across][at] {
            cost += CROSSING;
        }
        if self.nuisance[along][at] {
            cost += NUISANCE;
        }
        cost
    }

    /// Draws one line: its corners from `from` to `to`, or None when there is no way (which the gaps between cards rule
    /// out for cards).
    pub fn route(&mut self, from: &End, to: &End) -> Option<Vec<Point>> {
        let goals: Vec<(usize, usize, Way)> = self.ports(to);
        let mut goal_at = vec![None; self.blocked.len()];
        for (column, row, way) in &goals {
            goal_at[self.cell(*column, *row)] = Some(*way);
        }
        let cells = self.blocked.len();
        let mut best = vec![u32::MAX; cells * 4];
        let mut came: Vec<Option<(usize, Way)>> = vec![None; cells * 4];
        let mut heap = BinaryHeap::new();
        let ahead = |column: usize, row: usize| distance((self.xs[column], self.ys[row]), &to.rect);
        for (column, row, way) in self.ports(from) {
            let at = self.cell(column, row);
            let cost = if self.used[0][at] || self.used[1][at] { SHARED } else { 0 };
            // a box may be left to the inside, too
            let ways: &[Way] = if from.card { &[way] } else { &Way::ALL };
            for way in ways {
                best[at * 4 + way.index()] = cost;
                heap.push(Reverse((cost + ahead(column, row), cost, row, column, *way)));
            }
        }
        while let Some(Reverse((_, cost, row, column, way))) = heap.pop() {
            let at = self.cell(column, row);
            if best[at * 4 + way.index()] < cost {
                continue;
            }
            if let Some(out) = goal_at[at]
                && came[at * 4 + way.index()].is_some()
                && (!to.card || opposite(out) == way)
            {
                return Some(self.finish(&came, at, way));
            }
            let first = came[at * 4 + way.index()].is_none();
            for next_way in Way::ALL {
                let turn = next_way != way;
                if opposite(next_way) == way || (first && turn) {
                    continue;
                }
                let Some((next_column, next_row)) = self.step(column, row, next_way) else { continue };
                let next = self.cell(next_column, next_row);
                let arrives = goal_at[next].is_some_and(|out| !to.card || opposite(out) == next_way);
                if self.blocked[next] && !arrives {
                    continue;
                }
                let mut total = cost + self.length((column, row), (next_column, next_row)) + self.burden(next, next_way);
                if turn {
                    total += BEND;
                    // a corner on another line looks like a junction
                    if self.used[0][at] || self.used[1][at] {
                        total += SHARED;
                    }
                }
                let state = next * 4 + next_way.index();
                if total < best[state] {
                    best[state] = total;
                    came[state] = Some((at, way));
                    heap.push(Reverse((total + ahead(next_column, next_row), total, next_row, next_column, next_way)));
                }
            }
        }
        None
    }

    /// Walks back, marks the points as used, and keeps the corners.
    fn finish(&mut self, came: &[Option<(usize, Way)>], at: usize, way: Way) -> Vec<Point> {
        let point = |router: &Router, at: usize| (router.xs[at % router.xs.len()], router.ys[at / router.xs.len()]);
        let mut corners = vec![point(self, at)];
        let (mut at, mut way) = (at, way);
        self.used[usize::from(!way.horizontal())][at] = true;
        while let Some((before, before_way)) = came[at * 4 + way.index()] {
            self.used[usize::from(!way.horizontal())][before] = true;
            self.used[usize::from(!before_way.horizontal())][before] = true;
            if before_way != way {
                corners.push(point(self, before));
            }
            (at, way) = (before, before_way);
        }
        corners.push(point(self, at));
        corners.dedup();
        corners.reverse();
        corners
    }
}

fn opposite(way: Way) -> Way {
    match way {
        Way::Left => Way::Right,
        Way::Right => Way::Left,
        Way::Up => Way::Down,
        Way::Down => Way::Up,
    }
}

/// Shortest way from a point to a rectangle, a lower bound of every line to it.
fn distance((x, y): Point, rect: &Rect) -> u32 {
    // inside a box the border is at least as near as nothing
    let dx = (rect.x - x).max(x - rect.right()).max(0);
    let dy = (rect.y - y).max(y - rect.bottom()).max(0);
    (dx + dy).unsigned_abs()
}
