//! What has to be read from the files themselves: provider set, missing variables, import blocks. Pure; structures only.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Error;
use crate::plan::canonical::sha256_hex;

/// Whether `terraform init` has something to do for these files: providers that are neither built in nor handed over
/// (`reattached`, full source addresses), or modules. Files that do not parse: yes, so that Terraform says what is wrong.
pub(super) fn needs_init(files: &BTreeMap<String, String>, reattached: &BTreeSet<String>) -> bool {
    let Some(bodies) = parse(files) else { return true };
    let handed_over = |name: &str| reattached.iter().any(|address| address.rsplit('/').next() == Some(name));
    let uses_module = bodies.iter().any(|body| body.blocks().any(|block| block.identifier() == "module"));
    uses_module || providers(&bodies).iter().any(|name| name != "terraform" && !handed_over(name))
}

/// What an `init` depends on: terraform blocks, providers, modules, lock file, version. Equal key, nothing to do.
pub(super) fn init_key(files: &BTreeMap<String, String>, lock_file: &[u8], version: &str) -> String {
    let mut text = String::new();
    match parse(files) {
        Some(bodies) => {
            let relevant = |block: &&hcl::Block| matches!(block.identifier(), "terraform" | "module");
            for block in bodies.iter().flat_map(|body| body.blocks()).filter(relevant) {
                text.push_str(&hcl::format::to_string(block).unwrap_or_default());
            }
            text.push_str(&providers(&bodies).into_iter().collect::<Vec<_>>().join(","));
        }
        None => files.iter().for_each(|(name, content)| text.push_str(&format!("{name}\0{content}\0"))),
    }
    sha256_hex(format!("{text}\0{version}\0{}", sha256_hex(lock_file)).as_bytes())
}

/// Values for variables without default that nobody gave: a destroy needs none of them, but Terraform asks for all.
pub(super) fn placeholders(files: &BTreeMap<String, String>, given: &BTreeSet<&str>) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for body in parse(files).unwrap_or_default() {
        for block in body.blocks().filter(|block| block.identifier() == "variable") {
            let Some(name) = block.labels().first().map(|label| label.as_str().to_owned()) else { continue };
            let attribute = |key: &str| block.body().attributes().find(|attribute| attribute.key() == key);
            if attribute("default").is_some() || given.contains(name.as_str()) {
                continue;
            }
            let kind = attribute("type").and_then(|kind| hcl::format::to_string(kind.expr()).ok()).unwrap_or_default();
            let value = match kind.trim() {
                "number" => json!(0),
                "bool" => json!(false),
                kind if ["list", "set", "tuple"].iter().any(|start| kind.starts_with(start)) => json!([]),
                kind if ["map", "object"].iter().any(|start| kind.starts_with(start)) => json!({}),
                _ => json!("unused"),
            };
            found.insert(name, value);
        }
    }
    found
}

/// `import` blocks for addresses that the state does not hold yet; None when there are none.
pub(super) fn imports(imports: &BTreeMap<String, String>, held: &BTreeSet<&str>) -> Result<Option<String>, Error> {
    let mut body = hcl::Body::builder();
    let mut any = false;
    for (address, id) in imports.iter().filter(|(address, _)| !held.contains(address.as_str())) {
        let wrong = |why: &str| Error::Io {
            verb: format!("import {address:?}"),
            source: std::io::Error::new(std::io::ErrorKind::InvalidInput, why.to_owned()),
        };
        let to: hcl::Expression = address.parse().map_err(|_| wrong("not a resource address"))?;
        if !matches!(to, hcl::Expression::Traversal(_)) {
            return Err(wrong("not a resource address"));
        }
        body = body.add_block(hcl::Block::builder("import").add_attribute(("to", to)).add_attribute(("id", id.as_str())).build());
        any = true;
    }
    if !any {
        return Ok(None);
    }
    let text = hcl::to_string(&body.build())
        .map_err(|error| Error::Io { verb: "write the imports".into(), source: std::io::Error::other(error) })?;
    Ok(Some(text))
}

