//! Disks: full, read-only, slow, failing, and a state file that is torn.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Blown, begin, eventually, more, person, slow, start, when_it_runs};
use crate::kills::Base;
use crate::person::Wish;
use crate::world::World;

/// Long enough that the apply ends while nothing can be written.
const HELD: Duration = Duration::from_secs(3);

/// Nothing can be written while an apply works and ends. Edits are refused with advice; after it everything catches up.
pub async fn during_an_apply(base: &Base, how: &'static str, advice: &str) -> std::io::Result<Blown> {
    let mut world = begin(base).await?;
    slow(&world, base, Duration::from_millis(600));
    let (disk, server) = (world.file("weather").join("disk"), world.base().to_owned());
    let storm = when_it_runs(&world, "apply", move || {
        std::thread::sleep(Duration::from_millis(200));
        std::fs::write(&disk, how).expect("weather");
        let said = super::refusal(&server);
        std::thread::sleep(HELD);
        std::fs::remove_file(&disk).expect("weather");
        said
    });
    let mut bad = settle_down(&mut world, base).await;
    bad.extend(advised(storm.join(), advice));
    Ok(Blown::Through(bad))
}

/// An edit in the middle of a storm was refused with words that help.
fn advised(said: std::thread::Result<Option<Option<String>>>, advice: &str) -> Option<String> {
    match said {
        Ok(Some(Some(said))) if said.contains(advice) => None,
        Ok(Some(said)) => Some(format!("an edit is not refused with {advice:?}: {said:?}")),
        Ok(None) => Some("there was no apply".to_owned()),
        Err(_) => Some("the storm itself failed".to_owned()),
    }
}

/// The edit is made, whatever it takes; then everything holds, the mirror has caught up, and it survives a restart.
async fn settle_down(world: &mut World, base: &Base) -> Vec<String> {
    let mut person = person(world, base);
    person.fulfil(&Wish::Edit(more("data-lake-3"))).await;
    person.check_end(None).await;
    let mut bad = std::mem::take(&mut person.violations);
    let caught_up = |world: &World| {
        world.file_version(&base.1).is_some() && world.file_version(&base.1) == world.mirrored(&base.1).map(|(version, _)| version)
    };
    if !eventually(Duration::from_secs(10), || caught_up(world)).await {
        bad.push(format!("the mirror did not catch up: file {:?}, mirror {:?}", world.file_version(&base.1), world.mirrored(&base.1)));
    }
    world.stop().await;
    if let Err(error) = start(world).await {
        bad.push(error.to_string());
        return bad;
    }
    let mut person = super::person(world, base);
    person.fulfil(&Wish::Edit(more("data-pond-3"))).await;
    person.check_end(None).await;
    bad.append(&mut person.violations);
    bad
}

/// Unmounted when it goes.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A real file system of a few MiB, filled to the last byte while terraform applies: its own files cannot be written either.
pub async fn a_small_one(base: &Base) -> std::io::Result<Blown> {
    let mut world = World::new(None)?;
    std::fs::create_dir(world.data())?;
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m,mode=0700", "none"]).arg(world.data()).output()?;
    if !mounted.status.success() {
        return Ok(Blown::Skipped("no file system may be mounted here".to_owned()));
    }
    let _mounted = Mounted(world.data());
    let copied = Command::new("cp").arg("-a").arg(format!("{}/.", base.0.display())).arg(world.data()).status()?;
    let _ = std::fs::remove_dir_all(world.data().join("run"));
    if !copied.success() {
        return Err(std::io::Error::other("cannot copy the data directory"));
    }
    start(&mut world).await?;
    slow(&world, base, Duration::from_millis(600));
    let server = world.base().to_owned();
    let (ballast, cloud) = (world.data().join("ballast"), world.data().join("sandbox"));
    let storm = when_it_runs(&world, "apply", move || {
        // the simulated cloud lies on the same disk and must be able to note what it made: it has its own reserve
        let reserve = cloud.join("reserve");
        std::fs::write(&reserve, vec![0; 256 * 1024]).expect("reserve");
        std::thread::sleep(Duration::from_millis(300));
        fill(&ballast);
        let said = super::refusal(&server);
        std::thread::sleep(HELD);
        std::fs::remove_file(&ballast).expect("ballast");
        let _ = std::fs::remove_file(&reserve);
        said
    });
    let mut bad = settle_down(&mut world, base).await;
    bad.extend(advised(storm.join(), "free space"));
    world.kill();
    for (pid, _) in world.processes() {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
    Ok(Blown::Through(bad))
}

fn fill(path: &Path) {
    use std::io::Write;
    let Ok(mut file) = std::fs::File::create(path) else { return };
    for size in [1 << 20, 1 << 16, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// A server that cannot write does not look alive, and says why.
pub async fn at_the_start(base: &Base) -> std::io::Result<Blown> {
    let mut world = World::new(Some(&base.0))?;
    world.weather("disk", Some("readonly"));
    let mut bad = vec![];
    let started = world.start(None).await;
    if !matches!(started, Ok(crate::world::Start::Died)) {
        bad.push(format!("it starts on a disk that it cannot write: {started:?}"));
    }
    if !world.log().contains("Read-only file system") {
        bad.push(format!("it does not say why: {}", super::tail(&world.log())));
    }
    world.kill();
    world.weather("disk", None);
    start(&mut world).await?;
    bad.append(&mut settle_down(&mut world, base).await);
    Ok(Blown::Through(bad))
}

/// A disk that is slow or fails now and then, from beginning to end.
pub async fn all_along(base: &Base, how: &str) -> std::io::Result<Blown> {
    let mut world = begin(base).await?;
    world.weather("disk", Some(how));
    let mut person = person(&mut world, base);
    person.fulfil(&Wish::Edit(more("data-lake-3"))).await;
    person.world.weather("disk", None);
    person.check_end(None).await;
    let mut bad = std::mem::take(&mut person.violations);
    bad.append(&mut settle_down(&mut world, base).await);
    Ok(Blown::Through(bad))
}

/// Torn while Galley sleeps, and torn while it runs.
pub async fn a_torn_state(base: &Base) -> std::io::Result<Blown> {
    let mut world = begin(base).await?;
    let whole = std::fs::read(world.state_file(&base.1))?;
    let mut bad = vec![];
    for length in [whole.len() / 2, 0] {
        world.stop().await;
        std::fs::write(world.state_file(&base.1), &whole[..length])?;
        start(&mut world).await?;
        std::fs::write(world.state_file(&base.1), &whole[..length])?;
        let mut person = person(&mut world, base);
        person.fulfil(&Wish::Edit(more(&format!("data-lake-{length}")))).await;
        person.check_end(None).await;
        bad.append(&mut person.violations);
        if world.in_state(&base.1).is_none() {
            bad.push("the state file is still torn".to_owned());
        }
        std::fs::copy(world.state_file(&base.1), world.file("whole"))?;
    }
    Ok(Blown::Through(bad))
}
