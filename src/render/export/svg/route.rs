//! Lines on a raster: from any free port of one rectangle to any of the other, only horizontal and vertical, never over
//! a card or a title, never along a border, seldom along another line. A* over the raster lines that lie between cards (and
//! the ports on them), so that the work grows with the number of gaps and not with the number of pixels. Deterministic.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::layout::PITCH;
use super::rect::{Point, Rect};

/// What a change of direction costs, in pixels of detour.
const BEND: u32 = 40;
/// What crossing another line costs.
const CROSSING: u32 = 25;
/// What touching or following another line costs per raster step: a way round is nearly always better.
const SHARED: u32 = 1500;
/// What a pixel off the middle of a side costs where a line meets a card: a fan of lines opens from the middle.
const OFF: u32 = 1;
/// Beyond so many lines a way is taken that is good and not the best: a reader no longer sees the difference, and would
/// wait seconds for it.
const MANY: usize = 100;
/// Most states that are looked at for one line, and for all lines of a picture: several times what the largest tidy picture
/// needs. Where a hundred lines end at one card there is no way beside the others, and looking for one through the whole
/// raster would take a minute.
const LINE_STEPS: u64 = 60_000;
const PICTURE_STEPS: u64 = 2_000_000;
/// As [`MANY`], for lines that run together anyway.
const JOINED_HASTE: u32 = 4;
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
    /// whether a border runs through a point: 0 horizontal, 1 vertical
    border: [Vec<bool>; 2],
    /// whether a line runs through a point: 0 horizontal, 1 vertical
    used: [Vec<bool>; 2],
    /// [`SHARED`], or nothing for a line that may join others
    shared: u32,
    search: Search,
}

/// How a search ended.
enum Found {
    /// the state in which the goal is reached
    End(usize),
    /// there is no way
    Nothing,
    /// not within the steps it may take
    TooFar,
}

/// One end of a line.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// the card or box
    pub rect: Rect,
    /// a card is left to its outside; a box is met on its border from either side
    pub card: bool,
}

/// Ports of one side of a card, two raster steps apart around the middle: arrow heads stand side by side.
fn offsets(length: i32) -> Vec<i32> {
    let middle = length / 2 / PITCH * PITCH;
    let most = (middle / PITCH - 1) / 2;
    (-most..=most).map(|step| middle + step * 2 * PITCH).filter(|offset| *offset <= length - PITCH).collect()
}

