//! What the hosts of older MCP revisions subscribed to over HTTP, kept so that a restart ends no subscription.
//!
//! Everything else about a host is in the id of its transport session, which this knows as a name and nothing more. Names
//! sort by age; the newest [`KEPT`] are kept.

use bytes::Bytes;

use super::Services;
use crate::blobs::BlobKey;

/// Hosts whose subscriptions are kept: as many as a door ever holds.
const KEPT: usize = 512;

impl Services {
    /// Keeps the subscriptions of a host. Best effort: without it they hold until the next restart.
    pub async fn keep_subscriptions(&self, host: &str, uris: &[String]) {
        let blobs = &self.parts().blobs;
        let key = BlobKey::host(host);
        let kept = async {
            if uris.is_empty() {
                return blobs.delete(&key).await;
            }
            blobs.put(&key, Bytes::from(serde_json::to_vec(uris).unwrap_or_default())).await?;
            let all = blobs.list(BlobKey::HOSTS).await?;
            let beyond = all.len().saturating_sub(KEPT);
            for old in all.iter().take(beyond) {
                blobs.delete(old).await?;
            }
            Ok(())
        };
        if let Err(error) = kept.await {
            tracing::warn!(%error, "the subscriptions of a host could not be kept");
        }
    }

    /// What a host had subscribed to before it was forgotten.
    pub async fn kept_subscriptions(&self, host: &str) -> Vec<String> {
        match self.parts().blobs.get(&BlobKey::host(host)).await {
            Ok(bytes) => bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "the subscriptions of a host could not be read");
                Vec::new()
            }
        }
    }
}
