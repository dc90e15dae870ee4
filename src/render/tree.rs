//! A Terraform block before it is text: literals stay JSON, everything known only later is an expression. One tree
//! serves the HCL text, the schema check and the structural diff, so that the three cannot disagree.

use std::collections::BTreeSet;

use hcl::expr::{Expression, ObjectKey, TemplateExpr, Traversal, Variable};
use hcl::structure::{Attribute, Block, Body, Structure};
use serde_json::{Map, Value};

use crate::catalog::expression::filled;

/// An argument's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Arg {
    /// known now
    Literal(Value),
    /// known later: an address such as `oci_core_vcn.vcn.id`
    Reference(Reference),
    /// members, at least one of which is known later
    List(Vec<Arg>),
    /// an object with members, at least one of which is known later
    Map(Vec<(String, Arg)>),
    /// an expression of a service file with the values of its free names
    Expression(String, Vec<(String, Arg)>),
}

/// A traversal: root name, then attributes and indexes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// `var`, `data`, `local` or a resource type
    pub root: String,
    /// what follows
    pub steps: Vec<Step>,
}

/// One step of a traversal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// `.name`
    Attribute(String),
    /// `[number]`
    Index(u64),
}

impl Reference {
    /// A reference from a root and a path such as `images[0].id`. Paths come from service files and labels, never from
    /// people; a part that is no identifier is dropped by [`hcl::Identifier::sanitized`] rules.
    pub fn new(root: &str, parts: &[&str]) -> Reference {
        let mut steps = Vec::new();
        for part in parts.iter().flat_map(|part| part.split('.')).filter(|part| !part.is_empty()) {
            let mut pieces = part.split('[');
            steps.extend(pieces.next().filter(|name| !name.is_empty()).map(|name| Step::Attribute(name.to_owned())));
            steps.extend(pieces.filter_map(|index| index.trim_end_matches(']').parse().ok()).map(Step::Index));
        }
        Reference { root: root.to_owned(), steps }
    }
    /// `var.<name>`
    pub fn variable(name: &str) -> Reference {
        Reference::new("var", &[name])
    }
    /// Address of the block it points to; None for variables.
    pub fn address(&self) -> Option<String> {
        match (self.root.as_str(), self.steps.as_slice()) {
            ("var" | "local", _) => None,
            ("data", [Step::Attribute(kind), Step::Attribute(label), ..]) => Some(format!("data.{kind}.{label}")),
            (root, [Step::Attribute(label), ..]) => Some(format!("{root}.{label}")),
            (root, _) => Some(root.to_owned()),
        }
    }
    fn expression(&self) -> Expression {
        let mut builder = Traversal::builder(Variable::sanitized(self.root.as_str()));
        for step in &self.steps {
            builder = match step {
                Step::Attribute(name) => builder.attr(hcl::Identifier::sanitized(name.as_str())),
                Step::Index(index) => builder.index(*index),
            };
        }
        builder.build().into()
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Arg {
        Arg::Literal(text.into())
    }
}

impl From<Reference> for Arg {
    fn from(reference: Reference) -> Arg {
        Arg::Reference(reference)
    }
}

impl Arg {
    /// A list; a literal one when every member is.
    pub fn list(items: Vec<Arg>) -> Arg {
        let literals: Option<Vec<Value>> = items.iter().map(Arg::as_literal).map(|v| v.cloned()).collect();
        literals.map_or(Arg::List(items), |values| Arg::Literal(Value::Array(values)))
    }
    /// An object; a literal one when every member is.
    pub fn map(members: Vec<(String, Arg)>) -> Arg {
        let literals: Option<Map<String, Value>> =
            members.iter().map(|(k, arg)| arg.as_literal().map(|v| (k.clone(), v.clone()))).collect();
        literals.map_or(Arg::Map(members), |values| Arg::Literal(Value::Object(values)))
    }
    /// The value, when it is known now.
    pub fn as_literal(&self) -> Option<&Value> {
        match self {
            Arg::Literal(value) => Some(value),
            Arg::Reference(_) | Arg::List(_) | Arg::Map(_) | Arg::Expression(..) => None,
        }
    }
    pub(super) fn expression(&self) -> Expression {
        match self {
            Arg::Literal(value) => literal(value),
            Arg::Reference(reference) => reference.expression(),
            Arg::List(items) => Expression::Array(items.iter().map(Arg::expression).collect()),
            Arg::Map(members) => Expression::Object(members.iter().map(|(key, arg)| (object_key(key), arg.expression())).collect()),
            Arg::Expression(text, with) => {
                let values: Vec<(String, Expression)> = with.iter().map(|(name, arg)| (name.clone(), arg.expression())).collect();
                filled(text, &values).unwrap_or(Expression::Null)
            }
        }
    }
}

/// A JSON value as an expression. Text becomes a quoted string that [`escape`] made.
fn literal(value: &Value) -> Expression {
    match value {
        Value::Null => Expression::Null,
        Value::Bool(bool) => Expression::Bool(*bool),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Expression::from(whole),
            (None, Some(float)) if float.fract() == 0.0 && float.abs() < 9e15 => Expression::from(float as i64),
            (None, float) => float.map_or(Expression::Null, Expression::from),
        },
        Value::String(text) => text_expression(text),
        Value::Array(items) => Expression::Array(items.iter().map(literal).collect()),
        Value::Object(members) => Expression::Object(members.iter().map(|(key, value)| (object_key(key), literal(value))).collect()),
    }
}

