//! What is kept, and for how long: jobs with their plans and logs per design, and how much disk everything may take.
//!
//! States are pruned by the mirror (20 serials), approvals by their controller, Events by the API server, logs by their own
//! bound. Near the bound of the disk fewer old jobs are kept; at the bound nothing starts but what destroys, because a
//! Terraform that cannot write its state is worse than one that waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, Resource, ResourceExt};
use tokio_util::sync::CancellationToken;

use super::documents::{delete, documents, get, unless_gone};
use super::{Ctx, Error};
use crate::api::{Design, DesignStatus, NAMESPACE, TerraformJob};
use crate::blobs::{BlobKey, JobBlob};

/// How often the disk is looked at: a walk over 10,000 designs takes a second of CPU.
const LOOK: Duration = Duration::from_secs(300);
/// How often when it is nearly full: somebody frees it and waits for us.
const LOOK_CLOSELY: Duration = Duration::from_secs(30);
/// From this share of the bound on fewer jobs are kept.
const TIGHT: f64 = 0.8;
/// So many jobs of a design are kept then.
const KEPT_WHEN_TIGHT: usize = 2;

/// Bytes under the data directory, by part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// part (documents, blobs, work, sandbox) → bytes
    pub parts: Vec<(&'static str, u64)>,
}

/// How full the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressure {
    /// no worry
    Easy,
    /// fewer old jobs are kept
    Tight,
    /// nothing starts but what destroys
    Full,
}

/// The bound and what was seen last.
#[derive(Default)]
pub struct Disk {
    look: Option<Arc<dyn Fn() -> std::io::Result<DiskUse> + Send + Sync>>,
    limit: u64,
    pressure: AtomicU8,
}

impl Disk {
    /// `look` measures, off the async threads; `limit` in bytes.
    pub fn bounded(limit: u64, look: Arc<dyn Fn() -> std::io::Result<DiskUse> + Send + Sync>) -> Self {
        Disk { look: Some(look), limit, pressure: AtomicU8::default() }
    }
    /// As it was seen last.
    pub fn pressure(&self) -> Pressure {
        match self.pressure.load(Ordering::Relaxed) {
            0 => Pressure::Easy,
            1 => Pressure::Tight,
            _ => Pressure::Full,
        }
    }
    /// What a job that may not start for lack of disk tells.
    pub fn wait_reason(&self) -> String {
        format!(
            "the data directory reached its bound of {} MB: delete sessions that are done with, or raise GALLEY_DISK_MB",
            self.limit >> 20
        )
    }
    fn note(&self, seen: &DiskUse) -> Pressure {
        let total: u64 = seen.parts.iter().map(|(_, bytes)| bytes).sum();
        for (part, bytes) in &seen.parts {
            metrics::gauge!("galley_disk_bytes", "part" => *part).set(*bytes as f64);
        }
        metrics::gauge!("galley_disk_limit_bytes").set(self.limit as f64);
        let found = judge(total, self.limit);
        self.pressure.store(found as u8, Ordering::Relaxed);
        found
    }
}

/// Pure.
fn judge(total: u64, limit: u64) -> Pressure {
    match total as f64 / limit.max(1) as f64 {
        share if share >= 1.0 => Pressure::Full,
        share if share >= TIGHT => Pressure::Tight,
        _ => Pressure::Easy,
    }
}

/// How many terminal jobs of a design are kept now.
pub fn jobs_kept(ctx: &Ctx) -> usize {
    match ctx.disk.pressure() {
        Pressure::Easy => ctx.settings.job_retention,
        Pressure::Tight | Pressure::Full => ctx.settings.job_retention.min(KEPT_WHEN_TIGHT),
    }
}

