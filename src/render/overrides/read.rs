//! Walks every expression of an override file, template strings and directives included, and names what is refused in it.
//!
//! The tree is hcl-edit's, as it was parsed. What hcl-rs makes of it is not enough: it writes a template back into one string and
//! reads that again, and then an escaped dollar before `${` (`"\u0024${file(…)}"`) hides a call that Terraform makes. The
//! walk is written out, so that a kind of expression that a later parser knows does not compile before it is judged.

use hcl_edit::expr::{Expression, FuncCall, ObjectKey, TraversalOperator};
use hcl_edit::structure::{Body, Structure};
use hcl_edit::template::{Directive, Element};

use super::Refusal;
use crate::catalog::functions::PURE;
use crate::validator::finding::{both, quoted};

/// Everything refused in the expressions of a file.
pub(super) fn refused(tree: &Body) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    body(tree, &mut refusals);
    refusals
}

fn body(tree: &Body, out: &mut Vec<Refusal>) {
    for structure in tree {
        match structure {
            Structure::Attribute(attribute) => walk(&attribute.value, out),
            Structure::Block(block) => body(&block.body, out),
        }
    }
}

fn walk(expression: &Expression, out: &mut Vec<Refusal>) {
    match expression {
        Expression::Null(_) | Expression::Bool(_) | Expression::Number(_) | Expression::String(_) => {}
        Expression::Variable(name) => root(name.as_str(), out),
        Expression::Array(items) => items.iter().for_each(|item| walk(item, out)),
        Expression::Object(members) => {
            for (key, value) in members {
                match key {
                    ObjectKey::Ident(_) => {}
                    ObjectKey::Expression(key) => walk(key, out),
                }
                walk(value.expr(), out);
            }
        }
        Expression::StringTemplate(template) => elements(template.iter(), out),
        Expression::HeredocTemplate(heredoc) => elements(heredoc.template.iter(), out),
        Expression::Traversal(traversal) => {
            walk(&traversal.expr, out);
            for operator in &traversal.operators {
                match operator.value() {
                    TraversalOperator::Index(index) => walk(index, out),
                    TraversalOperator::AttrSplat(_)
                    | TraversalOperator::FullSplat(_)
                    | TraversalOperator::GetAttr(_)
                    | TraversalOperator::LegacyIndex(_) => {}
                }
            }
        }
        Expression::FuncCall(call) => {
            function(call, out);
            call.args.iter().for_each(|arg| walk(arg, out));
        }
        Expression::Parenthesis(inner) => walk(inner.inner(), out),
        Expression::Conditional(choice) => {
            [&choice.cond_expr, &choice.true_expr, &choice.false_expr].into_iter().for_each(|e| walk(e, out));
        }
        Expression::UnaryOp(unary) => walk(&unary.expr, out),
        Expression::BinaryOp(binary) => [&binary.lhs_expr, &binary.rhs_expr].into_iter().for_each(|e| walk(e, out)),
        Expression::ForExpr(each) => {
            walk(&each.intro.collection_expr, out);
            each.key_expr.iter().for_each(|key| walk(key, out));
            walk(&each.value_expr, out);
            each.cond.iter().for_each(|cond| walk(&cond.expr, out));
        }
    }
}

fn function(call: &FuncCall, out: &mut Vec<Refusal>) {
    let name = call.name.name.as_str();
    if !call.name.namespace.is_empty() || !PURE.contains(&name) {
        let shown = quoted(name);
        out.push(("files.function", both(format!("関数 {shown} は使えません"), format!("function {shown} cannot be used"))));
    }
}

/// `path.*` would put paths of the server into the plan.
fn root(name: &str, out: &mut Vec<Refusal>) {
    if name == "path" {
        out.push(("files.expression", both("path は使えません", "path cannot be used")));
    }
}

fn elements<'a>(template: impl Iterator<Item = &'a Element>, out: &mut Vec<Refusal>) {
    for element in template {
        match element {
            Element::Literal(_) => {}
            Element::Interpolation(interpolation) => walk(&interpolation.expr, out),
            Element::Directive(directive) => match directive.as_ref() {
                Directive::If(choice) => {
                    walk(&choice.if_expr.cond_expr, out);
                    elements(choice.if_expr.template.iter(), out);
                    choice.else_expr.iter().for_each(|other| elements(other.template.iter(), out));
                }
                Directive::For(each) => {
                    walk(&each.for_expr.collection_expr, out);
                    elements(each.for_expr.template.iter(), out);
                }
            },
        }
    }
}
