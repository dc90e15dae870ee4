//! Nothing overlaps, children lie in their parents, words in their cards, lines beside cards and titles and apart from each
//! other, labels on their own line and on nothing else: on known designs and on random ones. Letters are measured as wide as
//! the widest usual font has them; `tests/page` compares that with a real browser.

use proptest::prelude::*;
use serde_json::json;

use super::layout::PITCH;
use super::sizes::{BOX_MEASURE, NAME_MEASURE, SMALL_NAME_MEASURE, SMALL_SIZE, TINY_SIZE};
use super::*;
use crate::api::session::Language;
use crate::render::export::model::Category;
use crate::render::export::tests::{HOSTILE, Scene, generated, hostile, platform, retail, verification};
use crate::render::export::text::{width, wrap};
use crate::render::tests as designs;

/// Looks at everything a person would see. How many lines there are, and how many have no words.
fn assert_tidy(scene: &Scene) -> (usize, usize) {
    let subject = scene.subject();
    let chart = chart(&subject);
    let titles = Titles::new(&subject);
    let layout = layout(&chart, &titles);
    let (lines, _) = connect(&chart, &layout, &titles);
    assert_boxes(&layout);
    assert_cards(&layout);
    assert_eq!(lines.len(), chart.links.len(), "every connection has a line");
    assert_lines(&layout, &titles, &lines);
    assert_titles(&layout, &titles);
    let labels: Vec<&Label> = lines.iter().filter_map(|line| line.label.as_ref()).collect();
    assert_labels(&layout, &titles, &lines, &labels);
    let entries = legend::legend(&subject, &layout, &lines);
    for (at, entry) in entries.iter().enumerate() {
        assert!(entry.rect.y >= layout.height && entry.rect.right() <= layout.width, "{entry:?} leaves the room for the legend");
        assert!(!entries[at + 1..].iter().any(|other| other.rect.overlaps(&entry.rect)), "{entry:?} over another");
    }
    (lines.len(), lines.len() - labels.len())
}

/// Boxes lie in their parents and beside their brothers.
fn assert_boxes(layout: &Layout<'_>) {
    let sheet = Rect { x: 0, y: 0, w: layout.width, h: layout.height };
    for (at, frame) in layout.frames.iter().enumerate() {
        assert!(sheet.holds(&frame.rect), "{frame:?} outside the sheet");
        if let Some(parent) = frame.parent {
            assert!(layout.frames[parent].rect.holds(&frame.rect), "{frame:?} outside its parent");
        }
        for other in layout.frames[at + 1..].iter().filter(|other| other.parent == frame.parent) {
            assert!(!frame.rect.overlaps(&other.rect), "{frame:?} over {other:?}");
        }
    }
}

/// Cards lie in their boxes, apart from each other, and hold their letters.
fn assert_cards(layout: &Layout<'_>) {
    for (at, card) in layout.cards.iter().enumerate() {
        let parent = &layout.frames[card.parent];
        assert!(parent.rect.holds(&card.rect), "{card:?} outside {parent:?}");
        for other in &layout.cards[at + 1..] {
            assert!(!card.rect.grown(PITCH).overlaps(&other.rect), "{card:?} over {other:?}");
        }
        for frame in layout.frames.iter().filter(|frame| frame.rect != parent.rect && !frame.rect.holds(&card.rect)) {
            assert!(!frame.rect.overlaps(&card.rect), "{card:?} over the border of {frame:?}");
        }
        let (name, service) = draw::card_text(card.node, &card.rect);
        let measure = if card.rect.h == layout::SMALL_H { SMALL_NAME_MEASURE } else { NAME_MEASURE };
        assert!(name.len() <= 2 && name.iter().all(|line| draw::TEXT_X + width(line, measure) <= card.rect.w), "{name:?}");
        assert!(draw::TEXT_X + width(&service, TINY_SIZE) <= card.rect.w, "{service:?}");
    }
}

