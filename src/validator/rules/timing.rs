//! Times every rule on a synthetic design of the largest size. The evaluator has no budget of its own: an expression that
//! is slow here would make every save slow. The time comes from a stopwatch that is handed in. Pure.

use std::ops::ControlFlow;
use std::time::Duration;

use super::evaluate::{holds, visit};
use super::{Case, Error, Shelf, Stopwatch, load};
use crate::api::design::{Component, Connection, DesignSpec, MAX_COMPONENTS};
use crate::api::session::Language;
use crate::catalog::{Catalog, DEPENDS_ON};
use crate::render::network;
use crate::validator::finding::Findings;
use crate::validator::{Defaults, ValidatedDesign, allowed_connections, config, connections};

/// What one rule may take on the whole synthetic design: a third of the bar for 200 rules together. A rule that takes part
/// of it is measured thousands of times faster; one that goes through lists in lists takes seconds.
const LIMIT: Duration = if cfg!(debug_assertions) { Duration::from_millis(2_000) } else { Duration::from_millis(100) };

/// Refuses rules that take longer than [`LIMIT`].
pub(super) fn check(shelf: &Shelf, files: &[(&str, &str)], catalog: &Catalog, stopwatch: Stopwatch<'_>) -> Result<(), Error> {
    let spec = synthetic(shelf, catalog);
    let defaults = Defaults { region: "ap-osaka-1".to_owned(), compartment_id: String::new(), language: Language::En };
    let mut findings = Findings::new(Language::En);
    let components = config::components(&spec, catalog, &mut findings);
    let connections = connections::check(&spec, catalog, &mut findings);
    let design = ValidatedDesign::new(&spec, &defaults, components, connections);
    let network = network::derive(&design, catalog, Language::En);
    let case = Case { spec: &spec, design: &design, network: &network, catalog, work_compartment: "" };
    let mut spent = vec![Duration::ZERO; shelf.rules.len()];
    let mut slow = None;
    visit(shelf, case, &mut |at, scope, _| {
        let (Some(rule), Some(spent)) = (shelf.rules.get(at), spent.get_mut(at)) else { return ControlFlow::Continue(()) };
        let start = stopwatch();
        // What it says does not matter here, and whether it can say anything its own examples show.
        let _ = holds(rule, scope);
        *spent += stopwatch().saturating_sub(start);
        if *spent <= LIMIT {
            return ControlFlow::Continue(());
        }
        slow = Some(rule);
        ControlFlow::Break(())
    });
    let Some(rule) = slow else { return Ok(()) };
    let line = load::line(load::of(files, &rule.file), &rule.definition.id, Some("require"));
    let message = format!("takes more than {} ms on a design of {MAX_COMPONENTS} components", LIMIT.as_millis());
    Err(load::refusal(rule, line, &message))
}

/// As many components as a design may have, of all types that rules look at, each connected with the next ones.
fn synthetic(shelf: &Shelf, catalog: &Catalog) -> DesignSpec {
    let mut types: Vec<&str> = shelf.by_type.keys().map(String::as_str).filter(|name| catalog.service(name).is_some()).collect();
    if types.is_empty() {
        types = catalog.service_types();
    }
    let component = |(number, service_type): (usize, &&str)| Component {
        id: format!("c{number}"),
        service_type: (*service_type).to_owned(),
        ..Component::default()
    };
    let components: Vec<Component> = types.iter().cycle().take(MAX_COMPONENTS).enumerate().map(component).collect();
    let mut connections = Vec::new();
    for step in 1..=3 {
        for (source, target) in components.iter().zip(components.iter().skip(step)) {
            let allowed = allowed_connections(catalog, &source.service_type, &target.service_type);
            let named = allowed.into_iter().find(|name| name != DEPENDS_ON && name != "deployed_in");
            connections.push(Connection {
                source_id: source.id.clone(),
                target_id: target.id.clone(),
                connection_type: named.unwrap_or_else(|| DEPENDS_ON.to_owned()),
                description: None,
            });
        }
    }
    DesignSpec { session_ref: "s-synthetic".to_owned(), components, connections, ..DesignSpec::default() }
}
