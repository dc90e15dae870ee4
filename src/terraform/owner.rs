//! Who runs a job, and whether it can be proven dead.

use std::path::Path;

use crate::api::terraformjob::Owner;
use crate::process;

/// What proves an owner on another host dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OtherHosts {
    /// nothing: a person decides
    #[default]
    Unknown,
    /// a newer epoch: it is only given out after the old writer's lease ended, and a writer that loses its lease stops
    /// Terraform before it exits
    FencedByEpoch,
}

/// How an owner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// its process runs on this host
    Alive,
    /// proven dead
    Dead,
    /// on another host
    Unknown,
}

/// This process's mark on what it starts.
pub(super) fn of(running: &process::Running, epoch: u64) -> Owner {
    Owner { host: process::host_name(), boot_id: process::boot_id(), pid: Some(running.pid()), start_time: running.start_time(), epoch }
}

/// Processes of a run that work in the directory, whoever they are: a leftover terraform without a record, or plugins
/// whose terraform is gone.
pub(super) fn leftovers(workdir: &Path) -> Vec<u32> {
    let (name, value) = super::args::MARK;
    process::processes_in(workdir, &format!("{name}={value}"))
}

/// Judges one recorded owner.
pub(super) fn judge(owner: &Owner, epoch: u64, other_hosts: OtherHosts) -> Life {
    if owner.host != process::host_name() {
        return match other_hosts {
            OtherHosts::FencedByEpoch if owner.epoch < epoch => Life::Dead,
            OtherHosts::FencedByEpoch | OtherHosts::Unknown => Life::Unknown,
        };
    }
    if owner.boot_id != process::boot_id() {
        return Life::Dead;
    }
    match (owner.pid, owner.start_time) {
        (Some(pid), Some(start_time)) if process::is_alive(pid, start_time) => Life::Alive,
        _ => Life::Dead,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_dead_only_when_that_is_proven() {
        let us = std::process::id();
        let alive =
            Owner { host: process::host_name(), boot_id: process::boot_id(), pid: Some(us), start_time: process::start_time(us), epoch: 3 };
        let elsewhere = Owner { host: "elsewhere".into(), ..alive.clone() };
        let fenced = OtherHosts::FencedByEpoch;
        let table = [
            (alive.clone(), OtherHosts::Unknown, 4, Life::Alive, "pid and start time match"),
            (Owner { start_time: Some(1), ..alive.clone() }, OtherHosts::Unknown, 4, Life::Dead, "the pid was given to another process"),
            (Owner { boot_id: "old".into(), ..alive.clone() }, OtherHosts::Unknown, 4, Life::Dead, "the machine started anew"),
            (Owner { pid: None, start_time: None, ..alive.clone() }, OtherHosts::Unknown, 4, Life::Dead, "claimed, never started"),
            (elsewhere.clone(), OtherHosts::Unknown, 4, Life::Unknown, "another host cannot be asked"),
            (elsewhere.clone(), fenced, 4, Life::Dead, "a newer epoch fences the old writer"),
            (elsewhere, fenced, 3, Life::Unknown, "the same epoch fences nobody"),
        ];
        for (owner, other_hosts, epoch, expected, reason) in table {
            assert_eq!(judge(&owner, epoch, other_hosts), expected, "{reason}");
        }
    }
}