/// Titles stand in their boxes, beside their cards, line below line.
fn assert_titles(layout: &Layout<'_>, titles: &Titles<'_>) {
    for frame in &layout.frames {
        let rect = titles.rect(frame);
        assert!(frame.rect.holds(&rect), "{frame:?}");
        let mut above = rect.y;
        for text in titles.lines(frame) {
            let measure = if text.strong { BOX_MEASURE } else { text.size };
            let high = i32::try_from(text.size).unwrap();
            let letters = Rect { x: text.at.0, y: text.at.1 - high, w: width(&text.text, measure), h: high };
            assert!(rect.holds(&letters), "{text:?} leaves the title of {frame:?}");
            assert!(letters.y >= above || frame.node.is_none(), "{text:?} over the line above it");
            above = letters.bottom();
        }
        for card in &layout.cards {
            assert!(!rect.overlaps(&card.rect), "{card:?} over the title of {frame:?}");
        }
    }
}

/// How far two stretches run on top of each other.
fn shared(one: &Rect, two: &Rect) -> i32 {
    let flat = |r: &Rect| r.w > 0;
    match (flat(one), flat(two)) {
        (true, true) if one.y == two.y => one.right().min(two.right()) - one.x.max(two.x),
        (false, false) if one.x == two.x => one.bottom().min(two.bottom()) - one.y.max(two.y),
        _ => 0,
    }
}

