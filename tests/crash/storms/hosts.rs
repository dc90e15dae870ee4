//! Clocks that jump, and a second server that wants the same data.

use std::time::Duration;

use super::{Blown, begin, eventually, more, person, slow, when_it_runs};
use crate::kills::Base;
use crate::person::Wish;

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
