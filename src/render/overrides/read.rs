//! Walks one expression of an override file, template strings and directives included, and names what is refused in it.

use hcl::expr::{Expression, FuncCall, ObjectKey, Operation, TemplateExpr, TraversalOperator};
use hcl::template::{Directive, Element, Template};

use super::Refusal;
use crate::catalog::functions::PURE;
use crate::validator::finding::{both, quoted};

/// Everything refused in an expression.
pub(super) fn refused(expression: &Expression) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    walk(expression, &mut refusals);
    refusals
}

fn walk(expression: &Expression, out: &mut Vec<Refusal>) {
    match expression {
        Expression::Null | Expression::Bool(_) | Expression::Number(_) | Expression::String(_) => {}
        Expression::Variable(name) => root(name.as_str(), out),
        Expression::Array(items) => items.iter().for_each(|item| walk(item, out)),
        Expression::Object(members) => {
            for (key, value) in members {
                if let ObjectKey::Expression(key) = key {
                    walk(key, out);
                }
                walk(value, out);
            }
        }
        Expression::TemplateExpr(template) => template_expression(template, out),
        Expression::Traversal(traversal) => {
            walk(&traversal.expr, out);
            for operator in &traversal.operators {
                if let TraversalOperator::Index(index) = operator {
                    walk(index, out);
                }
            }
        }
        Expression::FuncCall(call) => {
            function(call, out);
            call.args.iter().for_each(|arg| walk(arg, out));
        }
        Expression::Parenthesis(inner) => walk(inner, out),
        Expression::Conditional(choice) => {
            [&choice.cond_expr, &choice.true_expr, &choice.false_expr].into_iter().for_each(|e| walk(e, out));
        }
        Expression::Operation(operation) => match operation.as_ref() {
            Operation::Unary(unary) => walk(&unary.expr, out),
            Operation::Binary(binary) => [&binary.lhs_expr, &binary.rhs_expr].into_iter().for_each(|e| walk(e, out)),
        },
        Expression::ForExpr(each) => {
            let parts = [Some(&each.collection_expr), each.key_expr.as_ref(), Some(&each.value_expr), each.cond_expr.as_ref()];
            parts.into_iter().flatten().for_each(|e| walk(e, out));
        }
        // The enum is open: a kind this build does not know cannot be judged.
        _ => out.push(("files.expression", both("読めない式があります", "there is an expression that cannot be judged"))),
    }
}

fn function(call: &FuncCall, out: &mut Vec<Refusal>) {
    let name = call.name.name.as_str();
    if call.name.is_namespaced() || !PURE.contains(&name) {
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

fn template_expression(template: &TemplateExpr, out: &mut Vec<Refusal>) {
    match Template::from_expr(template) {
        Ok(template) => elements(&template, out),
        Err(_) => out.push(("files.expression", both("読めないテンプレートがあります", "there is a template that cannot be judged"))),
    }
}

fn elements(template: &Template, out: &mut Vec<Refusal>) {
    for element in template.elements() {
        match element {
            Element::Literal(_) => {}
            Element::Interpolation(interpolation) => walk(&interpolation.expr, out),
            Element::Directive(directive) => match directive.as_ref() {
                Directive::If(choice) => {
                    walk(&choice.cond_expr, out);
                    elements(&choice.true_template, out);
                    choice.false_template.iter().for_each(|inner| elements(inner, out));
                }
                Directive::For(each) => {
                    walk(&each.collection_expr, out);
                    elements(&each.template, out);
                }
            },
        }
    }
}
