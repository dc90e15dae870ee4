//! How people spell what the catalogue knows: service types and connection types in any letter case and with any
//! separators, by the words other tools and other people use. Pure.
//!
//! Only words with one meaning stand here. What "uses" or "connects to" means depends on the two ends, so it is refused with
//! what these two allow.

use std::collections::{BTreeMap, BTreeSet};

use super::service::Service;

/// Letters and digits in lower case: what two spellings of one word have in common.
pub fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Words for connection types. Each name without its separators is in the list of the catalogue already.
const WORDS: &[(&str, &[&str])] = &[
    (
        "deployed_in",
        &[
            "deploy_in",
            "deploys_in",
            "deployed_to",
            "deployed_on",
            "deployed_into",
            "deployed_within",
            "placed_in",
            "located_in",
            "hosted_in",
            "hosted_on",
            "resides_in",
            "runs_in",
            "running_in",
            "belongs_to",
            "contained_in",
            "member_of",
            "part_of",
            "in_subnet",
            "in_vcn",
            "inside",
            "within",
        ],
    ),
    ("attached_to", &["attach", "attached", "attach_to", "attaches_to", "associated_with", "associated_to", "bound_to"]),
    ("vcn_peering", &["peering", "peered_with", "vcn_peered_with", "local_vcn_peering"]),
    ("routes_to", &["route_to", "route", "routes", "routed_to", "routing", "forwards_to", "forward_to"]),
    ("event", &["events", "triggers", "trigger", "triggered_by_event", "event_trigger", "event_to", "emits_to"]),
    ("depends_on", &["depends", "depend_on", "dependency", "requires", "after"]),
    ("private_endpoint", &["private_endpoints", "via_private_endpoint"]),
    ("service_gateway", &["via_service_gateway", "through_service_gateway", "sgw"]),
    ("public", &["public_endpoint", "via_internet", "over_internet"]),
];

/// Words for connections whose ends stand the other way round.
const TURNED: &[(&str, &[&str])] = &[("deployed_in", &["contains", "hosts", "includes", "has_subnet"])];

/// The connection type a word stands for, and whether its ends are turned round. `known` are the catalogue's own.
pub(super) fn connection<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<(&'a str, bool)> {
    let wanted = bare(written);
    let known: Vec<&str> = known.collect();
    let of = |name: &str| known.iter().find(|k| **k == name).copied();
    if let Some(name) = known.iter().find(|name| bare(name) == wanted) {
        return Some((name, false));
    }
    let in_table = |table: &[(&'static str, &[&str])]| {
        table.iter().find(|(_, words)| words.iter().any(|word| bare(word) == wanted)).and_then(|(name, _)| of(name))
    };
    in_table(WORDS).map(|name| (name, false)).or_else(|| in_table(TURNED).map(|name| (name, true)))
}

/// Every spelling of every service type → the type: its name, its aliases, and the Terraform type it makes first. A name goes
/// before an alias; an alias or Terraform type of two services is nobody's, so that a file copied from another loads.
pub(super) fn service_types(services: &BTreeMap<String, Service>) -> BTreeMap<String, String> {
    let mut said: BTreeMap<String, BTreeSet<&String>> = BTreeMap::new();
    for (name, service) in services {
        let made = service.resources.first().map(|resource| &resource.resource_type);
        for word in service.aliases.iter().chain(made) {
            said.entry(bare(word)).or_default().insert(name);
        }
    }
    let only = |names: BTreeSet<&String>| if names.len() == 1 { names.first().map(|name| (*name).clone()) } else { None };
    let mut spellings: BTreeMap<String, String> = said.into_iter().filter_map(|(word, names)| Some((word, only(names)?))).collect();
    spellings.extend(services.keys().map(|name| (bare(name), name.clone())));
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn a_service_type_is_known_by_any_spelling_and_by_what_people_call_it() {
        let catalog = Catalog::embedded().unwrap();
        let rows = [
            ("VCN", Some("vcn"), "letter case"),
            ("API-Gateway", Some("apigateway"), "separators"),
            ("object storage", Some("objectstorage"), "a space"),
            ("load_balancer", Some("loadbalancer"), "the predecessor's users write it"),
            ("autonomous_database", Some("adb"), "the product's name"),
            ("instance", Some("compute"), "what the console calls it"),
            ("igw", Some("internet_gateway"), "short"),
            ("k8s", Some("oke"), "short"),
            ("bucket", Some("objectstorage"), "what it makes"),
            ("oci_core_vcn", Some("vcn"), "the Terraform type"),
            ("oci_mysql_mysql_db_system", Some("mysql"), "the Terraform type"),
            ("computer", None, "near, but another word: asked back"),
            ("database", None, "which one?"),
            ("", None, "nothing"),
        ];
        for (written, expected, reason) in rows {
            assert_eq!(catalog.named(written), expected, "{reason}: {written}");
        }
        for service in catalog.services() {
            for alias in &service.aliases {
                assert_eq!(catalog.named(alias), Some(service.service_type.as_str()), "{alias} is one type's word");
            }
        }
    }

    #[test]
    fn a_word_that_two_types_claim_is_nobodys_and_a_name_goes_before_it() {
        let (name, text) = *crate::catalog::EMBEDDED.iter().find(|(name, _)| *name == "objectstorage.yaml").unwrap();
        let copied = text.replace("type: objectstorage", "type: shelf");
        let named = text.replace("type: objectstorage", "type: bucket");
        let shelf = Catalog::from_files([(name, text), ("shelf.yaml", copied.as_str())]).unwrap();
        assert_eq!((shelf.named("bucket"), shelf.named("Shelf")), (None, Some("shelf")));
        let bucket = Catalog::from_files([(name, text), ("bucket.yaml", named.as_str())]).unwrap();
        assert_eq!(bucket.named("Bucket"), Some("bucket"));
    }

    #[test]
    fn a_connection_type_is_known_by_its_spellings_and_by_words_with_one_meaning() {
        let catalog = Catalog::embedded().unwrap();
        let rows = [
            ("Deployed-In", Some(("deployed_in", false)), "case and separator"),
            ("privateEndpoint", Some(("private_endpoint", false)), "camel case"),
            ("located_in", Some(("deployed_in", false)), "one meaning"),
            ("contains", Some(("deployed_in", true)), "the same from the other end"),
            ("triggers", Some(("event", false)), "one meaning"),
            ("uses", None, "depends on the ends"),
            ("connects_to", None, "depends on the ends"),
            ("db", None, "depends on the ends"),
        ];
        for (written, expected, reason) in rows {
            assert_eq!(catalog.connection_named(written), expected, "{reason}: {written}");
        }
        let known = catalog.connection_types();
        for (name, _) in WORDS.iter().chain(TURNED) {
            assert!(known.contains(name), "{name} is a connection type of the catalogue");
        }
    }
}
