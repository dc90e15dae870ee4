//! Compiles the CEL of rules and refuses what must not run: names that nothing defines, config keys that the service types
//! do not have, functions that are not known to be cheap, comprehensions nested more than twice, structures (the crate's
//! evaluator panics on them), and expressions beyond a size or whose values may grow beyond one (`weight`). Pure.

use super::cel::Program;
use super::cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};
use super::functions::{ALLOWED, pattern_of};
use super::weight;
use crate::catalog::Catalog;
use crate::catalog::service::Service;

/// Comprehensions inside comprehensions. Lists of a design hold up to 600 members: two levels are 360,000 steps, three
/// would be minutes, and the evaluator has no budget of its own.
pub(super) const MAX_NESTING: usize = 2;
/// Nodes of one expression; the longest shipped one has about 150.
const MAX_NODES: usize = 500;
/// Members of a list that is written out.
const MAX_LIST: usize = 64;
/// Characters of one expression.
const MAX_SOURCE: usize = 2_000;

/// What an expression is evaluated on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// one component
    Component,
    /// one connection with both ends
    Pair,
    /// the design
    Design,
}

/// Names every expression may use, beside the facts.
pub(super) const OF_DESIGN: &[&str] = &["design", "count", "components", "links", "vcns", "subnets"];
/// Names in the scope of a component.
pub(super) const OF_COMPONENT: &[&str] =
    &["id", "type", "name", "label", "config", "said", "place", "places", "vcn", "incoming", "outgoing", "open_ports"];
/// Names in the scope of a connection.
pub(super) const OF_PAIR: &[&str] = &["source", "target", "via"];
/// Members of `design`.
pub(super) const DESIGN_MEMBERS: &[&str] =
    &["target", "region", "compartment", "work_compartment", "components", "connections", "variables", "files"];
/// Members of `place`, and of each of `places`.
pub(super) const PLACE_MEMBERS: &[&str] = &[
    "subnet", "cidr", "prefix", "usable", "public", "tier", "brought", "vcn", "vcn_cidr", "internet", "services", "lists", "table", "nsg",
];
/// Members of `source` and `target`.
pub(super) const END_MEMBERS: &[&str] = &["id", "type", "name", "label", "config", "said", "place", "places", "vcn"];

/// What an expression may name.
pub(super) struct Names<'a> {
    pub(super) scope: Scope,
    /// service types of the component; of both ends for a connection. Empty: any
    pub(super) types: Vec<&'a Service>,
    pub(super) catalog: &'a Catalog,
    pub(super) facts: Vec<&'a str>,
}

/// Compiles one expression; the message is one line.
pub(super) fn compile(source: &str) -> Result<Program, String> {
    if source.len() > MAX_SOURCE {
        return Err(format!("an expression has at most {MAX_SOURCE} characters"));
    }
    Program::compile(source).map_err(|errors| {
        let first = errors.errors.first().map(|error| format!("{} (line {}, column {})", error.msg, error.pos.0, error.pos.1));
        format!("is not CEL: {}", first.unwrap_or_else(|| "it cannot be parsed".to_owned()).replace('\n', " "))
    })
}

/// Refuses an expression that must not run.
pub(super) fn check(program: &Program, names: &Names<'_>) -> Result<(), String> {
    let expr = &program.expression().expr;
    Walk { names, bound: Vec::new(), nodes: 0 }.expr(expr, 0)?;
    weight::check(expr)
}

/// A pattern is written out: one of a design's texts would be compiled and kept for every text there is.
fn pattern(pattern: Option<&Expr>) -> Result<(), String> {
    let Some(Expr::Literal(LiteralValue::String(pattern))) = pattern else {
        return Err("has a pattern for `fits` that is not written out as a text".to_owned());
    };
    let error = pattern_of(pattern.inner()).err();
    let shown = error.map(|error| error.to_string().lines().last().unwrap_or_default().to_owned());
    shown.map_or(Ok(()), |error| Err(format!("has a pattern that is no regular expression of a moderate size: {error}")))
}

struct Walk<'a, 'n> {
    names: &'a Names<'n>,
    /// variables of the comprehensions around
    bound: Vec<String>,
    nodes: usize,
}