impl Router {
    /// A raster for so many `lines` over `size` around `cards` and `titles`, across the borders of `boxes` and never along
    /// them.
    pub fn new(lines: usize, size: Point, cards: &[Rect], boxes: &[Rect], titles: &[Rect]) -> Router {
        // columns of cards are aligned, so inside a column only its ports matter; rows are not
        let mut columns: BTreeSet<i32> = (1..size.0 / PITCH).map(|at| at * PITCH).collect();
        for card in cards {
            columns.retain(|at| *at <= card.x || *at >= card.right());
        }
        columns.extend(cards.iter().flat_map(|card| offsets(card.w).into_iter().map(|offset| card.x + offset)));
        let xs: Vec<i32> = columns.into_iter().collect();
        let ys: Vec<i32> = (1..size.1 / PITCH).map(|at| at * PITCH).collect();
        let cells = xs.len() * ys.len();
        let mut router = Router {
            xs,
            ys,
            blocked: vec![false; cells],
            border: [vec![false; cells], vec![false; cells]],
            used: [vec![false; cells], vec![false; cells]],
            shared: SHARED,
            search: Search { haste: if lines > MANY { 2 } else { 1 }, ..Search::default() },
        };
        for rect in cards.iter().chain(titles) {
            router.each(rect, |router, at| router.blocked[at] = true);
        }
        for frame in boxes {
            for (side, way) in frame.sides().into_iter().zip([0, 0, 1, 1]) {
                router.each(&side, |router, at| router.border[way][at] = true);
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
            (offsets(w).into_iter().map(|o| x + o).collect(), offsets(h).into_iter().map(|o| y + o).collect())
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
            cost += self.shared;
        }
        if self.used[across][at] {
            cost += CROSSING;
        }
        cost
    }

    /// What it costs to meet a card at this point instead of in the middle of its side.
    fn off_middle(&self, end: &End, (column, row): (usize, usize), way: Way) -> u32 {
        let middle = end.rect.middle();
        let off = if way.horizontal() { self.ys[row].abs_diff(middle.1) } else { self.xs[column].abs_diff(middle.0) };
        if end.card { off * OFF } else { 0 }
    }

    /// States looked at so far: what a picture cost.
    pub fn steps(&self) -> u64 {
        self.search.steps
    }

    /// Draws one line: its corners from `from` to `to`, or None when there is no way (which the gaps between cards rule
    /// out for cards). Where no way of its own is found within the steps a line may take, it joins others.
    pub fn route(&mut self, from: &End, to: &End) -> Option<Vec<Point>> {
        let mut search = std::mem::take(&mut self.search);
        let most = search.steps + LINE_STEPS;
        let found = match self.search(&mut search, from, to, most.min(PICTURE_STEPS)) {
            Found::End(end) => Some(end),
            Found::Nothing => None,
            Found::TooFar => {
                let alone = (self.shared, search.haste);
                (self.shared, search.haste) = (0, JOINED_HASTE);
                let joined = self.search(&mut search, from, to, u64::MAX);
                (self.shared, search.haste) = alone;
                if let Found::End(end) = joined { Some(end) } else { None }
            }
        };
        let line = found.map(|end| self.finish(&search, end));
        self.search = search;
        line
    }

    fn search(&self, search: &mut Search, from: &End, to: &End, most: u64) -> Found {
        search.reset(self.blocked.len() * Way::ALL.len());
        for (column, row, way) in self.ports(to) {
            search.goals[self.cell(column, row)] = Some(way);
        }
        for (column, row, way) in self.ports(from) {
            let at = self.cell(column, row);
            let shared = if self.used[0][at] || self.used[1][at] { self.shared } else { 0 };
            let cost = shared + self.off_middle(from, (column, row), way);
            // a box may be left to the inside, too
            let ways: &[Way] = if from.card { &[way] } else { &Way::ALL };
            for way in ways {
                search.reach(state(at, *way), NONE, cost, distance((self.xs[column], self.ys[row]), &to.rect));
            }
        }
        self.find(search, to, most)
    }

    /// A*: the state in which the goal is reached the cheapest way, if that takes no more than `most` steps in all.
    fn find(&self, search: &mut Search, to: &End, most: u64) -> Found {
        let columns = self.xs.len();
        while let Some((cost, here)) = search.next() {
            if search.steps >= most {
                return Found::TooFar;
            }
            search.steps += 1;
            let (at, way) = (here / Way::ALL.len(), Way::ALL[here % Way::ALL.len()]);
            let (column, row) = (at % columns, at / columns);
            let first = search.came[here] == NONE;
            if let Some(out) = search.goals[at]
                && !first
                && (!to.card || opposite(out) == way)
            {
                return Found::End(here);
            }
            for next_way in Way::ALL {
                let turn = next_way != way;
                if opposite(next_way) == way || (first && turn) {
                    continue;
                }
                let Some((next_column, next_row)) = self.step(column, row, next_way) else { continue };
                let next = self.cell(next_column, next_row);
                let arrives = search.goals[next].is_some_and(|out| !to.card || opposite(out) == next_way);
                let along = usize::from(!next_way.horizontal());
                if self.blocked[next] && !arrives || self.border[along][at] && self.border[along][next] {
                    continue;
                }
                let mut total = cost + self.length((column, row), (next_column, next_row)) + self.burden(next, next_way);
                if arrives {
                    total += self.off_middle(to, (next_column, next_row), next_way);
                }
                if turn {
                    // a corner on another line looks like a junction
                    total += BEND + if self.used[0][at] || self.used[1][at] { self.shared } else { 0 };
                }
                let ahead = distance((self.xs[next_column], self.ys[next_row]), &to.rect);
                search.reach(state(next, next_way), u32::try_from(here).unwrap_or(NONE), total, ahead);
            }
        }
        Found::Nothing
    }

    /// Walks back, marks the points as used, and keeps the corners.
    fn finish(&mut self, search: &Search, end: usize) -> Vec<Point> {
        let columns = self.xs.len();
        let point = |router: &Router, at: usize| (router.xs[at % columns], router.ys[at / columns]);
        let split = |state: usize| (state / Way::ALL.len(), Way::ALL[state % Way::ALL.len()]);
        let (mut at, mut way) = split(end);
        let mut here = end;
        let mut corners = vec![point(self, at)];
        self.used[usize::from(!way.horizontal())][at] = true;
        while search.came[here] != NONE {
            here = search.came[here] as usize;
            let (before, before_way) = split(here);
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

/// No state before this one.
const NONE: u32 = u32::MAX;

/// A point of the raster reached in a direction, as a number.
fn state(at: usize, way: Way) -> usize {
    at * Way::ALL.len() + way.index()
}

/// What is known during one search; kept between searches for its memory.
#[derive(Default)]
struct Search {
    /// states looked at so far, over all lines
    steps: u64,
    /// how much what is ahead weighs: above 1 the first way that is found may be longer than the shortest
    haste: u32,
    /// least cost of each state so far
    best: Vec<u32>,
    /// the state before it
    came: Vec<u32>,
    /// where the line may end, with the way that leads out of there
    goals: Vec<Option<Way>>,
    /// lower bound of the whole line, what is still ahead of it, cost so far, state
    open: BinaryHeap<Reverse<(u32, u32, u32, usize)>>,
}

impl Search {
    fn reset(&mut self, states: usize) {
        self.best.clear();
        self.best.resize(states, u32::MAX);
        self.came.clear();
        self.came.resize(states, NONE);
        self.goals.clear();
        self.goals.resize(states / Way::ALL.len(), None);
        self.open.clear();
    }

    fn reach(&mut self, state: usize, from: u32, cost: u32, ahead: u32) {
        if cost < self.best[state] {
            self.best[state] = cost;
            self.came[state] = from;
            // of two that promise the same, the one that is nearer to its goal: half the raster is never looked at
            self.open.push(Reverse((cost + ahead * self.haste, ahead, cost, state)));
        }
    }

    fn next(&mut self) -> Option<(u32, usize)> {
        while let Some(Reverse((_, _, cost, state))) = self.open.pop() {
            if self.best[state] == cost {
                return Some((cost, state));
            }
        }
        None
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
