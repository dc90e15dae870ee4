//! The design controller. The file list is the loop: fetch, validate, observe, diff, act, report.
//!
//! Every turn reads everything anew, decides exactly one step and writes one status. The bell is metadata only: it says
//! that something may have changed, never what.

pub mod act;
pub mod diff;
pub mod fetch;
pub mod memo;
pub mod notes;
pub mod observe;
pub mod report;
pub mod rescue;
pub mod settle;
pub mod step;
pub mod validate;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use tracing::Instrument;

use self::act::{Outcome, act};
use self::diff::diff;
use self::fetch::{Fetched, fetch, tools};
use self::memo::judged;
use self::observe::observe;
use self::report::report;
use self::validate::validate;
use super::{Ctx, Error};
use crate::api::Design;

/// What rings: the metadata of a design.
pub type Bell = PartialObjectMeta<Design>;

/// Brings one design one step nearer to what is wanted of it.
pub async fn reconcile(bell: Arc<Bell>, ctx: Arc<Ctx>) -> Result<Action, Error> {
    let name = bell.metadata.name.clone().unwrap_or_default();
    let span = tracing::info_span!("design", design = %name, session = %name);
    Box::pin(async {
        let Some(fetched) = fetch(&ctx, &name).await? else { return Ok(Action::await_change()) }; // IO
        let outcome = turn(&ctx, &fetched).await.unwrap_or_else(|error| Outcome::failed(&fetched, &error)); // an error knows who acts next
        report(&ctx, &fetched, outcome).await // pure fold + one write, on every path
    })
    .instrument(span)
    .await
}

async fn turn(ctx: &Ctx, fetched: &Fetched) -> Result<Outcome, Error> {
    let tools = tools(ctx, fetched).await?; // IO, read-only
    let judged = judged(ctx, fetched).await?; // pure, remembered or on a thread of its own
    let desired = validate(fetched, &tools, judged, &ctx.settings); // pure
    let observed = observe(ctx, fetched, &tools, &desired).await?; // IO, read-only
    let step = diff(&desired, &observed, &ctx.clock.now()); // pure
    act(ctx, fetched, (&tools, &desired, &observed), step).await // IO, journalled, exactly one step
}
