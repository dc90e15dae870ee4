//! The session gate: `Session.status.activeOperation`. One heavy operation per session, Terraform or OCI command.
//!
//! The decision is pure ([`decide`]); claiming and releasing are compare-and-swaps on the session's resourceVersion.

use kube::ResourceExt;

use super::documents::{get, patch_status, value};
use super::{Ctx, Error};
use crate::api::session::ActiveOperation;
use crate::api::{Session, SessionStatus, TerraformJob, TerraformJobSpec, Time};
use crate::faults::{self, Mutant};

/// Kind of the holder that is a Terraform job.
pub const TERRAFORM_JOB: &str = "TerraformJob";
/// How often a lost race is run again before the caller comes back later. A session has few writers.
const RACES: usize = 5;

/// What is known of the document that holds a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// no such document
    Absent,
    /// it is there and done
    Terminal,
    /// it waits or works
    Live,
}

/// What a claim comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// nobody holds it, or its holder is gone: take it
    Take,
    /// we hold it already
    Ours,
    /// somebody works
    Busy,
}

/// Judges a claim of `wanted`. `settled`: the holder is ours to judge, or has been absent long enough to be a leftover.
pub fn decide(active: Option<&ActiveOperation>, wanted: &ActiveOperation, holder: Holder, settled: bool) -> Decision {
    match active {
        None => Decision::Take,
        Some(active) if active.kind == wanted.kind && active.name == wanted.name => Decision::Ours,
        Some(_) => match holder {
            Holder::Terminal => Decision::Take,
            Holder::Absent if settled => Decision::Take,
            Holder::Absent | Holder::Live => Decision::Busy,
        },
    }
}

/// Result of a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// the gate is held for the wanted operation
    Held,
    /// another operation holds it
    Busy(Box<ActiveOperation>),
}

/// The operation that a job is.
pub fn operation(name: &str, spec: &TerraformJobSpec, since: Time) -> ActiveOperation {
    ActiveOperation {
        kind: TERRAFORM_JOB.to_owned(),
        name: name.to_owned(),
        action: format!("{:?}", spec.action),
        uid: Some(spec.design_uid.clone()),
        requested: spec.requested,
        since,
    }
}

/// Claims the gate of a session. A session that does not exist has no other operation, so there is nothing to hold.
pub async fn claim(ctx: &Ctx, session: &str, wanted: &ActiveOperation) -> Result<Claim, Error> {
    if faults::is_broken(Mutant::NoGate) {
        return Ok(Claim::Held);
    }
    for _ in 0..RACES {
        let Some(read) = get::<Session>(&ctx.client, session).await? else { return Ok(Claim::Held) };
        let status = read.status.clone().unwrap_or_default();
        let holder = match &status.active_operation {
            Some(active) => holder(ctx, active).await?,
            None => Holder::Absent,
        };
        // A job is created by the one reconcile of its design that runs at a time: when that reconcile finds the job
        // absent, it is a leftover. Holders of other kinds get a grace between their claim and their creation.
        let settled = status.active_operation.as_ref().is_some_and(|active| {
            (active.kind == wanted.kind && active.uid == wanted.uid)
                || super::backoff::after(&active.since, ctx.settings.gate_grace).0 <= wanted.since.0
        });
        match decide(status.active_operation.as_ref(), wanted, holder, settled) {
            Decision::Ours => return Ok(Claim::Held),
            Decision::Busy => match status.active_operation {
                Some(active) => return Ok(Claim::Busy(Box::new(active))),
                None => continue,
            },
            Decision::Take => {
                let next = SessionStatus { active_operation: Some(wanted.clone()), ..status.clone() };
                faults::pass("gate", "claim", "before");
                match patch_status(&ctx.client, &read, &value(&status)?, &value(&next)?, true).await {
                    Ok(_) => {
                        faults::pass("gate", "claim", "after");
                        return Ok(Claim::Held);
                    }
                    Err(error) if error.is_conflict() => continue,
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Err(Error::Race { what: "session", name: session.to_owned() })
}

/// Releases the gate if `job` holds it.
pub async fn release(ctx: &Ctx, session: &str, job: &str) -> Result<(), Error> {
    for _ in 0..RACES {
        let Some(read) = get::<Session>(&ctx.client, session).await? else { return Ok(()) };
        let status = read.status.clone().unwrap_or_default();
        if !status.active_operation.as_ref().is_some_and(|active| active.kind == TERRAFORM_JOB && active.name == job) {
            return Ok(());
        }
        let next = SessionStatus { active_operation: None, ..status.clone() };
        faults::pass("gate", "release", "before");
        match patch_status(&ctx.client, &read, &value(&status)?, &value(&next)?, true).await {
            Ok(_) => {
                faults::pass("gate", "release", "after");
                return Ok(());
            }
            Err(error) if error.is_conflict() => continue,
            Err(error) => return Err(error),
        }
    }
    Err(Error::Race { what: "session", name: session.to_owned() })
}

/// Looks at the document that holds a gate. Kinds this server does not know count as live: they are not ours to judge.
pub async fn holder(ctx: &Ctx, active: &ActiveOperation) -> Result<Holder, Error> {
    if active.kind != TERRAFORM_JOB {
        return Ok(Holder::Live);
    }
    Ok(match get::<TerraformJob>(&ctx.client, &active.name).await? {
        None => Holder::Absent,
        Some(job) if job.phase().is_terminal() => Holder::Terminal,
        Some(job) => {
            tracing::trace!(job = %job.name_any(), "the gate is held");
            Holder::Live
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::Timestamp;

    fn operation(kind: &str, name: &str) -> ActiveOperation {
        let since = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH);
        ActiveOperation { kind: kind.into(), name: name.into(), action: "Plan".into(), uid: None, requested: true, since }
    }

    #[test]
    fn a_claim_follows_its_table() {
        let wanted = operation(TERRAFORM_JOB, "mine");
        let other = operation(TERRAFORM_JOB, "other");
        let namesake = operation("OciCommand", "mine");
        let rows = [
            ("a free gate is taken", None, Holder::Absent, false, Decision::Take),
            ("our own claim is repeated harmlessly", Some(&wanted), Holder::Absent, true, Decision::Ours),
            ("a live holder keeps it", Some(&other), Holder::Live, true, Decision::Busy),
            ("a terminal holder is a leftover", Some(&other), Holder::Terminal, false, Decision::Take),
            ("an absent holder may be about to be created", Some(&other), Holder::Absent, false, Decision::Busy),
            ("an absent holder of long ago is a leftover", Some(&other), Holder::Absent, true, Decision::Take),
            ("a namesake of another kind is somebody else", Some(&namesake), Holder::Live, true, Decision::Busy),
        ];
        for (reason, active, holder, settled, expected) in rows {
            assert_eq!(decide(active, &wanted, holder, settled), expected, "{reason}");
        }
    }
}
