//! Fault points: named moments between two durable steps, where a test can kill Galley, fail a write or hold it up.
//!
//! Without the feature `faults` every function here is an empty inline one and nothing is compiled in. With it, a point
//! is `area.what.moment` (`store.designs.put.renamed`), [`arm`] takes the plan of one run from the environment that
//! config.rs read, and `make crash` (tests/crash) enumerates the points and dies at each of them. Names nobody; may be
//! named by everybody.

use std::io;

/// What happens at a point: `point:nth:action`, several separated by commas. `point` may end in `*`; `nth` counts from 1.
/// Actions: `galley` (SIGKILL to ourselves), `terraform` (to our Terraform children, then ourselves), `everything`
/// (to every child, the simulated cloud included, then ourselves), `enospc` (the step fails), `delay-<ms>`.
pub const VARIABLE: &str = "GALLEY_FAULT";
/// File that gets one line for every point passed, in order.
pub const RECORD_VARIABLE: &str = "GALLEY_FAULT_RECORD";

#[cfg(not(feature = "faults"))]
mod inert {
    use std::io;

    /// A moment of a durable step that can fail.
    #[inline(always)]
    pub fn at(_area: &str, _what: &str, _moment: &str) -> io::Result<()> {
        Ok(())
    }
    /// A moment of writing the file of a key.
    #[inline(always)]
    pub fn file(_area: &str, _key: &str, _moment: &str) -> io::Result<()> {
        Ok(())
    }
    /// A moment that cannot fail.
    #[inline(always)]
    pub fn pass(_area: &str, _what: &str, _moment: &str) {}
}
#[cfg(not(feature = "faults"))]
pub use inert::{at, file, pass};

#[cfg(feature = "faults")]
mod armed {
    use std::collections::HashMap;
    use std::fs::{File, OpenOptions};
    use std::io::{self, Write};
    use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
    use std::time::Duration;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::{Action, Fault};

    static PLAN: OnceLock<Plan> = OnceLock::new();

    struct Plan {
        faults: Vec<Fault>,
        seen: Mutex<HashMap<String, usize>>,
        record: Option<Mutex<File>>,
    }

    /// Takes the plan of this run. Only the first call counts. Errors: a plan that does not read, a record that does not open.
    pub fn arm(plan: Option<&str>, record: Option<&str>) -> io::Result<()> {
        let faults = plan.map(super::parse).transpose()?.unwrap_or_default();
        let record = record.map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose()?.map(Mutex::new);
        let _ = PLAN.set(Plan { faults, seen: Mutex::default(), record });
        Ok(())
    }

    /// A moment of a durable step that can fail.
    pub fn at(area: &str, what: &str, moment: &str) -> io::Result<()> {
        let Some(plan) = PLAN.get() else { return Ok(()) };
        reach(plan, &format!("{area}.{what}.{moment}"))
    }

    /// A moment of writing the file of a key.
    pub fn file(area: &str, key: &str, moment: &str) -> io::Result<()> {
        let Some(plan) = PLAN.get() else { return Ok(()) };
        reach(plan, &format!("{area}.{}.{moment}", super::kind_of(key)))
    }

    /// A moment that cannot fail: `enospc` means nothing here.
    pub fn pass(area: &str, what: &str, moment: &str) {
        if at(area, what, moment).is_err() {
            tracing::debug!(area, what, moment, "this point has nothing that could fail");
        }
    }

    fn reach(plan: &Plan, point: &str) -> io::Result<()> {
        if let Some(record) = &plan.record {
            let _ = lock(record).write_all(format!("{point}\n").as_bytes());
        }
        let mut due = Vec::new();
        {
            let mut seen = lock(&plan.seen);
            for fault in plan.faults.iter().filter(|fault| fault.covers(point)) {
                let count = seen.entry(fault.point.clone()).or_default();
                *count += 1;
                if *count == fault.nth {
                    due.push(fault.action.clone());
                }
            }
        }
        due.into_iter().try_for_each(perform)
    }

    fn perform(action: Action) -> io::Result<()> {
        match action {
            Action::Galley => die(),
            Action::Terraform => {
                kill_children(|command| !command.contains("sandbox-provider"));
                die()
            }
            Action::Everything => {
                kill_children(|_| true);
                die()
            }
            Action::NoSpace => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
            Action::Delay(pause) => {
                std::thread::sleep(pause);
                Ok(())
            }
        }
    }

