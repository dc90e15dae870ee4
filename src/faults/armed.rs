//! The build of `make crash`: points are counted, recorded and, where ordered, end in a kill, a failure or a delay.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::orders::{Action, Fault, kind_of, parse};
use super::{MUTANT_VARIABLE, Mutant, RECORD_VARIABLE, VARIABLE, WEATHER_VARIABLE};

/// A file under whatever name: inode and birth, because an inode is used again by whoever comes next.
type Identity = (u64, Option<SystemTime>);

static PLAN: OnceLock<Plan> = OnceLock::new();

struct Plan {
    faults: Vec<Fault>,
    seen: Mutex<HashMap<String, usize>>,
    record: Option<Mutex<File>>,
    weather: Option<PathBuf>,
    writes: AtomicUsize,
    mutant: Option<Mutant>,
    data: PathBuf,
    /// what a power cut takes; None when the power stays on
    volatile: Option<Mutex<Volatile>>,
}

/// What is in the page cache and not on the medium.
#[derive(Default)]
struct Volatile {
    /// what was there before each replaced file, newest last
    replaced: Vec<(PathBuf, Option<Vec<u8>>)>,
    /// files whose bytes were not synced: under whatever name, they are empty afterwards
    unsynced: HashSet<Identity>,
}

/// Takes the orders of this run; `data` is the data directory. Only the first call counts. Errors: an order that does not
/// read, a record that does not open.
pub fn arm<'a>(order: impl Fn(&str) -> Option<&'a str>, data: &Path) -> io::Result<()> {
    let faults = order(VARIABLE).map(parse).transpose()?.unwrap_or_default();
    let open = |path: &str| OpenOptions::new().create(true).append(true).open(path);
    let mutant = |word: &str| {
        let found = Mutant::ALL.iter().find(|(_, name)| *name == word).map(|(mutant, _)| *mutant);
        found.ok_or_else(|| io::Error::other(format!("{MUTANT_VARIABLE}: there is no {word:?}")))
    };
    let power = faults.iter().any(|fault| fault.action == Action::Power);
    let plan = Plan {
        record: order(RECORD_VARIABLE).map(open).transpose()?.map(Mutex::new),
        weather: order(WEATHER_VARIABLE).map(PathBuf::from),
        mutant: order(MUTANT_VARIABLE).map(mutant).transpose()?,
        seen: Mutex::default(),
        writes: AtomicUsize::new(0),
        data: data.to_owned(),
        volatile: power.then(Mutex::default),
        faults,
    };
    let _ = PLAN.set(plan);
    Ok(())
}

/// A moment of a durable step that can fail.
pub fn at(area: &str, what: &str, moment: &str) -> io::Result<()> {
    let Some(plan) = PLAN.get() else { return Ok(()) };
    if matches!(moment, "put.before" | "delete.before") {
        weather(plan, moment == "put.before")?;
    }
    reach(plan, &format!("{area}.{what}.{moment}"))
}

/// A moment of writing the file of a key.
pub fn file(area: &str, key: &str, moment: &str) -> io::Result<()> {
    if PLAN.get().is_some() { at(area, &kind_of(key), moment) } else { Ok(()) }
}

/// A moment that cannot fail: `enospc` means nothing here.
pub fn pass(area: &str, what: &str, moment: &str) {
    if at(area, what, moment).is_err() {
        tracing::debug!(area, what, moment, "this point has nothing that could fail");
    }
}

/// A write is about to reach the disk.
pub fn disk() -> io::Result<()> {
    PLAN.get().map_or(Ok(()), |plan| weather(plan, true))
}

/// A file is about to be replaced or removed; until [`synced`] a power cut may bring it back.
pub fn replacing(path: &Path) {
    if let Some(volatile) = PLAN.get().and_then(|plan| plan.volatile.as_ref()) {
        lock(volatile).replaced.push((path.to_owned(), fs::read(path).ok()));
    }
}

/// The names of a directory are on the medium.
pub fn synced(directory: &Path) {
    if let Some(volatile) = PLAN.get().and_then(|plan| plan.volatile.as_ref()) {
        lock(volatile).replaced.retain(|(path, _)| path.parent() != Some(directory));
    }
}

/// The bytes of a file are not on the medium yet; until [`flushed`] a power cut may empty it.
pub fn unsynced(path: &Path) {
    note_bytes(path, |unsynced, file| {
        unsynced.insert(file);
    });
}

