//! Which wishes change nothing: what a resource looked up when it was made, and would look up otherwise today. Pure.

use serde_json::Value;

use super::StateView;
use super::state::instances;
use crate::render::looked_up::LookedUp;

/// Those whose resource exists and was made of something else than what is asked for now: the question is another one than
/// in the state, or what the resource has is not among the answers. (What a provider no longer lists is not, either.)
pub fn without_effect<'l>(looked_up: &'l [LookedUp], state: &StateView) -> Vec<&'l LookedUp> {
    let made_otherwise = |one: &&LookedUp| {
        let resource = instances(&state.raw).find(|instance| !instance.deposed && instance.address == one.resource);
        let (Some(resource), Some(data)) = (resource, data(state, &one.data)) else { return false };
        let asks = one.asked.iter().any(|(name, value)| data.get(name).is_some_and(|known| !known.is_null() && known != value));
        let (list, member) = &one.list;
        let has = one.path.iter().fold(resource.attributes, |value, step| first(value).get(step).unwrap_or(&Value::Null));
        let answers: Vec<&Value> = super::items(&data[list.as_str()]).map(|answer| &answer[member.as_str()]).collect();
        asks || !answers.is_empty() && !has.is_null() && !answers.contains(&has)
    };
    looked_up.iter().filter(made_otherwise).collect()
}

/// A single nested block is recorded as a list of one.
fn first(value: &Value) -> &Value {
    value.as_array().and_then(|list| list.first()).unwrap_or(value)
}

/// Attributes of a data source in the state.
fn data<'s>(state: &'s StateView, (kind, label): &(String, String)) -> Option<&'s Value> {
    let is = |resource: &&Value| resource["mode"] == "data" && resource["type"] == kind.as_str() && resource["name"] == label.as_str();
    super::items(&state.raw["resources"]).find(is).map(|resource| &resource["instances"][0]["attributes"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn looked_up(system: &str) -> LookedUp {
        let asked = json!({"operating_system": system, "shape": "VM.Standard.E4.Flex"});
        LookedUp {
            component: "vm".to_owned(),
            keys: vec!["image_os".to_owned()],
            resource: "oci_core_instance.vm".to_owned(),
            path: vec!["source_details".to_owned(), "source_id".to_owned()],
            data: ("oci_core_images".to_owned(), "vm".to_owned()),
            list: ("images".to_owned(), "id".to_owned()),
            asked: asked.as_object().unwrap().clone(),
        }
    }

    fn state(system: &str, images: &[&str], made_of: &str) -> StateView {
        let images: Vec<Value> = images.iter().map(|id| json!({"id": id})).collect();
        let state = json!({"version": 4, "serial": 1, "lineage": "l", "resources": [
            {"mode": "data", "type": "oci_core_images", "name": "vm", "instances": [{"attributes":
                {"operating_system": system, "shape": "VM.Standard.E4.Flex", "images": images}}]},
            {"mode": "managed", "type": "oci_core_instance", "name": "vm", "instances": [{"attributes":
                {"id": "i", "source_details": [{"source_id": made_of}]}}]},
        ]});
        StateView::parse(state.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn another_system_for_a_machine_that_exists_is_without_effect() {
        for (wish, state, expected, reason) in [
            ("Oracle Linux", state("Oracle Linux", &["a", "b"], "a"), false, "made of the newest"),
            ("Oracle Linux", state("Oracle Linux", &["c", "a"], "a"), false, "a newer image came: nothing that anybody wished"),
            ("Ubuntu", state("Oracle Linux", &["a", "b"], "a"), true, "edited, not applied yet"),
            ("Ubuntu", state("Ubuntu", &["u", "v"], "a"), true, "applied with something else; the machine stayed"),
            ("Ubuntu", state("Ubuntu", &["u", "v"], "u"), false, "made again"),
            ("Ubuntu", StateView::default(), false, "not made yet"),
        ] {
            let wishes = [looked_up(wish)];
            assert_eq!(without_effect(&wishes, &state).len(), usize::from(expected), "{reason}");
        }
    }
}
