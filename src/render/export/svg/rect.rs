//! A rectangle and what one asks of two. Pure.

/// A point: right, down.
pub type Point = (i32, i32);

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
    pub fn holds(&self, other: &Rect) -> bool {
        self.x <= other.x && self.y <= other.y && other.right() <= self.right() && other.bottom() <= self.bottom()
    }
    /// Its four borders, as rectangles without breadth: upper, lower, left, right.
    pub fn sides(&self) -> [Rect; 4] {
        let Rect { x, y, w, h } = *self;
        [Rect { x, y, w, h: 0 }, Rect { x, y: y + h, w, h: 0 }, Rect { x, y, w: 0, h }, Rect { x: x + w, y, w: 0, h }]
    }
    /// Grown by so much on each side.
    pub fn grown(&self, by: i32) -> Rect {
        Rect { x: self.x - by, y: self.y - by, w: self.w + 2 * by, h: self.h + 2 * by }
    }
    /// Its middle.
    pub fn middle(&self) -> (i32, i32) {
        (self.x + self.w / 2, self.y + self.h / 2)
    }
}
