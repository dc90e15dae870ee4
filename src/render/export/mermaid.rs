//! The picture as a Mermaid flowchart: region, VCN and subnet are nested subgraphs. Identifiers are made here (`n0`,
//! `s1`), never taken from a design; every label is quoted and escaped.

use std::fmt::Write as _;

use super::Subject;
use super::chart::chart;
use super::model::{Category, Chart, Node, Subnet};
use super::text::mermaid as escape;
use crate::catalog::service::SubnetTier;

/// The design as Mermaid text, for a fence of language `mermaid` or a `.mmd` file.
pub fn mermaid(subject: &Subject<'_>) -> String {
    let chart = chart(subject);
    let mut out = String::from("flowchart TB\n");
    write(&chart, subject, &mut out);
    out
}

fn line(out: &mut String, depth: usize, text: &str) {
    // writing to a String does not fail
    let _ = writeln!(out, "{}{text}", "  ".repeat(depth));
}

fn write(chart: &Chart, subject: &Subject<'_>, out: &mut String) {
    let region = subject.say("リージョン", "Region");
    line(out, 1, &format!("subgraph region[\"{region} {}\"]", escape(&chart.region)));
    for vcn in &chart.vcns {
        line(out, 2, &format!("subgraph n{}[\"{}\"]", vcn.node.key, titled(&vcn.node, &vcn.cidr)));
        vcn.gateways.iter().for_each(|node| card(out, 3, node));
        vcn.subnets.iter().for_each(|subnet| subgraph(out, subnet));
        vcn.loose.iter().chain(&vcn.tables).for_each(|node| card(out, 3, node));
        if vcn.gateways.is_empty() && vcn.subnets.is_empty() && vcn.loose.is_empty() && vcn.tables.is_empty() {
            line(out, 3, &format!("e{}[\" \"]", vcn.node.key));
        }
        line(out, 2, "end");
    }
    chart.regional.iter().for_each(|node| card(out, 2, node));
    if chart.vcns.is_empty() && chart.regional.is_empty() {
        line(out, 2, &format!("e[\"{}\"]", subject.say("コンポーネントはありません", "no components")));
    }
    line(out, 1, "end");
    for link in &chart.links {
        let label = link.kinds.iter().map(|kind| escape(&kind.replace('_', " "))).collect::<Vec<_>>().join(", ");
        let label = if label.is_empty() { " ".to_owned() } else { label };
        line(out, 1, &format!("n{} -->|\"{label}\"| n{}", link.from, link.to));
    }
    styles(chart, out);
}

fn titled(node: &Node, cidr: &str) -> String {
    let name = escape(&node.name);
    if cidr.is_empty() { name } else { format!("{name} - {}", escape(cidr)) }
}

fn subgraph(out: &mut String, subnet: &Subnet) {
    line(out, 3, &format!("subgraph n{}[\"{}\"]", subnet.node.key, titled(&subnet.node, &subnet.cidr)));
    subnet.cards.iter().for_each(|node| card(out, 4, node));
    if subnet.cards.is_empty() {
        // a subgraph without members is drawn as a node
        line(out, 4, &format!("e{}[\" \"]", subnet.node.key));
    }
    line(out, 3, "end");
}

/// A node: shape by category, name over service.
fn card(out: &mut String, depth: usize, node: &Node) {
    let label = format!("{}<br/>{}", escape(&node.name), escape(&node.service));
    let key = node.key;
    let text = match node.category {
        Category::Database | Category::Storage => format!("n{key}[(\"{label}\")]"),
        Category::Messaging => format!("n{key}([\"{label}\"])"),
        Category::Network | Category::Edge => format!("n{key}{{{{\"{label}\"}}}}"),
        Category::Routes
        | Category::Security
        | Category::Compute
        | Category::Containers
        | Category::Functions
        | Category::Monitoring
        | Category::Other => {
            format!("n{key}[\"{label}\"]")
        }
    };
    line(out, depth, &text);
}

fn styles(chart: &Chart, out: &mut String) {
    let subnets = || chart.vcns.iter().flat_map(|vcn| &vcn.subnets);
    for (tier, class, style) in [
        (SubnetTier::Public, "public", "fill:#e8f4ea,stroke:#3c8a4e,color:#1d1d1f"),
        (SubnetTier::App, "private", "fill:#e9f0fa,stroke:#3b6ea8,color:#1d1d1f"),
        (SubnetTier::Db, "database", "fill:#faf0e2,stroke:#b2762a,color:#1d1d1f"),
    ] {
        let keys: Vec<String> = subnets().filter(|s| s.tier == tier).map(|s| format!("n{}", s.node.key)).collect();
        if !keys.is_empty() {
            line(out, 1, &format!("classDef {class} {style}"));
            line(out, 1, &format!("class {} {class}", keys.join(",")));
        }
    }
    // Mermaid's own colour of a box is a loud yellow: the boxes around the subnets stay in the background
    line(out, 1, "classDef around fill:#f7f8fa,stroke:#5c6670,color:#1d1d1f");
    let around = std::iter::once("region".to_owned()).chain(chart.vcns.iter().map(|vcn| format!("n{}", vcn.node.key)));
    line(out, 1, &format!("class {} around", around.collect::<Vec<_>>().join(",")));
    let boxes = chart.vcns.iter().map(|vcn| &vcn.node).chain(subnets().map(|subnet| &subnet.node));
    let cards = chart.vcns.iter().flat_map(|vcn| vcn.gateways.iter().chain(&vcn.loose));
    let derived: Vec<String> = boxes.chain(cards).filter(|node| node.derived).map(|node| format!("n{}", node.key)).collect();
    if !derived.is_empty() {
        line(out, 1, "classDef derived stroke-dasharray:5 4");
        line(out, 1, &format!("class {} derived", derived.join(",")));
    }
}
