//! The title of a box: which lines of text, where, and what they take, so that no line of a connection and no label runs
//! through them. Pure.

use super::layout::{Frame, HEAD_W, HEADER, Kind, SIDE};
use super::rect::{Point, Rect};
use super::sizes::{BOX_MEASURE, BOX_SIZE, SMALL_SIZE, TINY_SIZE};
use crate::catalog::service::SubnetTier;
use crate::render::export::Subject;
use crate::render::export::text::{cut, width, wrap};

/// Names of the boxes that are no component, in Japanese and English.
const REGION: (&str, &str) = ("リージョン", "Region");
const SERVICES: (&str, &str) = ("リージョンのサービス", "Services of the region");
/// Between the border of a box and its title.
const INSET: i32 = 14;
/// Most lines of a name in a title block.
const NAME_LINES: usize = 3;
/// Most attached tables that are named; the list of components names all.
const MOST_ATTACHED: usize = 3;

/// One line of a title.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// left base point
    pub at: Point,
    /// what
    pub text: String,
    /// font size
    pub size: u32,
    /// a name, and not what is said about it
    pub strong: bool,
}

/// Writes the titles of one subject.
pub struct Titles<'a> {
    subject: &'a Subject<'a>,
}

impl<'a> Titles<'a> {
    /// Titles in the language of the subject.
    pub fn new(subject: &'a Subject<'a>) -> Titles<'a> {
        Titles { subject }
    }

    /// What the box is, in a word or two.
    fn tag(&self, frame: &Frame<'_>) -> &'static str {
        match frame.kind {
            Kind::Region | Kind::Services => "",
            Kind::Vcn => "VCN",
            Kind::Subnet(SubnetTier::Public) => self.subject.say("パブリック", "public"),
            Kind::Subnet(SubnetTier::App) => self.subject.say("プライベート", "private"),
            Kind::Subnet(SubnetTier::Db) => self.subject.say("プライベート (DB)", "private (database)"),
        }
    }

    /// Name of a box in full, for who points at it.
    pub fn name(&self, frame: &Frame<'_>) -> String {
        let fixed = match frame.kind {
            Kind::Region => self.subject.say(REGION.0, REGION.1),
            Kind::Services => self.subject.say(SERVICES.0, SERVICES.1),
            Kind::Vcn | Kind::Subnet(_) => "",
        };
        frame.node.map_or_else(|| fixed.to_owned(), |node| node.name.clone())
    }

    /// The lines of a title.
    pub fn lines(&self, frame: &Frame<'_>) -> Vec<Text> {
        let (x, y) = (frame.rect.x + INSET, frame.rect.y);
        let name = self.name(frame);
        if frame.node.is_none() {
            let name = cut(&name, BOX_MEASURE, frame.rect.w - 2 * INSET);
            let after = x + width(&name, BOX_MEASURE) + 10;
            let room = frame.rect.right() - INSET - after;
            let mut lines = vec![Text { at: (x, y + 27), text: name, size: BOX_SIZE, strong: true }];
            if room > 0 && !frame.detail.is_empty() {
                lines.push(Text { at: (after, y + 27), text: cut(&frame.detail, SMALL_SIZE, room), size: SMALL_SIZE, strong: false });
            }
            return lines;
        }
        // in line with the titles of its lanes; lines that go round keep the strip beside it
        let x = if frame.kind == Kind::Vcn { x + SIDE } else { x };
        let room = HEAD_W - INSET - 8;
        let mut at = y + 8;
        let mut lines = Vec::new();
        let mut add = |text: String, size: u32, strong: bool| {
            at += i32::try_from(size).unwrap_or_default() + 5;
            lines.push(Text { at: (x, at), text, size, strong });
        };
        wrap(&name, BOX_MEASURE, room, NAME_LINES).into_iter().for_each(|line| add(line, BOX_SIZE, true));
        let attached = frame.attached.iter().take(MOST_ATTACHED).map(|name| (name.clone(), TINY_SIZE));
        let added = if frame.node.is_some_and(|node| node.derived) { self.subject.say("Galley が補完", "added by Galley") } else { "" };
        let said = [frame.detail.as_str(), self.tag(frame), added].map(|text| (text.to_owned(), SMALL_SIZE));
        for (text, size) in said.into_iter().chain(attached) {
            if !text.is_empty() {
                add(cut(&text, size, room), size, false);
            }
        }
        lines
    }

    /// Height that the title of a box needs.
    pub fn height(&self, frame: &Frame<'_>) -> i32 {
        let last = self.lines(frame).iter().map(|line| line.at.1).max().unwrap_or(frame.rect.y);
        last - frame.rect.y + INSET
    }

    /// What the title takes: the whole block of a lane, the text of another box.
    pub fn rect(&self, frame: &Frame<'_>) -> Rect {
        let Rect { x, y, w, h } = frame.rect;
        match frame.kind {
            Kind::Subnet(_) => Rect { x, y, w: HEAD_W, h },
            Kind::Vcn => Rect { x: x + SIDE, y, w: HEAD_W, h: self.height(frame).min(h) },
            Kind::Region | Kind::Services => {
                let measure = |line: &Text| line.at.0 + width(&line.text, if line.strong { BOX_MEASURE } else { line.size });
                let right = self.lines(frame).iter().map(measure).max().unwrap_or(x);
                Rect { x, y, w: (right + INSET - x).min(w), h: HEADER }
            }
        }
    }
}
