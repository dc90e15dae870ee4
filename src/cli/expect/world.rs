//! One shape for rendered Terraform and for a simulated cloud, so that the same check reads both: parts with an address, a
//! type and attributes in which every reference to another part is an arrow and that part's address.
//!
//! Takes the text of files and the attributes of cloud resources; parses HCL, never scrapes it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use hcl::expr::{Expression, TraversalOperator};
use serde_json::{Map, Value, json};

use crate::cli::demo::CloudResource;

/// Stands before the address of a part that is referred to; no name, OCID or CIDR begins with it.
const ARROW: char = '→';
/// Freeform tag with the address a resource was made for.
const TAG_ADDRESS: &str = "galley-address";

/// Where the parts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// the `.tf` files that Terraform reads
    Rendered,
    /// what stands in the simulated cloud
    Cloud,
}

impl View {
    /// A word for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            View::Rendered => "the rendered Terraform",
            View::Cloud => "the cloud",
        }
    }
}

/// One resource or data source.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// `oci_core_subnet.app`; empty when a cloud resource does not say (its type has no tags)
    pub address: String,
    /// Terraform type
    pub kind: String,
    /// attributes; blocks are arrays of objects
    pub attributes: Value,
}

impl Part {
    /// The Terraform label; empty when the part has no address.
    pub fn label(&self) -> &str {
        self.address.rsplit_once('.').map_or("", |(_, label)| label)
    }

    /// Every text in the attributes with its dotted path, indexes left out.
    pub fn texts(&self) -> Vec<(String, &str)> {
        let mut found = Vec::new();
        walk(&self.attributes, "", &mut found);
        found
    }

    /// Addresses of one type that the text at `path` names.
    pub fn refers(&self, path: &str, kind: &str) -> BTreeSet<String> {
        self.texts().into_iter().filter(|(at, _)| at == path).filter_map(|(_, text)| target(text, kind)).collect()
    }

    /// The text at a path, the first where there are several.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts().into_iter().find(|(at, _)| at == path).map(|(_, text)| text)
    }
}

fn walk<'a>(value: &'a Value, path: &str, found: &mut Vec<(String, &'a str)>) {
    match value {
        Value::String(text) => found.push((path.to_owned(), text)),
        Value::Array(items) => items.iter().for_each(|item| walk(item, path, found)),
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            walk(value, &path, found);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The address a text refers to, if it is a part of this type: `→oci_core_subnet.app.id` is `oci_core_subnet.app`.
pub fn target(text: &str, kind: &str) -> Option<String> {
    let mut words = text.strip_prefix(ARROW)?.split('.');
    let (found, label) = (words.next()?, words.next()?);
    (found == kind).then(|| format!("{found}.{label}"))
}

/// Does a text refer to a data source of this type?
pub fn is_data(text: &str, kind: &str) -> bool {
    text.strip_prefix(ARROW).and_then(|text| text.strip_prefix("data.")).is_some_and(|text| text.split('.').next() == Some(kind))
}

/// Everything one view shows.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// where it comes from
    pub view: View,
    /// managed resources
    pub parts: Vec<Part>,
    /// data sources; none in a cloud
    pub data: Vec<Part>,
    /// declared variables; none in a cloud
    pub variables: BTreeSet<String>,
    /// declared outputs; none in a cloud
    pub outputs: BTreeSet<String>,
}

impl World {
    /// From the files that Terraform reads, by name; files that are not `.tf` are passed over.
    ///
    /// # Errors
    /// The name of a file that is no HCL, with the parser's words.
    pub fn rendered(files: &BTreeMap<String, String>) -> Result<World, String> {
        let mut world =
            World { view: View::Rendered, parts: Vec::new(), data: Vec::new(), variables: BTreeSet::new(), outputs: BTreeSet::new() };
        for (name, text) in files.iter().filter(|(name, _)| name.ends_with(".tf")) {
            let body: hcl::Body = hcl::parse(text).map_err(|error| format!("{name}: {error}"))?;
            for block in body.blocks() {
                let labels: Vec<&str> = block.labels().iter().map(hcl::BlockLabel::as_str).collect();
                match (block.identifier(), labels.as_slice()) {
                    ("resource", [kind, label]) => world.parts.push(part(kind, label, block.body())),
                    ("data", [kind, label]) => world.data.push(part(kind, label, block.body())),
                    ("variable", [name]) => {
                        world.variables.insert((*name).to_owned());
                    }
                    ("output", [name]) => {
                        world.outputs.insert((*name).to_owned());
                    }
                    _ => {}
                }
            }
        }
        Ok(world)
    }

    /// From what stands in a simulated cloud.
    pub fn cloud(resources: &[CloudResource]) -> World {
        let address = |resource: &CloudResource| {
            resource.attributes.pointer(&format!("/freeform_tags/{TAG_ADDRESS}")).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let named: BTreeMap<&str, String> =
            resources.iter().map(|resource| (resource.id.as_str(), address(resource))).filter(|(_, address)| !address.is_empty()).collect();
        let parts = resources
            .iter()
            .map(|resource| Part {
                address: address(resource),
                kind: resource.kind.clone(),
                attributes: with_arrows(&resource.attributes, &named),
            })
            .collect();
        World { view: View::Cloud, parts, data: Vec::new(), variables: BTreeSet::new(), outputs: BTreeSet::new() }
    }

    /// Parts of a type.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Part> {
        self.parts.iter().filter(move |part| part.kind == kind)
    }

    /// Parts with a label: a component's own resources.
    pub fn labelled<'a>(&'a self, label: &'a str) -> impl Iterator<Item = &'a Part> {
        self.parts.iter().filter(move |part| !label.is_empty() && part.label() == label)
    }

    /// The part at an address.
    pub fn at(&self, address: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.address == address)
    }
}

