//! Terraform expressions in service files: parsed once, free names replaced by values on the parsed tree, never in text.
//! Pure. Quoted templates with `${…}` are refused here, so that a value can only stand where a name stood; `format` says
//! the same.

use hcl::expr::{Expression, FuncCall, ObjectKey, Operation, TraversalOperator};

use super::functions::PURE;
use super::mapping::{Expr, Ordered};
use super::nesting::nests_too_deeply;
use crate::api::condition::one_line;

/// What is wrong with an expression of a service file: syntax, a name without a value, a value without a name.
pub(super) fn problem(text: &str, with: &Ordered<Expr>) -> Option<String> {
    if nests_too_deeply(text) {
        return Some("`expression` is nested too deeply".to_owned());
    }
    let mut expression = match text.parse::<Expression>() {
        Ok(expression) => expression,
        Err(hcl::Error::Parse(error)) => return Some(format!("`expression` cannot be read: {}", in_one_line(&error))),
        Err(error) => return Some(format!("`expression` cannot be read: {error}")),
    };
    let mut names = Vec::new();
    let mut templates = 0;
    let mut refused = None;
    walk(&mut expression, &mut |inner| match inner {
        Expression::Variable(name) => names.push(name.to_string()),
        Expression::TemplateExpr(_) => templates += 1,
        Expression::FuncCall(call) if call.name.is_namespaced() || !PURE.contains(&call.name.name.as_str()) => {
            refused = Some(format!("`expression` calls `{}`, which may do more than compute", call.name.name));
        }
        Expression::Object(members) if members.keys().any(|key| matches!(key, ObjectKey::Expression(key) if !is_literal(key))) => {
            refused = Some("`expression` computes the key of an object".to_owned());
        }
        _ => {}
    });
    if refused.is_some() {
        return refused;
    }
    if templates > 0 {
        return Some("`expression` has a template; use format()".to_owned());
    }
    let bound = bound(&expression);
    if let Some(name) = names.iter().find(|name| with.get(name).is_none() && !bound.contains(name)) {
        return Some(format!("`expression` uses `{name}`, which `with` does not give"));
    }
    let unused = with.iter().find(|(name, _)| !names.iter().any(|n| n == name));
    unused.map(|(name, _)| format!("`with` gives `{name}`, which `expression` does not use"))
}

/// What the parser says, in one line. Its own text draws a picture, and panics where the mistake stands beyond column 65,535.
pub fn in_one_line(error: &hcl_edit::parser::Error) -> String {
    let at = error.location();
    one_line(&format!("HCL parse error in line {}, column {}: {}", at.line(), at.column(), error.message()), 200)
}

fn is_literal(expression: &Expression) -> bool {
    matches!(expression, Expression::String(_) | Expression::Number(_) | Expression::Bool(_))
}

/// Names that `for` binds.
fn bound(expression: &Expression) -> Vec<String> {
    let mut names = Vec::new();
    walk(&mut expression.clone(), &mut |inner| {
        if let Expression::ForExpr(each) = inner {
            names.extend(each.key_var.iter().map(ToString::to_string));
            names.push(each.value_var.to_string());
        }
    });
    names
}

/// The expression with its free names replaced; None when the text is none (which loading has refused).
pub fn filled(text: &str, with: &[(String, Expression)]) -> Option<Expression> {
    let mut expression: Expression = text.parse().ok()?;
    walk(&mut expression, &mut |inner| {
        if let Expression::Variable(name) = inner
            && let Some((_, value)) = with.iter().find(|(n, _)| n == name.as_str())
        {
            *inner = value.clone();
        }
    });
    Some(expression)
}

/// Calls `look` for every expression inside, the innermost first.
fn walk(expression: &mut Expression, look: &mut dyn FnMut(&mut Expression)) {
    match expression {
        Expression::Array(items) => items.iter_mut().for_each(|item| walk(item, look)),
        Expression::Object(members) => {
            // Keys are literals in service files.
            members.iter_mut().for_each(|(_, value)| walk(value, look));
        }
        Expression::Traversal(traversal) => {
            walk(&mut traversal.expr, look);
            for operator in &mut traversal.operators {
                if let TraversalOperator::Index(index) = operator {
                    walk(index, look);
                }
            }
        }
        Expression::FuncCall(call) => {
            let FuncCall { name: _, args, expand_final: _ } = call.as_mut();
            args.iter_mut().for_each(|arg| walk(arg, look));
        }
        Expression::Parenthesis(inner) => walk(inner, look),
        Expression::Conditional(choice) => {
            walk(&mut choice.cond_expr, look);
            walk(&mut choice.true_expr, look);
            walk(&mut choice.false_expr, look);
        }
        Expression::Operation(operation) => match operation.as_mut() {
            Operation::Unary(unary) => walk(&mut unary.expr, look),
            Operation::Binary(binary) => {
                walk(&mut binary.lhs_expr, look);
                walk(&mut binary.rhs_expr, look);
            }
        },
        Expression::ForExpr(each) => {
            walk(&mut each.collection_expr, look);
            each.key_expr.iter_mut().for_each(|key| walk(key, look));
            walk(&mut each.value_expr, look);
            each.cond_expr.iter_mut().for_each(|condition| walk(condition, look));
        }
        _ => {}
    }
    look(expression);
}
