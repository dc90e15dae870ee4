//! Validation in process: the judge that every save and every turn of the loop runs, network derivation and rules included.

use galley::api::design::DesignSpec;
use galley::api::session::Language;
use galley::catalog::Catalog;
use galley::config::SANDBOX_COMPARTMENT;
use galley::render::network;
use galley::validator::rules::{Case, EMBEDDED, Rules};
use galley::validator::{Defaults, validate};
use serde_json::json;

use crate::Found;
use crate::measure::{Figure, wall};
use crate::server::design;

pub fn measure() -> Found {
    let catalog = Catalog::embedded().expect("the catalogue");
    let defaults = Defaults { region: "ap-osaka-1".into(), compartment_id: SANDBOX_COMPARTMENT.into(), language: Language::En };
    let mut found = Found::default();
    let loading = wall(5, || {
        std::hint::black_box(Rules::load(EMBEDDED.iter().copied(), &catalog, None).expect("the rules"));
    });
    let shipped = Rules::shipped();
    assert!(shipped.len() >= 100, "the bar names at least 100 rules");
    found.note(format!("{} rules ship; loaded strictly in {:.0} ms", shipped.len(), loading.expect("samples").p50));
    let enough = at_least(200, &shipped, &catalog);
    for (bar, count, rules, samples) in
        [("validation, 19 components, 100 rules", 19, &shipped, 500), ("validation, 200 components, 200 rules", 200, &enough, 60)]
    {
        let mut spec = design(count);
        spec["sessionRef"] = json!("bench");
        let spec: DesignSpec = serde_json::from_value(spec).expect("a spec");
        assert_eq!(spec.components.len(), count);
        let verdict = validate(&spec, &catalog, rules, &defaults);
        let design = verdict.design.as_ref().expect("the design is judged to its end");
        let network = network::derive(design, &catalog, Language::En);
        let case = Case { spec: &spec, design, network: &network, catalog: &catalog, work_compartment: SANDBOX_COMPARTMENT };
        let evaluated = rules.judge(case, Language::En).evaluated;
        let spread = wall(samples, || {
            std::hint::black_box(validate(&spec, &catalog, rules, &defaults));
        });
        let spread = spread.expect("samples");
        found.figure(bar, Figure::Measured(spread.p99));
        found.note(format!(
            "validation of {count} components by {} rules: p99 above, median {:.2} ms, {evaluated} pairs of a rule and what it applies to evaluated, {} findings",
            rules.len(),
            spread.p50,
            verdict.findings.len()
        ));
    }
    found
}

/// The shipped rules, and themes of them again under other ids until there are `least`.
fn at_least(least: usize, shipped: &Rules, catalog: &Catalog) -> Rules {
    let mut files: Vec<(String, String)> = EMBEDDED.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let mut have = shipped.len();
    for (name, text) in EMBEDDED.iter().filter(|(name, _)| *name != "facts.yaml").cycle() {
        if have >= least {
            break;
        }
        let again = files.len();
        have += text.matches("\n  - id: ").count();
        files.push((format!("again-{again}-{name}"), text.replace("\n  - id: ", &format!("\n  - id: again{again}-"))));
    }
    Rules::load(files.iter().map(|(name, text)| (name.as_str(), text.as_str())), catalog, None).expect("rules under other ids")
}
