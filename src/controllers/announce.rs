//! Events: what happened to a document, for `kubectl describe` and `galley get events`. The transitions of `Ready` are told
//! by `design/report.rs` with the reasons of conditions; everything else is a [`Happening`].
//!
//! An Event that cannot be written is logged and forgotten: nothing waits for it and nothing reads it back.

use kube::Resource;
use kube::runtime::events::{Event, EventType};

use super::Ctx;
use crate::api::condition::{MESSAGE_LIMIT, clip};

macro_rules! happenings {
    ($($(#[$doc:meta])* $name:ident $warning:literal),+ $(,)?) => {
        /// Closed set of what is told beside the reasons of conditions. `docs/status.md` explains each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Happening { $($(#[$doc])* $name),+ }
        impl Happening {
            /// Every one, in the order of the documentation.
            pub const ALL: &'static [Happening] = &[$(Happening::$name),+];
            /// The reason of the Event.
            pub fn as_str(self) -> &'static str { match self { $(Happening::$name => stringify!($name)),+ } }
            /// Type Warning instead of Normal.
            fn warns(self) -> bool { match self { $(Happening::$name => $warning),+ } }
        }
    };
}

happenings! {
    /// a job runs Terraform
    JobStarted false,
    /// a job ended well
    JobSucceeded false,
    /// a job ended badly
    JobFailed true,
    /// nobody saw the end of a job
    JobInterrupted true,
    /// a job was stopped, by a person or because something else is wanted
    JobCancelled false,
    /// a job was stopped because it ran too long
    JobOverdue true,
    /// an approval was used up by a job
    ApprovalConsumed false,
    /// an approval can never count
    ApprovalRefused true,
    /// a person had resources adopted
    Adopted true,
    /// a person put an earlier state back
    StateRestored true,
    /// a person gave up on a job whose owner is unknown
    ForceUnlocked true,
    /// what a person asked for could not be done
    RescueRefused true,
}

/// Tells what happened to a document.
pub async fn tell<K: Resource<DynamicType = ()>>(ctx: &Ctx, about: &K, happening: Happening, note: &str) {
    let event = Event {
        type_: if happening.warns() { EventType::Warning } else { EventType::Normal },
        reason: happening.as_str().to_owned(),
        note: Some(clip(note, MESSAGE_LIMIT)),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    if let Err(error) = ctx.recorder.publish(&event, &about.object_ref(&())).await {
        tracing::warn!(%error, happening = happening.as_str(), "an event was not written");
    }
}
