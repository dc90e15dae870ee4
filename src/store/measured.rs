//! A store that is measured: how long each verb takes and how it ends. Changes nothing.

use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Error, Etag, If, Store, Stored};

/// Any store, measured.
pub struct Measured<S>(S);

impl<S> Measured<S> {
    /// Measures `inner`.
    pub fn new(inner: S) -> Self {
        Measured(inner)
    }
}

fn note<T>(verb: &'static str, start: Instant, result: Result<T, Error>) -> Result<T, Error> {
    let outcome = match &result {
        Ok(_) => "ok",
        Err(Error::Precondition { .. }) => "conflict",
        Err(_) => "error",
    };
    metrics::histogram!("galley_store_seconds", "verb" => verb, "outcome" => outcome).record(start.elapsed().as_secs_f64());
    result
}

#[async_trait]
impl<S: Store> Store for Measured<S> {
    async fn get(&self, key: &str) -> Result<Option<Stored>, Error> {
        let start = Instant::now();
        note("get", start, self.0.get(key).await)
    }
    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Etag, Error> {
        let start = Instant::now();
        note("put", start, self.0.put(key, bytes, condition).await)
    }
    async fn delete(&self, key: &str, condition: If) -> Result<(), Error> {
        let start = Instant::now();
        note("delete", start, self.0.delete(key, condition).await)
    }
    async fn list(&self, prefix: &str) -> Result<Vec<Stored>, Error> {
        let start = Instant::now();
        note("list", start, self.0.list(prefix).await)
    }
}
