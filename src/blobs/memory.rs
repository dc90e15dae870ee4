//! Blobs in memory, for tests. May not hold anything that has to survive the process.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::{BlobKey, Blobs, Error};

/// Blobs that forget.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<BlobKey, Bytes>,
    failures: Option<(u64, io::ErrorKind)>,
}

impl MemoryBlobs {
    /// No blobs.
    pub fn new() -> Self {
        Self::default()
    }
    /// Fails the next `count` writes (put, create, delete) with `kind`; nothing is written by those.
    pub fn fail_writes(&self, count: u64, kind: io::ErrorKind) {
        self.lock().failures = Some((count, kind));
    }
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn fault(&mut self, verb: &'static str, key: &BlobKey) -> Result<(), Error> {
        match &mut self.failures {
            Some((count, kind)) if *count > 0 => {
                *count -= 1;
                Err(Error::Io { verb, key: key.as_str().to_owned(), source: (*kind).into() })
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, Error> {
        Ok(self.lock().objects.get(key).cloned())
    }
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), Error> {
        let mut inner = self.lock();
        inner.fault("write", key)?;
        inner.objects.insert(key.clone(), bytes);
        Ok(())
    }
    async fn create(&self, key: &BlobKey, bytes: Bytes) -> Result<(), Error> {
        let mut inner = self.lock();
        inner.fault("create", key)?;
        if inner.objects.contains_key(key) {
            return Err(Error::Exists { key: key.as_str().to_owned() });
        }
        inner.objects.insert(key.clone(), bytes);
        Ok(())
    }
    async fn delete(&self, key: &BlobKey) -> Result<(), Error> {
        let mut inner = self.lock();
        inner.fault("delete", key)?;
        inner.objects.remove(key);
        Ok(())
    }
    async fn list(&self, prefix: &str) -> Result<Vec<BlobKey>, Error> {
        Ok(self.lock().objects.keys().filter(|key| key.as_str().starts_with(prefix)).cloned().collect())
    }
}
