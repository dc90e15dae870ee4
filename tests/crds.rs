//! Keeps the generated definitions fresh: `crds/` and the chart's copies hold exactly what the types say.
//!
//! `UPDATE_GOLDEN=1 cargo test --test crds` (or `make crds`) writes them.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// File name → text, one file for each kind.
fn wanted() -> Vec<(String, String)> {
    let head = "# Generated from src/api by `make crds`. Do not edit.\n";
    let file = |crd: &k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition| {
        (format!("{}.yaml", crd.spec.names.plural), format!("{head}{}", serde_saphyr::to_string(crd).unwrap()))
    };
    galley::api::crds().iter().map(file).collect()
}

fn found(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_committed_definitions_are_what_the_types_say() {
    for folder in ["crds", "charts/galley/crds"] {
        let folder = root().join(folder);
        let mut names: Vec<String> = vec![];
        for (name, text) in wanted() {
            let path = folder.join(&name);
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == text, "{} is stale: run `make crds` and commit it", path.display());
            names.push(name);
        }
        names.sort();
        assert_eq!(found(&folder), names, "{} holds exactly one file for each kind", folder.display());
    }
}

#[test]
fn the_definitions_survive_a_reader_of_yaml() {
    for (name, text) in wanted() {
        let read: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        let plural = name.trim_end_matches(".yaml");
        assert_eq!(read["metadata"]["name"], format!("{plural}.galley.dev"), "{name}");
        assert!(read["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].is_object(), "{name}");
    }
}

#[test]
fn the_chart_lets_the_server_touch_every_kind() {
    let rbac = std::fs::read_to_string(root().join("charts/galley/templates/rbac.yaml")).unwrap();
    for crd in galley::api::crds() {
        let plural = &crd.spec.names.plural;
        for resource in [plural.clone(), format!("{plural}/status")] {
            assert!(rbac.contains(&format!("\"{resource}\"")), "charts/galley/templates/rbac.yaml names no {resource}");
        }
    }
}