impl Walk<'_, '_> {
    fn expr(&mut self, expr: &Expr, depth: usize) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(format!("has more than {MAX_NODES} nodes: say it shorter, or as two rules"));
        }
        match expr {
            Expr::Literal(_) => Ok(()),
            Expr::Unspecified | Expr::Struct(_) => Err("builds a structure, which rules cannot".to_owned()),
            Expr::Ident(name) => self.ident(name),
            Expr::Select(select) => {
                self.member(&select.operand.expr, &select.field)?;
                self.expr(&select.operand.expr, depth)
            }
            Expr::List(list) => {
                if list.elements.len() > MAX_LIST {
                    return Err(format!("writes out a list of more than {MAX_LIST} members: make it a fact"));
                }
                list.elements.iter().try_for_each(|element| self.expr(&element.expr, depth))
            }
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::StructField(_) => Err("builds a structure, which rules cannot".to_owned()),
                EntryExpr::MapEntry(entry) => {
                    self.expr(&entry.key.expr, depth)?;
                    self.expr(&entry.value.expr, depth)
                }
            }),
            Expr::Call(call) => {
                // Operators are called `_+_`, `!_`, `@in` and the like.
                let named = call.func_name.starts_with(|c: char| c.is_ascii_alphabetic());
                if named && !ALLOWED.contains(&call.func_name.as_str()) {
                    return Err(format!("calls `{}`; rules may call {}", call.func_name, ALLOWED.join(", ")));
                }
                if call.func_name == "fits" {
                    pattern(call.args.last().map(|pattern| &pattern.expr))?;
                }
                if call.func_name == operators::INDEX
                    && let [of, index] = call.args.as_slice()
                    && let Expr::Literal(LiteralValue::String(key)) = &index.expr
                {
                    self.member(&of.expr, key.inner())?;
                }
                let parts = call.target.iter().map(|target| &target.expr).chain(call.args.iter().map(|arg| &arg.expr));
                parts.collect::<Vec<_>>().into_iter().try_for_each(|part| self.expr(part, depth))
            }
            Expr::Comprehension(over) => {
                if depth == MAX_NESTING {
                    return Err(format!("nests all, exists, map or filter more than {MAX_NESTING} deep"));
                }
                self.expr(&over.iter_range.expr, depth)?;
                self.bound.push(over.iter_var.clone());
                let body = [&over.loop_cond, &over.loop_step, &over.result, &over.accu_init];
                let checked = body.into_iter().try_for_each(|part| self.expr(&part.expr, depth + 1));
                self.bound.pop();
                checked
            }
        }
    }

    fn ident(&self, name: &str) -> Result<(), String> {
        let known = self.known();
        // `@result` is the accumulator of a macro.
        let fits = name.starts_with('@') || self.bound.iter().any(|bound| bound == name) || known.contains(&name);
        if fits { Ok(()) } else { Err(format!("names `{name}`; it may name {}", known.join(", "))) }
    }

    fn known(&self) -> Vec<&str> {
        let own: &[&str] = match self.names.scope {
            Scope::Component => OF_COMPONENT,
            Scope::Pair => OF_PAIR,
            Scope::Design => &[],
        };
        own.iter().chain(OF_DESIGN).copied().chain(self.names.facts.iter().copied()).collect()
    }

    /// A member that is known not to exist is a misspelt one.
    fn member(&self, of: &Expr, member: &str) -> Result<(), String> {
        let root = |expr: &Expr| match expr {
            Expr::Ident(name) if !self.bound.contains(name) => Some(name.clone()),
            _ => None,
        };
        let one_of = |what: &str, list: &[&str]| match list.contains(&member) {
            true => Ok(()),
            false => Err(format!("wants `{what}.{member}`; {what} has {}", list.join(", "))),
        };
        match (of, root(of).as_deref()) {
            (_, Some("design")) => one_of("design", DESIGN_MEMBERS),
            (_, Some("place")) => one_of("place", PLACE_MEMBERS),
            (_, Some(end @ ("source" | "target"))) => one_of(end, END_MEMBERS),
            (_, Some("count")) => one_of("count", &self.names.catalog.service_types()),
            (_, Some("config")) => self.config_key(member),
            (Expr::Select(select), None)
                if select.field == "config" && matches!(root(&select.operand.expr).as_deref(), Some("source" | "target")) =>
            {
                self.config_key(member)
            }
            (Expr::Select(select), None)
                if select.field == "place" && matches!(root(&select.operand.expr).as_deref(), Some("source" | "target")) =>
            {
                one_of("place", PLACE_MEMBERS)
            }
            _ => Ok(()),
        }
    }

    fn config_key(&self, key: &str) -> Result<(), String> {
        let types = &self.names.types;
        if types.is_empty() || types.iter().any(|service| service.config.get(key).is_some()) {
            return Ok(());
        }
        let names: Vec<&str> = types.iter().map(|service| service.service_type.as_str()).collect();
        Err(format!("wants config key `{key}`, which {} does not have", names.join(", ")))
    }
}
