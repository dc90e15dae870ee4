//! Nothing overlaps, children lie in their parents, words in their cards, lines beside the cards: on known designs and on
//! random ones.

use proptest::prelude::*;

use super::*;
use crate::api::session::Language;
use crate::render::export::tests::{HOSTILE, Scene, generated, hostile, platform, verification};

/// Looks at everything a person would see.
fn assert_tidy(scene: &Scene) -> usize {
    let subject = scene.subject();
    let chart = chart(&subject);
    let layout = layout(&chart);
    let lines = connect(&chart, &layout);
    let sheet = Rect { x: 0, y: 0, w: layout.width, h: layout.height };
    for (at, card) in layout.cards.iter().enumerate() {
        let parent = &layout.frames[card.parent];
        assert!(parent.rect.holds(&card.rect), "{card:?} outside {parent:?}");
        for other in &layout.cards[at + 1..] {
            assert!(!card.rect.grown(PITCH).overlaps(&other.rect), "{card:?} over {other:?}");
        }
        for frame in layout.frames.iter().filter(|frame| frame.rect != parent.rect && !frame.rect.holds(&card.rect)) {
            assert!(!frame.rect.overlaps(&card.rect), "{card:?} over the border of {frame:?}");
        }
        let name = wrap(&card.node.name, NAME_SIZE, card.rect.w - TEXT_X - 8, 2);
        assert!(name.len() <= 2 && name.iter().all(|line| TEXT_X + width(line, NAME_SIZE) <= card.rect.w), "{name:?}");
    }
    for (at, frame) in layout.frames.iter().enumerate() {
        assert!(sheet.holds(&frame.rect), "{frame:?} outside the sheet");
        if let Some(parent) = frame.parent {
            assert!(layout.frames[parent].rect.holds(&frame.rect), "{frame:?} outside its parent");
        }
        for other in layout.frames[at + 1..].iter().filter(|other| other.parent == frame.parent) {
            assert!(!frame.rect.overlaps(&other.rect), "{frame:?} over {other:?}");
        }
    }
    assert_eq!(lines.len(), chart.links.len(), "every connection has a line");
    for line in &lines {
        assert!(line.points.len() >= 2);
        for stretch in labels::stretches(&line.points) {
            assert!(stretch.w == 0 || stretch.h == 0, "{line:?} is not orthogonal");
            for card in &layout.cards {
                assert!(!stretch.grown(1).overlaps(&card.rect.grown(-2)), "{line:?} runs over {card:?}");
            }
        }
    }
    let labels: Vec<&Label> = lines.iter().filter_map(|line| line.label.as_ref()).collect();
    for (at, label) in labels.iter().enumerate() {
        assert!(sheet.holds(&label.rect), "{label:?} outside the sheet");
        assert!(!layout.cards.iter().any(|card| card.rect.overlaps(&label.rect)), "{label:?} over a card");
        assert!(!labels[at + 1..].iter().any(|other| other.rect.overlaps(&label.rect)), "{label:?} over another");
    }
    lines.len() - labels.len()
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
    assert!(
        !text.contains("url(")
            && text.matches("http").count()
                == text.matches("http://www.w3.org/2000/svg").count()
                    + text.matches(">http").count()
                    + text.matches(": http").count()
                    + text.matches(", http").count()
    );
}

#[test]
fn nothing_overlaps_at_19_components_and_every_line_has_its_words() {
    let scene = platform();
    assert_eq!(assert_tidy(&scene), 0, "lines without words");
    assert_xml(&svg(&scene.subject()));
}

#[test]
fn nothing_overlaps_at_60_components() {
    for vcns in [1, 2] {
        let scene =
            Scene::new("Sixty components", Language::En, generated(60, vcns, &["Order service", "受注データベース", "Telemetry", "帳票"]));
        let without = assert_tidy(&scene);
        assert!(without <= 5, "{without} lines without words");
        assert_xml(&svg(&scene.subject()));
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
fn the_largest_design_is_drawn_in_reasonable_time() {
    let scene = Scene::new("Largest", Language::En, generated(200, 2, HOSTILE));
    assert_tidy(&scene);
}

#[test]
fn lines_are_wrapped_at_their_width_in_every_script() {
    for (text, room, expected, why) in [
        ("Private Subnet App", 80, vec!["Private", "Subnet App"], "at a space"),
        ("日本語の名前", 52, vec!["日本語の", "名前"], "between wide characters"),
        ("iot_session_store", 80, vec!["iot_session_", "store"], "after an underscore"),
        ("AAAAAAAAAAAA", 40, vec!["AAAA", "AAA…"], "a word wider than its line is cut"),
        ("", 40, vec![], "nothing is no line"),
    ] {
        assert_eq!(wrap(text, 13, room, 2), expected, "{why}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
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