fn parse(files: &BTreeMap<String, String>) -> Option<Vec<hcl::Body>> {
    files.iter().filter(|(name, _)| name.ends_with(".tf")).map(|(_, text)| hcl::parse(text).ok()).collect()
}

/// Local names of the providers in use: `provider` blocks, and the first word of resource and data source types.
fn providers(bodies: &[hcl::Body]) -> BTreeSet<String> {
    let blocks = bodies.iter().flat_map(|body| body.blocks());
    blocks
        .filter(|block| matches!(block.identifier(), "provider" | "resource" | "data"))
        .filter_map(|block| Some(block.labels().first()?.as_str().split('_').next()?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("main.tf".to_owned(), text.to_owned())])
    }

    #[test]
    fn init_is_needed_only_for_what_is_neither_built_in_nor_handed_over() {
        let oci = BTreeSet::from(["registry.terraform.io/oracle/oci".to_owned()]);
        let table = [
            ("resource \"terraform_data\" \"a\" {}", BTreeSet::new(), false, "built in"),
            ("resource \"oci_core_vcn\" \"a\" {}", oci.clone(), false, "a reattached provider is not installed"),
            ("resource \"oci_core_vcn\" \"a\" {}", BTreeSet::new(), true, "a real one is"),
            ("module \"m\" {\n  source = \"./m\"\n}", oci.clone(), true, "modules are registered by init"),
            ("resource {{{", oci, true, "terraform says what is wrong"),
        ];
        for (text, reattached, expected, reason) in table {
            assert_eq!(needs_init(&files(text), &reattached), expected, "{reason}");
        }
    }

    #[test]
    fn the_init_key_ignores_resources_and_sees_versions_and_the_lock_file() {
        let base = "terraform {\n  required_version = \">= 1.5\"\n}\nresource \"oci_core_vcn\" \"a\" {}";
        let key = init_key(&files(base), b"lock", "1.11.4");
        assert_eq!(key, init_key(&files(&format!("{base}\nresource \"oci_core_vcn\" \"b\" {{}}")), b"lock", "1.11.4"), "one more resource");
        assert_ne!(key, init_key(&files(&base.replace("1.5", "1.6")), b"lock", "1.11.4"), "another requirement");
        assert_ne!(key, init_key(&files(base), b"other", "1.11.4"), "another lock file");
        assert_ne!(key, init_key(&files(base), b"lock", "1.12.0"), "another terraform");
    }

    #[test]
    fn a_destroy_gets_a_value_of_the_right_type_for_every_variable_that_has_none() {
        let text = "variable \"a\" {}\nvariable \"b\" {\n  type = number\n}\nvariable \"c\" {\n  default = 1\n}\nvariable \"d\" {\n  type = list(string)\n}\nvariable \"e\" {}";
        let found = placeholders(&files(text), &BTreeSet::from(["e"]));
        assert_eq!(serde_json::to_value(found).unwrap(), json!({"a": "unused", "b": 0, "d": []}));
    }

    #[test]
    fn imports_are_structures_and_never_text_of_others() {
        let wanted = BTreeMap::from([
            ("oci_core_vcn.a[\"k\"]".to_owned(), "ocid1.${x}\"".to_owned()),
            ("oci_core_vcn.held".to_owned(), "x".to_owned()),
        ]);
        let text = imports(&wanted, &BTreeSet::from(["oci_core_vcn.held"])).unwrap().unwrap();
        assert_eq!(text, "import {\n  to = oci_core_vcn.a[\"k\"]\n  id = \"ocid1.$${x}\\\"\"\n}\n");
        assert!(imports(&BTreeMap::new(), &BTreeSet::new()).unwrap().is_none());
        for hostile in ["a.b\n}\nresource \"x\" \"y\" {", "file(\"/etc/passwd\")", ""] {
            assert!(imports(&BTreeMap::from([(hostile.to_owned(), "x".to_owned())]), &BTreeSet::new()).is_err(), "{hostile}");
        }
    }
}
