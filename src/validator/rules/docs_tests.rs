//! `docs/rules.md` is generated from the rule files and fresh.

use super::tests::STRICT;
use super::*;
use crate::api::design::Severity;

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn applies(rule: &AppliesTo) -> String {
    let list = |names: &[String]| if names.is_empty() { "*".to_owned() } else { names.join(", ") };
    let pair = |pair: &Pair| format!("{} → {} ({})", list(&pair.from), list(&pair.to), list(&pair.via));
    match rule.design {
        true => "設計 / design".to_owned(),
        false => rule.types.iter().cloned().chain(rule.pairs.iter().map(pair)).collect::<Vec<_>>().join(" · "),
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "**error**",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

#[test]
fn the_page_of_rules_is_fresh() {
    let all: Vec<(&str, &Text, &Definition)> = STRICT.definitions().collect();
    let count = |wanted| all.iter().filter(|(_, _, rule)| rule.severity == wanted).count();
    let mut page = format!(
        "# 規則 / Rules\n\n`rules/validation/*.yaml` から生成。 / Generated from `rules/validation/*.yaml` \
         (`UPDATE_GOLDEN=1 cargo test --lib rules::docs_tests`).\n\nerror は OCI が断るか、できたものが働かないものだけです。ほかは warning と info です。 / \
         An error is what OCI would refuse, or what would not work; the rest is warning or info. 最後の列は事実の出所です。 / \
         The last column is the source of the fact (rules/validation/README.md).\n\n{} 件 / {} rules: {} error, {} warning, {} info.\n",
        all.len(),
        all.len(),
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Info),
    );
    let mut file = "";
    for (of, theme, rule) in all {
        if of != file {
            page.push_str(&format!(
                "\n## {} / {}\n\n`{of}`\n\n| rule | severity | | 日本語 / English | source |\n|---|---|---|---|---|\n",
                theme.ja, theme.en
            ));
            file = of;
        }
        page.push_str(&format!(
            "| `{}` | {} | {} | {}<br>{} | {} |\n",
            rule.id,
            severity(rule.severity),
            cell(&applies(&rule.applies_to)),
            cell(&format!("{}。{}", rule.message.ja, rule.recommendation.ja)),
            cell(&format!("{}: {}", rule.message.en, rule.recommendation.en)),
            cell(&rule.why),
        ));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(there, page, "docs/rules.md is stale: run the tests with UPDATE_GOLDEN=1");
}
