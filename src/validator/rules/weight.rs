//! How large the value of an expression can become, before it is ever evaluated. The evaluator has no budget, and a list of
//! lists, a text joined of texts or `map` after `map` grow by a factor each time: a rule of two lines would end the server.
//! The bound is for the largest design there can be; what goes beyond is refused when rules are loaded. Pure.
//!
//! A size is linear in the members of the lists that `map` and `filter` go through: a body that says its member twice weighs
//! twice the list, and not twice its largest member for each of them. What would be a product takes the largest instead.

use super::cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};
use super::program::MAX_NESTING;
use crate::api::design::{MAX_CONNECTIONS, MAX_TEXT};

/// What a value may take, in bytes. A server of 2 GB has this beside Terraform.
const MOST: f64 = 64e6;
/// Bytes of everything that is known of a design: the largest document that is taken, as the evaluator holds it.
const INPUT: f64 = 8e6;
/// Bytes of a value in a list or map beside its content.
const ONE: f64 = 32.0;
/// Most members of a list of a design.
const MEMBERS: f64 = MAX_CONNECTIONS as f64;
/// Longest text of a design.
const TEXT: f64 = MAX_TEXT as f64;

/// Bytes that are there anyway, and bytes for each byte of a member at each level of nesting.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Linear {
    fixed: f64,
    each: [f64; MAX_NESTING],
}

/// How large a value is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Size {
    bytes: Linear,
    /// members of a list or map
    members: Linear,
    /// bytes of the list that `split` makes, beside the text it is made of: what is taken out of it is a text again
    parts: f64,
    /// a text that is put together: no text of a design, whose length is bounded
    built: bool,
}

/// A list that is gone through: the most its members weigh together.
struct Level<'e> {
    name: &'e str,
    all: f64,
}

/// Refuses an expression whose value, or any value on the way, may be too large.
pub(super) fn check(expr: &Expr) -> Result<(), String> {
    let mut scale = Scale { levels: Vec::new(), largest: 0.0 };
    scale.size(expr);
    if scale.largest <= MOST {
        return Ok(());
    }
    Err(format!("may build a value of more than {} MB on a large design: map, + and join less", MOST / 1e6))
}

struct Scale<'e> {
    levels: Vec<Level<'e>>,
    largest: f64,
}

impl Linear {
    fn fixed(bytes: f64) -> Linear {
        Linear { fixed: bytes, each: [0.0; MAX_NESTING] }
    }
    fn plus(self, other: Linear) -> Linear {
        Linear { fixed: self.fixed + other.fixed, each: std::array::from_fn(|at| self.each[at] + other.each[at]) }
    }
    fn times(self, factor: f64) -> Linear {
        Linear { fixed: self.fixed * factor, each: self.each.map(|each| each * factor) }
    }
    fn larger(self, other: Linear) -> Linear {
        Linear { fixed: self.fixed.max(other.fixed), each: std::array::from_fn(|at| self.each[at].max(other.each[at])) }
    }
}

impl Size {
    fn of(bytes: Linear, members: f64) -> Size {
        Size { bytes, members: Linear::fixed(members), parts: 0.0, built: false }
    }
    fn small() -> Size {
        Size::of(Linear::fixed(ONE), 1.0)
    }
    fn one_more(self) -> Size {
        Size { members: self.members.plus(Linear::fixed(1.0)), ..self }
    }
    /// As a member of something else.
    fn within(self) -> Linear {
        self.bytes.plus(Linear::fixed(self.parts + ONE))
    }
    fn larger(self, other: &Size) -> Size {
        Size {
            bytes: self.bytes.larger(other.bytes),
            members: self.members.larger(other.members),
            parts: self.parts.max(other.parts),
            built: self.built || other.built,
        }
    }
}

impl<'e> Scale<'e> {
    /// What a linear size is at most: every member as large as all of its list together.
    fn most(&self, bytes: Linear) -> f64 {
        self.levels.iter().enumerate().fold(bytes.fixed, |sum, (at, level)| sum + bytes.each[at] * level.all)
    }

    fn size(&mut self, expr: &'e Expr) -> Size {
        let size = self.of(expr);
        self.largest = self.largest.max(self.most(size.bytes) + size.parts);
        size
    }

    fn of(&mut self, expr: &'e Expr) -> Size {
        match expr {
            Expr::Literal(LiteralValue::String(text)) => Size::of(Linear::fixed(ONE + text.inner().len() as f64), 1.0),
            Expr::Literal(_) | Expr::Unspecified | Expr::Struct(_) => Size::small(),
            Expr::Ident(name) => self.named(name),
            // Nothing inside is larger than what it is inside.
            Expr::Select(select) => {
                let size = self.size(&select.operand.expr);
                if select.test { Size::small() } else { size }
            }
            Expr::List(list) => list.elements.iter().fold(Size::of(Linear::fixed(ONE), 0.0), |sum, element| {
                let element = self.size(&element.expr);
                Size { bytes: sum.bytes.plus(element.within()), ..sum.one_more() }
            }),
            Expr::Map(map) => map.entries.iter().fold(Size::small(), |sum, entry| match &entry.expr {
                EntryExpr::StructField(_) => sum,
                EntryExpr::MapEntry(entry) => {
                    let (key, value) = (self.size(&entry.key.expr), self.size(&entry.value.expr));
                    Size { bytes: sum.bytes.plus(key.within()).plus(value.within()), ..sum.one_more() }
                }
            }),
            Expr::Call(call) => {
                let parts = call.target.iter().map(|target| &target.expr).chain(call.args.iter().map(|arg| &arg.expr));
                let sizes: Vec<Size> = parts.collect::<Vec<_>>().into_iter().map(|part| self.size(part)).collect();
                self.called(&call.func_name, &sizes)
            }
            Expr::Comprehension(over) => {
                let range = self.size(&over.iter_range.expr);
                let start = self.size(&over.accu_init.expr);
                let all = self.most(range.bytes);
                let depth = self.levels.len();
                self.levels.push(Level { name: &over.iter_var, all });
                let step = self.size(&over.loop_step.expr);
                self.size(&over.loop_cond.expr);
                self.levels.pop();
                // The sum over all members of what one of them adds; what it does not say of the member it says each time.
                let own = step.bytes.each.get(depth).copied().unwrap_or_default();
                let mut rest = step.bytes;
                if let Some(each) = rest.each.get_mut(depth) {
                    *each = 0.0;
                }
                let members = self.most(range.members);
                let bytes = start.bytes.plus(rest.times(members)).plus(range.bytes.times(own));
                let grows = matches!(over.accu_init.expr, Expr::List(_));
                if grows { Size::of(bytes, members) } else { Size::small() }
            }
        }
    }

