//! Regions: key, realm, domain. Pure; data in `rules/provider/regions.json` (from the Go SDK's common/regions.json).

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

/// A region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// `ap-osaka-1`
    pub id: String,
    /// `kix`
    pub key: String,
    /// `oc1`
    pub realm: String,
    /// `oraclecloud.com`
    pub domain: String,
}

#[derive(Deserialize)]
struct Row {
    key: String,
    realm: String,
    domain: String,
}

fn table() -> &'static BTreeMap<String, Row> {
    static TABLE: OnceLock<BTreeMap<String, Row>> = OnceLock::new();
    TABLE.get_or_init(|| serde_json::from_str(include_str!("../../rules/provider/regions.json")).unwrap_or_default())
}

impl Region {
    /// By identifier or by key (`kix`), in any case. An unknown name is taken as a new region of the commercial realm: a list
    /// that is older than a region must not keep anybody out of it.
    pub fn named(name: &str) -> Region {
        let name = name.trim().to_ascii_lowercase();
        let found = table().iter().find(|(id, row)| **id == name || row.key == name);
        match found {
            Some((id, row)) => Region { id: id.clone(), key: row.key.clone(), realm: row.realm.clone(), domain: row.domain.clone() },
            None => Region { key: name.chars().take(3).collect(), id: name, realm: "oc1".to_owned(), domain: "oraclecloud.com".to_owned() },
        }
    }

    /// Identifiers and keys of all regions of a realm.
    pub fn all(realm: &str) -> Vec<(String, String)> {
        table().iter().filter(|(_, row)| row.realm == realm).map(|(id, row)| (id.clone(), row.key.to_ascii_uppercase())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_known_by_its_name_and_by_its_key_and_brings_its_realms_domain() {
        let rows = [
            ("by name", "ap-osaka-1", "ap-osaka-1", "oraclecloud.com"),
            ("by key", "KIX", "ap-osaka-1", "oraclecloud.com"),
            ("newer than the list", "xx-new-1", "xx-new-1", "oraclecloud.com"),
            ("another realm", "us-langley-1", "us-langley-1", "oraclegovcloud.com"),
        ];
        for (reason, name, id, domain) in rows {
            let region = Region::named(name);
            assert_eq!((region.id.as_str(), region.domain.as_str()), (id, domain), "{reason}");
        }
    }
}
