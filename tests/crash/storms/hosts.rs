//! Clocks that jump, and a second server that wants the same data.

use std::time::Duration;

use super::{Blown, begin, eventually, more, person, slow, start, when_it_runs};
use crate::kills::Base;
use crate::person::Wish;
use crate::scenarios::NAME;
use crate::world::World;

/// The clock jumps while a plan waits for its approval and again while an apply runs; then it is right again. Too old a plan
/// is not applied, and nothing waits for a time that never comes.
pub async fn the_clock_jumps(base: &Base, seconds: i64) -> std::io::Result<Blown> {
    let mut world = begin(base).await?;
    slow(&world, base, Duration::from_millis(400));
    let clock = world.file("weather").join("clock");
    let planned = clock.clone();
    let jump = when_it_runs(&world, "show", move || std::fs::write(planned, seconds.to_string()).expect("clock"));
    let applied = clock.clone();
    let back = when_it_runs(&world, "apply", move || {
        std::thread::sleep(Duration::from_millis(200));
        std::fs::remove_file(applied).expect("clock");
    });
    let mut person = person(&mut world, base);
    person.patience = Duration::from_secs(60);
    person.fulfil(&Wish::Edit(more("data-lake-3"))).await;
    person.check_end(None).await;
    let mut bad = std::mem::take(&mut person.violations);
    if !matches!(jump.join(), Ok(Some(()))) || !matches!(back.join(), Ok(Some(()))) {
        bad.push("the clock did not jump".to_owned());
    }
    // and once more, from one right time to the next
    let mut person = super::person(&mut world, base);
    person.patience = Duration::from_secs(60);
    person.fulfil(&Wish::Edit(more("data-pond-3"))).await;
    person.check_end(None).await;
    bad.append(&mut person.violations);
    Ok(Blown::Through(bad))
}

/// Rings at the design without asking anything of it.
async fn ring(world: &mut World, base: &Base, nonce: usize) {
    let person = person(world, base);
    let bell = serde_json::json!({"metadata": {"annotations": {"galley.dev/bell": nonce.to_string()}}});
    let _ = person.designs().patch(NAME, &Default::default(), &kube::api::Patch::Merge(bell)).await;
}

fn plans(world: &World) -> usize {
    std::fs::read_to_string(world.file("runs.log")).unwrap_or_default().lines().filter(|line| line.starts_with("plan")).count()
}

/// A design that names no interval is checked as often as the server says, and no more often.
pub async fn a_drift_check_is_due(base: &Base) -> std::io::Result<Blown> {
    let mut world = World::new(Some(&base.0))?;
    world.settings.push(("GALLEY_DRIFT_INTERVAL_SECONDS", "600".to_owned()));
    start(&mut world).await?;
    let mut bad = vec![];
    for (nonce, (minutes, wanted)) in [(15, 1), (16, 1), (31, 2)].into_iter().enumerate() {
        world.weather("clock", Some(&(minutes * 60).to_string()));
        let turns = world.log().matches("\"step\"").count();
        ring(&mut world, base, nonce).await;
        if !eventually(Duration::from_secs(30), || world.log().matches("\"step\"").count() > turns && plans(&world) >= wanted).await {
            bad.push(format!("after {minutes} minutes there were {} checks", plans(&world)));
        }
        let mut person = person(&mut world, base);
        person.settle().await;
        bad.append(&mut person.violations);
        if plans(&world) != wanted {
            bad.push(format!("after {minutes} minutes there were {} checks and not {wanted}", plans(&world)));
        }
    }
    Ok(Blown::Through(bad))
}

/// What is kept for a time goes after it, and the design stays what it is.
pub async fn old_things_go(base: &Base) -> std::io::Result<Blown> {
    let mut world = begin(base).await?;
    let mut bad = vec![];
    let before = person(&mut world, base).approvals().list(&Default::default()).await.map(|list| list.items.len()).unwrap_or_default();
    if before == 0 {
        bad.push("there is no approval that could get old".to_owned());
    }
    world.weather("clock", Some(&(40 * 24 * 3600).to_string()));
    // whatever is kept for a time is looked at when it rings, and everything rings at a start
    world.stop().await;
    start(&mut world).await?;
    let began = std::time::Instant::now();
    loop {
        let left = person(&mut world, base).approvals().list(&Default::default()).await.map(|list| list.items.len());
        match left {
            Ok(0) => break,
            _ if began.elapsed() > Duration::from_secs(30) => {
                bad.push(format!("approvals of forty days ago are still there: {left:?}"));
                break;
            }
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    let mut person = person(&mut world, base);
    person.fulfil(&Wish::Edit(more("data-lake-3"))).await;
    person.check_end(None).await;
    bad.append(&mut person.violations);
    Ok(Blown::Through(bad))
}

/// The second server ends at once and names the first; the first does not notice.
pub async fn two_servers(base: &Base) -> std::io::Result<Blown> {
    let mut world = begin(base).await?;
    let mut bad = vec![];
    let mut command = world.command(None)?;
    let said = world.file("second.log");
    let file = std::fs::File::create(&said)?;
    let mut second = command.stdout(file.try_clone()?).stderr(file).spawn()?;
    let ended = eventually(Duration::from_secs(20), || matches!(second.try_wait(), Ok(Some(_)))).await;
    let _ = second.kill();
    let status = second.wait()?;
    let text = std::fs::read_to_string(said)?;
    if !ended || status.success() {
        bad.push(format!("the second server runs: {status}"));
    }
    let pid = world.pid().unwrap_or_default();
    for part in ["the data directory is used by another server", &format!("pid {pid} "), "stop it or choose another data directory"] {
        if !text.contains(part) {
            bad.push(format!("the refusal does not say {part:?}: {text}"));
        }
    }
    if !reqwest::get(format!("{}/readyz", world.base())).await.is_ok_and(|answer| answer.status().is_success()) {
        bad.push("the first server is not ready any more".to_owned());
    }
    let mut person = person(&mut world, base);
    person.fulfil(&Wish::Edit(more("data-lake-3"))).await;
    person.check_end(None).await;
    bad.append(&mut person.violations);
    Ok(Blown::Through(bad))
}
