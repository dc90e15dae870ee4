//! The world of the scenarios: a runner whose Terraform is a set of addresses, a cloud it changes, a catalogue that renders
//! one address per component, blobs in memory and a clock that tests move.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use crate::api::design::{
    Change, ChangeAction, Counts, DesignSpec, Diagnostic, Finding, InFlight, PlanRecord, Preview, SecretSource, Severity, StateRecord,
};
use crate::api::names::sha256_hex;
use crate::api::session::Language;
use crate::api::terraformjob::{Action, JobPhase, Owner};
use crate::api::{Reason, Time, WhoActs};
use crate::blobs::{BlobKey, Blobs};
use crate::clock::Clock;
use crate::controllers::Knowledge;
use crate::render::{PasswordRule, RenderContext, Rendered, RenderedResource, SecretNeed};
use crate::terraform::{Completed, Control, Error, Lookup, Recovered, Restored, RunEvent, RunInput, Runner, StateView, Whose};
use crate::validator::{ValidatedComponent, ValidatedDesign, Verdict};

pub struct TestClock(Mutex<k8s_openapi::jiff::Timestamp>);

impl TestClock {
    pub fn new() -> Self {
        TestClock(Mutex::new(k8s_openapi::jiff::Timestamp::now()))
    }
    pub fn advance(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now += k8s_openapi::jiff::SignedDuration::from_secs(seconds);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Time {
        // strictly increasing, so that "newer" is never a tie
        let mut now = self.0.lock().unwrap();
        *now += k8s_openapi::jiff::SignedDuration::from_micros(1);
        k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(*now)
    }
}

#[derive(Default)]
pub struct MemoryBlobs(Mutex<BTreeMap<BlobKey, Bytes>>);

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, crate::blobs::Error> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), crate::blobs::Error> {
        self.0.lock().unwrap().insert(key.clone(), bytes);
        Ok(())
    }
    async fn create(&self, key: &BlobKey, bytes: Bytes) -> Result<(), crate::blobs::Error> {
        match self.0.lock().unwrap().entry(key.clone()) {
            std::collections::btree_map::Entry::Occupied(_) => Err(crate::blobs::Error::Exists { key: key.as_str().to_owned() }),
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(bytes);
                Ok(())
            }
        }
    }
    async fn delete(&self, key: &BlobKey) -> Result<(), crate::blobs::Error> {
        self.0.lock().unwrap().remove(key);
        Ok(())
    }
    async fn list(&self, prefix: &str) -> Result<Vec<BlobKey>, crate::blobs::Error> {
        Ok(self.0.lock().unwrap().keys().filter(|key| key.as_str().starts_with(prefix)).cloned().collect())
    }
}

/// One component = one resource; a component of type `bad` is an error.
pub struct Words;

