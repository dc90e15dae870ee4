//! Documents in memory, for tests: the same contract as the durable back ends, with faults on demand.
//!
//! May not be used where an acknowledged edit has to survive the process.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Error, Etag, If, Store, Stored, check_key, holds};

/// A store that forgets.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<String, (Bytes, Etag)>,
    version: u64,
    writes: u64,
    fault: Option<Fault>,
    delay: Duration,
}

/// Writes that fail: the `skip + 1`th from now and the `count - 1` after it.
#[derive(Debug, Clone, Copy)]
struct Fault {
    skip: u64,
    count: u64,
    kind: io::ErrorKind,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
    /// Lets `skip` writes (put or delete) pass and fails the next `count` with `kind`; nothing is written by those.
    pub fn fail_writes(&self, skip: u64, count: u64, kind: io::ErrorKind) {
        self.lock().fault = Some(Fault { skip, count, kind });
    }
    /// Every write takes at least this long from now on.
    pub fn delay_writes(&self, delay: Duration) {
        self.lock().delay = delay;
    }
    /// How many writes succeeded so far: what a test counts to prove that nothing was written.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pause(&self) {
        let delay = self.lock().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
}

impl Inner {
    fn check(&mut self, verb: &'static str, key: &str, condition: &If) -> Result<(), Error> {
        check_key(key)?;
        if let Some(fault) = &mut self.fault {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.count > 0 {
                fault.count -= 1;
                return Err(Error::Io { verb, key: key.to_owned(), source: fault.kind.into() });
            }
        }
        if holds(condition, self.objects.get(key).map(|(_, etag)| etag)) {
            Ok(())
        } else {
            Err(Error::Precondition { key: key.to_owned() })
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Stored>, Error> {
        check_key(key)?;
        let inner = self.lock();
        Ok(inner.objects.get(key).map(|(bytes, etag)| Stored { key: key.to_owned(), bytes: bytes.clone(), etag: etag.clone() }))
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Etag, Error> {
        self.pause().await;
        let mut inner = self.lock();
        inner.check("write", key, &condition)?;
        inner.version += 1;
        inner.writes += 1;
        let etag = Etag(inner.version.to_string());
        inner.objects.insert(key.to_owned(), (bytes, etag.clone()));
        Ok(etag)
    }

    async fn delete(&self, key: &str, condition: If) -> Result<(), Error> {
        self.pause().await;
        let mut inner = self.lock();
        inner.check("delete", key, &condition)?;
        inner.writes += 1;
        inner.objects.remove(key);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Stored>, Error> {
        let inner = self.lock();
        let found = inner.objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(key, (bytes, etag))| Stored { key: key.clone(), bytes: bytes.clone(), etag: etag.clone() }).collect())
    }
}
