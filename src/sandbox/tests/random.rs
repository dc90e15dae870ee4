//! Random designs of the catalogue, each applied with real Terraform to a simulated cloud of its own and planned again.

use std::sync::Mutex;
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

/// Gateways of which a VCN takes one: the service limits of OCI, which the simulated API keeps.
const ONE_EACH: [&str; 3] = ["oci_core_internet_gateway", "oci_core_nat_gateway", "oci_core_service_gateway"];

fn rendered(seed: u64) -> Option<Rendered> {
    // three availability domains, because some keys count them
    let spec = DesignSpec { region: Some("us-ashburn-1".to_owned()), ..spec(&random(seed)) };
    let out = render(&judge(&spec).design?, &CATALOG, &context()).ok()?;
    let count = |kind: &str| out.resources.iter().filter(|resource| resource.resource_type == kind).count();
    // dice bring their own gateways more often than a limit allows; an apply says so, in words of its own
    let within = ONE_EACH.iter().all(|kind| count(kind) <= count("oci_core_vcn"));
    (within && (1..=MOST_RESOURCES).contains(&out.resources.len())).then_some(out)
}

/// What is wrong, in the lines that say so.
fn life(seed: u64, design: &Rendered) -> Result<(), String> {
    let types: Vec<&str> = design.types.iter().map(String::as_str).collect();
    let world = World::serving(&types);
    write(&world, design);
    for arguments in [["apply", "-auto-approve"], ["plan", "-detailed-exitcode"]] {
        let output = world.run(&arguments);
        if output.status.code() != Some(0) {
            let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            let telling: Vec<&str> = text.lines().filter(|line| line.contains("Error") || line.contains("  # ")).take(12).collect();
            return Err(format!("seed {seed}: terraform {}: {telling:#?}", arguments[0]));
        }
    }
    let (made, wanted) = (world.cloud().list().unwrap().len(), design.resources.len());
    if made == wanted { Ok(()) } else { Err(format!("seed {seed}: {made} resources in the cloud, {wanted} in the design")) }
}

#[test]
fn fifty_random_designs_are_applied_and_the_second_plan_is_empty() {
    // other seeds than those of the property test
    let designs: Vec<(u64, Rendered)> = (100_000..).filter_map(|seed| Some((seed, rendered(seed)?))).take(DESIGNS).collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((seed, design)) = designs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(problem) = life(*seed, design) {
                        wrong.lock().unwrap().push(problem);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
