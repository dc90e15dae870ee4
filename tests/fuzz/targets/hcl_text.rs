//! Reads rendered files again, with another reader, and compares them with what was to be rendered: the same blocks, the
//! same arguments, the same texts, and no name that the files do not declare. Text of a stranger that left its string would
//! be one thing more, one less, or another one.

use std::collections::{BTreeMap, BTreeSet};

use galley::render::{Rendered, RenderedResource};
use hcl_edit::expr::{Expression, ForIntro, FuncCall, ObjectKey, Traversal, TraversalOperator};
use hcl_edit::structure::{Block, Body};
use hcl_edit::visit::{Visit, visit_block, visit_for_intro, visit_func_call, visit_traversal};
use serde_json::Value;

/// What Terraform itself adds to a block.
const META: [&str; 4] = ["depends_on", "provider", "lifecycle", "for_each"];
/// Every function that the shipped service files call.
const FUNCTIONS: [&str; 15] = [
    "base64encode",
    "format",
    "join",
    "jsonencode",
    "lookup",
    "one",
    "regex",
    "replace",
    "reverse",
    "sort",
    "split",
    "strcontains",
    "tonumber",
    "trimprefix",
    "try",
];

/// `own`: the files that Galley wrote; `foreign`: by service files of a stranger.
pub fn holds_what_was_rendered(own: &BTreeMap<&str, &str>, rendered: &Rendered, foreign: bool) {
    let read = |(name, text): (&&str, &&str)| text.parse::<Body>().unwrap_or_else(|error| panic!("{name} is no HCL: {error}\n{text}"));
    let bodies: Vec<Body> = own.iter().filter(|(name, _)| name.ends_with(".tf")).map(read).collect();
    let mut names = Names { foreign, ..Names::default() };
    let mut found: BTreeSet<String> = BTreeSet::new();
    let managed: BTreeMap<&str, &RenderedResource> =
        rendered.resources.iter().map(|resource| (resource.address.as_str(), resource)).collect();
    for block in bodies.iter().flat_map(Body::blocks) {
        let labels: Vec<&str> = block.labels.iter().map(|label| label.as_str()).collect();
        match (block.ident.as_str(), labels.as_slice()) {
            ("resource", [kind, label]) => {
                let address = format!("{kind}.{label}");
                let resource = managed.get(address.as_str()).unwrap_or_else(|| panic!("{address} was never rendered"));
                block_is(&block.body, &resource.arguments, &resource.unknown, "", &address);
                assert!(found.insert(address.clone()), "{address} stands twice");
                names.declared.insert(address);
            }
            ("data", [kind, label]) => {
                assert!(rendered.types.contains(*kind), "data source {kind} was never rendered");
                names.declared.insert(format!("data.{kind}.{label}"));
            }
            ("variable", [name]) => drop(names.declared.insert(format!("var.{name}"))),
            ("output", [_]) | ("terraform", []) | ("provider", ["oci"]) => {}
            ("locals", []) => names.declared.extend(block.body.attributes().map(|attribute| format!("local.{}", attribute.key.as_str()))),
            other => panic!("a block that Galley does not write: {other:?}"),
        }
    }
    let missing: Vec<&String> = rendered.components.keys().filter(|address| !found.contains(*address)).collect();
    assert!(missing.is_empty(), "rendered, but in no file: {missing:?}");
    bodies.iter().for_each(|body| Bound(&mut names).visit_body(body));
    bodies.iter().for_each(|body| names.visit_body(body));
}

