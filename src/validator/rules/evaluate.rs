//! Evaluates rules on what they apply to and makes findings of what does not hold. Pure.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::cel::{Context, Program, Value};
use super::definition::AppliesTo;
use super::input::{Case, Input};
use super::{Judging, Rule, Shelf, text};
use crate::api::design::Finding;
use crate::api::session::Language;
use crate::validator::finding::{Findings, both, in_bounds};

/// What the rules say of a design.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// findings, in the order of the design
    pub findings: Vec<Finding>,
    /// how many times a rule was evaluated on a component, a connection or the design
    pub evaluated: usize,
}

/// What a rule is evaluated on, for the path of its finding.
#[derive(Clone, Copy)]
pub(super) enum On<'a> {
    Component(&'a str),
    Connection { index: usize, source: &'a str, target: &'a str },
    Design,
}

impl On<'_> {
    fn path(self, at: Option<&str>) -> String {
        let inside = |id: &str, rest: Option<&str>| match rest {
            Some(rest) => format!("components[{id}].{rest}"),
            None => format!("components[{id}]"),
        };
        match self {
            On::Component(id) => inside(id, at),
            On::Design => at.unwrap_or_default().to_owned(),
            On::Connection { index, source, target } => {
                let end = |word: &str, id: &str| at.and_then(|at| at.strip_prefix(word)).map(|rest| inside(id, rest.strip_prefix('.')));
                end("source", source).or_else(|| end("target", target)).unwrap_or_else(|| format!("connections[{index}]"))
            }
        }
    }
}

/// Judges a design.
pub(super) fn judge(shelf: &Shelf, case: Case<'_>, language: Language) -> Judgement {
    let mut findings = Findings::new(language);
    let mut evaluated = 0;
    visit(shelf, case, &mut |at, scope, on| {
        let Some(rule) = shelf.rules.get(at) else { return ControlFlow::Continue(()) };
        evaluated += 1;
        match holds(rule, scope) {
            Ok(true) => {}
            Ok(false) => findings.items.push(finding(rule, scope, on, language)),
            Err(fault) => broken(rule, on, &fault, &mut findings),
        }
        ControlFlow::Continue(())
    });
    Judgement { findings: findings.items, evaluated }
}

/// Hands every rule everything it applies to, until somebody has seen enough.
pub(super) fn visit<'a>(shelf: &Shelf, case: Case<'a>, see: &mut dyn FnMut(usize, &Context<'_>, On<'a>) -> ControlFlow<()>) {
    let input = Input::new(case);
    let mut of_design = shelf.root.new_inner_scope();
    input.fill_design(&mut of_design);
    let _ = all(shelf, &input, &of_design, see);
}

fn all<'a>(
    shelf: &Shelf,
    input: &Input<'a>,
    of_design: &Context<'_>,
    see: &mut dyn FnMut(usize, &Context<'_>, On<'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    for at in &shelf.design {
        see(*at, of_design, On::Design)?;
    }
    for (position, component) in input.components().iter().enumerate() {
        let Some(rules) = shelf.by_type.get(&component.service_type) else { continue };
        let mut scope = of_design.new_inner_scope();
        input.fill_component(&mut scope, position, component);
        for at in rules {
            see(*at, &scope, On::Component(&component.id))?;
        }
    }
    for (index, connection) in input.connections().iter().enumerate() {
        let (Some(source), Some(target)) = (input.by_id(&connection.source_id), input.by_id(&connection.target_id)) else { continue };
        let via = connection.connection_type.as_str();
        let fits = |AppliesTo { pairs, .. }: &AppliesTo| pairs.iter().any(|p| p.fits(&source.service_type, via, &target.service_type));
        let rules: Vec<usize> =
            shelf.pairs.iter().copied().filter(|at| shelf.rules.get(*at).is_some_and(|rule| fits(&rule.definition.applies_to))).collect();
        if rules.is_empty() {
            continue;
        }
        let mut scope = of_design.new_inner_scope();
        input.fill_pair(&mut scope, source, via, target);
        for at in rules {
            see(at, &scope, On::Connection { index, source: &source.id, target: &target.id })?;
        }
    }
    ControlFlow::Continue(())
}

/// Whether a rule has nothing to say. An expression that fails, or is no truth value, is a fault of the rule.
pub(super) fn holds(rule: &Rule, scope: &Context<'_>) -> Result<bool, String> {
    let Judging { when, require } = rule.judging()?;
    if let Some(when) = when
        && !truth(when, scope).map_err(|fault| format!("when: {fault}"))?
    {
        return Ok(true);
    }
    truth(require, scope).map_err(|fault| format!("require: {fault}"))
}

fn truth(program: &Program, scope: &Context<'_>) -> Result<bool, String> {
    match run(program, scope)? {
        Value::Bool(truth) => Ok(truth),
        other => Err(format!("{} is not true or false", text::shown(&other))),
    }
}

/// Runs one expression. The evaluator panics on some expressions it does not support; the loader refuses those it knows
/// of, and what it does not know of is a fault of the rule as well, not the end of a judgement.
fn run(program: &Program, scope: &Context<'_>) -> Result<Value, String> {
    let ran = catch_unwind(AssertUnwindSafe(|| program.execute(scope)));
    ran.map_err(|_| "the evaluator does not support it".to_owned())?.map_err(|error| error.to_string().chars().take(200).collect())
}

fn finding(rule: &Rule, scope: &Context<'_>, on: On<'_>, language: Language) -> Finding {
    let definition = &rule.definition;
    let (mut values, mut allowed) = (BTreeMap::new(), Vec::new());
    if let Ok(telling) = rule.telling() {
        for (name, program) in &telling.values {
            values.insert(name.clone(), run(program, scope).map_or_else(|_| "?".to_owned(), |value| text::shown(&value)));
        }
        allowed = telling.allowed.as_ref().and_then(|program| run(program, scope).ok()).map(|v| text::members(&v)).unwrap_or_default();
    }
    in_bounds(Finding {
        rule: definition.id.clone(),
        severity: definition.severity,
        path: on.path(definition.at.as_deref()),
        message: text::fill(definition.message.get(language), &values),
        recommendation: Some(text::fill(definition.recommendation.get(language), &values)),
        allowed,
    })
}

/// A rule that cannot be evaluated stops nobody and is not silence either.
fn broken(rule: &Rule, on: On<'_>, fault: &str, findings: &mut Findings) {
    let (id, file) = (&rule.definition.id, &rule.file);
    let already = |finding: &Finding| finding.rule == "rules.unjudged" && finding.message.contains(id.as_str());
    if findings.items.iter().any(already) {
        return;
    }
    let message =
        both(format!("規則 {id} ({file}) を評価できませんでした: {fault}"), format!("rule {id} ({file}) could not be evaluated: {fault}"));
    findings.info("rules.unjudged", on.path(None), message).add();
}
