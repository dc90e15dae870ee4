//! One turn of the loop over an applied design that nothing happened to: its wall time, and what it starts.

use std::sync::Arc;
use std::time::Instant;

use galley::api::Design;
use galley::controllers::design::{Bell, reconcile};
use galley::controllers::documents::get;

use crate::Found;
use crate::inside::context;
use crate::measure::{Figure, spread};
use crate::server::design;
use crate::world::World;

/// Turns.
const TURNS: usize = 1000;

pub async fn measure() -> Found {
    let mut world = World::start().await;
    let name = world.create(design(19)).await;
    let applied = world.apply(&name).await;
    world.stop().await;
    let (uid, runs) = (applied.metadata.uid.clone().expect("uid"), world.runs().len());
    let ctx = context(&world.data_dir(), &world.dir.path().join("terraform-recorded")).await;
    let bell = Arc::new(Bell { types: None, metadata: applied.metadata.clone(), _phantom: std::marker::PhantomData });

    let turn = async || {
        let start = Instant::now();
        reconcile(bell.clone(), ctx.clone()).await.expect("a turn");
        start.elapsed()
    };
    turn().await;
    let before: Option<Design> = get(&ctx.client, &name).await.expect("design");
    let (mut turns, mut first) = (Vec::with_capacity(TURNS), Vec::new());
    for _ in 0..TURNS {
        turns.push(turn().await);
    }
    for _ in 0..TURNS / 20 {
        ctx.memo.forget(&uid);
        first.push(turn().await);
    }
    let after: Option<Design> = get(&ctx.client, &name).await.expect("design");
    assert_eq!(before, after, "nothing is written");
    let (turns, first) = (spread(turns).expect("samples"), spread(first).expect("samples"));
    let mut found = Found::default();
    found.figure("unchanged design reconciled", Figure::Measured(turns.p50));
    found.figure("unchanged design reconciled, processes", Figure::Measured((world.runs().len() - runs) as f64));
    let resources = applied.status.and_then(|status| status.resources).map_or(0, |resources| resources.total);
    found.note(format!(
        "unchanged design: {TURNS} turns over 19 components, {resources} resources, p99 {:.2} ms; judged and rendered anew: median {:.2} ms",
        turns.p99, first.p50
    ));
    found
}
