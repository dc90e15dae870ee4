//! Subjects that the tests of every exporter share, and what holds for all of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::api::design::{Applied, Counts, Health, PlanRecord, SecretSource, SecretVariable, Sync};
use crate::render::tests as designs;
use crate::validator::{Defaults, validate};

/// Everything a subject borrows.
pub struct Scene {
    pub title: String,
    pub language: Language,
    pub hearing: Option<Hearing>,
    pub spec: DesignSpec,
    pub status: Option<DesignStatus>,
    pub verdict: Verdict,
    pub catalog: Catalog,
}

impl Scene {
    pub fn new(title: &str, language: Language, spec: DesignSpec) -> Scene {
        let catalog = Catalog::embedded().unwrap();
        let defaults = Defaults { region: "ap-osaka-1".to_owned(), compartment_id: "ocid1.compartment.oc1..aaaa".to_owned(), language };
        let verdict = validate(&spec, &catalog, &crate::render::tests::RULES, &defaults);
        Scene { title: title.to_owned(), language, hearing: None, spec, status: None, verdict, catalog }
    }

    pub fn subject(&self) -> Subject<'_> {
        Subject {
            title: &self.title,
            language: self.language,
            hearing: self.hearing.as_ref(),
            spec: &self.spec,
            status: self.status.as_ref(),
            region: "ap-osaka-1",
            verdict: &self.verdict,
            catalog: &self.catalog,
        }
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn file(name: &str) -> DesignSpec {
    spec_in(&format!("tests/designs/{name}"))
}

fn spec_in(path: &str) -> DesignSpec {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    designs::spec(&serde_json::from_str(&text).unwrap())
}

pub fn platform() -> Scene {
    Scene::new("IoTリアルタイムデータ分析プラットフォーム", Language::Ja, file("iot-platform-19.json"))
}

pub fn verification() -> Scene {
    Scene::new("Verification environment", Language::En, file("compute-adb-verify.json"))
}

/// Sixty components in three VCNs, 38 service types, Japanese names.
pub fn retail() -> Scene {
    Scene::new("全国チェーン店 基幹システム刷新(株式会社サンプル商店様)", Language::Ja, spec_in("tests/fixtures/designs/retail-60.json"))
}

/// A design of `count` components in `vcns` VCNs with about `count` connections, as people draw them: entries in front,
/// applications in the middle, databases behind, services beside. `names` are used in turn.
pub fn generated(count: usize, vcns: usize, names: &[&str]) -> DesignSpec {
    let mut components: Vec<Value> = Vec::new();
    let mut connections: Vec<Value> = Vec::new();
    let name = |at: usize| names.get(at % names.len().max(1)).map(|n| format!("{n} {at}"));
    let component = |id: String, kind: &str, config: Value, at: usize| json!({ "id": id, "service_type": kind, "display_name": name(at), "config": config });
    let connection = |from: &str, to: &str, kind: &str| json!({ "source_id": from, "target_id": to, "connection_type": kind });
    for v in 0..vcns {
        components.push(component(format!("vcn{v}"), "vcn", json!({ "cidr_block": format!("10.{v}.0.0/16") }), components.len()));
        for (slot, tier) in ["public", "app", "db"].iter().enumerate() {
            let config = json!({ "cidr_block": format!("10.{v}.{slot}.0/24"), "prohibit_public_ip": *tier != "public" });
            components.push(component(format!("{tier}_{v}"), "subnet", config, components.len()));
            connections.push(connection(&format!("{tier}_{v}"), &format!("vcn{v}"), "deployed_in"));
        }
        for kind in ["internet_gateway", "nat_gateway", "service_gateway"] {
            components.push(component(format!("{kind}{v}"), kind, json!({}), components.len()));
            connections.push(connection(&format!("{kind}{v}"), &format!("vcn{v}"), "attached_to"));
        }
    }
    let kinds = [
        ("loadbalancer", "public"),
        ("compute", "app"),
        ("compute", "app"),
        ("adb", "db"),
        ("objectstorage", ""),
        ("oke", "app"),
        ("functions", "app"),
        ("streaming", ""),
    ];
    let mut workloads: Vec<(String, &str)> = Vec::new();
    while components.len() < count {
        let at = workloads.len();
        let (kind, tier) = kinds[at % kinds.len()];
        let id = format!("{kind}{at}");
        components.push(component(id.clone(), kind, json!({}), components.len()));
        if !tier.is_empty() && vcns > 0 {
            connections.push(connection(&id, &format!("{tier}_{}", at % vcns), "deployed_in"));
        }
        let ways = [("compute", "adb", "private_endpoint"), ("loadbalancer", "compute", "http"), ("streaming", "functions", "event")];
        for (from, to, way) in ways.iter().chain(&[("oke", "adb", "private_endpoint"), ("functions", "objectstorage", "service_gateway")]) {
            if kind == *to
                && let Some((source, _)) = workloads.iter().rev().find(|(_, k)| k == from)
            {
                connections.push(connection(source, &id, way));
            }
            if kind == *from
                && let Some((target, _)) = workloads.iter().rev().find(|(_, k)| k == to)
            {
                connections.push(connection(&id, target, way));
            }
        }
        workloads.push((id, kind));
    }
    designs::spec(&json!({ "components": components, "connections": connections }))
}

/// Names that try to leave their quotes in some format.
pub const HOSTILE: &[&str] = &[
    "\"]; click n0 \"javascript:alert(1)\"",
    "end",
    "a\nend\nsubgraph x",
    "<script>alert(1)</script>",
    "</text></svg><img src=x onerror=alert(1)>",
    "%%{init: {'theme':'dark'}}%%",
    "`**bold**` | cell | # heading",
    "]]> & &amp; &#x3c; #quot; #35;",
    "\u{202e}gnp.exe\u{200b}\u{0}\u{7}",
    "日本語の名前がとても長いときはどこかで折り返される必要があります",
    "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
    "${jndi:ldap://x} {{ template }} \\",
    "👩‍👩‍👧‍👦👩‍👩‍👧‍👦 emoji ﷽﷽﷽",
    "--> x & y ==> z",
];

pub fn hostile() -> Scene {
    Scene::new(HOSTILE[0], Language::En, generated(40, 1, HOSTILE))
}

/// Compares with a committed file, or writes it when UPDATE_GOLDEN=1.
fn fresh(path: &str, text: &str) {
    let path = root().join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "{} is not what is drawn now: run this test with UPDATE_GOLDEN=1 and look at it", path.display());
}

