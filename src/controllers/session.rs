//! The session controller: the phase of the conversation, the finalizer, the deletion of the design first, and gates whose
//! holder is gone.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action as Requeue;

use super::backoff::{after, until};
use super::documents::{delete, get, patch_status, set_finalizer, value};
use super::gate::{Holder, holder};
use super::{Ctx, Error};
use crate::api::design::{DesiredState, Sync};
use crate::api::session::SessionPhase;
use crate::api::{Design, SESSION_FINALIZER, Session, SessionStatus};

/// What rings: the metadata of a session.
pub type Bell = PartialObjectMeta<Session>;

/// Brings one session up to date.
pub async fn reconcile(bell: Arc<Bell>, ctx: Arc<Ctx>) -> Result<Requeue, Error> {
    let name = bell.metadata.name.clone().unwrap_or_default();
    let session = match get::<Session>(&ctx.client, &name).await {
        Ok(Some(session)) => session,
        Ok(None) => return Ok(Requeue::await_change()),
        Err(error) if error.is_undecodable() => {
            tracing::warn!(session = %name, error = %error.chain(), "the session does not decode; it is left alone");
            return Ok(Requeue::await_change());
        }
        Err(error) => return Err(error),
    };
    let design = match get::<Design>(&ctx.client, &name).await {
        Ok(design) => Some(design),
        // it is there, and the design controller says what is wrong with it
        Err(error) if error.is_undecodable() => None,
        Err(error) => return Err(error),
    };
    if session.metadata.deletion_timestamp.is_some() && matches!(design, Some(None)) {
        return unless_raced(set_finalizer(&ctx.client, &session, SESSION_FINALIZER, false).await.map(|_| Requeue::await_change()));
    }
    if session.metadata.deletion_timestamp.is_some() {
        if !matches!(&design, Some(Some(design)) if design.metadata.deletion_timestamp.is_some()) {
            match delete::<Design>(&ctx.client, &name).await {
                Err(error) if !error.is_not_found() && !error.is_undecodable() => return Err(error),
                _ => {}
            }
        }
    } else if !session.finalizers().iter().any(|held| held == SESSION_FINALIZER) {
        let added = set_finalizer(&ctx.client, &session, SESSION_FINALIZER, true).await;
        return unless_raced(added.map(|_| Requeue::requeue(Duration::ZERO)));
    }
    unless_raced(update(&ctx, &session, design.flatten().as_ref()).await)
}

/// A lost race is no failure: the version that won rings again.
fn unless_raced(result: Result<Requeue, Error>) -> Result<Requeue, Error> {
    match result {
        Err(error) if error.is_conflict() => Ok(Requeue::requeue(Duration::ZERO)),
        Err(error) if error.is_not_found() => Ok(Requeue::await_change()),
        other => other,
    }
}

async fn update(ctx: &Ctx, session: &Session, design: Option<&Design>) -> Result<Requeue, Error> {
    let old = session.status.clone().unwrap_or_default();
    let mut next = SessionStatus {
        phase: Some(phase(session, design)),
        active_operation: old.active_operation.clone(),
        observed_generation: session.metadata.generation,
    };
    let mut again = Requeue::await_change();
    if let Some(active) = &old.active_operation {
        let now = ctx.clock.now();
        let stale = after(&active.since, ctx.settings.gate_grace);
        match holder(ctx, active).await? {
            Holder::Live => {}
            Holder::Absent | Holder::Terminal if now.0 >= stale.0 => {
                tracing::warn!(session = %session.name_any(), holder = %active.name, "the gate of a holder that is gone is released");
                next.active_operation = None;
            }
            Holder::Absent | Holder::Terminal => again = Requeue::requeue(until(&now, &stale) + Duration::from_millis(5)),
        }
    }
    patch_status(&ctx.client, session, &value(&old)?, &value(&next)?, true).await?;
    Ok(again)
}

/// Phase of a session. Pure.
pub fn phase(session: &Session, design: Option<&Design>) -> SessionPhase {
    let Some(design) = design else {
        return match &session.spec.hearing {
            Some(hearing) if hearing.completed => SessionPhase::HearingCompleted,
            Some(_) => SessionPhase::Hearing,
            None if session.spec.answers.is_empty() => SessionPhase::Created,
            None => SessionPhase::Hearing,
        };
    };
    let status = design.status.clone().unwrap_or_default();
    let built = status.state.as_ref().is_some_and(|state| state.resources > 0);
    if design.metadata.deletion_timestamp.is_some() || design.spec.desired_state == DesiredState::Destroyed {
        let gone = design.metadata.deletion_timestamp.is_none() && status.health == Some(crate::api::design::Health::Missing) && !built;
        return if gone && status.sync == Some(Sync::Synced) { SessionPhase::Destroyed } else { SessionPhase::Destroying };
    }
    let errors = status.findings.as_ref().is_none_or(|findings| findings.errors > 0);
    let settled = status.sync == Some(Sync::Synced) && status.applied.is_some();
    match design.spec.desired_state {
        DesiredState::Applied if settled => SessionPhase::Deployed,
        _ if errors => SessionPhase::Designing,
        DesiredState::Planned | DesiredState::Applied => SessionPhase::Building,
        DesiredState::Draft | DesiredState::Destroyed => SessionPhase::Validated,
    }
}