/// Looks at the disk until the server stops.
pub async fn watch_disk(ctx: &Ctx, shutdown: &CancellationToken) {
    let Some(look) = ctx.disk.look.clone() else { return };
    loop {
        let measure = look.clone();
        let pressure = match tokio::task::spawn_blocking(move || measure()).await {
            Ok(Ok(seen)) => ctx.disk.note(&seen),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the disk use is not known");
                ctx.disk.pressure()
            }
            Err(_) => return,
        };
        if pressure != Pressure::Easy {
            tracing::warn!(?pressure, limit = ctx.disk.limit, "the data directory is nearly full; old jobs go");
            if let Err(error) = sweep(ctx).await {
                tracing::warn!(error = %error.chain(), "old jobs were not removed");
            }
        }
        let pause = if pressure == Pressure::Easy { LOOK } else { LOOK_CLOSELY };
        // cancel safe: nothing is held
        tokio::select! { () = shutdown.cancelled() => return, () = tokio::time::sleep(pause) => {} }
    }
}

/// Removes the old jobs of every design.
async fn sweep(ctx: &Ctx) -> Result<(), Error> {
    let api: Api<PartialObjectMeta<Design>> = Api::namespaced(ctx.client.clone(), NAMESPACE);
    let listed = api.list_metadata(&ListParams::default()).await;
    let listed = listed.map_err(|source| Error::api("list", Design::kind(&()), "", source))?;
    for name in listed.items.into_iter().filter_map(|design| design.metadata.name) {
        match get::<Design>(&ctx.client, &name).await {
            Ok(Some(design)) => {
                let uid = design.uid().unwrap_or_default();
                prune_jobs(ctx, &name, &uid, &design.status.unwrap_or_default()).await?;
            }
            Ok(None) => {}
            Err(error) if error.is_undecodable() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Keeps the newest terminal jobs of a design; what the status points at stays.
pub async fn prune_jobs(ctx: &Ctx, design: &str, uid: &str, status: &DesignStatus) -> Result<(), Error> {
    let keep = jobs_kept(ctx);
    let api = documents::<TerraformJob>(&ctx.client);
    let selector = ListParams::default().fields(&format!("spec.designRef={design}"));
    let list = api.list(&selector).await.map_err(|source| Error::api("list", TerraformJob::kind(&()), "", source))?;
    let kept = |name: &str| {
        status.plan.as_ref().is_some_and(|plan| plan.job == name)
            || status.last_failure.as_ref().is_some_and(|failure| failure.job == name)
            || status.outcome.as_ref().and_then(|outcome| outcome.job.as_deref()) == Some(name)
            || status.active_job.as_deref() == Some(name)
    };
    let mut old: Vec<TerraformJob> = list.items.into_iter().filter(|job| job.spec.design_uid == uid && job.phase().is_terminal()).collect();
    old.sort_by_key(|job| std::cmp::Reverse(job.creation_timestamp().map(|time| time.0)));
    let digests: Vec<String> = old.iter().take(keep).map(|job| job.spec.digest.clone()).collect();
    for job in old.into_iter().skip(keep) {
        let name = job.name_any();
        if kept(&name) {
            continue;
        }
        for what in [JobBlob::Log, JobBlob::Plan, JobBlob::PlanJson] {
            ctx.blobs.delete(&BlobKey::job(uid, &name, what)).await?;
        }
        let digest = &job.spec.digest;
        if !digests.contains(digest) && status.plan.as_ref().is_none_or(|plan| plan.digest != *digest) {
            ctx.blobs.delete(&BlobKey::rendered(uid, digest)).await?;
        }
        unless_gone(delete::<TerraformJob>(&ctx.client, &name).await)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_judged_by_its_bound() {
        const GIB: u64 = 1 << 30;
        for (reason, total, found) in [
            ("half", 5 * GIB, Pressure::Easy),
            ("four fifths: old jobs go", 8 * GIB, Pressure::Tight),
            ("the bound itself: nothing new starts", 10 * GIB, Pressure::Full),
            ("more than that", 11 * GIB, Pressure::Full),
        ] {
            assert_eq!(judge(total, 10 * GIB), found, "{reason}");
        }
        let disk = Disk::bounded(10 * GIB, Arc::new(|| Ok(DiskUse::default())));
        disk.note(&DiskUse { parts: vec![("blobs", 9 * GIB), ("work", 2 * GIB)] });
        assert_eq!(disk.pressure(), Pressure::Full, "the parts are summed");
    }
}