impl Knowledge for Words {
    fn validate(&self, spec: &DesignSpec, _: Language) -> Verdict {
        let bad = spec.components.iter().find(|component| component.service_type == "bad");
        let findings: Vec<Finding> = bad
            .map(|component| Finding {
                rule: "structure.unknown-type".into(),
                severity: Severity::Error,
                path: format!("components[{}].serviceType", component.id),
                message: "unknown".into(),
                recommendation: None,
                allowed: vec![],
            })
            .into_iter()
            .collect();
        let component = |component: &crate::api::design::Component| ValidatedComponent {
            id: component.id.clone(),
            label: component.id.clone(),
            service_type: component.service_type.clone(),
            display_name: component.id.clone(),
            config: component.config.clone(),
        };
        let design = ValidatedDesign {
            secrets: Default::default(),
            session: spec.session_ref.clone(),
            target: spec.target,
            region: "ap-osaka-1".into(),
            compartment_id: "c".into(),
            components: spec.components.iter().map(component).collect(),
            connections: vec![],
            variables: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        Verdict { design: findings.is_empty().then_some(design), findings }
    }
    fn render(&self, design: &ValidatedDesign, _: &RenderContext) -> Result<Rendered, Vec<Finding>> {
        let addresses: Vec<String> = design.components.iter().map(|component| format!("oci_core_vcn.{}", component.label)).collect();
        let resource = |address: &String| RenderedResource {
            address: address.clone(),
            resource_type: "oci_core_vcn".to_owned(),
            arguments: serde_json::json!({}),
            unknown: BTreeSet::new(),
        };
        Ok(Rendered {
            resources: addresses.iter().map(resource).collect(),
            files: BTreeMap::from([("main.tf".to_owned(), addresses.join("\n"))]),
            variables: BTreeMap::new(),
            secrets: design.components.iter().filter_map(|component| secret(&component.id)).collect(),
            types: BTreeSet::new(),
            components: BTreeMap::new(),
            looked_up: Vec::new(),
        })
    }
    fn preview(&self, _: &[RenderedResource], _: Option<&StateView>) -> Preview {
        Preview::default()
    }
    fn provider_version(&self) -> String {
        "8.28.0".into()
    }
}

/// A component `generated…` needs a password that Galley makes, `supplied…` one that a person gives.
fn secret(id: &str) -> Option<SecretNeed> {
    let source = match id {
        id if id.starts_with("generated") => SecretSource::Generate,
        id if id.starts_with("supplied") => SecretSource::Supplied,
        _ => return None,
    };
    Some(SecretNeed { name: format!("{id}_password"), source, rule: PasswordRule { length: 20, symbols: "#".into(), of_each: 1 } })
}

#[derive(Debug, Clone, Default)]
pub struct Place {
    pub serial: u64,
    pub state: Option<BTreeSet<String>>,
    pub cloud: BTreeSet<String>,
}

/// What the fake runner does next, and what it did.
#[derive(Default)]
pub struct World {
    pub places: HashMap<String, Place>,
    pub runs: Vec<(Action, String)>,
    /// secret values the newest run got
    pub secrets: Vec<String>,
    pub plans: HashMap<String, (String, BTreeSet<String>, BTreeMap<String, String>)>,
    /// applies fail at their last address with this class and code
    pub fail_apply: Option<(WhoActs, &'static str)>,
    /// runs wait for `release` or their cancellation
    pub hold: bool,
    pub dead: HashMap<String, Recovered>,
    /// what is told of a dead owner does not change by asking again
    pub dead_for_ever: bool,
    pub running: usize,
    pub most_running: usize,
}

#[derive(Clone)]
pub struct FakeRunner {
    pub world: Arc<Mutex<World>>,
    pub release: Arc<Notify>,
    pub clock: Arc<TestClock>,
}

fn lineage(uid: &str) -> String {
    format!("lineage-{uid}")
}

fn record(uid: &str, place: &Place) -> Option<StateRecord> {
    place.state.as_ref().map(|state| StateRecord { lineage: lineage(uid), serial: place.serial, resources: state.len() })
}

fn done(phase: JobPhase) -> Completed {
    Completed {
        phase,
        reason: None,
        who_acts: None,
        message: None,
        plan: None,
        drift: vec![],
        diagnostics: vec![],
        created: vec![],
        failed: vec![],
        not_attempted: vec![],
        in_flight: vec![],
        state: None,
        blobs: vec![],
    }
}

impl FakeRunner {
    fn finish(&self, input: &RunInput) -> Result<Completed, Error> {
        let mut world = self.world.lock().unwrap();
        let mut place = world.places.get(&input.design_uid).cloned().unwrap_or_default();
        let held = record(&input.design_uid, &place);
        if input.expected_state.as_ref().map(|state| state.serial) != held.as_ref().map(|state| state.serial) {
            let serial = |state: &Option<StateRecord>| state.as_ref().map_or(0, |state| state.serial);
            return Err(Error::StateChanged {
                lineage: String::new(),
                serial: serial(&input.expected_state),
                found_lineage: String::new(),
                found_serial: serial(&held),
            });
        }
        let state = place.state.clone().unwrap_or_default();
        let gone: Vec<String> = state.difference(&place.cloud).cloned().collect();
        let completed = match input.action {
            Action::Refresh => {
                let drift = gone.iter().map(|address| change(address, ChangeAction::Delete)).collect();
                Completed { drift, state: held, ..done(JobPhase::Succeeded) }
            }
            Action::Plan => {
                let wanted: BTreeSet<String> = match input.destroy_plan {
                    true => BTreeSet::new(),
                    false => input.files["main.tf"].lines().map(str::to_owned).collect(),
                };
                let here: BTreeSet<String> = state.intersection(&place.cloud).cloned().collect();
                let imports = input.imports.clone();
                let create = wanted.iter().filter(|address| !here.contains(*address) && !imports.contains_key(*address)).count();
                let counts = Counts { create, delete: here.difference(&wanted).count(), import: imports.len(), ..Counts::default() };
                let plan_sha256 = sha256_hex(format!("{}{:?}{:?}", input.job, counts, self.clock.now().0));
                world.plans.insert(input.job.clone(), (plan_sha256.clone(), wanted, imports.clone()));
                let created_at = self.clock.now();
                let expires_at =
                    crate::controllers::backoff::after(&created_at, std::time::Duration::from_secs(input.plan_ttl_seconds as u64));
                let plan = PlanRecord {
                    job: input.job.clone(),
                    destroy: input.destroy_plan,
                    digest: input.digest.clone(),
                    lineage: held.as_ref().map(|state| state.lineage.clone()).unwrap_or_default(),
                    serial: held.as_ref().map_or(0, |state| state.serial),
                    generation: input.generation,
                    semantic_sha256: plan_sha256.clone(),
                    plan_sha256,
                    counts,
                    changes: vec![],
                    drift_deletes: gone,
                    drift_updates: vec![],
                    imports,
                    output_changes: false,
                    created_at,
                    expires_at,
                };
                Completed { plan: Some(plan), state: held, ..done(JobPhase::Succeeded) }
            }
            Action::Apply | Action::Destroy => {
                let (job, approved) = input.plan.clone().unwrap();
                let (sha, wanted, _) = world.plans[&job].clone();
                if sha != approved {
                    return Err(Error::PlanTampered { job, found: sha, approved });
                }
                place.serial += 1;
                let mut made = wanted.clone();
                let failure = world.fail_apply.take();
                let lost = failure.and_then(|_| made.pop_last());
                place.cloud = made.clone();
                place.state = Some(made.clone());
                let state = record(&input.design_uid, &place);
                world.places.insert(input.design_uid.clone(), place);
                match failure {
                    None => Completed { created: made.into_iter().collect(), state, ..done(JobPhase::Succeeded) },
                    Some((who_acts, code)) => Completed {
                        who_acts: Some(who_acts),
                        reason: Some(if who_acts == WhoActs::Retry { Reason::RetryScheduled } else { Reason::JobFailed }),
                        diagnostics: vec![diagnostic(code, who_acts)],
                        created: made.into_iter().collect(),
                        failed: lost.into_iter().collect(),
                        state,
                        ..done(JobPhase::Failed)
                    },
                }
            }
        };
        Ok(completed)
    }
}

fn change(address: &str, action: ChangeAction) -> Change {
    Change { address: address.to_owned(), action, replace_paths: vec![], changed_paths: vec![] }
}

fn diagnostic(code: &str, who_acts: WhoActs) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: Some(code.into()),
        summary: format!("{code}, it failed"),
        detail: String::new(),
        address: None,
        file: None,
        line: None,
        who_acts,
        next_action: None,
    }
}

