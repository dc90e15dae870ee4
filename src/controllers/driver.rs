//! Runs the four controllers on kube's runtime, and stops them: no new work, SIGINT to what runs, wait, record.
//!
//! All watches carry metadata only. A watch of an approval must know its design, so that one is typed and guarded.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::{Action, Config, Controller, Error as ControllerError};
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Api, Resource};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::{Ctx, DESIGN_LABEL, Error, SESSION_LABEL, WhoActs, approval, design, job, measures, retention, session};
use crate::api::{Approval, Design, NAMESPACE, Session, TerraformJob};

/// After a lost race: everything is read again at once, but never in a busy loop.
const CONFLICT_PAUSE: Duration = Duration::from_millis(20);

/// How long a shutdown waits for a first listing: of memory, or of an API server that answers within a second or not at all.
const FIRST_LISTING: Duration = Duration::from_secs(5);
/// Beyond the grace of Terraform: the first listing, and the last status writes.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs every controller until `shutdown`; then stops Terraform gently and records everything.
pub async fn run(ctx: Arc<Ctx>, shutdown: CancellationToken) -> Result<(), Error> {
    let config = Config::default().concurrency(ctx.settings.concurrency);

    let sessions = Controller::new(metadata::<Session>(&ctx), watcher::Config::default());
    let stop_sessions = stop(sessions.store(), &shutdown);
    let sessions = sessions
        .watches(metadata::<Design>(&ctx), watcher::Config::default(), |design| same_name::<Session, _>(&design))
        .watches(metadata::<TerraformJob>(&ctx), watcher::Config::default(), |job| by_label::<Session>(&job, SESSION_LABEL))
        .with_config(config.clone())
        .graceful_shutdown_on(stop_sessions)
        .run(|bell, ctx| measures::timed("session", apart(session::reconcile(bell, ctx))), policy, ctx.clone())
        .for_each(log);

    let designs = Controller::new(metadata::<Design>(&ctx), watcher::Config::default());
    let stop_designs = stop(designs.store(), &shutdown);
    let designs = designs
        .watches(metadata::<TerraformJob>(&ctx), watcher::Config::default(), |job| by_label::<Design>(&job, DESIGN_LABEL))
        // a gate that was freed by somebody else rings through the session
        .watches(metadata::<Session>(&ctx), watcher::Config::default(), |session| same_name::<Design, _>(&session))
        .watches(guarded(&ctx), watcher::Config::default(), |approval| {
            approval.0.ok().map(|approval| ObjectRef::new(&approval.spec.design_ref).within(NAMESPACE))
        })
        .with_config(config.clone())
        .graceful_shutdown_on(stop_designs)
        .run(|bell, ctx| measures::timed("design", apart(design::reconcile(bell, ctx))), policy, ctx.clone())
        .for_each(log);

    let jobs = Controller::new(metadata::<TerraformJob>(&ctx), watcher::Config::default());
    let stop_jobs = stop(jobs.store(), &shutdown);
    let jobs = jobs
        .with_config(config.clone())
        .graceful_shutdown_on(stop_jobs)
        .run(|bell, ctx| measures::timed("job", apart(job::reconcile(bell, ctx))), policy, ctx.clone())
        .for_each(log);

    let approvals = Controller::new(guarded(&ctx), watcher::Config::default());
    let (store, known) = (approvals.store(), Arc::new(Known::default()));
    let seen = known.clone();
    let stop_approvals = stop(approvals.store(), &shutdown);
    let approvals = approvals
        .watches(metadata::<Design>(&ctx), watcher::Config::default(), move |design: PartialObjectMeta<Design>| {
            known.of(&design.metadata.name.unwrap_or_default(), |approval| store.get(approval).is_some())
        })
        .with_config(config)
        .graceful_shutdown_on(stop_approvals)
        .run(
            move |guard, ctx| {
                seen.note(&guard);
                let bell = PartialObjectMeta { types: None, metadata: guard.meta().clone(), _phantom: std::marker::PhantomData };
                measures::timed("approval", apart(approval::reconcile(Arc::new(bell), ctx)))
            },
            policy,
            ctx.clone(),
        )
        .for_each(log);

    // Terraform is told to stop in the same moment as the controllers: their reconciles never wait for it.
    let hands = async {
        shutdown.cancelled().await;
        if !ctx.running.close(ctx.settings.shutdown_grace).await {
            tracing::warn!("a job did not end in the grace of the shutdown; it is recovered at the next start");
        }
    };
    let all = async { futures::join!(sessions, designs, jobs, approvals, hands, retention::watch_disk(&ctx, &shutdown)) };
    // A controller whose first listing never came does not end by itself; reconciles are short, so nothing else takes this long.
    let patience = async {
        shutdown.cancelled().await;
        tokio::time::sleep(ctx.settings.shutdown_grace + DRAIN).await;
    };
    // cancel safe: what a reconcile had not written when it is dropped is seen again at the next start
    tokio::select! {
        _ = all => {}
        () = patience => tracing::warn!("a controller did not end in the grace of the shutdown"),
    }
    Ok(())
}

