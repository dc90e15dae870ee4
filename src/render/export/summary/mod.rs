//! The design in words, as Markdown in Japanese or English, for the engineer and for the customer: what was asked, what is
//! there and where, the network that was derived, what the judge says, where it stands, outputs, what comes next. Values of
//! variables and secrets are not in it, and of configuration only what the catalogue knows: a key it does not know could
//! hold anything.

mod network;
mod standing;

use std::collections::BTreeMap;

use super::Subject;
use super::chart::{chart, understood};
use super::model::{Category, Chart};
use super::text::{clean, code, cut, markdown};
use crate::api::design::{Component, Finding, Severity, Target};

/// The summary of a design.
pub fn summary(subject: &Subject<'_>) -> String {
    written(subject, None)
}

/// The same, in a folder where its picture is.
pub fn beside_its_picture(subject: &Subject<'_>, picture: &str) -> String {
    written(subject, Some(picture))
}

fn written(subject: &Subject<'_>, picture: Option<&str>) -> String {
    let (design, network) = understood(subject);
    let chart = chart(subject);
    let mut page = Page { subject, out: String::new() };
    page.head(picture);
    page.requirements();
    page.components(&chart);
    page.connections(&chart);
    page.network(&design, &network);
    page.findings();
    page.status();
    page.outputs();
    page.variables();
    page.next();
    page.out
}

/// The page being written.
struct Page<'a> {
    subject: &'a Subject<'a>,
    out: String,
}

/// A display name, or the id when there is none.
fn name_of(component: &Component) -> &str {
    component.display_name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or(&component.id)
}

/// What stands between backquotes as code, the rest as text: how findings name ids and values.
fn prose(text: &str) -> String {
    let text = clean(text);
    if text.matches('`').count() % 2 == 1 {
        return markdown(&text);
    }
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { code(part) } else { spaced(part) }).collect()
}

/// Escaped, with the spaces at its ends that the escaping of a whole text drops.
fn spaced(text: &str) -> String {
    let (before, after) = (text.starts_with(' '), text.ends_with(' ') && text.len() > 1);
    format!("{}{}{}", if before { " " } else { "" }, markdown(text.trim()), if after { " " } else { "" })
}

