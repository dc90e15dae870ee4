//! What people do at the desk: hand in secret values, read live logs.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use kube::Api;
use std::sync::Arc;

use crate::api::{Design, TerraformJob};
use crate::blobs::{BlobKey, Blobs, JobBlob};
use crate::config::Secret;
use crate::http::admin::{AdminError, LogSource, LogStream, SecretStore};
use crate::terraform::{self, secrets};

/// How often a followed log is looked at: the runner writes it once a second.
const FOLLOW: Duration = Duration::from_millis(500);

/// Secrets and logs over documents and blobs.
pub struct Desk {
    client: kube::Client,
    blobs: Arc<dyn Blobs>,
}

impl Desk {
    /// `client` reads documents; nothing is written through it.
    pub fn new(client: kube::Client, blobs: Arc<dyn Blobs>) -> Self {
        Desk { client, blobs }
    }

    /// The design with this uid.
    async fn design(&self, uid: &str) -> Result<Design, AdminError> {
        let designs: Api<Design> = Api::default_namespaced(self.client.clone());
        let list = designs.list(&Default::default()).await.map_err(|_| unavailable())?;
        list.items
            .into_iter()
            .find(|design| design.metadata.uid.as_deref() == Some(uid) || design.metadata.name.as_deref() == Some(uid))
            .ok_or_else(|| AdminError::NotFound(format!("there is no design {uid}")))
    }
}

fn unavailable() -> AdminError {
    AdminError::Unavailable("the store does not answer".to_owned())
}

#[async_trait]
impl SecretStore for Desk {
    async fn put(&self, design_uid: &str, name: &str, value: Secret) -> Result<(), AdminError> {
        let design = self.design(design_uid).await?;
        let known: Vec<&str> = design.spec.secret_variables.iter().map(|variable| variable.name.as_str()).collect();
        if !known.contains(&name) {
            let message = if known.is_empty() {
                format!("the design declares no secret variable {name}; add it to spec.secretVariables with source supplied")
            } else {
                format!("the design declares no secret variable {name}; it declares {}", known.join(", "))
            };
            return Err(AdminError::Invalid(message));
        }
        let uid = design.metadata.uid.unwrap_or_default();
        secrets::put(self.blobs.as_ref(), &uid, name, terraform::Secret(value.expose().to_owned())).await.map_err(|_| unavailable())?;
        Ok(())
    }
}

#[async_trait]
impl LogSource for Desk {
    async fn open(&self, design_uid: &str, job: &str, follow: bool) -> Result<LogStream, AdminError> {
        let jobs: Api<TerraformJob> = Api::default_namespaced(self.client.clone());
        let key = BlobKey::job(design_uid, job, JobBlob::Log);
        let first = self.blobs.get(&key).await.map_err(|_| unavailable())?;
        let known = jobs.get_opt(job).await.map_err(|_| unavailable())?;
        if first.is_none() && known.is_none() {
            return Err(AdminError::NotFound(format!("there is no job {job} of this design")));
        }
        if !follow {
            return Ok(stream::once(async move { Ok(first.unwrap_or_default()) }).boxed());
        }
        let follower = Follower { blobs: self.blobs.clone(), jobs, key, job: job.to_owned(), sent: 0, last: false };
        Ok(stream::unfold(follower, Follower::next).boxed())
    }
}

/// Sends what a log grows by until its job has ended.
struct Follower {
    blobs: Arc<dyn Blobs>,
    jobs: Api<TerraformJob>,
    key: BlobKey,
    job: String,
    sent: usize,
    last: bool,
}

impl Follower {
    async fn next(mut self) -> Option<(std::io::Result<Bytes>, Self)> {
        loop {
            if self.last {
                return None;
            }
            // the phase is read first: what is written before the end is then surely seen
            let ended = match self.jobs.get_opt(&self.job).await {
                Ok(Some(job)) => job.phase().is_terminal(),
                Ok(None) => true,
                Err(error) => {
                    self.last = true;
                    return Some((Err(std::io::Error::other(error)), self));
                }
            };
            let bytes = match self.blobs.get(&self.key).await {
                Ok(bytes) => bytes.unwrap_or_default(),
                Err(error) => {
                    self.last = true;
                    return Some((Err(std::io::Error::other(error)), self));
                }
            };
            self.last = ended;
            // a bounded log loses its middle when it grows beyond its limit: then it is sent from where it stands
            let fresh = if bytes.len() >= self.sent { bytes.slice(self.sent..) } else { bytes.clone() };
            self.sent = bytes.len();
            if !fresh.is_empty() {
                return Some((Ok(fresh), self));
            }
            if !ended {
                tokio::time::sleep(FOLLOW).await;
            }
        }
    }
}