#[async_trait]
impl Runner for FakeRunner {
    async fn run(&self, input: RunInput, control: Control, events: mpsc::Sender<RunEvent>) -> Result<Completed, Error> {
        let hold = {
            let mut world = self.world.lock().unwrap();
            world.runs.push((input.action, input.design.clone()));
            world.secrets = input.secrets.values().map(|secret| secret.0.clone()).collect();
            world.running += 1;
            world.most_running = world.most_running.max(world.running);
            world.hold
        };
        let owner = Owner { host: "host".into(), boot_id: "boot".into(), pid: Some(7), start_time: Some(1), epoch: 1 };
        let _ = events.send(RunEvent::Started(owner)).await;
        let mut cancelled = control.cancel.is_cancelled();
        if hold {
            tokio::select! {
                _ = control.cancel.cancelled() => cancelled = true,
                _ = self.release.notified() => {}
            }
        }
        let result = if cancelled { Ok(done(JobPhase::Cancelled)) } else { self.finish(&input) };
        self.world.lock().unwrap().running -= 1;
        result
    }
    async fn recover(&self, design_uid: &str, job: &str, _: Action, _: Option<&Owner>) -> Result<Recovered, Error> {
        let mut world = self.world.lock().unwrap();
        let state = world.places.get(design_uid).and_then(|place| record(design_uid, place));
        let nothing = Recovered::Dead { state, restored: false, in_flight: vec![], created: vec![], not_attempted: vec![] };
        if world.dead_for_ever {
            return Ok(world.dead.get(job).cloned().unwrap_or(nothing));
        }
        Ok(world.dead.remove(job).unwrap_or(nothing))
    }
    async fn state(&self, design_uid: &str) -> Result<Option<Arc<StateView>>, Error> {
        let world = self.world.lock().unwrap();
        let Some(place) = world.places.get(design_uid) else { return Ok(None) };
        let Some(record) = record(design_uid, place) else { return Ok(None) };
        let addresses = place.state.iter().flatten();
        let resources = addresses.map(|address| (address.clone(), ("oci_core_vcn".to_owned(), Some(format!("id-{address}"))))).collect();
        Ok(Some(Arc::new(StateView { record, resources, ..StateView::default() })))
    }
    async fn version(&self) -> Result<String, Error> {
        Ok("1.11.4".into())
    }
    async fn forget(&self, design_uid: &str) -> Result<(), Error> {
        self.world.lock().unwrap().places.remove(design_uid);
        Ok(())
    }
    async fn seize(&self, design_uid: &str, job: &str, action: Action) -> Result<Recovered, Error> {
        self.world.lock().unwrap().dead.remove(job);
        self.recover(design_uid, job, action, None).await
    }
    /// The one state that is kept is that of serial 1, with what the cloud holds.
    async fn restore(&self, design_uid: &str, serial: u64, known: u64) -> Result<Restored, Error> {
        let mut world = self.world.lock().unwrap();
        let place = world.places.entry(design_uid.to_owned()).or_default();
        if serial != 1 {
            return Ok(Restored::Absent { kept: vec![1] });
        }
        place.serial = known + 1;
        place.state = Some(place.cloud.clone());
        Ok(Restored::Done(record(design_uid, place).expect("a state")))
    }
}

/// Finds what the cloud holds.
#[async_trait]
impl Lookup for FakeRunner {
    async fn find(&self, whose: Whose<'_>, address: &str, _: &serde_json::Value, _: &BTreeSet<String>) -> Result<Option<String>, Error> {
        assert!(address.starts_with("oci_core_vcn."));
        let world = self.world.lock().unwrap();
        let there = world.places.get(whose.design_uid).is_some_and(|place| place.cloud.contains(address));
        Ok(there.then(|| format!("id-{address}")))
    }
    async fn tagged(&self, whose: Whose<'_>, known_ids: &BTreeSet<String>) -> Result<BTreeMap<String, String>, Error> {
        let world = self.world.lock().unwrap();
        let cloud = world.places.get(whose.design_uid).into_iter().flat_map(|place| place.cloud.iter());
        let all = cloud.map(|address| (address.clone(), format!("id-{address}")));
        Ok(all.filter(|(_, id)| !known_ids.contains(id)).collect())
    }
}

pub fn in_flight(address: &str) -> InFlight {
    InFlight { address: address.into(), action: ChangeAction::Create, found_id: None, looked_up: false }
}
