//! The `constraints` of a design file, which stand beside its components and hold for what is rendered from them. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::checks::Outcome;
use super::world::{Part, World};

/// Constraints that can be checked.
pub(super) const KNOWN: [&str; 3] = ["always_free", "max_vcns", "max_ocpus_per_shape"];

/// Every constraint against one view; None when the file has none.
pub(super) fn check(design: &Value, world: &World) -> Option<Outcome> {
    let constraints = design["constraints"].as_object().filter(|members| !members.is_empty())?;
    let (mut facts, mut wrong) = (Vec::new(), Vec::new());
    for (name, wanted) in constraints {
        let outcome = match name.as_str() {
            "always_free" => free(world, wanted),
            "max_vcns" => most(wanted, "VCNs", world.of_kind("oci_core_vcn").count() as f64),
            "max_ocpus_per_shape" => ocpus(world).into_iter().try_fold(String::new(), |said, (shape, count)| {
                Ok(format!("{said} {}", most(wanted, &format!("OCPUs of {shape}"), count)?))
            }),
            // told as unknown
            _ => continue,
        };
        match outcome {
            Ok(fact) => facts.push(fact.trim().to_owned()),
            Err(problem) => wrong.push(format!("{name}: {problem}")),
        }
    }
    Some(if wrong.is_empty() { Ok(facts) } else { Err(wrong) })
}

fn most(wanted: &Value, what: &str, found: f64) -> Result<String, String> {
    match wanted.as_f64() {
        Some(most) if found <= most => Ok(format!("{found} {what}")),
        Some(most) => Err(format!("{found} {what}, at most {most}")),
        None => Err(format!("{wanted} is no number")),
    }
}

/// `false`: nothing is of the free tier. `true`: no database is billed.
fn free(world: &World, wanted: &Value) -> Result<String, String> {
    let databases: Vec<&Part> = world.of_kind("oci_database_autonomous_database").collect();
    let is_free =
        |part: &&&Part| matches!(part.attributes["is_free_tier"].as_bool().or(text_truth(&part.attributes["is_free_tier"])), Some(true));
    let free = databases.iter().filter(is_free).count();
    let fits = if wanted == &Value::Bool(true) { free == databases.len() } else { free == 0 };
    let said = format!("{free} of {} databases Always Free", databases.len());
    if fits { Ok(said) } else { Err(said) }
}

/// A provider may keep a truth as text.
fn text_truth(value: &Value) -> Option<bool> {
    value.as_str().and_then(|text| text.parse().ok())
}

/// OCPUs of each shape: instances, and nodes of clusters.
fn ocpus(world: &World) -> BTreeMap<String, f64> {
    let mut found: BTreeMap<String, f64> = BTreeMap::new();
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).unwrap_or(1.0);
    let mut add = |shape: &Value, count: f64| *found.entry(shape.as_str().unwrap_or("unknown").to_owned()).or_default() += count;
    for part in world.of_kind("oci_core_instance") {
        add(&part.attributes["shape"], number(&part.attributes["shape_config"][0]["ocpus"]));
    }
    for part in world.of_kind("oci_containerengine_node_pool") {
        let nodes = number(&part.attributes["node_config_details"][0]["size"]);
        add(&part.attributes["node_shape"], nodes * number(&part.attributes["node_shape_config"][0]["ocpus"]));
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::tests::{document, rendered, spec};

    #[test]
    fn constraints_hold_for_what_is_rendered_or_say_what_exceeds_them() {
        let mut file = document("iot-platform-19.json");
        let world = World::rendered(&rendered(&spec(&file)).files).unwrap();
        let facts = check(&file, &world).unwrap().unwrap();
        assert!(facts.join(", ").contains("1 VCNs") && facts.join(", ").contains("3 OCPUs of VM.Standard.E4.Flex"), "{facts:?}");
        for (name, value) in [("always_free", json!(true)), ("max_vcns", json!(0)), ("max_ocpus_per_shape", json!(2))] {
            file["constraints"] = json!({ name: value });
            let wrong = check(&file, &world).unwrap().unwrap_err();
            assert!(wrong.len() == 1 && wrong[0].starts_with(name), "{wrong:?}");
        }
        assert!(check(&json!({}), &world).is_none());
    }
}
