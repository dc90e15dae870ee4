//! Rule files of strangers: refused with file and line, or rules that judge a design without harm.

use std::sync::LazyLock;
use std::time::Instant;

use galley::api::design::DesignSpec;
use galley::validator::rules::Rules;

use super::{CATALOG, Target, architecture, judged, says_file_and_line, yaml};

pub const TARGET: Target = Target { name: "rules", check, seeds: || yaml("rules/validation"), memory: (128 << 20, 1_000) };

const FILE: &str = "fuzzed.yaml";

/// The platform of 19 components.
static DESIGN: LazyLock<DesignSpec> = LazyLock::new(|| {
    let seeds = (architecture::TARGET.seeds)();
    let largest = seeds.into_iter().take(2).max_by_key(|seed| seed["components"].as_array().map(Vec::len)).unwrap();
    serde_json::from_value(largest).unwrap()
});

fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for file in [FILE, "facts.yaml"] {
        let start = Instant::now();
        match Rules::load([(file, text)], &CATALOG, Some(&|| start.elapsed())) {
            Ok(rules) => drop(judged(&DESIGN, &CATALOG, &rules)),
            Err(error) => says_file_and_line(&error.to_string(), file, text),
        }
    }
}
