//! Terraforms that misbehave: scripts that stand before the real one and do, once, what real ones have been seen to do.

use std::time::Duration;

use galley::api::terraformjob::{Action, JobPhase};

use super::{Blown, begin, eventually, more, person, slow, start, when_it_runs};
use crate::kills::Base;
use crate::person::Wish;
use crate::world::{World, processes_in, terraform};

/// A terraform that does `once` at its first `command` and is the real one from then on. In the script `$real` is the real
/// one.
fn once(world: &World, command: &str, once: &str) -> std::io::Result<()> {
    let real = terraform().unwrap_or_default();
    let (mark, real) = (world.file("misbehaved").display().to_string(), real.display().to_string());
    world.become_terraform(&format!(
        "real='{real}'\nif [ \"$1\" = {command} ] && ! [ -e '{mark}' ]; then\n: > '{mark}'\n{once}\nfi\nexec \"$real\" \"$@\"\n"
    ))
}

/// The edit comes true all the same, and everything holds. Gives what was wrong and the phases of all jobs of an action.
async fn through(world: &mut World, base: &Base, action: Action) -> (Vec<String>, Vec<JobPhase>) {
    let mut person = person(world, base);
    person.fulfil(&Wish::Edit(more("data-lake-3"))).await;
    person.check_end(None).await;
    let jobs = person.jobs().list(&Default::default()).await.map(|list| list.items).unwrap_or_default();
    let phases = jobs.iter().filter(|job| job.spec.action == action).map(|job| job.phase()).collect();
    (std::mem::take(&mut person.violations), phases)
}

fn among(bad: &mut Vec<String>, phases: &[JobPhase], wanted: JobPhase) {
    if !phases.contains(&wanted) {
        bad.push(format!("no job is {wanted:?}: {phases:?}"));
    }
}

/// A plan that does nothing and cannot be interrupted: a shutdown ends it after its grace, and the next start goes on.
pub async fn hangs(base: &Base) -> std::io::Result<Blown> {
    let mut world = World::new(Some(&base.0))?;
    world.settings.push(("GALLEY_SHUTDOWN_GRACE", "2".to_owned()));
    once(&world, "plan", "trap '' INT TERM\nwhile :; do sleep 1; done")?;
    start(&mut world).await?;
    let mark = world.file("misbehaved");
    let mut person = person(&mut world, base);
    person.fulfil(&Wish::Nudge(more("data-pond-3"))).await;
    let mut bad = std::mem::take(&mut person.violations);
    if !eventually(Duration::from_secs(20), || mark.exists()).await {
        bad.push("it was never planned".to_owned());
    }
    let began = std::time::Instant::now();
    world.stop().await;
    if began.elapsed() > Duration::from_secs(15) {
        bad.push(format!("the shutdown took {:?}", began.elapsed()));
    }
    start(&mut world).await?;
    let (mut more, phases) = through(&mut world, base, Action::Plan).await;
    bad.append(&mut more);
    among(&mut bad, &phases, JobPhase::Succeeded);
    if phases.iter().any(|phase| !phase.is_terminal()) {
        bad.push(format!("a plan is open: {phases:?}"));
    }
    Ok(Blown::Through(bad))
}

/// What the kernel does when memory is short: SIGKILL in the middle of an apply.
pub async fn is_killed(base: &Base) -> std::io::Result<Blown> {
    let mut world = begin(base).await?;
    slow(&world, base, Duration::from_millis(800));
    once(&world, "apply", "\"$real\" \"$@\" &\npid=$!\nsleep 0.7\nkill -9 $pid\nkill -9 $$")?;
    let (mut bad, phases) = through(&mut world, base, Action::Apply).await;
    among(&mut bad, &phases, JobPhase::Interrupted);
    Ok(Blown::Through(bad))
}

/// A provider that dies in the middle of a create: terraform says that the create failed, and the cloud has it all the same.
pub async fn loses_its_provider(base: &Base) -> std::io::Result<Blown> {
    let mut world = begin(base).await?;
    slow(&world, base, Duration::from_millis(900));
    let data = world.data();
    let kill = when_it_runs(&world, "apply", move || {
        std::thread::sleep(Duration::from_millis(600));
        let providers = || processes_in(&data).into_iter().filter(|(_, command)| command.contains("sandbox-provider"));
        providers()
            .filter(|(pid, _)| nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGKILL).is_ok())
            .count()
    });
    let (mut bad, phases) = through(&mut world, base, Action::Apply).await;
    if !matches!(kill.join(), Ok(Some(1))) {
        bad.push("there was no provider to kill".to_owned());
    }
    // nobody was asked: it was looked for, found, and taken over by the next plan
    among(&mut bad, &phases, JobPhase::Failed);
    Ok(Blown::Through(bad))
}

/// Bytes that are no events, no text and no lines, before and between the events of an apply.
pub async fn prints_garbage(base: &Base) -> std::io::Result<Blown> {
    let mut world = begin(base).await?;
    let garbage = "head -c 20000 /dev/urandom\nprintf '{\"@level\":\"info\",\"type\":\"apply_st'\nprintf '\\n{}\\n[]\\nnull\\n{\"type\":7}\\n'\nhead -c 400000 /dev/zero\nhead -c 9000 /dev/urandom >&2";
    once(&world, "apply", garbage)?;
    let (mut bad, phases) = through(&mut world, base, Action::Apply).await;
    among(&mut bad, &phases, JobPhase::Succeeded);
    Ok(Blown::Through(bad))
}

/// An apply that makes everything, tells nobody and ends badly: as on a disk that took no more output.
pub async fn ends_without_a_word(base: &Base) -> std::io::Result<Blown> {
    let mut world = begin(base).await?;
    // the state it wrote is lost as well: what the cloud holds now is in no state and in no event
    once(
        &world,
        "apply",
        "cp terraform.tfstate ../before\n\"$real\" \"$@\" > /dev/null\ncat ../before > terraform.tfstate\nrm ../before terraform.tfstate.backup\nexit 1",
    )?;
    let (mut bad, phases) = through(&mut world, base, Action::Apply).await;
    // every other apply ends well: the one before, and the one that takes over what was found and in no state
    if phases.iter().all(|phase| *phase == JobPhase::Succeeded) {
        bad.push(format!("it is called a success: {phases:?}"));
    }
    Ok(Blown::Through(bad))
}

/// A child in terraform's group and one that left it. Neither holds anything up; the first is ended with the job, the second
/// when the design is recovered after a crash.
pub async fn leaves_children(base: &Base) -> std::io::Result<Blown> {
    let mut world = begin(base).await?;
    slow(&world, base, Duration::from_millis(500));
    once(&world, "apply", "sleep 611 &\nsetsid sleep 612 &")?;
    let pid = world.pid();
    let kill = when_it_runs(&world, "apply", move || {
        std::thread::sleep(Duration::from_millis(300));
        if let Some(pid) = pid {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL);
        }
    });
    let (mut bad, phases) = through(&mut world, base, Action::Apply).await;
    if !matches!(kill.join(), Ok(Some(()))) {
        bad.push("there was no apply".to_owned());
    }
    among(&mut bad, &phases, JobPhase::Interrupted);
    let left = |world: &World| -> Vec<String> {
        world.processes().into_iter().map(|(_, command)| command).filter(|command| command.starts_with("sleep 61")).collect()
    };
    if !eventually(Duration::from_secs(5), || left(&world).is_empty()).await {
        bad.push(format!("still there: {:?}", left(&world)));
    }
    Ok(Blown::Through(bad))
}
