//! Fuzzing of everything that strangers write: designs, service files, rules, override files, Terraform's output. Stable
//! Rust, no dependency: mutations, and novelty of what came out in place of coverage.
//!
//! `cargo test --test fuzz` runs each target for two seconds; `make fuzz` for GALLEY_FUZZ_SECONDS (300). A finding prints
//! the input and is written to `target/fuzz/`: put it into `tests/fuzz/corpus/<target>/`, where it stays a test. Inputs that
//! came out in a new way are kept with GALLEY_FUZZ_KEEP=1. Before each run the input is in `target/fuzz/<target>.running`
//! while GALLEY_FUZZ_TRACE=1: a stack that overflows leaves nothing else behind.

mod mutate;
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mutate::{Dice, mutated};
use targets::{TARGETS, Target};

/// Seconds for each target when nothing is said: five targets at once stay well below what CI gives them.
const SECONDS: u64 = 2;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fs::read_dir(root().join("tests/fuzz/corpus").join(name)).unwrap();
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Runs one input; Err is what it panicked with.
fn attempt(target: &Target, input: &[u8]) -> Result<String, String> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("a panic without a text").to_owned()
    })
}

fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let said = std::env::var("GALLEY_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let (keep, trace) = (std::env::var_os("GALLEY_FUZZ_KEEP").is_some(), std::env::var_os("GALLEY_FUZZ_TRACE").is_some());
    let out = root().join("target/fuzz");
    fs::create_dir_all(&out).unwrap();
    let running = out.join(format!("{name}.running"));
    let mut known: Vec<Vec<u8>> = (target.seeds)();
    known.extend(corpus(name).into_iter().map(|(_, input)| input));
    let (mut ways, mut slowest) = (BTreeSet::new(), (Duration::ZERO, 0));
    for input in &known {
        ways.insert(
            attempt(target, input).unwrap_or_else(|text| panic!("{name}: a seed panics: {text}\n{}", String::from_utf8_lossy(input))),
        );
    }
    let mut dice = Dice(said.unwrap_or(SECONDS) ^ 0x6761_6c6c_6579);
    let (start, mut runs, mut kept) = (Instant::now(), 0_u64, 0_u64);
    while start.elapsed() < Duration::from_secs(said.unwrap_or(SECONDS)) {
        let input = {
            let one = dice.roll(known.len());
            let other = dice.roll(known.len());
            mutated(&mut dice, &known[one], &known[other])
        };
        if trace {
            fs::write(&running, &input).unwrap();
        }
        let before = Instant::now();
        let result = attempt(target, &input);
        runs += 1;
        if before.elapsed() > slowest.0 {
            slowest = (before.elapsed(), input.len());
        }
        match result {
            Ok(way) if ways.insert(way.clone()) => {
                if keep && input.len() < 20_000 {
                    fs::write(out.join(format!("{name}-{kept:05}")), &input).unwrap();
                }
                kept += 1;
                known.push(input);
            }
            Ok(_) => {}
            Err(text) => {
                let path = out.join(format!("{name}.found"));
                fs::write(&path, &input).unwrap();
                panic!(
                    "{name}: {text}\nthe input is in {}:\n{}",
                    path.display(),
                    String::from_utf8_lossy(&input[..input.len().min(4_000)])
                );
            }
        }
    }
    println!("{name}: {runs} inputs, {kept} new ways, slowest {} ms ({} bytes), 0 findings", slowest.0.as_millis(), slowest.1);
}

#[test]
fn designs_of_strangers_are_judged_and_rendered_or_refused() {
    fuzz("architecture");
}

#[test]
fn service_files_of_strangers_load_or_are_refused() {
    fuzz("services");
}

#[test]
fn rules_of_strangers_load_or_are_refused() {
    fuzz("rules");
}

#[test]
fn override_files_of_strangers_are_taken_or_refused() {
    fuzz("overrides");
}

#[test]
fn whatever_terraform_prints_is_read() {
    fuzz("terraform");
}

#[test]
fn every_input_that_was_ever_found_stays_harmless() {
    for target in &TARGETS {
        for (path, input) in corpus(target.name) {
            let result = attempt(target, &input);
            assert!(result.is_ok(), "{}: {result:?}", path.display());
        }
    }
}