fn part(kind: &str, label: &str, body: &hcl::Body) -> Part {
    Part { address: format!("{kind}.{label}"), kind: kind.to_owned(), attributes: attributes(body) }
}

fn attributes(body: &hcl::Body) -> Value {
    let mut members = Map::new();
    for attribute in body.attributes() {
        members.insert(attribute.key().to_owned(), value(attribute.expr()));
    }
    for block in body.blocks() {
        let list = members.entry(block.identifier().to_owned()).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(attributes(block.body()));
        }
    }
    Value::Object(members)
}

/// A literal as it is, a reference with an arrow, anything computed as its own text.
fn value(expression: &Expression) -> Value {
    match expression {
        Expression::Null => Value::Null,
        Expression::Bool(truth) => json!(truth),
        Expression::Number(number) => serde_json::to_value(number).unwrap_or_default(),
        Expression::String(text) => json!(text),
        Expression::Array(items) => items.iter().map(value).collect(),
        Expression::Object(members) => {
            let key = |key: &hcl::expr::ObjectKey| match key {
                hcl::expr::ObjectKey::Identifier(name) => name.to_string(),
                hcl::expr::ObjectKey::Expression(Expression::String(text)) => text.clone(),
                hcl::expr::ObjectKey::Expression(other) => hcl::format::to_string(other).unwrap_or_default(),
                _ => String::new(),
            };
            Value::Object(members.iter().map(|(name, member)| (key(name), value(member))).collect())
        }
        Expression::Parenthesis(inner) => value(inner),
        Expression::Traversal(traversal) => {
            let mut text = hcl::format::to_string(&traversal.expr).unwrap_or_default();
            for operator in &traversal.operators {
                match operator {
                    TraversalOperator::GetAttr(name) => {
                        text.push('.');
                        text.push_str(name);
                    }
                    TraversalOperator::Index(index) => text.push_str(&format!("[{}]", hcl::format::to_string(index).unwrap_or_default())),
                    TraversalOperator::LegacyIndex(index) => text.push_str(&format!(".{index}")),
                    TraversalOperator::AttrSplat | TraversalOperator::FullSplat => text.push_str("[*]"),
                }
            }
            json!(format!("{ARROW}{text}"))
        }
        other => json!(format!("${{{}}}", hcl::format::to_string(other).unwrap_or_default())),
    }
}

fn with_arrows(value: &Value, named: &BTreeMap<&str, String>) -> Value {
    match value {
        Value::String(text) => named.get(text.as_str()).map_or_else(|| value.clone(), |address| json!(format!("{ARROW}{address}"))),
        Value::Array(items) => items.iter().map(|item| with_arrows(item, named)).collect(),
        Value::Object(members) => Value::Object(members.iter().map(|(name, member)| (name.clone(), with_arrows(member, named))).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
