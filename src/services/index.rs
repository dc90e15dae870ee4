//! The list of sessions, kept by a watch: listing among thousands of sessions decodes none of them again.
//!
//! Takes Session documents from one list and from the watch that goes on from there. It is made when somebody first
//! asks, and forgotten when the watch breaks: the next question lists anew, so it is never wrong for longer than a watch
//! event is under way. What these services write themselves is taken at once, so they always read their own writes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, TryStreamExt};
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::DeserializeGuard;
use tokio::task::AbortHandle;

use super::documents::name_of;
use super::session::SessionLine;
use crate::api::Session;

/// How many documents one list request asks for.
const PAGE: u32 = 500;

type Guarded = DeserializeGuard<Session>;

/// Sessions by name, as lines of a list. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct SessionIndex(Arc<Mutex<Option<Filled>>>);

/// An index whose watch runs.
struct Filled {
    lines: BTreeMap<String, SessionLine>,
    /// highest resourceVersion that the list or the watch has told of
    seen: u64,
    watch: AbortHandle,
}

impl Drop for Filled {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl SessionIndex {
    /// Calls `read` with every session by name; lists them first when nobody has yet.
    ///
    /// # Errors
    /// Those of the list.
    pub(super) async fn read<T>(
        &self,
        api: &Api<Guarded>,
        read: impl FnOnce(&BTreeMap<String, SessionLine>) -> T + Send,
    ) -> Result<T, kube::Error> {
        if let Some(filled) = self.lock().as_ref() {
            return Ok(read(&filled.lines));
        }
        let (lines, version) = list(api).await?;
        let answer = read(&lines);
        self.fill(api, lines, version);
        Ok(answer)
    }

    /// Takes a session that was just written, unless the watch has told of something newer already.
    pub(super) fn written(&self, session: &Session) {
        let version = session.metadata.resource_version.as_deref().and_then(number);
        if let (Some(filled), Some(version)) = (self.lock().as_mut(), version)
            && version > filled.seen
        {
            filled.lines.insert(name_of(session).to_owned(), line_of(session));
        }
    }

    /// Takes the end of a session that these services deleted.
    pub(super) fn gone(&self, name: &str) {
        if let Some(filled) = self.lock().as_mut() {
            filled.lines.remove(name);
        }
    }

    /// Holds the lines from now on, fed by a watch from `version` on. A version that is no number cannot be compared
    /// with later ones: then every question lists.
    fn fill(&self, api: &Api<Guarded>, lines: BTreeMap<String, SessionLine>, version: String) {
        let Some(seen) = number(&version) else { return };
        let mut held = self.lock();
        if held.is_none() {
            // The task knows the index weakly: it must not keep alive what would end it.
            let (index, api) = (Arc::downgrade(&self.0), api.clone());
            let watch = tokio::spawn(async move {
                follow(&index, &api, version).await;
                if let Some(index) = index.upgrade() {
                    *lock(&index) = None;
                }
            });
            *held = Some(Filled { lines, seen, watch: watch.abort_handle() });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Filled>> {
        lock(&self.0)
    }
}

fn lock(index: &Mutex<Option<Filled>>) -> MutexGuard<'_, Option<Filled>> {
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every session, page by page, and the version the list is of.
async fn list(api: &Api<Guarded>) -> Result<(BTreeMap<String, SessionLine>, String), kube::Error> {
    let mut lines = BTreeMap::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await?;
        lines.extend(page.items.into_iter().filter_map(decoded));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = ListParams::default().limit(PAGE).continue_token(&token),
            None => return Ok((lines, page.metadata.resource_version.unwrap_or_default())),
        }
    }
}

/// Takes events until the watch breaks. A watch that merely ends is taken up where it stopped.
async fn follow(index: &std::sync::Weak<Mutex<Option<Filled>>>, api: &Api<Guarded>, mut version: String) {
    loop {
        let mut events = match api.watch(&WatchParams::default(), &version).await {
            Ok(events) => events.boxed(),
            Err(error) => return tracing::debug!(%error, "the list of sessions is forgotten: no watch"),
        };
        loop {
            let event = match events.try_next().await {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => return tracing::debug!(%error, "the list of sessions is forgotten: the watch broke"),
            };
            let told = match &event {
                WatchEvent::Added(item) | WatchEvent::Modified(item) | WatchEvent::Deleted(item) => match &item.0 {
                    Ok(session) => session.metadata.resource_version.clone(),
                    Err(broken) => broken.metadata.resource_version.clone(),
                },
                WatchEvent::Bookmark(bookmark) => Some(bookmark.metadata.resource_version.clone()),
                // Expired, most often: a new list is the way on.
                WatchEvent::Error(status) => return tracing::debug!(%status, "the list of sessions is forgotten"),
            };
            version = told.unwrap_or(version);
            let Some(index) = index.upgrade() else { return };
            let mut held = lock(&index);
            let Some(filled) = held.as_mut() else { return };
            filled.seen = filled.seen.max(number(&version).unwrap_or_default());
            take(&mut filled.lines, event);
        }
    }
}

fn take(lines: &mut BTreeMap<String, SessionLine>, event: WatchEvent<Guarded>) {
    match event {
        WatchEvent::Added(item) | WatchEvent::Modified(item) => lines.extend(decoded(item)),
        WatchEvent::Deleted(item) => {
            let name = match item.0 {
                Ok(session) => session.metadata.name,
                Err(broken) => broken.metadata.name,
            };
            lines.remove(&name.unwrap_or_default());
        }
        WatchEvent::Bookmark(_) | WatchEvent::Error(_) => {}
    }
}

/// One session that does not decode must not hide all the others.
fn decoded(guarded: Guarded) -> Option<(String, SessionLine)> {
    match guarded.0 {
        Ok(session) => Some((name_of(&session).to_owned(), line_of(&session))),
        Err(broken) => {
            tracing::warn!(session = broken.metadata.name, error = %broken.error, "a session does not decode");
            None
        }
    }
}

fn line_of(session: &Session) -> SessionLine {
    SessionLine {
        session_id: name_of(session).to_owned(),
        title: session.spec.title.clone(),
        phase: session.status.as_ref().and_then(|status| status.phase),
        created_at: session.metadata.creation_timestamp.as_ref().map(|time| time.0.to_string()),
    }
}

/// Versions of this API server count up, as those of Kubernetes do since they may be compared.
fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}