    fn named(&self, name: &str) -> Size {
        // `@result` is what a comprehension has gathered: its sum is taken over all steps, so here it adds nothing.
        if name.starts_with('@') {
            return Size::of(Linear::fixed(0.0), 0.0);
        }
        match self.levels.iter().rposition(|level| level.name == name) {
            Some(at) => {
                let mut bytes = Linear::fixed(0.0);
                if let Some(each) = bytes.each.get_mut(at) {
                    *each = 1.0;
                }
                // Every member of a list takes its place.
                Size { members: bytes.times(1.0 / ONE), ..Size::of(bytes, 0.0) }
            }
            None => Size::of(Linear::fixed(INPUT), MEMBERS),
        }
    }

    /// Operators and functions by how large what they give is; the rest give a number or a truth value.
    fn called(&self, name: &str, parts: &[Size]) -> Size {
        let first = parts.first().copied().unwrap_or_else(Size::small);
        match name {
            operators::ADD => {
                let sum = |a: Size, b: &Size| Size {
                    bytes: a.bytes.plus(b.bytes),
                    members: a.members.plus(b.members),
                    parts: a.parts + b.parts,
                    built: true,
                };
                parts.iter().fold(Size::of(Linear::fixed(0.0), 0.0), sum)
            }
            operators::CONDITIONAL => parts.iter().skip(1).fold(Size::of(Linear::fixed(0.0), 0.0), Size::larger),
            operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT => Size { parts: 0.0, ..first },
            // `a.b.min(…)` of numbers is a number; of texts the largest of them.
            "min" | "max" | "sum" | "lowerAscii" | "upperAscii" | "trim" | "substring" | "charAt" | "string" => {
                parts.iter().fold(Size::small(), Size::larger)
            }
            // At most one part more than there are characters.
            "split" => {
                let length = self.most(first.bytes);
                let members = 1.0 + if first.built { length } else { length.min(TEXT) };
                Size { parts: members * ONE, ..Size::of(first.bytes, members) }
            }
            "join" => {
                let separator = parts.get(1).map_or(0.0, |separator| self.most(separator.bytes));
                let bytes = first.bytes.plus(first.members.times(separator));
                Size { built: true, ..Size::of(bytes, 1.0) }
            }
            _ => Size::small(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::program::compile;
    use super::*;

    #[test]
    fn what_would_fill_the_memory_is_refused_before_it_runs_and_what_rules_say_is_not() {
        let chain = |times: usize| format!("['0123456789'].{}size() > 0", "map(a, a+a+a+a+a+a+a+a).".repeat(times));
        let nested = |times: usize| format!("['x'].{}size() > 0", "map(a, [a,a,a,a,a,a,a,a]).".repeat(times));
        for (source, fits, reason) in [
            (chain(2), true, "640 characters"),
            (chain(12), false, "8 to the power of 12 times ten characters"),
            (nested(12), false, "lists of lists of lists"),
            ("links.map(a, links.map(b, [a, b])).size() > 0".to_owned(), false, "every pair of 600, each a copy of both"),
            ("links.all(a, links.exists(b, a.from == b.to))".to_owned(), true, "every pair, and nothing is kept"),
            ("links.map(a, links.map(b, a.via + b.via).join(', ')).join(', ').size() > 0".to_owned(), false, "the same as texts"),
            ("components.filter(c, c.type == 'compute').map(c, c.config.ocpus).sum() <= 64.0".to_owned(), true, "a sum"),
            ("components.map(c, c.name).join('x'.upperAscii()).size() > 0".to_owned(), true, "names in one text"),
            (
                "components.map(c, c.name).join(components.map(c, c.name).join(',')).size() > 0".to_owned(),
                false,
                "every name between all names",
            ),
            ("config.environment.filter(e, e.contains('=')).map(e, e.split('=')[0]).size() > 0".to_owned(), true, "as shipped"),
            ("config.x.split('').map(c, config.x).join('').size() > 0".to_owned(), false, "a text for each of its characters"),
            ("vcns.filter(v, v.label == id).map(v, v.gateways.join(', ')).size() > 0".to_owned(), true, "lists of lists as one text each"),
            ("id + ' ' + name == '' || [id, name, id].size() > 3".to_owned(), true, "a few copies"),
            ("components.map(c, components.filter(d, d.id != c.id)).size() > 0".to_owned(), false, "everything, for everything"),
        ] {
            assert_eq!(check(&compile(&source).unwrap().expression().expr).is_ok(), fits, "{reason}: {source}");
        }
    }
}