#[test]
fn the_pictures_in_the_documentation_are_fresh() {
    fresh("docs/img/iot-platform-19.svg", &svg(&platform().subject()));
    fresh("docs/img/retail-60.svg", &svg(&retail().subject()));
}

#[test]
fn every_export_of_the_same_design_is_the_same_bytes() {
    for scene in [platform(), verification(), hostile()] {
        let files = BTreeMap::from([("main.tf".to_owned(), "terraform {}\n".to_owned())]);
        let all = || {
            let subject = scene.subject();
            (
                summary(&subject),
                mermaid(&subject),
                svg(&subject),
                all_tar_gz(&subject, Some(&files)).unwrap(),
                terraform_zip(&subject, &files).unwrap(),
            )
        };
        assert_eq!(all(), all());
    }
}

#[test]
fn values_of_variables_and_of_unknown_settings_are_in_no_export() {
    let mut scene = verification();
    scene.spec.variables.insert("region_code".to_owned(), "value-a1".to_owned());
    scene.spec.secret_variables.push(SecretVariable { name: "adb_admin_password".to_owned(), source: SecretSource::Generate });
    scene.spec.components[2].config.insert("admin_password".to_owned(), json!("value-b2"));
    scene.spec.files.insert("extra.tf".to_owned(), "# value-c3".to_owned());
    let subject = scene.subject();
    for text in [summary(&subject), mermaid(&subject), svg(&subject)] {
        for value in ["value-a1", "value-b2", "value-c3"] {
            assert!(!text.contains(value), "{value} in {text}");
        }
    }
    let text = summary(&subject);
    for name in ["`region_code`", "`adb_admin_password` (generated)", "`admin_password`=…", "`extra.tf`"] {
        assert!(text.contains(name), "{name} not in {text}");
    }
}