/// The bytes of a file are on the medium.
pub fn flushed(path: &Path) {
    note_bytes(path, |unsynced, file| {
        unsynced.remove(&file);
    });
}

fn note_bytes(path: &Path, change: impl FnOnce(&mut HashSet<Identity>, Identity)) {
    if let Some(volatile) = PLAN.get().and_then(|plan| plan.volatile.as_ref())
        && let Ok(meta) = fs::metadata(path)
    {
        change(&mut lock(volatile).unsynced, identity(&meta));
    }
}

/// Seconds that the clock is wrong by.
pub fn skew() -> i64 {
    let said = PLAN.get().and_then(|plan| fs::read_to_string(plan.weather.as_ref()?.join("clock")).ok());
    said.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Whether this promise is broken on purpose.
pub fn is_broken(mutant: Mutant) -> bool {
    PLAN.get().is_some_and(|plan| plan.mutant == Some(mutant))
}

fn weather(plan: &Plan, grows: bool) -> io::Result<()> {
    let Some(text) = plan.weather.as_ref().and_then(|dir| fs::read_to_string(dir.join("disk")).ok()) else { return Ok(()) };
    let mut words = text.split_whitespace();
    let (kind, number) = (words.next(), words.next().and_then(|word| word.parse::<usize>().ok()).unwrap_or(1).max(1));
    match kind {
        Some("full") if grows => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
        Some("readonly") => Err(io::Error::from_raw_os_error(libc::EROFS)),
        Some("slow") => {
            std::thread::sleep(Duration::from_millis(number as u64));
            Ok(())
        }
        Some("flaky") if plan.writes.fetch_add(1, Ordering::Relaxed) % number == number - 1 => Err(io::Error::from_raw_os_error(libc::EIO)),
        _ => Ok(()),
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
    due.into_iter().try_for_each(|action| perform(plan, action))
}

fn perform(plan: &Plan, action: Action) -> io::Result<()> {
    match action {
        Action::Galley => die(),
        Action::Terraform => {
            kill_others(plan, |command| !command.contains("sandbox-provider"));
            die()
        }
        Action::Everything => {
            kill_others(plan, |_| true);
            die()
        }
        Action::Power => {
            // From here on nothing of ours may be written any more: whoever writes waits for this lock, and dies with it.
            let volatile = plan.volatile.as_ref().map(lock);
            kill_others(plan, |_| true);
            if let Some(volatile) = volatile.as_deref() {
                cut_power(plan, volatile);
            }
            die()
        }
        Action::NoSpace => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
        Action::Delay(pause) => {
            std::thread::sleep(pause);
            Ok(())
        }
    }
}

/// Empties and undoes what was not synced, newest first, and tears every state file; a copy of each stays for whoever checks.
fn cut_power(plan: &Plan, volatile: &Volatile) {
    // first, because what is put back takes the place of a file under its name, bytes and all
    empty(&plan.data, &volatile.unsynced);
    for (path, before) in volatile.replaced.iter().rev() {
        let _ = match before {
            Some(bytes) => fs::write(path, bytes),
            None => fs::remove_file(path),
        };
    }
    for entry in fs::read_dir(plan.data.join("work")).into_iter().flatten().flatten() {
        let state = entry.path().join("terraform.tfstate");
        if let Ok(bytes) = fs::read(&state) {
            let _ = fs::write(plan.data.join(format!("before-the-cut-{}", entry.file_name().to_string_lossy())), &bytes);
            let _ = fs::write(&state, &bytes[..bytes.len() / 3]);
        }
    }
}

fn identity(meta: &fs::Metadata) -> Identity {
    (meta.ino(), meta.created().ok())
}

fn empty(directory: &Path, unsynced: &HashSet<Identity>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() {
            empty(&entry.path(), unsynced);
        } else if meta.is_file() && unsynced.contains(&identity(&meta)) {
            let _ = File::create(entry.path());
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

/// Our children, and the simulated cloud that an earlier run of ours left running.
fn kill_others(plan: &Plan, wanted: impl Fn(&str) -> bool) {
    let (us, data) = (std::process::id(), plan.data.display().to_string());
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // pid (comm) state ppid …: comm may hold anything, so from its last bracket on (proc(5))
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)).and_then(|text| text.parse::<u32>().ok());
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command);
        let ours = parent == Some(us) || (command.contains("sandbox-provider") && command.contains(&data));
        if ours && wanted(&command) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
