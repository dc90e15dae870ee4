//! Blobs in memory, a provider host that adds nothing, and a bench that runs jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::super::*;
use crate::api::design::StateRecord;
use crate::blobs::{self, BlobKey, Blobs};
use crate::clock::SystemClock;

/// Blobs in memory.
#[derive(Default)]
pub struct MemoryBlobs {
    pub map: Mutex<BTreeMap<BlobKey, Bytes>>,
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, blobs::Error> {
        Ok(self.map.lock().unwrap().get(key).cloned())
    }
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), blobs::Error> {
        self.map.lock().unwrap().insert(key.clone(), bytes);
        Ok(())
    }
    async fn create(&self, key: &BlobKey, bytes: Bytes) -> Result<(), blobs::Error> {
        let mut map = self.map.lock().unwrap();
        if map.contains_key(key) {
            return Err(blobs::Error::Exists { key: key.as_str().to_owned() });
        }
        map.insert(key.clone(), bytes);
        Ok(())
    }
    async fn delete(&self, key: &BlobKey) -> Result<(), blobs::Error> {
        self.map.lock().unwrap().remove(key);
        Ok(())
    }
    async fn list(&self, prefix: &str) -> Result<Vec<BlobKey>, blobs::Error> {
        Ok(self.map.lock().unwrap().keys().filter(|key| key.as_str().starts_with(prefix)).cloned().collect())
    }
}

/// Adds nothing to terraform's environment.
pub struct NoProvider;

#[async_trait]
impl ProviderHost for NoProvider {
    async fn prepare(&self, _: &str, _: crate::api::design::Target, _: &BTreeSet<String>) -> Result<BTreeMap<String, String>, Error> {
        Ok(BTreeMap::new())
    }
}

/// A runner with its surroundings.
pub struct Bench {
    pub directory: tempfile::TempDir,
    pub blobs: Arc<MemoryBlobs>,
    pub runner: Arc<LocalRunner>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| {})
    }
    pub fn with(change: impl FnOnce(&mut LocalOptions)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Arc::new(MemoryBlobs::default());
        let runner = Self::runner(directory.path(), &blobs, change);
        Bench { directory, blobs, runner }
    }
    fn runner(directory: &Path, blobs: &Arc<MemoryBlobs>, change: impl FnOnce(&mut LocalOptions)) -> Arc<LocalRunner> {
        let mut options = LocalOptions::new(
            "/usr/local/bin/terraform",
            directory.join("work"),
            blobs.clone(),
            Arc::new(NoProvider),
            Arc::new(SystemClock),
            7,
        );
        options.log_flush = Duration::from_millis(50);
        change(&mut options);
        Arc::new(LocalRunner::new(options).unwrap())
    }
    /// Another server on the same data.
    pub fn restart(&mut self) {
        self.runner = Self::runner(self.directory.path(), &self.blobs, |_| {});
    }
    pub fn work(&self, uid: &str) -> PathBuf {
        self.directory.path().join("work").join(uid)
    }
    pub fn state_file(&self, uid: &str) -> PathBuf {
        self.work(uid).join("terraform.tfstate")
    }
    /// A job of the design `uid` on the state that is there now.
    pub async fn input(&self, uid: &str, job: &str, action: Action, text: &str) -> RunInput {
        let expected_state = self.runner.state(uid).await.unwrap().map(|view| view.record.clone());
        input(uid, job, action, text, expected_state)
    }
    pub fn start(&self, input: RunInput) -> Started {
        let (sender, events) = mpsc::channel(10_000);
        let cancel = CancellationToken::new();
        let control = Control { cancel: cancel.clone(), grace: Duration::from_secs(20) };
        let runner = self.runner.clone();
        let task = tokio::spawn(async move { runner.run(input, control, sender).await });
        Started { task, events, cancel }
    }
    pub async fn run(&self, input: RunInput) -> Result<Completed, Error> {
        self.start(input).task.await.unwrap()
    }
    /// Plans, and gives the job that applies the plan.
    pub async fn planned(&self, uid: &str, text: &str) -> RunInput {
        self.planned_with(self.input(uid, "plan", Action::Plan, text).await).await
    }
    pub async fn planned_with(&self, input: RunInput) -> RunInput {
        let done = self.run(input.clone()).await.unwrap();
        assert_eq!(done.phase, JobPhase::Succeeded, "{done:?}");
        let plan = done.plan.unwrap();
        let action = if plan.destroy { Action::Destroy } else { Action::Apply };
        RunInput { job: "apply".into(), action, plan: Some((plan.job, plan.plan_sha256)), ..input }
    }
    pub async fn applied(&self, uid: &str, text: &str) -> Completed {
        let done = self.run(self.planned(uid, text).await).await.unwrap();
        assert_eq!(done.phase, JobPhase::Succeeded, "{done:?}");
        done
    }
    pub fn blob(&self, key: &BlobKey) -> Option<Bytes> {
        self.blobs.map.lock().unwrap().get(key).cloned()
    }
    pub fn log(&self, uid: &str, job: &str) -> String {
        let key = BlobKey::job(uid, job, blobs::JobBlob::Log);
        self.blob(&key).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).unwrap_or_default()
    }
    pub fn mirrored(&self, uid: &str) -> Vec<u64> {
        let map = self.blobs.map.lock().unwrap();
        map.keys().filter(|key| key.as_str().starts_with(&BlobKey::state_prefix(uid))).filter_map(BlobKey::serial).collect()
    }
}

/// A job that runs.
pub struct Started {
    pub task: JoinHandle<Result<Completed, Error>>,
    pub events: mpsc::Receiver<RunEvent>,
    pub cancel: CancellationToken,
}

impl Started {
    /// Owner of the apply.
    pub async fn owner(&mut self) -> Owner {
        loop {
            match self.events.recv().await.unwrap() {
                RunEvent::Started(owner) => return owner,
                RunEvent::Progress(_) | RunEvent::StateMirrored(_) => {}
            }
        }
    }
}

pub fn input(uid: &str, job: &str, action: Action, text: &str, expected_state: Option<StateRecord>) -> RunInput {
    RunInput {
        job: job.into(),
        design: "s-test".into(),
        design_uid: uid.into(),
        action,
        destroy_plan: false,
        target: crate::api::design::Target::Sandbox,
        files: BTreeMap::from([("main.tf".to_owned(), text.to_owned())]),
        variables: BTreeMap::new(),
        secrets: BTreeMap::new(),
        digest: "d".into(),
        generation: 1,
        expected_state,
        plan: None,
        imports: BTreeMap::new(),
        types: BTreeSet::new(),
        trace: None,
        plan_ttl_seconds: 3600,
    }
}

/// A shell script that stands in for terraform.
pub fn script(directory: &Path, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = directory.join("terraform.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// `n` resources one after the other, each one sleeping.
pub fn slow_chain(n: usize, sleep: &str) -> String {
    let one = |index: usize| {
        let after = if index == 0 { String::new() } else { format!("  depends_on = [terraform_data.r{}]\n", index - 1) };
        format!(
            "resource \"terraform_data\" \"r{index}\" {{\n  input = \"v{index}\"\n{after}  provisioner \"local-exec\" {{\n    command = \"sleep {sleep}\"\n  }}\n}}\n"
        )
    };
    (0..n).map(one).collect()
}

/// Waits for a condition, 10 s at most.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
