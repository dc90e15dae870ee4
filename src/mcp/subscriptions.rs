//! Telling a host that a resource changed. In revision 2026-07-28 a subscription is one long request on any door; before
//! that it belongs to a connection: a pipe, or a session over HTTP.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::StreamExt;
use futures::stream::{BoxStream, SelectAll};
use rmcp::model::{ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::SubscriptionContext;
use rmcp::{ErrorData, Peer, RoleServer};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::services::Services;

/// Most subscriptions of one connection or one listen request: a person looks at a handful of sessions.
const LIMIT: usize = 64;

/// What of a requested filter is served: resources that can change.
pub(super) fn accepted(services: &Services, requested: &SubscriptionFilter) -> SubscriptionFilter {
    let uris = requested.resource_subscriptions.iter().flatten().filter(|uri| services.changes_of(uri).is_some());
    let uris: Vec<String> = uris.take(LIMIT).cloned().collect();
    SubscriptionFilter::builder().resource_subscriptions(uris).build()
}

/// Sends changes until the host has enough or the server stops.
pub(super) async fn listen(services: &Services, context: SubscriptionContext, shutdown: &CancellationToken) {
    let mut changes: SelectAll<BoxStream<'static, String>> = SelectAll::new();
    for uri in context.accepted().resource_subscriptions.iter().flatten() {
        if let Some(rings) = services.changes_of(uri) {
            let uri = uri.clone();
            changes.push(rings.map(move |()| uri.clone()).boxed());
        }
    }
    let sink = context.sink();
    loop {
        // cancel safe: a change that is not sent any more is of interest to nobody
        tokio::select! {
            () = context.cancelled() => return,
            () = shutdown.cancelled() => return,
            uri = changes.next() => match uri {
                Some(uri) => {
                    if sink.notify_resource_updated(uri).await.is_err() {
                        return;
                    }
                }
                // Nothing (more) to tell; the subscription stays until the host ends it.
                None => { tokio::select! { () = context.cancelled() => {} () = shutdown.cancelled() => {} } return; }
            },
        }
    }
}

/// Subscriptions of one connection of an older revision. They end with it, and are not another one's.
#[derive(Default)]
pub(super) struct Subscribed(Mutex<HashMap<String, DropGuard>>);

impl Clone for Subscribed {
    /// For another connection: empty.
    fn clone(&self) -> Self {
        Subscribed::default()
    }
}

impl Subscribed {
    /// Begins to tell `peer` about a resource; again for the same one changes nothing. After a restart (`again`) the host is told
    /// at once: what happened meanwhile nobody saw.
    pub(super) fn add(&self, services: &Services, uri: String, peer: Peer<RoleServer>, again: bool) -> Result<(), ErrorData> {
        let Some(mut rings) = services.changes_of(&uri) else {
            return Err(ErrorData::resource_not_found("this resource does not exist or never changes", None));
        };
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains_key(&uri) {
            return Ok(());
        }
        if held.len() >= LIMIT {
            return Err(ErrorData::invalid_params(format!("more than {LIMIT} subscriptions"), None));
        }
        let ended = CancellationToken::new();
        held.insert(uri.clone(), ended.clone().drop_guard());
        tokio::spawn(async move {
            let mut ring = again.then_some(());
            loop {
                if ring.is_some() && peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri.clone())).await.is_err() {
                    return;
                }
                // cancel safe: see `listen`
                ring = tokio::select! {
                    () = ended.cancelled() => return,
                    ring = rings.next() => match ring {
                        Some(()) => Some(()),
                        None => return,
                    },
                };
            }
        });
        Ok(())
    }

    /// What is subscribed to.
    pub(super) fn uris(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Stops telling about a resource.
    pub(super) fn remove(&self, uri: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uri);
    }
}
