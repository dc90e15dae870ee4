//! The shape of a design: counts, ids, types, names, files, variables. Takes the raw spec, gives findings.

use std::collections::BTreeMap;

use super::Defaults;
use super::finding::{Findings, both, did_you_mean, quoted};
use super::instead::instead_of_type;
use super::labels;
use crate::api::design::{Component, DesignSpec, MAX_COMPONENTS, MAX_CONNECTIONS, MAX_FILES_BYTES, Target};
use crate::catalog::Catalog;

/// Checks the shape.
pub(super) fn check(spec: &DesignSpec, catalog: &Catalog, defaults: &Defaults, findings: &mut Findings) {
    counts(spec, findings);
    ids(&spec.components, findings);
    for component in &spec.components {
        service_type(component, catalog, findings);
        display_name(component, findings);
    }
    region(spec, defaults, findings);
    files(spec, findings);
    variables(spec, catalog, findings);
}

fn counts(spec: &DesignSpec, findings: &mut Findings) {
    for (path, count, most) in
        [("components", spec.components.len(), MAX_COMPONENTS), ("connections", spec.connections.len(), MAX_CONNECTIONS)]
    {
        if count > most {
            let text = both(format!("{path} は {most} 件までです ({count} 件あります)"), format!("at most {most} {path}, not {count}"));
            findings.error("structure.too-many", path, text).add();
        }
    }
}

fn ids(components: &[Component], findings: &mut Findings) {
    let mut seen: BTreeMap<String, (usize, &str)> = BTreeMap::new();
    for (index, component) in components.iter().enumerate() {
        let id = component.id.as_str();
        let name = quoted(id);
        let fits = (1..=63).contains(&id.chars().count()) && id.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
        if !fits {
            let text = both(
                format!("部品の id {name} が使えません。文字、数字、_ と - で 1 から 63 文字です"),
                format!("component id {name} cannot be used: letters, digits, _ and -, 1 to 63 characters"),
            );
            findings.error("structure.id", format!("components[{index}].id"), text).add();
        }
        match seen.get(&labels::label(id)) {
            Some((first, other)) if *other == id => {
                let text = both(
                    format!("部品の id {name} が 2 回あります ({first} 番目と {index} 番目)"),
                    format!("component id {name} stands twice (components {first} and {index})"),
                );
                let advice = both("どちらかの id を変えてください", "give one of them another id");
                findings.error("structure.duplicate-id", format!("components[{index}].id"), text).advise(advice).add();
            }
            Some((_, other)) => {
                let other = quoted(other);
                let text = both(
                    format!("部品の id {name} と {other} は、Terraform の名前にすると同じになります"),
                    format!("component ids {name} and {other} become the same Terraform name"),
                );
                let advice =
                    both("大文字小文字や記号の違いだけでない id にしてください", "use ids that differ in more than case and punctuation");
                findings.error("structure.id-collision", format!("components[{index}].id"), text).advise(advice).add();
            }
            None => {
                seen.insert(labels::label(id), (index, id));
            }
        }
    }
}

fn service_type(component: &Component, catalog: &Catalog, findings: &mut Findings) {
    if catalog.service(&component.service_type).is_some() {
        return;
    }
    let types = catalog.service_types();
    let name = quoted(&component.service_type);
    let text = both(format!("サービス種別 {name} はカタログにありません"), format!("service type {name} is not in the catalogue"));
    let near = did_you_mean(&component.service_type, types.iter().copied());
    let advice = match (instead_of_type(&component.service_type), near) {
        (Some(instead), _) => instead,
        (None, Some(near)) => both(format!("{near} のことですか"), format!("did you mean {near}?")),
        (None, None) => both(
            "カタログにある種別から選んでください(list_catalog の kind: services)",
            "choose a type of the catalogue (list_catalog with kind: services)",
        ),
    };
    let path = format!("components[{}].serviceType", component.id);
    findings.error("structure.unknown-type", path, text).advise(advice).allow(types).add();
}

/// Text of people may be anything but control characters; line breaks and tabs are text.
fn display_name(component: &Component, findings: &mut Findings) {
    let Some(name) = &component.display_name else { return };
    let path = format!("components[{}].displayName", component.id);
    if name.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        let text = both("表示名に制御文字があります", "the display name has control characters");
        findings.error("structure.control-character", path.clone(), text).add();
    }
    if name.chars().count() > 255 {
        findings.error("structure.name-length", path, both("表示名は 255 文字までです", "a display name has at most 255 characters")).add();
    }
}

