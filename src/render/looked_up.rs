//! What a resource takes from a data source once, when it is made, and ignores afterwards: an image that is the newest of its
//! system today. A wish for another one changes nothing of a resource that exists, and Terraform says nothing about it; what
//! is listed here lets [`crate::plan::looked_up`] say it. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::tree::{Arg, LIFECYCLE, Mode, Reference, Resource, Step, Tree};
use crate::catalog::mapping::{Expr, Ordered, Source};
use crate::catalog::service::Service;
use crate::catalog::{Catalog, mapping::BlockMapping};
use crate::validator::ValidatedDesign;

/// One argument that is looked up once.
#[derive(Debug, Clone, PartialEq)]
pub struct LookedUp {
    /// component it belongs to
    pub component: String,
    /// config keys that are only looked up with: what the person may have changed
    pub keys: Vec<String>,
    /// address of the resource
    pub resource: String,
    /// where it stands in the resource, such as `source_details.source_id`
    pub path: Vec<String>,
    /// type and label of the data source
    pub data: (String, String),
    /// member of the data source with what was found, and the member of each that is taken
    pub list: (String, String),
    /// what is asked for, as far as it is known now
    pub asked: Map<String, Value>,
}

/// Everything that a design looks up once.
pub fn of(design: &ValidatedDesign, catalog: &Catalog, resources: &[Resource]) -> Vec<LookedUp> {
    let mut found = Vec::new();
    for resource in resources.iter().filter(|resource| resource.mode == Mode::Managed) {
        let Some(component) = design.components.iter().find(|component| component.id == resource.component) else { continue };
        let Some(service) = catalog.service(&component.service_type) else { continue };
        for ignored in ignored(&resource.tree) {
            let path: Vec<String> = std::iter::once(ignored.root.clone()).chain(ignored.steps.iter().filter_map(name)).collect();
            let Some(Arg::Reference(reference)) = argument(&resource.tree, &path) else { continue };
            let Some((data, list)) = taken_from(reference) else { continue };
            let Some(source) = resources.iter().find(|r| r.mode == Mode::Data && r.resource_type == data.0 && r.label == data.1) else {
                continue;
            };
            let literals = source.tree.arguments.iter().filter_map(|(name, arg)| Some((name.clone(), arg.as_literal()?.clone())));
            found.push(LookedUp {
                component: component.id.clone(),
                keys: only_looked_up_with(service, &data.0),
                resource: resource.address(),
                path,
                data,
                list,
                asked: literals.collect(),
            });
        }
    }
    found
}

fn name(step: &Step) -> Option<String> {
    match step {
        Step::Attribute(name) => Some(name.clone()),
        Step::Index(_) => None,
    }
}

/// Paths of `ignore_changes`.
fn ignored(tree: &Tree) -> Vec<&Reference> {
    let lifecycle = tree.blocks.iter().filter(|(name, _)| name == LIFECYCLE).flat_map(|(_, inner)| &inner.arguments);
    let lists = lifecycle.filter(|(name, _)| name == "ignore_changes").filter_map(|(_, arg)| match arg {
        Arg::List(items) => Some(items),
        Arg::Literal(_) | Arg::Reference(_) | Arg::Map(_) | Arg::Expression(..) => None,
    });
    lists.flatten().filter_map(|arg| if let Arg::Reference(reference) = arg { Some(reference) } else { None }).collect()
}

/// The argument at a path of block names that ends in an argument's.
fn argument<'t>(tree: &'t Tree, path: &[String]) -> Option<&'t Arg> {
    let (last, blocks) = path.split_last()?;
    let inner = blocks.iter().try_fold(tree, |tree, name| Some(&tree.blocks.iter().find(|(n, _)| n == name)?.1))?;
    inner.arguments.iter().find(|(name, _)| name == last).map(|(_, arg)| arg)
}

/// `data.<type>.<label>.<list>[0].<member>` in parts.
fn taken_from(reference: &Reference) -> Option<((String, String), (String, String))> {
    match reference.steps.as_slice() {
        [Step::Attribute(kind), Step::Attribute(label), Step::Attribute(list), Step::Index(_), Step::Attribute(member)]
            if reference.root == "data" =>
        {
            Some(((kind.clone(), label.clone()), (list.clone(), member.clone())))
        }
        _ => None,
    }
}

/// Config keys that a data source of that type asks with and that no resource has.
fn only_looked_up_with(service: &Service, data_type: &str) -> Vec<String> {
    let mut elsewhere = BTreeSet::new();
    service.resources.iter().for_each(|resource| keys(&resource.arguments, &resource.blocks, &mut elsewhere));
    let mut asked = BTreeSet::new();
    service.data.iter().filter(|data| data.data_type == data_type).for_each(|data| keys(&data.arguments, &data.blocks, &mut asked));
    asked.difference(&elsewhere).cloned().collect()
}

fn keys(arguments: &Ordered<Expr>, blocks: &[BlockMapping], found: &mut BTreeSet<String>) {
    for (_, expr) in arguments.iter() {
        expr.walk(&mut |inner| {
            if let Source::Config(key) = &inner.source {
                found.insert(key.clone());
            }
        });
    }
    blocks.iter().for_each(|block| keys(&block.arguments, &block.blocks, found));
}
