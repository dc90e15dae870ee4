//! Service files of strangers: refused with file and line, or a catalogue that can be judged and rendered with.

use std::collections::BTreeMap;

use galley::catalog::Catalog;
use galley::render::schema::Schema;
use galley::render::schema_check::check_catalog;
use galley::validator::rules::Rules;
use serde_json::{Value, json};

use super::{Target, judged, says_file_and_line, yaml};

pub const TARGET: Target = Target { name: "services", check, seeds: || yaml("rules/services"), memory: (128 << 20, 1_000) };

const FILE: &str = "fuzzed.yaml";

fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let catalog = match Catalog::from_files([(FILE, text)]) {
        Ok(catalog) => catalog,
        Err(error) => return says_file_and_line(&error.to_string(), FILE, text),
    };
    let faults = check_catalog(&catalog, Schema::builtin());
    faults.iter().for_each(|fault| says_file_and_line(&fault.to_string(), FILE, text));
    if !faults.is_empty() {
        return;
    }
    for service in catalog.services() {
        let keys = service.config.iter();
        let config = keys.filter_map(|(key, of)| Some((key, of.examples.first().or(of.choices.first()).or(of.default.as_ref())?)));
        let config: BTreeMap<&str, &Value> = config.collect();
        for config in [json!({}), json!(config)] {
            let component = json!({"id": "one", "serviceType": service.service_type, "config": config});
            let spec = serde_json::from_value(json!({"sessionRef": "s-1", "components": [component], "connections": []})).unwrap();
            judged(&spec, &catalog, &Rules::default());
        }
    }
}