fn region(spec: &DesignSpec, defaults: &Defaults, findings: &mut Findings) {
    let region = spec.region.as_deref().unwrap_or(&defaults.region);
    let fits = (3..=40).contains(&region.len()) && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !fits {
        let name = quoted(region);
        let text = both(format!("リージョン {name} は識別子ではありません"), format!("region {name} is not a region identifier"));
        findings.error("structure.region", "region", text).advise(both("例: ap-osaka-1", "for example ap-osaka-1")).add();
    }
    let compartment = spec.compartment_id.as_deref().unwrap_or(&defaults.compartment_id);
    // The simulated cloud takes the server's default whatever it is.
    let matters = spec.compartment_id.is_some() || spec.target == Target::Oci;
    let is_ocid = (compartment.starts_with("ocid1.compartment.") || compartment.starts_with("ocid1.tenancy."))
        && compartment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if matters && !is_ocid {
        let text = both("compartmentId がコンパートメントの OCID ではありません", "compartmentId is not the OCID of a compartment");
        findings.error("structure.compartment", "compartmentId", text).add();
    }
}

/// Names here; the content on the parsed tree, see `render::overrides`.
fn files(spec: &DesignSpec, findings: &mut Findings) {
    let bytes: usize = spec.files.iter().map(|(path, content)| path.len() + content.len()).sum();
    if bytes > MAX_FILES_BYTES {
        let text = both(
            format!("ファイルは合わせて {MAX_FILES_BYTES} バイトまでです"),
            format!("at most {MAX_FILES_BYTES} bytes of files in all"),
        );
        findings.error("structure.files-size", "files", text).add();
    }
    for name in spec.files.keys() {
        let stem = name.strip_suffix(".tf").unwrap_or_default();
        let plain = !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
        let (path, shown) = (format!("files[{}]", quoted(name)), quoted(name));
        if !plain || stem.ends_with("_override") || stem == "override" {
            let text = both(format!("ファイル名 {shown} は使えません"), format!("file name {shown} cannot be used"));
            let advice = both("名前は [a-z0-9_-]+.tf です (_override.tf は不可)", "names are [a-z0-9_-]+.tf, but not _override.tf");
            findings.error("structure.file-name", path, text).advise(advice).add();
        }
    }
    crate::render::overrides::check(&spec.files, findings);
}

/// Variables that nothing declares would be ignored by Terraform; those the server sets are not the design's to set.
fn variables(spec: &DesignSpec, catalog: &Catalog, findings: &mut Findings) {
    let overrides = crate::render::overrides::variables(&spec.files);
    let of_types =
        spec.components.iter().filter_map(|c| catalog.service(&c.service_type)).flat_map(|s| s.variables.iter().map(|v| &v.name));
    let known: Vec<&String> = of_types.chain(&overrides).collect();
    for name in spec.variables.keys().filter(|name| !known.contains(name)) {
        let (path, shown) = (format!("variables[{}]", quoted(name)), quoted(name));
        let text = match name.as_str() {
            "region" | "compartment_ocid" => both(
                format!("変数 {shown} は region / compartmentId から決まります"),
                format!("variable {shown} comes from region / compartmentId of the design"),
            ),
            _ => both(format!("変数 {shown} を使うものがありません"), format!("nothing declares variable {shown}")),
        };
        findings.error("structure.variable", path, text).allow(known.iter().map(|name| name.as_str())).add();
    }
    let labels = labels::labels(&spec.components);
    let declared: Vec<String> = spec
        .components
        .iter()
        .zip(&labels)
        .filter_map(|(c, label)| catalog.service(&c.service_type).map(|s| (s, label)))
        .flat_map(|(s, label)| s.secrets.iter().map(move |secret| format!("{label}_{}", secret.name)))
        .collect();
    for secret in spec.secret_variables.iter().filter(|secret| !declared.contains(&secret.name)) {
        let shown = quoted(&secret.name);
        let text = both(format!("秘密変数 {shown} を使うものがありません"), format!("nothing declares secret variable {shown}"));
        findings.error("structure.secret-variable", format!("secretVariables[{shown}]"), text).allow(declared.clone()).add();
    }
}
