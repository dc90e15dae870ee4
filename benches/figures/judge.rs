//! Validation in process: the judge that every save and every turn of the loop runs, network derivation included.

use galley::api::design::DesignSpec;
use galley::api::session::Language;
use galley::catalog::Catalog;
use galley::config::SANDBOX_COMPARTMENT;
use galley::validator::{Defaults, validate};
use serde_json::json;

use crate::Found;
use crate::measure::{Figure, wall};
use crate::server::design;

/// What is judged today.
const NO_RULES: &str = "the judge as built; rule files do not exist yet";

pub fn measure() -> Found {
    let catalog = Catalog::embedded().expect("the catalogue");
    let defaults = Defaults { region: "ap-osaka-1".into(), compartment_id: SANDBOX_COMPARTMENT.into(), language: Language::En };
    let mut found = Found::default();
    for (bar, count, samples) in [("validation, 19 components, 100 rules", 19, 500), ("validation, 200 components, 200 rules", 200, 60)] {
        let mut spec = design(count);
        spec["sessionRef"] = json!("bench");
        let spec: DesignSpec = serde_json::from_value(spec).expect("a spec");
        assert_eq!(spec.components.len(), count);
        let verdict = validate(&spec, &catalog, &defaults);
        assert!(verdict.design.is_some(), "the design is judged to its end: {:?}", verdict.findings.first());
        let spread = wall(samples, || {
            std::hint::black_box(validate(&spec, &catalog, &defaults));
        });
        let spread = spread.expect("samples");
        found.figure(bar, Figure::Part(spread.p99, NO_RULES));
        found.note(format!(
            "validation of {count} components: p99 above, median {:.2} ms, {} findings",
            spread.p50,
            verdict.findings.len()
        ));
    }
    found
}