#[test]
fn the_summary_says_what_was_asked_what_is_there_and_where_it_stands() {
    let mut scene = verification();
    scene.hearing = Some(Hearing {
        completed: true,
        requirements: vec!["One user | for tests".to_owned()],
        constraints: vec!["Always Free".to_owned()],
        ..Hearing::default()
    });
    let time = || serde_json::from_value(json!("2026-01-02T03:04:05Z")).unwrap();
    let plan = json!({
        "job": "s-01h-p-1", "destroy": false, "digest": "d", "generation": 1, "planSha256": "a", "semanticSha256": "b",
        "counts": Counts { create: 12, ..Counts::default() }, "createdAt": "2026-01-02T03:04:05Z", "expiresAt": "2026-01-03T03:04:05Z",
    });
    scene.status = Some(DesignStatus {
        sync: Some(Sync::Synced),
        health: Some(Health::Healthy),
        plan: Some(serde_json::from_value::<PlanRecord>(plan).unwrap()),
        applied: Some(Applied {
            digest: "d".to_owned(),
            lineage: "l".to_owned(),
            serial: 3,
            generation: 1,
            time: time(),
            checked_at: time(),
        }),
        outputs: BTreeMap::from([("vm_private_ip".to_owned(), json!("10.0.1.2"))]),
        ..DesignStatus::default()
    });
    let text = summary(&scene.subject());
    for part in [
        "# Verification environment\n",
        "## Requirements\n\n- One user \\| for tests\n",
        "## Constraints\n\n- Always Free\n",
        "| Compute | Dev Compute Instance | `vm` | Compute instance | Dev VCN private app | ",
        "`ocpus=1`",
        "| Dev Compute Instance | Autonomous DB (ATP) | `public` |",
        "## Network\n",
        "Dev VCN (`10.0.0.0/16`). Gateways: ",
        "| `10.0.1.0/24` | private | ",
        "### Routes\n",
        "`0.0.0.0/0` (anywhere)",
        "OCI services of the region",
        "### Traffic that is let through\n",
        "## Findings\n",
        "No errors and no warnings.\n",
        "### Notes\n",
        "- Dev Compute Instance: ",
        "- Sync / health: synced / healthy\n",
        "- Plan `s-01h-p-1`: 12 to create, 0 to update, 0 to replace, 0 to delete\n",
        "| Dev Compute Instance | Private IP | `vm_private_ip` | `10.0.1.2` |",
        "## Next steps\n\n1. Try the addresses under Outputs",
    ] {
        assert!(text.contains(part), "{part:?} not in\n{text}");
    }
    scene.language = Language::Ja;
    let text = summary(&scene.subject());
    for part in [
        "## 要件",
        "## コンポーネント",
        "## ネットワーク",
        "### ルート",
        "## 指摘",
        "## 状況",
        "## 出力",
        "作成 12、更新 0",
        "## 次のステップ",
    ] {
        assert!(text.contains(part), "{part:?} not in\n{text}");
    }
}