impl<'a> Page<'a> {
    fn say(&self, ja: &'static str, en: &'static str) -> &'static str {
        self.subject.say(ja, en)
    }

    fn heading(&mut self, level: usize, text: &str) {
        self.out.push_str(&format!("\n{} {text}\n\n", "#".repeat(level)));
    }

    fn paragraph(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn bullet(&mut self, text: &str) {
        self.out.push_str(&format!("- {text}\n"));
    }

    /// A table; cells are Markdown already. A column without a word in it is left out.
    fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let kept: Vec<usize> =
            (0..head.len()).filter(|at| rows.iter().any(|row| row.get(*at).is_some_and(|cell| !cell.is_empty()))).collect();
        let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
        self.out.push_str(&line(kept.iter().filter_map(|at| head.get(*at).copied()).collect()));
        self.out.push_str(&format!("|{}\n", " --- |".repeat(kept.len())));
        for row in rows {
            self.out.push_str(&line(kept.iter().filter_map(|at| row.get(*at).map(String::as_str)).collect()));
        }
    }

    fn head(&mut self, picture: Option<&str>) {
        let Subject { title, spec, .. } = *self.subject;
        let title = if clean(title).is_empty() { code(&spec.session_ref) } else { markdown(title) };
        self.out.push_str(&format!("# {title}\n\n"));
        let target = match spec.target {
            Target::Sandbox => self.say("シミュレーション (sandbox)。課金されません", "simulated cloud (sandbox), nothing is billed"),
            Target::Oci => self.say("OCI テナンシ", "OCI tenancy"),
        };
        let size = match self.say("ja", "en") {
            "ja" => format!("コンポーネント {}、接続 {}", spec.components.len(), spec.connections.len()),
            _ => format!("{} components, {} connections", spec.components.len(), spec.connections.len()),
        };
        let facts = [
            (self.say("リージョン", "Region"), code(self.subject.region())),
            (self.say("構築先", "Target"), target.to_owned()),
            (self.say("規模", "Size"), size),
            (self.say("セッション", "Session"), code(&spec.session_ref)),
        ];
        for (what, value) in facts {
            self.bullet(&format!("{what}: {value}"));
        }
        if let Some(picture) = picture {
            self.out.push_str(&format!("\n![{}]({picture})\n", self.say("構成図", "Diagram")));
        }
    }

    fn requirements(&mut self) {
        let Some(hearing) = self.subject.hearing else { return };
        if let Some(said) = hearing.summary.as_ref().filter(|said| !said.trim().is_empty()) {
            self.heading(2, self.say("概要", "Overview"));
            // its own headings would break this document's order: every line is a paragraph of text
            let lines: Vec<String> = said.lines().map(str::trim).filter(|line| !line.is_empty()).map(prose).collect();
            self.paragraph(&lines.join("\n\n"));
        }
        for (title, items) in
            [(self.say("要件", "Requirements"), &hearing.requirements), (self.say("制約", "Constraints"), &hearing.constraints)]
        {
            if !items.is_empty() {
                self.heading(2, title);
                items.iter().for_each(|item| self.bullet(&markdown(item)));
            }
        }
    }

    /// Workloads by what they are for, network last: in the order in which somebody asks.
    fn components(&mut self, chart: &Chart) {
        let components = &self.subject.spec.components;
        self.heading(2, self.say("コンポーネント", "Components"));
        if components.is_empty() {
            return self.paragraph(self.say("まだありません。", "None yet."));
        }
        let (places, categories) = (self.places(chart), categories(chart));
        let mut rows: Vec<(usize, Vec<String>)> = Vec::new();
        for (key, component) in components.iter().enumerate() {
            let service = self.subject.catalog.service(&component.service_type);
            let unknown = format!("{} ({})", code(&component.service_type), self.say("不明な種類", "unknown type"));
            let network = service.is_some_and(|service| service.network.is_some());
            let category = if network { Category::Network } else { categories.get(&key).copied().unwrap_or(Category::Other) };
            let service = service.map_or(unknown, |service| markdown(service.names.get(self.subject.language)));
            let (order, word) = self.category(category);
            let place = places.get(&key).cloned().unwrap_or_default();
            let name = markdown(name_of(component));
            rows.push((order, vec![word.to_owned(), name, code(&component.id), service, place, self.settings(component)]));
        }
        rows.sort_by_key(|(order, _)| *order);
        let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
        let head = [
            self.say("分類", "Kind"),
            self.say("名前", "Name"),
            "ID",
            self.say("サービス", "Service"),
            self.say("配置", "Place"),
            self.say("主な設定", "Key settings"),
        ];
        self.table(&head, &rows);
    }

    /// Rank and word of a category.
    fn category(&self, category: Category) -> (usize, &'static str) {
        match category {
            Category::Edge => (0, self.say("入口", "Edge")),
            Category::Containers => (1, self.say("コンテナ", "Containers")),
            Category::Compute => (2, self.say("コンピュート", "Compute")),
            Category::Functions => (3, self.say("サーバーレス", "Serverless")),
            Category::Database => (4, self.say("データベース", "Databases")),
            Category::Storage => (5, self.say("ストレージ", "Storage")),
            Category::Messaging => (6, self.say("連携・通知", "Integration")),
            Category::Monitoring => (7, self.say("監視", "Observability")),
            Category::Security => (8, self.say("セキュリティ", "Security")),
            Category::Other => (9, self.say("その他", "Other")),
            Category::Network | Category::Routes => (10, self.say("ネットワーク", "Network")),
        }
    }

    /// Where each component stands: subnet, VCN, or the region.
    fn places(&self, chart: &Chart) -> BTreeMap<usize, String> {
        let mut places = BTreeMap::new();
        for vcn in &chart.vcns {
            let inside = vcn.gateways.iter().chain(&vcn.loose).chain(&vcn.tables).chain(vcn.subnets.iter().map(|subnet| &subnet.node));
            places.extend(inside.map(|node| (node.key, markdown(&vcn.node.name))));
            for subnet in &vcn.subnets {
                places.extend(subnet.cards.iter().map(|card| (card.key, markdown(&subnet.node.name))));
            }
        }
        places.extend(chart.regional.iter().map(|node| (node.key, self.say("リージョン", "region").to_owned())));
        places
    }

    fn settings(&self, component: &Component) -> String {
        let service = self.subject.catalog.service(&component.service_type);
        let shown = component.config.iter().map(|(key, value)| match service.and_then(|service| service.key(key)) {
            Some((real, _)) => {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                // 480 pixels of the summary's imagined font: about 60 letters
                code(&format!("{real}={}", cut(&value, 13, 480)))
            }
            None => format!("{}=…", code(key)),
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    /// Who talks to whom. What stands in what is said above.
    fn connections(&mut self, chart: &Chart) {
        let spec = self.subject.spec;
        let drawn = |source: &str, target: &str| {
            let key = |id: &str| spec.components.iter().position(|component| component.id == id);
            match (key(source), key(target)) {
                (Some(from), Some(to)) => chart.links.iter().any(|link| link.from == from && link.to == to),
                // a connection to nothing is a fault that must be seen
                _ => true,
            }
        };
        let name = |id: &str| {
            let component = spec.components.iter().find(|component| component.id == id);
            component.map_or_else(|| code(id), |component| markdown(name_of(component)))
        };
        let rows: Vec<Vec<String>> = spec
            .connections
            .iter()
            .filter(|c| drawn(&c.source_id, &c.target_id))
            .map(|c| {
                let description = c.description.as_deref().map(markdown).unwrap_or_default();
                vec![name(&c.source_id), name(&c.target_id), code(&c.connection_type), description]
            })
            .collect();
        if !rows.is_empty() {
            self.heading(2, self.say("接続", "Connections"));
            let head = [self.say("から", "From"), self.say("へ", "To"), self.say("種類", "Type"), self.say("説明", "Description")];
            self.table(&head, &rows);
        }
    }

    /// Faults and warnings first, each with its component and what to do; notes below them.
    fn findings(&mut self) {
        self.heading(2, self.say("指摘", "Findings"));
        let mut seen: Vec<String> = Vec::new();
        for finding in &self.subject.verdict.findings {
            let text = self.finding(finding);
            if !seen.contains(&text) {
                seen.push(text);
            }
        }
        if seen.is_empty() {
            return self.paragraph(self.say("ありません。", "None."));
        }
        let (notes, rest): (Vec<&String>, Vec<&String>) = seen.iter().partition(|text| text.starts_with(self.severity(Severity::Info)));
        if rest.is_empty() {
            self.paragraph(self.say("エラーも警告もありません。", "No errors and no warnings."));
        }
        rest.into_iter().for_each(|text| self.bullet(text));
        if !notes.is_empty() {
            self.heading(3, self.say("参考", "Notes"));
            notes.into_iter().for_each(|text| self.bullet(text.trim_start_matches(self.severity(Severity::Info)).trim_start()));
        }
    }

    fn severity(&self, severity: Severity) -> &'static str {
        match severity {
            Severity::Error => self.say("**エラー**", "**Error**"),
            Severity::Warning => self.say("**警告**", "**Warning**"),
            Severity::Info => self.say("**情報**", "**Note**"),
        }
    }

    fn finding(&self, finding: &Finding) -> String {
        // `components[id].config.key`: people know the component by its name
        let id = finding.path.strip_prefix("components[").and_then(|rest| rest.split_once(']')).map(|(id, _)| id);
        let component = id.and_then(|id| self.subject.spec.components.iter().find(|component| component.id == id));
        let subject = component.map_or_else(|| code(&finding.path), |component| markdown(name_of(component)));
        let mut text = format!("{} {subject}: {}", self.severity(finding.severity), prose(&finding.message));
        if let Some(recommendation) = &finding.recommendation {
            text.push_str(&format!(" → {}", prose(recommendation)));
        }
        if !finding.allowed.is_empty() {
            let allowed: Vec<String> = finding.allowed.iter().map(|value| code(value)).collect();
            text.push_str(&format!(" ({}: {})", self.say("使える値", "allowed"), allowed.join(", ")));
        }
        text
    }
}

/// What each component is for.
fn categories(chart: &Chart) -> BTreeMap<usize, Category> {
    let inside = chart.vcns.iter().flat_map(|vcn| {
        let cards = vcn.subnets.iter().flat_map(|subnet| &subnet.cards);
        vcn.gateways.iter().chain(&vcn.loose).chain(&vcn.tables).chain(cards)
    });
    inside.chain(&chart.regional).map(|node| (node.key, node.category)).collect()
}
