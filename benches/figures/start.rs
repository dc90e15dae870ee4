//! From exec to the first answered tool call, on a fresh and on a used data directory; resident memory of an idle server.

use std::time::{Duration, Instant};

use crate::Found;
use crate::measure::{self, Figure, spread};
use crate::server::{Bare, until_idle};

/// Starts of each sort.
const STARTS: usize = 15;

pub async fn measure() -> Found {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("log");
    let mut found = Found::default();
    let (mut fresh, mut used) = (Vec::new(), Vec::new());
    for number in 0..STARTS {
        fresh.push(first_answer(&dir.path().join(format!("data{number}")), &log).await);
        used.push(first_answer(&dir.path().join("data0"), &log).await);
    }
    let (fresh, used) = (spread(fresh).expect("samples"), spread(used).expect("samples"));
    found.figure("start to first answer", Figure::Measured(fresh.p50.max(used.p50)));
    found.note(format!(
        "start to first answer: median of {STARTS}: {:.0} ms on a fresh data directory (slowest {:.0}), {:.0} ms on a used one (slowest {:.0})",
        fresh.p50, fresh.max, used.p50, used.max
    ));
    let mut server = Bare::start(&dir.path().join("data0"), &log, &[]);
    server.answer().await;
    until_idle(server.pid()).await;
    found.figure("resident, idle", Figure::Measured(measure::resident(server.pid()).expect("running")));
    found
}

async fn first_answer(data: &std::path::Path, log: &std::path::Path) -> Duration {
    let start = Instant::now();
    let mut server = Bare::start(data, log, &[]);
    server.answer().await;
    start.elapsed()
}