/// A block of a file against the arguments it was made of.
fn block_is(body: &Body, arguments: &Value, unknown: &BTreeSet<String>, path: &str, address: &str) {
    let dotted = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let members = arguments.as_object().unwrap_or_else(|| panic!("{address}: {path} is a block"));
    let mut blocks: BTreeMap<&str, Vec<&Block>> = BTreeMap::new();
    body.blocks()
        .filter(|block| !META.contains(&block.ident.as_str()))
        .for_each(|block| blocks.entry(block.ident.as_str()).or_default().push(block));
    let mut written = BTreeSet::new();
    for attribute in body.attributes().filter(|attribute| !META.contains(&attribute.key.as_str())) {
        let name = attribute.key.as_str();
        written.insert(name);
        let value = members.get(name).unwrap_or_else(|| panic!("{address}: {} was never rendered", dotted(name)));
        if !unknown.contains(&dotted(name)) {
            assert!(expression_is(&attribute.value, value), "{address}: {} is {} and should be {value}", dotted(name), attribute.value);
        }
    }
    for (name, nested) in &blocks {
        written.insert(name);
        let items =
            members.get(*name).and_then(Value::as_array).unwrap_or_else(|| panic!("{address}: block {} was never rendered", dotted(name)));
        assert_eq!(items.len(), nested.len(), "{address}: blocks {}", dotted(name));
        nested.iter().zip(items).for_each(|(block, item)| block_is(&block.body, item, unknown, &dotted(name), address));
    }
    let lost: Vec<&String> = members.keys().filter(|name| !written.contains(name.as_str())).collect();
    assert!(lost.is_empty(), "{address}: {path} has lost {lost:?}");
}

/// Whether a literal of a file is that value. A text is one string without any template.
fn expression_is(expression: &Expression, value: &Value) -> bool {
    match (expression, value) {
        (Expression::Null(_), Value::Null) => true,
        (Expression::Bool(flag), Value::Bool(value)) => **flag == *value,
        (Expression::Number(number), Value::Number(value)) => number.as_f64() == value.as_f64(),
        (Expression::String(text), Value::String(value)) => **text == *value,
        (Expression::Array(items), Value::Array(values)) => {
            items.len() == values.len() && items.iter().zip(values).all(|(item, value)| expression_is(item, value))
        }
        (Expression::Object(members), Value::Object(values)) => {
            let is = |(key, member): (&ObjectKey, &hcl_edit::expr::ObjectValue)| {
                let name = match key {
                    ObjectKey::Ident(ident) => ident.as_str(),
                    ObjectKey::Expression(Expression::String(text)) => text.as_str(),
                    ObjectKey::Expression(_) => return false,
                };
                values.get(name).is_some_and(|value| expression_is(member.expr(), value))
            };
            members.len() == values.len() && members.iter().all(is)
        }
        _ => false,
    }
}

/// What the files declare, against what they name.
#[derive(Default)]
struct Names {
    declared: BTreeSet<String>,
    /// variables of `for`
    bound: BTreeSet<String>,
    /// the expressions are a stranger's, too
    foreign: bool,
}

struct Bound<'n>(&'n mut Names);

impl Visit for Bound<'_> {
    fn visit_for_intro(&mut self, intro: &ForIntro) {
        let variables = intro.key_var.iter().chain([&intro.value_var]);
        self.0.bound.extend(variables.map(|ident| ident.as_str().to_owned()));
        visit_for_intro(self, intro);
    }
}

impl Visit for Names {
    fn visit_block(&mut self, block: &Block) {
        // Its arguments are names of the block around.
        if block.ident.as_str() != "lifecycle" {
            visit_block(self, block);
        }
    }
    fn visit_func_call(&mut self, call: &FuncCall) {
        let name = call.name.name.as_str();
        assert!(self.foreign || call.name.namespace.is_empty() && FUNCTIONS.contains(&name), "function {name} is called");
        visit_func_call(self, call);
    }
    fn visit_traversal(&mut self, traversal: &Traversal) {
        if let Some(root) = traversal.expr.as_variable().map(|ident| ident.as_str()) {
            let steps = traversal.operators.iter().map(|operator| match operator.value() {
                TraversalOperator::GetAttr(ident) => Some(ident.as_str()),
                _ => None,
            });
            let steps: Vec<&str> = steps.map_while(|step| step).take(2).collect();
            let named = match (root, steps.as_slice()) {
                ("data", [kind, label]) => format!("data.{kind}.{label}"),
                (root, [first, ..]) => format!("{root}.{first}"),
                (root, []) => root.to_owned(),
            };
            let own = self.bound.contains(root) || ["each", "oci"].contains(&root);
            assert!(own || self.declared.contains(&named), "{named} is named and nowhere declared");
        }
        visit_traversal(self, traversal);
    }
}
