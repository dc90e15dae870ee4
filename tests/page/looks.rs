//! What a machine can see of how a page looks: nothing wider than the window, letters that stand out from their ground, words
//! in the reader's language, and letters of a diagram inside the boxes that were measured for them.

use serde_json::{Value, json};

use super::browser::Browser;
use super::world::{self, APPROVER, World};
use super::{LARGE, LARGEST, SMALL, make, picture};

/// Letters whose contrast with what is behind them is less than WCAG 2.1 AA asks (4.5, large ones 3): each with its ratio.
const FAINT: &str = r#"(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = (text) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
    const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map((c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; }); return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
    const ground = (one) => { for (; one; one = one.parentElement) { const c = rgba(getComputedStyle(one).backgroundColor); if (c[3] === 255) return c; } return rgba(matchMedia('(prefers-color-scheme: dark)').matches ? '#000' : '#fff'); };
    const found = [];
    for (const one of document.querySelectorAll('body *')) {
        const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || one.closest('script, style, noscript, svg, :disabled, .skip') || !one.checkVisibility()) continue;
        const style = getComputedStyle(one), [a, b] = [light(rgba(style.color)), light(ground(one))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.6 && style.fontWeight >= 700);
        if (ratio < (large ? 3 : 4.5)) found.push(`${one.tagName}.${one.className}: ${one.textContent.trim().slice(0, 40)} ${ratio.toFixed(2)}`);
    }
    return found;
})()"#;

/// What is cut off at the right, with the element that is too wide.
const WIDE: &str = r#"[...document.querySelectorAll('main *')]
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('figure, pre'))
    .map((one) => `${one.tagName}.${one.className} ${one.textContent.trim().slice(0, 40)}`)"#;

/// A page as it is shown now.
fn assert_readable(browser: &mut Browser, what: &str) {
    browser.still(&format!("{what}: it scrolls in one direction"), "document.documentElement.scrollWidth <= innerWidth");
    assert_eq!(browser.evaluate(WIDE), json!([]), "{what}: too wide");
    assert_eq!(browser.evaluate(FAINT), json!([]), "{what}: letters that do not stand out");
}

pub async fn every_page_is_readable_in_both_languages_light_dark_and_narrow() {
    let world = World::start_with(&[("GALLEY_MIN_APPROVAL", "human")]).await;
    let base = world.base().to_owned();
    let mut browser = Browser::start();
    browser.look(1280, 900, false, "en");
    browser.open(&format!("{base}/"));
    assert_readable(&mut browser, "signing in");
    picture(&mut browser, "sign-in", 900);
    browser.sign_in(&base, APPROVER);
    assert!(browser.text().contains("No designs yet"), "{}", browser.text());
    assert_readable(&mut browser, "nothing is there");
    picture(&mut browser, "empty", 900);

    let long = "株式会社サンプルホールディングス 全国店舗統合在庫・受発注プラットフォーム刷新プロジェクト(第二期・東日本先行移行)";
    let largest = make(&world, long, "ja", Some(world::spec_of(LARGEST))).await;
    let draft = make(&world, "IoT プラットフォーム(株式会社サンプル様)", "ja", Some(world::spec_of(LARGE))).await;
    make(&world, "Averyveryverylongnamewithoutanyspaceinit_that_a_model_made_up_0123456789", "en", None).await;
    let broken = make(&world, "Not finished yet", "en", Some(json!({ "components": [{ "id": "x", "serviceType": "mainframe" }] }))).await;
    let name = make(&world, "検証環境: VM + ATP", "ja", Some(world::spec_of(SMALL))).await;
    world.edit(&name, json!({ "desiredState": "Applied" })).await;
    world.until_plan(&name).await;
    world.until_reason(&broken, "InvalidDesign").await;
    for (width, dark, language, word) in [
        (1280, false, "en", "waiting for a decision"),
        (1280, true, "ja", "判断待ち"),
        (390, false, "ja", "判断待ち"),
        (390, true, "en", "waiting for a decision"),
    ] {
        browser.look(width, 844, dark, language);
        let clothes = format!("{}{}-{language}", if width < 600 { "narrow-" } else { "" }, if dark { "dark" } else { "light" });
        browser.open(&format!("{base}/?lang={language}"));
        assert!(browser.text().contains(word), "{clothes}: {}", browser.text());
        assert_readable(&mut browser, &format!("list, {clothes}"));
        picture(&mut browser, &format!("list-{clothes}"), 1200);
        for (design, what) in [(&name, "plan"), (&draft, "draft"), (&largest, "largest"), (&broken, "broken")] {
            browser.open(&format!("{base}/designs/{design}"));
            browser.still(&format!("{what}, {clothes}: its language"), &format!("document.documentElement.lang === '{language}'"));
            browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })");
            assert_readable(&mut browser, &format!("{what}, {clothes}, everything unfolded"));
            browser.open(&format!("{base}/designs/{design}"));
            picture(&mut browser, &format!("{what}-{clothes}"), 2400);
        }
    }
}

/// Letters outside the card, label or lane that was measured for them, and letters over other letters. The picture is put
/// into a page, so that a script may measure it.
const STRAY: &str = r#"(() => {
    const out = [], svg = document.querySelector('svg.gd');
    const box = (one) => one.getBoundingClientRect();
    const inside = (small, large, air) => small.left >= large.left - air && small.right <= large.right + air && small.top >= large.top - air && small.bottom <= large.bottom + air;
    const texts = [...svg.querySelectorAll('text')].map((one) => ({ one, box: box(one), words: one.textContent }));
    for (const { one, box: letters, words } of texts) {
        const card = one.closest('svg svg');
        if (card && !inside(letters, box(card.querySelector('rect')), 0)) out.push(`${words}: leaves its card`);
        if (!inside(letters, box(svg.querySelector('.bg')), 0)) out.push(`${words}: leaves the sheet`);
    }
    const labels = [...svg.querySelectorAll('rect.w')];
    for (const label of labels) {
        for (let one = label.nextElementSibling; one && one.tagName === 'text'; one = one.nextElementSibling) {
            if (!inside(box(one), box(label), 2)) out.push(`${one.textContent}: leaves its label`);
        }
    }
    // the em box of a text is higher than its letters: two lines of one name may touch
    const shrunk = (b) => ({ left: b.left, right: b.right, top: b.top + b.height * 0.22, bottom: b.bottom - b.height * 0.22 });
    texts.forEach((a, at) => texts.slice(at + 1).forEach((b) => {
        const [x, y] = [shrunk(a.box), shrunk(b.box)];
        if (x.left < y.right && y.left < x.right && x.top < y.bottom && y.top < x.bottom) out.push(`${a.words} over ${b.words}`);
    }));
    return { texts: texts.length, out };
})()"#;

pub fn the_letters_of_a_diagram_stay_where_the_layout_put_them() {
    let mut browser = Browser::start();
    for (name, svg, least) in
        [("19", include_str!("../../docs/img/iot-platform-19.svg"), 60), ("60", include_str!("../../docs/img/retail-60.svg"), 180)]
    {
        for dark in [false, true] {
            browser.look(1600, 1200, dark, "ja");
            browser.show(&format!("<!doctype html><meta charset=utf-8><body style=\"margin:0\">{svg}"));
            let seen: Value = browser.evaluate(STRAY);
            assert_eq!(seen["out"], json!([]), "{name}: letters that leave their place");
            assert!(seen["texts"].as_i64().is_some_and(|texts| texts >= least), "{name}: {seen}");
            picture(&mut browser, &format!("diagram-{name}{}", if dark { "-dark" } else { "" }), 4000);
        }
    }
}
