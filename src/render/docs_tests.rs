//! `docs/services.md` is generated from the catalogue and fresh.

use super::tests::CATALOG;
use crate::catalog::service::{ConfigKey, Service, Text, ValueType};

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn kind(schema: &ConfigKey) -> String {
    let name = match schema.value_type {
        ValueType::String => "string",
        ValueType::Integer => "integer",
        ValueType::Number => "number",
        ValueType::Boolean => "boolean",
        ValueType::Integers => "integers",
        ValueType::Strings => "strings",
    };
    let bounds = match (schema.minimum, schema.maximum) {
        (Some(least), Some(most)) => format!(" {least}–{most}"),
        (Some(least), None) => format!(" ≥ {least}"),
        (None, Some(most)) => format!(" ≤ {most}"),
        (None, None) => String::new(),
    };
    let choices: Vec<String> =
        schema.choices.iter().map(|c| format!("`{}`", c.as_str().map_or_else(|| c.to_string(), str::to_owned))).collect();
    if choices.is_empty() { format!("{name}{bounds}") } else { choices.join(" ") }
}

fn default(schema: &ConfigKey) -> String {
    let plain = |value: &serde_json::Value| format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let special = schema.default_when.iter().map(|d| {
        let when: Vec<String> =
            d.when.config.iter().map(|(key, value)| format!("{key} = {}", value.to_string().trim_matches('"'))).collect();
        format!("{} ({})", plain(&d.value), when.join(", "))
    });
    schema.default.as_ref().map(plain).into_iter().chain(special).collect::<Vec<_>>().join(", ")
}

fn section(service: &Service) -> String {
    let Text { ja, en } = &service.names;
    let mut text = format!("\n## {}\n\n{ja} / {en}\n\n{}\n\n{}\n", service.service_type, service.description.ja, service.description.en);
    if !service.aliases.is_empty() {
        let words: Vec<String> = service.aliases.iter().map(|word| format!("`{word}`")).collect();
        text.push_str(&format!("\n別の呼び方 / also called: {}\n", words.join(", ")));
    }
    if service.config.iter().next().is_some() {
        text.push_str("\n| key | values | default | 説明 | meaning |\n|---|---|---|---|---|\n");
    }
    for (key, schema) in service.config.iter() {
        let also = if schema.aliases.is_empty() { String::new() } else { format!(" ({})", schema.aliases.join(", ")) };
        let Text { ja, en } = &schema.description;
        text.push_str(&format!("| `{key}`{also} | {} | {} | {} | {} |\n", cell(&kind(schema)), cell(&default(schema)), cell(ja), cell(en)));
    }
    let said: Vec<String> = service
        .connections
        .iter()
        .filter(|(name, _)| *name != crate::catalog::DEPENDS_ON)
        .map(|(name, targets)| format!("`{name}` → {}", targets.join(", ")))
        .collect();
    if !said.is_empty() {
        text.push_str(&format!("\n接続 / connections: {}\n", said.join(" · ")));
    }
    let read: Vec<String> = service.read_as.iter().map(|(word, types)| format!("`{word}` → {}", types.join(", "))).collect();
    if !read.is_empty() {
        text.push_str(&format!("\nここに向く接続の読み替え / connections to it that are read otherwise: {}\n", read.join(" · ")));
    }
    for over in &service.requires {
        text.push_str(&format!("\n要る接続 / required: `{}` → {}\n", over.types.join(", "), over.with.join(", ")));
    }
    if !service.limits.is_empty() {
        let limits: Vec<String> = service.limits.iter().map(|limit| format!("`{}/{}`", limit.service, limit.limit)).collect();
        text.push_str(&format!("\n上限 / limits: {}\n", limits.join(" · ")));
    }
    let made: std::collections::BTreeSet<&str> = service.resources.iter().map(|r| r.resource_type.as_str()).collect();
    text.push_str(&format!("\nTerraform: {}\n", made.into_iter().collect::<Vec<_>>().join(", ")));
    text
}

#[test]
fn the_page_of_services_is_fresh() {
    let mut page = String::from(
        "# サービス / Services\n\n`rules/services/*.yaml` から生成。 / Generated from `rules/services/*.yaml` \
         (`UPDATE_GOLDEN=1 cargo test --lib render::docs_tests`).\n\nどの部品も `depends_on` で他の部品を待てます。 / \
         Any component may wait for any other with `depends_on`.\n",
    );
    CATALOG.services().for_each(|service| page.push_str(&section(service)));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/services.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(there, page, "docs/services.md is stale: run the tests with UPDATE_GOLDEN=1");
}
