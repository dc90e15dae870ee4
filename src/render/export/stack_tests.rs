//! The Terraform archive in somebody else's hands: nothing of the simulated cloud in it, every variable that must be given in
//! the example and in the form, no secret in a file, no text of a design that becomes YAML.

use super::archive::{Caps, read_zip};
use super::tests::{HOSTILE, Scene, file, platform};
use super::{stack, terraform_zip};
use crate::api::session::Language;
use crate::render::tests::rendered;

/// The names of a schema's variables with their types.
fn kinds(schema: &serde_json::Value) -> Vec<(&str, &str)> {
    schema["variables"].as_object().unwrap().iter().map(|(name, field)| (name.as_str(), field["type"].as_str().unwrap())).collect()
}

#[test]
fn every_variable_that_must_be_given_is_in_the_example_and_in_the_form_of_resource_manager() {
    let scene = platform();
    let mut out = rendered(&scene.spec);
    out.files.insert(
        "extra.tf".to_owned(),
        "variable \"owner\" {\n  type = string\n}\nvariable \"copies\" {\n  type = number\n}\nvariable \"stage\" {\n  default = \"test\"\n}\n"
            .to_owned(),
    );
    let inside = read_zip(&terraform_zip(&scene.subject(), &out.files).unwrap(), Caps::default()).unwrap();
    assert!(out.files["variables.tf"].contains("kix.ocir.io/galley/function"), "the simulated cloud takes any image");
    assert!(!inside["variables.tf"].contains("kix.ocir.io/galley"), "a tenancy has no such image:\n{}", inside["variables.tf"]);
    let example = &inside["terraform.tfvars.example"];
    for (line, why) in [
        ("\ncompartment_ocid = \"ocid1.compartment.oc1..replace-me\"\n", "where"),
        ("\nregion = \"ap-osaka-1\"\n", "known from the design"),
        ("\nfunction_image = \"replace-me\"\n", "only a person knows it"),
        ("\nowner = \"replace-me\"\n", "declared in a file of the design"),
        ("\n# copies = (no text: see its type)\n", "replace-me is no number"),
        ("\n# stage = \"test\"\n", "has a default"),
        ("\n#   TF_VAR_transaction_db_admin_password   Password", "a secret stands in no file"),
    ] {
        assert!(example.contains(line), "{why}: {line:?} not in\n{example}");
    }
    let copied: hcl::Body = hcl::parse(example).unwrap();
    assert!(copied.attributes().all(|attribute| !attribute.key().contains("password")), "{example}");

    let schema: serde_json::Value = serde_yaml::from_str(&inside["schema.yaml"]).unwrap();
    assert_eq!(schema["schemaVersion"], "1.1.0");
    assert_eq!(schema["title"], "IoTリアルタイムデータ分析プラットフォーム");
    let found = kinds(&schema);
    for expected in [
        ("compartment_ocid", "oci:identity:compartment:id"),
        ("region", "oci:identity:region:name"),
        ("function_image", "string"),
        ("owner", "string"),
        ("transaction_db_admin_password", "password"),
    ] {
        assert!(found.contains(&expected), "{expected:?} not in {found:?}");
    }
    assert!(!found.iter().any(|(name, _)| *name == "copies"), "a type the form has no field for keeps its own");
    assert_eq!(schema["variables"]["stage"]["required"], false);
    let grouped: Vec<&str> = schema["variableGroups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["variables"].as_array().unwrap())
        .map(|name| name.as_str().unwrap().trim_start_matches("${").trim_end_matches('}'))
        .collect();
    let mut names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let mut sorted = grouped.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, names, "each field stands in one group");
    assert_eq!(&grouped[..2], ["compartment_ocid", "region"], "where comes first");
    assert_eq!(schema["outputs"]["vcn_id"]["type"], "ocid");
    assert!(schema["outputs"].as_object().unwrap().len() > 5, "without outputs the console shows no tab of the stack");
}

#[test]
fn hostile_titles_stay_text_in_the_form() {
    for title in HOSTILE {
        let scene = Scene::new(title, Language::En, file("compute-adb-verify.json"));
        let files = stack(&scene.subject(), &rendered(&scene.spec).files);
        let schema: serde_json::Value = serde_yaml::from_str(&files["schema.yaml"]).unwrap();
        assert_eq!(schema["title"], super::text::clean(title), "{}", files["schema.yaml"]);
        assert_eq!(schema.as_object().unwrap().len(), 8, "{}", files["schema.yaml"]);
    }
}
