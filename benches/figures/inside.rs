//! The loop without its doors: the controllers' context on a data directory that a real server left, in this process, so
//! that one turn can be timed to the microsecond. The same parts as `src/app` puts together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use galley::api::approval::Identity;
use galley::apiserver::{ApiServer, Options};
use galley::app::{Expertise, Library};
use galley::blobs::{Blobs, FsBlobs};
use galley::clock::{Clock, SystemClock};
use galley::config::{Environment, SANDBOX_COMPARTMENT, Settings, SettingsArgs};
use galley::controllers::{self, Ctx, Host, Parts};
use galley::store::FsStore;
use galley::terraform::{self, LocalOptions, LocalRunner, Lookup, ReattachHost, ReattachOptions, Whose};
use galley::validator::Defaults;

/// Nothing is ever in flight here.
struct Nothing;

#[async_trait]
impl Lookup for Nothing {
    async fn find(&self, _: Whose<'_>, _: &str, _: &serde_json::Value, _: &BTreeSet<String>) -> Result<Option<String>, terraform::Error> {
        Ok(None)
    }
    async fn tagged(&self, _: Whose<'_>, _: &BTreeSet<String>) -> Result<BTreeMap<String, String>, terraform::Error> {
        Ok(BTreeMap::new())
    }
}

/// What the controllers know, as the server of these measurements does.
pub fn expertise(data: &Path, terraform: &Path) -> Expertise {
    let (data, terraform) = (data.to_str().expect("text"), terraform.to_str().expect("text"));
    let environment = Environment::of([("GALLEY_DATA_DIR", data), ("GALLEY_TERRAFORM_BIN", terraform)]);
    let settings = Settings::load(&environment, &SettingsArgs::default()).expect("settings");
    Expertise::new(Arc::new(Library::shipped().expect("the catalogue")), &settings)
}

/// The controllers' context on `data`; `terraform` is the binary that would be started.
pub async fn context(data: &Path, terraform: &Path) -> Arc<Ctx> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Arc::new(FsStore::open(&data.join("documents")).await.expect("store"));
    let blobs: Arc<dyn Blobs> = Arc::new(FsBlobs::open(&data.join("blobs")).await.expect("blobs"));
    let api = ApiServer::open(store, clock.clone(), Options::default()).await.expect("api");
    let host = ReattachHost::new(ReattachOptions::sandbox(env!("CARGO_BIN_EXE_galley"), data.join("run"), data.join("sandbox")));
    let options = LocalOptions::new(terraform, data.join("work"), blobs.clone(), Arc::new(host), clock.clone(), api.epoch());
    let defaults = Defaults { region: "ap-osaka-1".into(), compartment_id: SANDBOX_COMPARTMENT.into(), language: Default::default() };
    Arc::new(Ctx::new(Parts {
        client: api.client(Identity::system()),
        blobs,
        runner: Arc::new(LocalRunner::new(options).expect("runner")),
        lookup: Arc::new(Nothing),
        knowledge: Arc::new(expertise(data, terraform)),
        clock,
        settings: controllers::Settings::new(defaults),
        host: Host { name: "bench".into(), boot_id: "bench".into(), epoch: api.epoch() },
    }))
}
