//! `make test-real`: the real OCI provider validates and plans everything that Galley renders, and the simulated cloud plans
//! what it plans (docs/parity.md). Needs the provider's binary (`GALLEY_TEST_OCI_PROVIDER`); without it nothing is claimed.
//!
//! `GALLEY_TEST_OCI_ONLY` is a part of a service type's name, for one's own work; `UPDATE_GOLDEN=1` writes
//! `rules/provider/computed-blocks.json`.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "a test program")]

mod ask;
mod batch;
mod compare;
#[path = "../support/designs.rs"]
mod designs;
mod exact;
mod explained;
mod ledger;
mod rows;
mod stage;
mod stub;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use batch::{Ground, Part};
use explained::Explained;
use galley::render::Rendered;
use ledger::Ledger;
use rows::{Example, Row};
use stage::{Anchor, Real, Terraform};
use stub::Stub;

/// Resources in one run of Terraform: starting costs seconds, and so does a graph of thousands.
const BATCH: usize = 500;
/// Batches at once: one for each core of a small machine.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    let Some(binary) = std::env::var_os("GALLEY_TEST_OCI_PROVIDER") else {
        let why =
            std::env::var("GALLEY_TEST_OCI_PROVIDER_MISSING").unwrap_or_else(|_| "GALLEY_TEST_OCI_PROVIDER names no binary".to_owned());
        let types = designs::CATALOG.service_types().len();
        println!("SKIPPED: {types} service types, {} designs against the real provider: {why}", rows::count_designs());
        return ExitCode::SUCCESS;
    };
    let only = std::env::var("GALLEY_TEST_OCI_ONLY").unwrap_or_default();
    let home = tempfile::tempdir().unwrap();
    let anchor = Anchor::start();
    let homes: Vec<PathBuf> = (0..WORKERS).map(|number| home.path().join(number.to_string())).collect();
    homes.iter().for_each(|home| stage::furnish(home));
    let stubs: Vec<Stub> = homes.iter().map(|_| Stub::start()).collect();
    let reals: Vec<Real> = homes.iter().zip(&stubs).map(|(home, stub)| Real::start(Path::new(&binary), home, stub.address)).collect();
    let worlds = homes.iter().zip(&reals).zip(&stubs);
    let grounds: Vec<Ground<'_>> = worlds.map(|((home, real), stub)| Ground { home, real, stub, anchor: &anchor }).collect();
    let mut ledger = Ledger::new(Explained::all());
    versions(&grounds[0], &mut ledger);
    let since = Instant::now();
    if only.is_empty() {
        data_is_true(&grounds[0], Path::new(&binary), &mut ledger);
        files(&grounds[0], &mut ledger);
    }
    let rows = rows::all(&only);
    let examples = if only.is_empty() { rows::whole_designs() } else { Vec::new() };
    let works: Vec<Work<'_>> = rows.iter().map(Work::Row).chain(examples.iter().map(Work::Example)).collect();
    let ledger = Mutex::new(ledger);
    in_batches(&grounds, &works, &ledger);
    let green = ledger.into_inner().unwrap().close(only.is_empty());
    let asked: usize = stubs.iter().map(Stub::asked).sum();
    println!("{asked} calls of data sources answered on loopback, {} s", since.elapsed().as_secs());
    if green { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What is planned in a module of its own.
#[derive(Clone, Copy)]
enum Work<'a> {
    Row(&'a Row),
    Example(&'a Example),
}

impl<'a> Work<'a> {
    fn wanted(self) -> &'a Rendered {
        match self {
            Work::Row(row) => &row.edited,
            Work::Example(example) => &example.rendered,
        }
    }

    fn base(self) -> Option<&'a Rendered> {
        match self {
            Work::Row(row) => row.base.as_ref(),
            Work::Example(_) => None,
        }
    }

    fn open(self, module: &str, ledger: &mut Ledger) {
        match self {
            Work::Row(row) => ledger.open(module, &row.kind, &row.key, row.base.is_some()),
            Work::Example(example) => ledger.open(module, &example.kind, &example.name, false),
        }
        for line in designs::beyond_1_5(&self.wanted().files) {
            ledger.fault(module, "validate", &format!("Terraform 1.5.7 does not know: {line}"));
        }
    }
}

/// Ranges of works that run together.
fn batches(works: &[Work<'_>]) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < works.len() {
        let (from, mut size) = (at, 0);
        while at < works.len() && (size == 0 || size + works[at].wanted().resources.len() <= BATCH) {
            size += works[at].wanted().resources.len();
            at += 1;
        }
        found.push(from..at);
    }
    found
}

/// Workers take one batch after the other; each has a provider and a stub of its own, because a stub knows the answers to
/// one plan.
fn in_batches(grounds: &[Ground<'_>], works: &[Work<'_>], ledger: &Mutex<Ledger>) {
    let (batches, next) = (batches(works), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for ground in grounds {
            scope.spawn(|| {
                while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let since = Instant::now();
                    let name = |index: usize| format!("r{index}");
                    batch.clone().for_each(|index| works[index].open(&name(index), &mut ledger.lock().unwrap()));
                    let part = |index: usize| Part { name: name(index), base: works[index].base(), wanted: works[index].wanted() };
                    let outcome = batch::run(ground, &ground.home.join(name(batch.start)), batch.clone().map(part).collect());
                    ledger.lock().unwrap().enter(&outcome);
                    println!("{} to {} of {} planned in {} s", batch.start, batch.end, works.len(), since.elapsed().as_secs());
                }
            });
        }
    });
}

/// Design files, exactly as a tenancy gets them.
fn files(ground: &Ground<'_>, ledger: &mut Ledger) {
    for (number, example) in rows::files().into_iter().enumerate() {
        Work::Example(&example).open(&example.name, ledger);
        let dir = ground.home.join(format!("file-{number}"));
        let outcome = exact::run(ground, &dir, &example);
        // Changes of a root module belong to the design.
        let named = |(sandbox, real): (batch::Changes, batch::Changes)| {
            let name = |changes: batch::Changes| changes.into_values().map(|all| (example.name.clone(), all)).collect();
            (name(sandbox), name(real))
        };
        ledger.enter(&batch::Outcome { created: named(outcome.created), ..outcome });
        if number == 0 {
            for name in exact::stale_types(ground, &dir) {
                ledger.fault("rules/provider", "validate", &format!("the schema of {name} is not the provider's: see the README there"));
            }
        }
    }
}

/// What is committed of the provider's behaviour is what it does.
fn data_is_true(ground: &Ground<'_>, binary: &Path, ledger: &mut Ledger) {
    let found = ask::computed_blocks(|| Real::start(binary, ground.home, ground.stub.address));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/provider/computed-blocks.json");
    let text = ask::text(&found);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    if std::fs::read_to_string(&path).unwrap_or_default() != text {
        ledger.fault("rules/provider/computed-blocks.json", "validate", "is stale: run with UPDATE_GOLDEN=1 and read the difference");
    }
}

fn versions(ground: &Ground<'_>, ledger: &mut Ledger) {
    let environment = BTreeMap::new();
    let config = ground.home.join("empty.tfrc");
    let ran = Terraform { work: ground.home, home: ground.home, config, environment: &environment }.run(&["version", "-json"]);
    let version: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let provider = ground.real.version();
    println!("terraform {}, provider oracle/oci {provider}", version["terraform_version"].as_str().unwrap_or("?"));
    let described = galley::render::schema::PROVIDER_VERSION;
    if provider != described {
        ledger.fault("provider", "init", &format!("this is {provider}; rules/provider describes {described}"));
    }
}