fn object_key(key: &str) -> ObjectKey {
    ObjectKey::Expression(text_expression(key))
}

/// Text as a quoted string without interpolation.
///
/// hcl-rs 0.20 escapes template markers by itself, but misses one that follows `$` or `%` after an earlier marker
/// (`${a}%${b}` comes out with a live `${b}`): so text is escaped here and handed over as a finished quoted string.
pub fn text_expression(text: &str) -> Expression {
    Expression::TemplateExpr(Box::new(TemplateExpr::QuotedString(escape(text))))
}

/// Escapes text for a quoted HCL string: what Terraform reads back is the text, character for character.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // A doubled marker is an escape itself (`$${`), so a marker after its own sign is written by code point.
            '$' | '%' if chars.peek() == Some(&'{') && matches!(before, '$' | '%') => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            '$' | '%' if chars.peek() == Some(&'{') => out.extend([c, c]),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// A block's content.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    /// arguments in order
    pub arguments: Vec<(String, Arg)>,
    /// nested blocks in order
    pub blocks: Vec<(String, Tree)>,
}

impl Tree {
    /// Adds an argument.
    pub fn with(mut self, name: &str, value: impl Into<Arg>) -> Tree {
        self.arguments.push((name.to_owned(), value.into()));
        self
    }
    /// Adds a nested block.
    pub fn block(mut self, name: &str, tree: Tree) -> Tree {
        self.blocks.push((name.to_owned(), tree));
        self
    }
    /// The HCL body.
    pub fn body(&self) -> Body {
        let attributes = self
            .arguments
            .iter()
            .map(|(name, arg)| Structure::Attribute(Attribute::new(hcl::Identifier::sanitized(name.as_str()), arg.expression())));
        let blocks = self.blocks.iter().map(|(name, tree)| {
            let mut block = Block::new(hcl::Identifier::sanitized(name.as_str()));
            block.body = tree.body();
            Structure::Block(block)
        });
        attributes.chain(blocks).collect()
    }
    /// Arguments as JSON: later-known ones are null with their dotted path (without indexes) in `unknown`; blocks are
    /// arrays of objects, as in Terraform state.
    pub fn json(&self, path: &str, unknown: &mut BTreeSet<String>) -> Value {
        let dotted = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let mut object = Map::new();
        for (name, arg) in self.arguments.iter().filter(|(name, _)| !is_meta(name)) {
            let value = arg.as_literal().cloned().unwrap_or_else(|| {
                unknown.insert(dotted(name));
                Value::Null
            });
            object.insert(name.clone(), value);
        }
        for (name, tree) in self.blocks.iter().filter(|(name, _)| name != LIFECYCLE) {
            let value = tree.json(&dotted(name), unknown);
            if let Value::Array(items) = object.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new())) {
                items.push(value);
            }
        }
        Value::Object(object)
    }
}

/// Terraform's own block, which the provider never sees.
pub const LIFECYCLE: &str = "lifecycle";
/// Terraform's own argument, which the provider never sees.
pub const DEPENDS_ON: &str = "depends_on";
/// See [`DEPENDS_ON`]; it names another configuration of the provider.
pub const PROVIDER: &str = "provider";
/// Alias of the provider for the tenancy's home region, where all of IAM is written.
pub const HOME: &str = "home";

/// Whether an argument is Terraform's own.
pub fn is_meta(name: &str) -> bool {
    matches!(name, DEPENDS_ON | PROVIDER)
}

/// Managed or looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// `data`
    Data,
    /// `resource`
    Managed,
}

/// One top-level block.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// managed or looked up
    pub mode: Mode,
    /// Terraform type
    pub resource_type: String,
    /// label
    pub label: String,
    /// content
    pub tree: Tree,
    /// file it goes to
    pub file: String,
    /// component it belongs to
    pub component: String,
}

impl Resource {
    /// Address of a managed resource, or `data.…`.
    pub fn address(&self) -> String {
        match self.mode {
            Mode::Managed => format!("{}.{}", self.resource_type, self.label),
            Mode::Data => format!("data.{}.{}", self.resource_type, self.label),
        }
    }
    /// The HCL block.
    pub fn hcl(&self) -> Block {
        let keyword = match self.mode {
            Mode::Managed => "resource",
            Mode::Data => "data",
        };
        let mut block = Block::builder(keyword).add_label(self.resource_type.as_str()).add_label(self.label.as_str()).build();
        block.body = self.tree.body();
        block
    }
}