/// One reconcile in a task of its own. kube polls all reconciles of a controller in one task: there what one of them computes
/// holds up all the others, on a machine whose other cores have nothing to do.
fn apart<T: Send + 'static>(reconcile: impl Future<Output = T> + Send + 'static) -> impl Future<Output = T> {
    let span = tracing::Span::current();
    async move {
        // aborted when it is dropped: a controller that is given up leaves no reconcile behind
        match AbortOnDropHandle::new(tokio::spawn(reconcile.instrument(span))).await {
            Ok(done) => done,
            Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // only the end of the runtime aborts it, and takes this task along
            Err(_) => std::future::pending().await,
        }
    }
}

/// Approvals by design, so that a bell of one design does not look through the approvals of all the others. An approval is
/// noted when it is reconciled, which is when it is in the store; until then its own bell is still to come.
#[derive(Default)]
struct Known(Mutex<HashMap<String, HashSet<ObjectRef<DeserializeGuard<Approval>>>>>);

impl Known {
    fn note(&self, guard: &DeserializeGuard<Approval>) {
        if let Ok(approval) = &guard.0 {
            self.lock().entry(approval.spec.design_ref.clone()).or_default().insert(ObjectRef::from_obj(guard));
        }
    }
    /// The approvals of a design; those that are not there any more are forgotten.
    fn of(
        &self,
        design: &str,
        there: impl Fn(&ObjectRef<DeserializeGuard<Approval>>) -> bool,
    ) -> Vec<ObjectRef<DeserializeGuard<Approval>>> {
        let mut known = self.lock();
        let Some(approvals) = known.get_mut(design) else { return Vec::new() };
        approvals.retain(there);
        let found: Vec<_> = approvals.iter().cloned().collect();
        if found.is_empty() {
            known.remove(design);
        }
        found
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, HashSet<ObjectRef<DeserializeGuard<Approval>>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a controller is to stop: at `shutdown`, but not before its first listing is in. kube holds the reconciles of a
/// controller until then, and one that is stopped earlier waits for that listing for ever.
fn stop<K>(store: Store<K>, shutdown: &CancellationToken) -> impl Future<Output = ()> + Send + Sync + 'static
where
    K: Lookup + Clone + Send + Sync + 'static,
    K::DynamicType: Eq + std::hash::Hash + Clone + Send + Sync,
{
    let shutdown = shutdown.clone();
    async move {
        shutdown.cancelled().await;
        if tokio::time::timeout(FIRST_LISTING, store.wait_until_ready()).await.is_err() {
            tracing::warn!("a controller is stopped before it could list its documents");
        }
    }
}

fn metadata<K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>>(ctx: &Ctx) -> Api<PartialObjectMeta<K>> {
    Api::namespaced(ctx.client.clone(), NAMESPACE)
}

fn guarded(ctx: &Ctx) -> Api<DeserializeGuard<Approval>> {
    Api::namespaced(ctx.client.clone(), NAMESPACE)
}

/// The document of kind `K` with the same name: a design has the name of its session.
fn same_name<K, O>(other: &PartialObjectMeta<O>) -> Option<ObjectRef<PartialObjectMeta<K>>>
where
    K: Resource<DynamicType = ()>,
{
    other.metadata.name.as_deref().map(|name| ObjectRef::new(name).within(NAMESPACE))
}

/// The document of kind `K` that a label names.
fn by_label<K>(job: &PartialObjectMeta<TerraformJob>, label: &str) -> Option<ObjectRef<PartialObjectMeta<K>>>
where
    K: Resource<DynamicType = ()>,
{
    job.metadata.labels.as_ref()?.get(label).map(|name| ObjectRef::new(name).within(NAMESPACE))
}

/// What follows an error: it says who acts next. Only errors that no status could hold come here.
fn policy<K>(_: Arc<K>, error: &Error, ctx: Arc<Ctx>) -> Action {
    if error.is_conflict() {
        return Action::requeue(CONFLICT_PAUSE);
    }
    match error.who_acts() {
        WhoActs::Stalled => Action::await_change(),
        WhoActs::Waiting | WhoActs::Retry => Action::requeue(ctx.settings.backoff_base.min(Duration::from_secs(5))),
    }
}

/// One line per failed reconcile. A bell for a document that is gone, or not there yet, and a lost race are everyday.
async fn log<T>(result: Result<T, ControllerError<Error, watcher::Error>>) {
    match result {
        Ok(_) | Err(ControllerError::ObjectNotFound(_)) => {}
        Err(ControllerError::ReconcilerFailed(error, object)) if error.is_conflict() => tracing::debug!(%object, "lost a race"),
        Err(ControllerError::ReconcilerFailed(error, object)) => tracing::warn!(%object, error = %error.chain(), "a reconcile failed"),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::warn!(%error, cause, "a watch failed");
        }
    }
}
