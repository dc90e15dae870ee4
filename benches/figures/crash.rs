//! `kill -9` of Galley and terraform in the middle of an apply of more than 15 resources: from the restart to the moment
//! the job is known to be interrupted and the design has been looked at.

use std::time::{Duration, Instant};

use galley::api::terraformjob::{Action, JobPhase};
use serde_json::json;

use crate::Found;
use crate::measure::{Figure, spread};
use crate::server::PATIENCE;
use crate::world::{EDITOR, World, large, on};

/// Crashes.
const CRASHES: usize = 3;

pub async fn measure() -> Found {
    let mut found = Found::default();
    let mut samples = Vec::new();
    for _ in 0..CRASHES {
        samples.push(crash().await);
    }
    let spread = spread(samples).expect("samples");
    found.figure("recovery after kill -9", Figure::Measured(spread.p50));
    found.note(format!(
        "recovery: {CRASHES} crashes in the middle of an apply, from the restart to the job Interrupted, slowest {:.0} ms",
        spread.max
    ));
    found
}

async fn crash() -> Duration {
    let mut world = World::start().await;
    let mut spec = large();
    spec["desiredState"] = json!("Applied");
    let name = world.create(spec).await;
    world.until_plan(&name).await;
    let uid = world.uid(&name).await;
    let planned = world.status(&name).await.plan.expect("plan").counts.create;
    world.cloud(&name).await.delay(on("create"), "*", Duration::from_millis(250)).expect("slow");
    world.approve(&name, EDITOR).await;
    let deadline = Instant::now() + PATIENCE;
    while world.cloud_of(&uid).list().expect("cloud").len() < planned / 3 {
        assert!(Instant::now() < deadline, "the apply does not get on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.kill_galley_and_terraform();
    world.cloud_of(&uid).clear_faults().expect("fast again");

    let start = Instant::now();
    world.launch().await;
    loop {
        let jobs = world.jobs().list(&Default::default()).await.expect("jobs");
        if let Some(job) = jobs.items.iter().find(|job| job.spec.action == Action::Apply && job.phase().is_terminal()) {
            assert_eq!(job.phase(), JobPhase::Interrupted);
            break;
        }
        assert!(start.elapsed() < PATIENCE, "the apply is not classified");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}