    fn die() -> ! {
        let _ = kill(Pid::this(), Signal::SIGKILL);
        // SIGKILL needs a moment to arrive; nothing may run on in it
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    fn kill_children(wanted: impl Fn(&str) -> bool) {
        let us = std::process::id();
        let Ok(entries) = std::fs::read_dir("/proc") else { return };
        for entry in entries.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // pid (comm) state ppid …: comm may hold anything, so from its last bracket on (proc(5))
            let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)).and_then(|text| text.parse::<u32>().ok());
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if parent == Some(us) && wanted(&String::from_utf8_lossy(&command)) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }

    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
#[cfg(feature = "faults")]
pub use armed::{arm, at, file, pass};

/// Does nothing in this build; a plan that is given is refused, so that nobody believes it was carried out.
#[cfg(not(feature = "faults"))]
pub fn arm(plan: Option<&str>, record: Option<&str>) -> io::Result<()> {
    match (plan, record) {
        (None, None) => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, format!("{VARIABLE} needs a build with --features faults"))),
    }
}

#[cfg(any(feature = "faults", test))]
#[derive(Debug, Clone, PartialEq)]
enum Action {
    Galley,
    Terraform,
    Everything,
    NoSpace,
    Delay(std::time::Duration),
}

#[cfg(any(feature = "faults", test))]
#[derive(Debug, Clone, PartialEq)]
struct Fault {
    point: String,
    nth: usize,
    action: Action,
}

#[cfg(any(feature = "faults", test))]
impl Fault {
    fn covers(&self, point: &str) -> bool {
        self.point.strip_suffix('*').map_or(self.point == point, |start| point.starts_with(start))
    }
}

#[cfg(any(feature = "faults", test))]
fn parse(text: &str) -> io::Result<Vec<Fault>> {
    text.split(',')
        .map(|one| parse_one(one.trim()).ok_or_else(|| io::Error::other(format!("{VARIABLE}: {one:?} is not point:nth:action"))))
        .collect()
}

#[cfg(any(feature = "faults", test))]
fn parse_one(text: &str) -> Option<Fault> {
    let (rest, action) = text.rsplit_once(':')?;
    let (point, nth) = rest.rsplit_once(':')?;
    let action = match action {
        "galley" => Action::Galley,
        "terraform" => Action::Terraform,
        "everything" => Action::Everything,
        "enospc" => Action::NoSpace,
        delay => Action::Delay(std::time::Duration::from_millis(delay.strip_prefix("delay-")?.parse().ok()?)),
    };
    let nth = nth.parse().ok().filter(|nth| *nth > 0)?;
    (!point.is_empty()).then(|| Fault { point: point.to_owned(), nth, action })
}

/// What a key holds, without names and uids: `registry/designs/default/x.json` → `designs`,
/// `designs/<uid>/state/7.tfstate` → `state`, `designs/<uid>/jobs/<job>/plan.bin` → `plan_bin`.
#[cfg(any(feature = "faults", test))]
fn kind_of(key: &str) -> String {
    let parts: Vec<&str> = key.split('/').collect();
    let kind = match parts.as_slice() {
        ["registry", kind, ..] => kind,
        ["designs", _, "jobs", _, file] => file,
        ["designs", _, "state", ..] => "state",
        ["designs", _, kind, ..] => kind,
        [.., file] => file,
        [] => "",
    };
    kind.trim_end_matches(".json").replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_as_it_is_written_and_nothing_else_does() {
        let plan = parse("store.designs.*:3:terraform, gate.claim.before:1:delay-20").unwrap();
        assert!(plan[0].covers("store.designs.put.temp") && !plan[0].covers("store.sessions.put.temp"));
        assert_eq!((plan[0].nth, &plan[0].action), (3, &Action::Terraform));
        assert_eq!(plan[1].action, Action::Delay(std::time::Duration::from_millis(20)));
        for (reason, text) in
            [("no action", "a:1"), ("counted from 1", "a:0:galley"), ("no such action", "a:1:smile"), ("no point", ":1:galley")]
        {
            assert!(parse(text).is_err(), "{reason}");
        }
    }

    #[test]
    fn a_point_names_what_is_written_and_not_whose_it_is() {
        let rows = [
            ("registry/designs/default/s-1.json", "designs"),
            ("designs/uid/state/7.tfstate", "state"),
            ("designs/uid/jobs/s-1-plan-0a/plan.bin", "plan_bin"),
            ("designs/uid/jobs/s-1-plan-0a/plan.json", "plan"),
            ("designs/uid/secrets.json", "secrets"),
            ("epoch", "epoch"),
        ];
        for (key, kind) in rows {
            assert_eq!(kind_of(key), kind, "{key}");
        }
    }
}
