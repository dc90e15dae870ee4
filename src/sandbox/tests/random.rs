//! Random designs of the catalogue, each applied with real Terraform to a simulated cloud of its own and planned again.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::services::write;
use super::*;
use crate::api::design::DesignSpec;
use crate::render::catalog_tests::random;
use crate::render::tests::{CATALOG, context, judge, spec};
use crate::render::{Rendered, render};

const DESIGNS: usize = 50;
/// A design of more takes longer and says no more: everything at once has tests of its own.
const MOST_RESOURCES: usize = 60;
/// Terraform runs at once: one for each core of a small machine.
const AT_ONCE: usize = 2;

fn rendered(seed: u64) -> Option<Rendered> {
    // three availability domains, because some keys count them
    let spec = DesignSpec { region: Some("us-ashburn-1".to_owned()), ..spec(&random(seed)) };
    let out = render(&judge(&spec).design?, &CATALOG, &context()).ok()?;
    (1..=MOST_RESOURCES).contains(&out.resources.len()).then_some(out)
}

#[test]
fn fifty_random_designs_are_applied_and_the_second_plan_is_empty() {
    // other seeds than those of the property test
    let designs: Vec<(u64, Rendered)> = (100_000..).filter_map(|seed| Some((seed, rendered(seed)?))).take(DESIGNS).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((seed, design)) = designs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let types: Vec<&str> = design.types.iter().map(String::as_str).collect();
                    let world = World::serving(&types);
                    write(&world, design);
                    let applied = world.apply();
                    let count = design.resources.len();
                    assert!(applied.contains(&format!("{count} added, 0 changed, 0 destroyed")), "seed {seed}: {applied}");
                    assert_eq!(world.cloud().list().unwrap().len(), count, "seed {seed}");
                    world.expect_no_changes();
                }
            });
        }
    });
}
