//! Circles among rendered blocks: Terraform refuses them with an error nobody can act on, so they are named here by
//! component. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Arg, PROVIDER, Reference, Resource, Tree};
use crate::api::design::{Finding, Severity};

/// References inside an argument.
pub fn references<'a>(arg: &'a Arg, found: &mut Vec<&'a Reference>) {
    match arg {
        Arg::Literal(_) => {}
        Arg::Reference(reference) => found.push(reference),
        Arg::List(items) => items.iter().for_each(|item| references(item, found)),
        Arg::Map(members) | Arg::Expression(_, members) => members.iter().for_each(|(_, member)| references(member, found)),
    }
}

fn of_tree<'a>(tree: &'a Tree, found: &mut Vec<&'a Reference>) {
    tree.arguments.iter().filter(|(name, _)| name != PROVIDER).for_each(|(_, arg)| references(arg, found));
    tree.blocks.iter().for_each(|(_, inner)| of_tree(inner, found));
}

/// One error for a circle of references and `depends_on`.
pub fn circles(resources: &[Resource]) -> Vec<Finding> {
    let mut next: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut owner: BTreeMap<String, &str> = BTreeMap::new();
    for resource in resources {
        let mut found = Vec::new();
        of_tree(&resource.tree, &mut found);
        let address = resource.address();
        owner.insert(address.clone(), &resource.component);
        // A block that ignores its own attribute names itself without an address: that is no circle.
        next.insert(address.clone(), found.into_iter().filter_map(Reference::address).filter(|to| *to != address).collect());
    }
    // What nothing unfinished is needed for is finished; what remains hangs on a circle.
    let mut waiting: BTreeMap<&String, usize> =
        next.iter().map(|(address, to)| (address, to.iter().filter(|to| next.contains_key(*to)).count())).collect();
    let mut needed_by: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
    for (address, to) in &next {
        to.iter().for_each(|to| needed_by.entry(to).or_default().push(address));
    }
    let mut free: Vec<&String> = waiting.iter().filter(|(_, count)| **count == 0).map(|(address, _)| *address).collect();
    while let Some(address) = free.pop() {
        waiting.remove(address);
        for other in needed_by.get(address).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(other) {
                *count -= 1;
                if *count == 0 {
                    free.push(other);
                }
            }
        }
    }
    if waiting.is_empty() {
        return Vec::new();
    }
    let components: BTreeSet<&str> = waiting.keys().filter_map(|address| owner.get(*address).copied()).collect();
    let list = components.into_iter().collect::<Vec<_>>().join(", ");
    vec![Finding {
        rule: "render.circle".to_owned(),
        severity: Severity::Error,
        path: "connections".to_owned(),
        message: format!("these components wait for each other, so none can be made first: {list}"),
        recommendation: Some("remove a depends_on connection between them".to_owned()),
        allowed: Vec::new(),
    }]
}