#[test]
fn the_next_step_follows_from_where_the_design_stands() {
    let empty = Scene::new("nothing", Language::En, DesignSpec::default());
    let broken = Scene::new("broken", Language::En, designs::spec(&json!({ "components": [{ "id": "x", "service_type": "none" }] })));
    let mut wanted = platform();
    wanted.language = Language::En;
    wanted.spec.desired_state = crate::api::design::DesiredState::Applied;
    for (scene, step, why) in [
        (&empty, "1. Make a first design", "there is nothing to plan"),
        (&broken, "1. Mend the errors", "nothing can be planned before that"),
        (&platform(), "1. 警告を確認し", "warnings are decided before anybody pays"),
        (&wanted, "2. Wait for the plan", "it was asked for"),
    ] {
        let text = summary(&scene.subject());
        assert!(text.contains(step), "{why}: {step:?} not in\n{text}");
    }
}

#[test]
fn traffic_is_told_once_for_both_of_its_ends_and_names_are_code_only_where_they_are_meant_to_be() {
    let text = summary(&platform().subject());
    assert!(text.contains("| App Cluster NSG | Transaction DB NSG | TCP 1521, TCP 1522, TCP 443 |"), "{text}");
    assert!(text.contains("ルート表 `public_route_table` の経路"), "{text}");
    assert!(!text.contains("\\`"), "no escaped quote is left:\n{text}");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("- ")).collect();
    let different: std::collections::BTreeSet<&str> = rows.iter().copied().collect();
    assert_eq!(different.len(), rows.len(), "no finding twice:\n{text}");
}

#[test]
fn names_cannot_leave_their_cell_in_the_summary() {
    let text = summary(&hostile().subject());
    assert!(!text.contains("<script>") && !text.contains("<img"), "{text}");
    assert!(!text.contains('\u{202e}') && !text.contains('\u{0}'));
    let mut columns = None;
    for line in text.lines() {
        if !line.starts_with("| ") {
            columns = None;
            continue;
        }
        let bars = line.replace("\\|", "").matches('|').count();
        assert_eq!(*columns.get_or_insert(bars), bars, "{line}");
    }
    // `end` and headings of users never stand at the beginning of a line
    assert!(!text.lines().any(|line| line == "end" || line.starts_with("subgraph")));
}

/// What a line of an exported diagram may be, nothing else. Labels: no quote, no bracket, no `#` but Mermaid's entities.
fn mermaid_line(line: &str, first: bool) -> bool {
    let label = r#""(?:[A-Za-z0-9 .,/:()+=-]|#[0-9]+;|<br/>|[^\x00-\x7f])+""#;
    let node = format!(r"[ne][0-9]*(?:\[{label}\]|\(\[{label}\]\)|\[\({label}\)\]|\{{\{{{label}\}}\}})");
    let patterns = [
        format!(r"^ +subgraph (?:region|n[0-9]+)\[{label}\]$"),
        "^ +end$".to_owned(),
        format!("^ +{node}$"),
        format!(r"^ +n[0-9]+ -->\|{label}\| n[0-9]+$"),
        r"^ +classDef [a-z]+ [a-z0-9:#,\- ]+$".to_owned(),
        r"^ +class (?:region|n[0-9]+)(?:,n[0-9]+)* [a-z]+$".to_owned(),
    ];
    if first {
        return line == "flowchart TB";
    }
    patterns.iter().any(|pattern| regex::Regex::new(pattern).unwrap().is_match(line))
}

fn assert_mermaid(text: &str) {
    let mut depth = 0;
    let mut known: Vec<String> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        assert!(mermaid_line(line, at == 0), "line {at}: {line}");
        let words = line.trim_start();
        depth += i32::from(words.starts_with("subgraph ")) - i32::from(words == "end");
        assert!(depth >= 0, "{text}");
        let id: String = words.trim_start_matches("subgraph ").chars().take_while(char::is_ascii_alphanumeric).collect();
        if words.contains("-->") {
            let to = words.rsplit(' ').next().unwrap().to_owned();
            assert!(known.contains(&id) && known.contains(&to), "{line}");
        } else if words.contains("[\"") || words.contains("(\"") || words.contains("{\"") {
            assert!(!known.contains(&id), "{id} twice");
            known.push(id);
        }
    }
    assert_eq!(depth, 0, "{text}");
}