/// Lines run beside cards and titles, across borders and never along one, and never on top of each other.
fn assert_lines(layout: &Layout<'_>, titles: &Titles<'_>, lines: &[Line<'_>]) {
    let stretches: Vec<Vec<Rect>> = lines.iter().map(|line| labels::stretches(&line.points)).collect();
    for (at, (line, own)) in lines.iter().zip(&stretches).enumerate() {
        assert!(line.points.len() >= 2);
        for stretch in own {
            assert!(stretch.w == 0 || stretch.h == 0, "{line:?} is not orthogonal");
            for card in &layout.cards {
                assert!(!stretch.grown(1).overlaps(&card.rect.grown(-2)), "{line:?} runs over {card:?}");
            }
            for frame in &layout.frames {
                assert!(!stretch.grown(1).overlaps(&titles.rect(frame).grown(-2)), "{line:?} runs over the title of {frame:?}");
                assert!(frame.rect.sides().iter().all(|side| shared(stretch, side) <= 0), "{line:?} runs along the border of {frame:?}");
            }
            for other in stretches[at + 1..].iter().flatten() {
                assert!(shared(stretch, other) <= 0, "{line:?} runs along another line: {stretch:?} {other:?}");
            }
        }
    }
}

/// Words stand on their own line and touch nothing else.
fn assert_labels(layout: &Layout<'_>, titles: &Titles<'_>, lines: &[Line<'_>], labels: &[&Label]) {
    let sheet = Rect { x: 0, y: 0, w: layout.width, h: layout.height };
    for (at, label) in labels.iter().enumerate() {
        let letters = label.lines.iter().map(|line| width(line, SMALL_SIZE)).max().unwrap();
        let room = if label.turned { label.rect.h } else { label.rect.w };
        assert!(letters <= room, "{label:?} is narrower than its words");
        assert!(sheet.holds(&label.rect), "{label:?} outside the sheet");
        assert!(!layout.cards.iter().any(|card| card.rect.overlaps(&label.rect)), "{label:?} over a card");
        assert!(!labels[at + 1..].iter().any(|other| other.rect.overlaps(&label.rect)), "{label:?} over another");
        for frame in &layout.frames {
            assert!(!frame.rect.sides().iter().any(|side| side.grown(1).overlaps(&label.rect)), "{label:?} over the border of {frame:?}");
            assert!(!titles.rect(frame).overlaps(&label.rect), "{label:?} over the title of {frame:?}");
        }
        for line in lines.iter().filter(|line| line.label.as_ref() != Some(label)) {
            let touched = labels::stretches(&line.points).iter().any(|stretch| stretch.grown(1).overlaps(&label.rect));
            assert!(!touched, "{label:?} over the line {line:?}");
        }
    }
}

/// A strict look at the document: tags nest, attributes are quoted, no character that XML does not have, no reference.
fn assert_xml(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        assert!(!before.contains('>') || open.last() == Some(&"style"), "bare > in {before}");
        let end = tag.find('>').unwrap();
        let (inside, after) = (&tag[1..end], &tag[end + 1..]);
        match inside.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None => {
                assert_eq!(inside.matches('"').count() % 2, 0, "{inside}");
                let name = inside.split([' ', '/']).next().unwrap();
                let allowed = ["svg", "g", "rect", "path", "text", "title", "style"];
                assert!(allowed.contains(&name), "{inside}");
                assert!(!inside.contains("href") && !inside.contains(" on"), "{inside}");
                if !inside.ends_with('/') {
                    open.push(name);
                }
            }
        }
        rest = after;
    }
    assert!(open.is_empty(), "{open:?}");
    for (at, _) in text.match_indices('&') {
        let entity = &text[at..text[at..].find(';').map_or(at, |end| at + end + 1)];
        assert!(["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].contains(&entity), "{entity}");
    }
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(!text.contains("url(") && !text.contains("@import"));
}

/// A network of which the customer has a part: one subnet and a gateway; a front door and a database are new.
fn partial() -> Scene {
    let spec = json!({
        "components": [
            { "id": "net", "service_type": "vcn", "display_name": "Customer VCN", "config": { "cidr_block": "172.16.0.0/20" } },
            { "id": "app", "service_type": "subnet", "display_name": "Existing application subnet", "config": { "cidr_block": "172.16.4.0/24", "prohibit_public_ip": true } },
            { "id": "lb", "service_type": "loadbalancer", "display_name": "Front door" },
            { "id": "vm", "service_type": "compute", "display_name": "Order service" },
            { "id": "disk", "service_type": "block_volume", "display_name": "Order files" },
            { "id": "db", "service_type": "adb", "display_name": "Orders", "config": { "endpoint_type": "private" } },
            { "id": "igw", "service_type": "internet_gateway", "display_name": "Internet" },
        ],
        "connections": [
            { "source_id": "app", "target_id": "net", "connection_type": "deployed_in" },
            { "source_id": "vm", "target_id": "app", "connection_type": "deployed_in" },
            { "source_id": "igw", "target_id": "net", "connection_type": "attached_to" },
            { "source_id": "lb", "target_id": "vm", "connection_type": "http" },
            { "source_id": "disk", "target_id": "vm", "connection_type": "attached_to" },
            { "source_id": "vm", "target_id": "db", "connection_type": "private_endpoint" },
        ],
    });
    Scene::new("Partly existing network", Language::En, designs::spec(&spec))
}

/// One cluster that talks to everything a cluster can talk to.
fn cluster() -> Scene {
    let mut components = vec![
        json!({ "id": "vcn", "service_type": "vcn", "display_name": "Platform VCN" }),
        json!({ "id": "k8s", "service_type": "oke", "display_name": "Application cluster" }),
    ];
    let mut connections = vec![json!({ "source_id": "k8s", "target_id": "vcn", "connection_type": "deployed_in" })];
    let private = ["adb", "mysql", "postgresql", "cache", "opensearch"].map(|kind| (kind, "private_endpoint"));
    let regional = ["nosql", "objectstorage", "streaming", "queue", "notification_topic", "container_repository", "logging"];
    let rest = [("file_storage", "mounts"), ("loadbalancer", "http"), ("compute", "http")];
    for (kind, way) in private.into_iter().chain(regional.map(|kind| (kind, "service_gateway"))).chain(rest) {
        let config = if kind == "adb" { json!({ "endpoint_type": "private" }) } else { json!({}) };
        components.push(json!({ "id": kind, "service_type": kind, "display_name": format!("{kind} of the shop"), "config": config }));
        connections.push(json!({ "source_id": "k8s", "target_id": kind, "connection_type": way }));
    }
    Scene::new("Cluster", Language::En, designs::spec(&json!({ "components": components, "connections": connections })))
}

fn star(secrets: usize) -> crate::api::DesignSpec {
    let mut components = vec![json!({"id": "vault", "service_type": "vault"}), json!({"id": "key", "service_type": "key"})];
    let mut connections = vec![json!({"source_id": "key", "target_id": "vault", "connection_type": "stored_in"})];
    for number in 0..secrets {
        let id = format!("s{number}");
        components.push(json!({"id": id, "service_type": "secret"}));
        connections.push(json!({"source_id": id, "target_id": "vault", "connection_type": "stored_in"}));
        connections.push(json!({"source_id": id, "target_id": "key", "connection_type": "encrypted_with"}));
    }
    designs::spec(&json!({"components": components, "connections": connections}))
}

#[test]
fn nothing_overlaps_at_19_components_and_every_line_has_its_words() {
    let scene = platform();
    assert_eq!(assert_tidy(&scene).1, 0, "lines without words");
    assert_xml(&svg(&scene.subject()));
}

#[test]
fn nothing_overlaps_at_60_components_in_three_networks_with_japanese_names() {
    let scene = retail();
    assert_eq!(scene.spec.components.len(), 60);
    assert!(scene.verdict.design.is_some(), "a design that could be built: {:?}", scene.verdict.findings);
    let (lines, without) = assert_tidy(&scene);
    assert!(lines > 50 && without * 4 <= lines, "{without} of {lines} lines without words");
    assert_xml(&svg(&scene.subject()));
}

#[test]
fn nothing_overlaps_at_60_components_that_are_all_connected() {
    for vcns in [1, 2] {
        let scene =
            Scene::new("Sixty components", Language::En, generated(60, vcns, &["Order service", "受注データベース", "Telemetry", "帳票"]));
        let (lines, without) = assert_tidy(&scene);
        assert!(lines > 50 && without * 4 <= lines * 3, "{without} of {lines} lines without words");
        assert_xml(&svg(&scene.subject()));
    }
}

#[test]
fn partly_existing_networks_and_a_cluster_with_many_connections_are_tidy() {
    for (scene, without) in [(partial(), 0), (cluster(), 2)] {
        assert!(scene.verdict.design.is_some(), "{:?}", scene.verdict.findings);
        assert!(assert_tidy(&scene).1 <= without, "{}: lines without words", scene.title);
        assert_xml(&svg(&scene.subject()));
    }
}

#[test]
fn what_is_attached_stands_beside_its_host_and_every_service_has_a_pictogram_of_its_own() {
    let scene = partial();
    let chart = chart(&scene.subject());
    let cards: Vec<&str> = chart.vcns[0].subnets.iter().flat_map(|subnet| &subnet.cards).map(|card| card.name.as_str()).collect();
    let host = cards.iter().position(|name| *name == "Order service").unwrap();
    assert_eq!(cards.get(host + 1), Some(&"Order files"), "{cards:?}");
    for service in scene.catalog.services() {
        let spec = designs::spec(&json!({ "components": [{ "id": "x", "service_type": service.service_type }] }));
        let one = Scene::new("one", Language::En, spec);
        let chart = super::chart(&one.subject());
        let inside = chart
            .vcns
            .iter()
            .flat_map(|vcn| vcn.subnets.iter().flat_map(|s| &s.cards).chain(&vcn.gateways).chain(&vcn.tables).chain(&vcn.loose));
        let node = inside.chain(&chart.regional).find(|node| node.key == 0);
        assert!(node.is_none_or(|node| node.category != Category::Other), "{} has no pictogram", service.service_type);
    }
}

#[test]
fn small_and_empty_designs_are_tidy() {
    for scene in [
        verification(),
        Scene::new("nothing", Language::Ja, crate::api::DesignSpec::default()),
        Scene::new("no network", Language::En, generated(9, 0, &["Bucket"])),
    ] {
        assert_tidy(&scene);
        assert_xml(&svg(&scene.subject()));
    }
}

#[test]
fn hostile_names_stay_text_in_their_cards() {
    let scene = hostile();
    assert_tidy(&scene);
    let text = svg(&scene.subject());
    assert!(!text.contains("<script") && !text.contains("<img"));
    assert_xml(&text);
}

#[test]
fn the_largest_design_is_tidy() {
    let scene = Scene::new("Largest", Language::En, generated(200, 2, HOSTILE));
    assert_tidy(&scene);
}

/// Every secret of a large design stands in one vault and is encrypted with one key: there is no way for each line alone.
#[test]
fn a_hundred_lines_into_one_card_run_together_instead_of_searching_the_whole_picture() {
    let scene = Scene::new("Secrets", Language::En, star(98));
    let subject = scene.subject();
    let chart = chart(&subject);
    let titles = Titles::new(&subject);
    let layout = layout(&chart, &titles);
    let (lines, steps) = connect(&chart, &layout, &titles);
    assert_eq!(lines.len(), 197, "every line has a way");
    assert!(steps < 6_000_000, "{steps} steps; without a bound it was 34 millions");
    let cards: Vec<Rect> = layout.cards.iter().map(|card| card.rect).collect();
    for (line, stretch) in lines.iter().flat_map(|line| labels::stretches(&line.points).into_iter().map(move |stretch| (line, stretch))) {
        assert!(cards.iter().all(|card| !stretch.grown(1).overlaps(&card.grown(-2))), "{line:?} runs over a card");
    }
    assert_xml(&svg(&subject));
}

#[test]
fn lines_are_wrapped_at_their_width_in_every_script() {
    for (text, room, expected, why) in [
        ("Private Subnet App", 80, vec!["Private", "Subnet App"], "at a space"),
        ("取引先 API ゲートウェイ", 150, vec!["取引先 API", "ゲートウェイ"], "at a space, rather than one small kana alone"),
        ("セッション・キャッシュ", 135, vec!["セッション・", "キャッシュ"], "after the dot"),
        ("会員分析基盤プラットフォーム", 145, vec!["会員分析基盤", "プラットフォーム"], "where kanji end and katakana begin"),
        ("ギャップ", 30, vec!["ギャ", "ップ"], "a word wider than its line is broken wherever it must be"),
        ("在庫管理サーバー 2 号機", 140, vec!["在庫管理サーバー", "2 号機"], "a number stays with what it counts"),
        ("日本語の名前", 52, vec!["日本語の", "名前"], "between wide characters"),
        ("iot_session_store", 90, vec!["iot_session_", "store"], "after an underscore"),
        ("AAAAAAAAAAAA", 40, vec!["AAAA", "AA…"], "a word wider than its line is cut"),
        ("", 40, vec![], "nothing is no line"),
    ] {
        assert_eq!(wrap(text, 13, room, 2), expected, "{why}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn random_designs_are_tidy(count in 1usize..61, vcns in 0usize..4, names in proptest::collection::vec("\\PC{0,40}", 1..6), drop in 0usize..7) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut spec = generated(count, vcns, &names);
        // designs under construction: connections are missing, some point at nothing
        let mut at = 0;
        spec.connections.retain(|_| { at += 1; drop == 0 || at % (drop + 1) != 0 });
        if let Some(connection) = spec.connections.first_mut() {
            connection.target_id = "nowhere".to_owned();
        }
        let scene = Scene::new("random", Language::En, spec);
        assert_tidy(&scene);
        assert_xml(&svg(&scene.subject()));
    }
}