#[test]
fn the_mermaid_diagram_nests_region_vcn_subnet_and_labels_connections() {
    let text = mermaid(&platform().subject());
    assert_mermaid(&text);
    for part in [
        "  subgraph region[\"リージョン ap-osaka-1\"]\n    subgraph n0[\"IoT Platform VCN - 10.0.0.0/16\"]\n",
        "      subgraph n1[\"Public Subnet - 10.0.0.0/24\"]\n        n14",
        "        n12[(\"Transaction DB<br/>",
        "  n17 -->|\"service gateway\"| n13\n",
        "  n16 -->|\"event\"| n17\n",
    ] {
        assert!(text.contains(part), "{part:?} not in\n{text}");
    }
    assert!(!text.contains("deployed"), "nesting says it already:\n{text}");
}

/// Every diagram these tests look at. With `GALLEY_TEST_MERMAID` they are written there, for the real parser
/// (`tools/real-mermaid.sh`).
fn assert_mermaid_of(name: &str, scene: &Scene) {
    let text = mermaid(&scene.subject());
    assert_mermaid(&text);
    if let Some(folder) = std::env::var_os("GALLEY_TEST_MERMAID") {
        std::fs::write(PathBuf::from(folder).join(format!("{name}.mmd")), text).unwrap();
    }
}

#[test]
fn hostile_names_and_empty_designs_are_valid_mermaid() {
    assert_mermaid_of("platform", &platform());
    assert_mermaid_of("retail", &retail());
    assert_mermaid_of("verification", &verification());
    assert_mermaid_of("hostile", &hostile());
    assert_mermaid_of("empty", &Scene::new("", Language::En, DesignSpec::default()));
    let one = designs::spec(&json!({ "components": [{ "id": "v", "service_type": "vcn" }, { "id": "v", "service_type": "vcn" }] }));
    assert_mermaid_of("twice", &Scene::new("twice", Language::Ja, one));
    let mut named = generated(30, 2, HOSTILE);
    for connection in &mut named.connections {
        connection.connection_type = format!("{}\"|", connection.connection_type);
    }
    assert_mermaid_of("kinds", &Scene::new("kinds", Language::Ja, named));
    // each hostile name alone, as every kind of box and node that there is
    for (at, name) in HOSTILE.iter().enumerate() {
        let spec = json!({
            "components": [
                { "id": "v", "service_type": "vcn", "display_name": name },
                { "id": "s", "service_type": "subnet", "display_name": name },
                { "id": "vm", "service_type": "compute", "display_name": name },
                { "id": "b", "service_type": "objectstorage", "display_name": name },
                { "id": "q", "service_type": "streaming", "display_name": name },
                { "id": "lb", "service_type": "loadbalancer", "display_name": name },
            ],
            "connections": [
                { "source_id": "s", "target_id": "v", "connection_type": "deployed_in" },
                { "source_id": "vm", "target_id": "s", "connection_type": "deployed_in" },
                { "source_id": "vm", "target_id": "b", "connection_type": name },
            ],
        });
        assert_mermaid_of(&format!("name-{at}"), &Scene::new(name, Language::En, designs::spec(&spec)));
    }
}

#[test]
fn a_design_with_unknown_types_is_drawn_whole() {
    let scene = platform();
    let (chart, text) = (chart::chart(&scene.subject()), svg(&scene.subject()));
    let vcn = &chart.vcns[0];
    let boxes = 1 + vcn.subnets.len();
    let cards = vcn.gateways.len() + vcn.loose.len() + vcn.tables.len() + vcn.subnets.iter().map(|s| s.cards.len()).sum::<usize>();
    let derived = vcn.gateways.iter().filter(|node| node.derived).count();
    assert_eq!(boxes + cards + chart.regional.len() - derived, 19);
    for component in &scene.spec.components {
        assert!(text.contains(&text::xml(component.display_name.as_deref().unwrap())), "{}", component.id);
    }
}
