//! Text of users made safe for each format, and how wide it is. Pure.
//!
//! Names may be any text: control characters, line breaks and marks that turn the reading direction would fake or hide
//! what an export says, so they become spaces or vanish everywhere.

/// The text in one line: control characters and line ends are spaces, direction marks and characters that XML 1.0 does
/// not have are gone, runs of spaces are one.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {}
            '\u{61c}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => {}
            c if c.is_control() || c.is_whitespace() => {
                if !out.is_empty() && !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            c => out.push(c),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Escapes for XML text and attribute values.
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Escapes for a quoted Mermaid label: everything in ASCII that is not a letter, digit or harmless mark becomes
/// Mermaid's own entity (`#35;`), so that no label can end its quotes, start Markdown, HTML or a directive.
pub fn mermaid(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | '.' | ',' | '/' | '-' | ':' | '(' | ')' | '+' | '=' => out.push(c),
            // a letter between underscores would be emphasis; one inside a word is not
            c if c.is_ascii() => out.push_str(&format!("#{};", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// Escapes for Markdown text in a paragraph, list or table cell.
pub fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let text = clean(text);
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let inside_word = before.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric());
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '[' | ']' | '|' | '~' | '!' | '$' => out.extend(['\\', c]),
            '_' if !inside_word => out.push_str("\\_"),
            '#' | '-' | '+' | '=' if before == ' ' && out.is_empty() => out.extend(['\\', c]),
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// A code span that holds any text, in a table cell too.
pub fn code(text: &str) -> String {
    let text = clean(text).replace('|', "\\|");
    if text.is_empty() {
        return String::new();
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Width of a character in twentieths of the font size. East Asian wide characters are two units (20), Latin letters
/// about one; capitals and the broadest letters are more, because an estimate that is too small lets text leave its box.
fn width_of(c: char) -> u32 {
    match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | ' ' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '(' | ')' | '-' | '/' => 8,
        'm' | 'M' | 'W' | '@' | '%' => 20,
        'w' => 16,
        'A'..='Z' | '&' | '#' | '+' | '=' | '<' | '>' | '~' => 14,
        c if c.is_ascii() => 12,
        '\u{a0}'..='\u{10ff}' => 15,
        // CJK, kana, hangul, emoji, full width; everything else beyond is taken as wide, too: never too small
        _ => 20,
    }
}

/// Width of a text at a font size, in pixels, rounded up.
pub fn width(text: &str, size: u32) -> i32 {
    let twentieths: u32 = text.chars().map(width_of).fold(0, u32::saturating_add);
    i32::try_from(twentieths.saturating_mul(size).div_ceil(20)).unwrap_or(i32::MAX)
}

/// The text cut to a width, with an ellipsis when something is missing.
pub fn cut(text: &str, size: u32, room: i32) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if width(&out, size) + width("…", size) > room {
            out.pop();
            break;
        }
    }
    out.truncate(out.trim_end().len());
    out.push('…');
    out
}

/// The text in at most `lines` lines of a width: broken where a reader would break it (at spaces, after `-`, `_`, `/` and
/// `・`, where the script changes) as long as everything still fits, else between wide characters, and anywhere when a word
/// is wider than a line. No line begins with a small kana or a closing mark.
pub fn wrap(text: &str, size: u32, room: i32, lines: usize) -> Vec<String> {
    let text = clean(text);
    let mut out: Vec<String> = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        if out.len() + 1 >= lines {
            out.push(cut(rest, size, room));
            break;
        }
        let end = break_at(rest, size, room, lines - out.len() - 1);
        let (line, after) = rest.split_at(end);
        out.push(line.trim_end().to_owned());
        rest = after.trim_start();
    }
    out
}

/// Scripts between whose words a Japanese reader sees a seam.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Script {
    Narrow,
    Hiragana,
    Katakana,
    Other,
}

fn script(c: char) -> Script {
    match c {
        '\u{3041}'..='\u{309f}' => Script::Hiragana,
        '\u{30a0}'..='\u{30ff}' => Script::Katakana,
        c if c > '\u{10ff}' => Script::Other,
        _ => Script::Narrow,
    }
}

/// How good a break between two characters is: none, possible, where words meet.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Seam {
    None,
    Possible,
    Word,
}

fn seam(before: char, after: char) -> Seam {
    const NEVER_FIRST: &str = "ァィゥェォッャュョヮヵヶぁぃぅぇぉっゃゅょゎー・、。，．)）」』】〉》]}!?！？:：;；々ゝゞ…";
    const NEVER_LAST: &str = "(（「『【〈《[{";
    match (before, after) {
        // a number belongs to what it counts
        ('0'..='9', ' ') | (' ', _) => return Seam::Possible,
        (_, ' ') | ('-' | '_' | '/', _) => return Seam::Word,
        (_, _) => {}
    }
    if NEVER_FIRST.contains(after) || NEVER_LAST.contains(before) {
        return Seam::None;
    }
    let (one, two) = (script(before), script(after));
    match (one, two) {
        (Script::Narrow, Script::Narrow) => Seam::None,
        _ if before == '・' || NEVER_LAST.contains(after) => Seam::Word,
        // the end of a Japanese word is written in hiragana: there is a seam behind it and none in front of it
        (_, Script::Hiragana) => Seam::Possible,
        _ if one != two => Seam::Word,
        _ => Seam::Possible,
    }
}

/// Where the first line of a text ends: at least one character, at most what fits. `more` lines may follow.
fn break_at(text: &str, size: u32, room: i32, more: usize) -> usize {
    let (mut possible, mut word, mut end) = (0, 0, 0);
    let mut used = String::new();
    let mut before: Option<char> = None;
    let fits = |from: usize| i64::from(width(text[from..].trim(), size)) <= i64::from(room) * i64::try_from(more).unwrap_or(i64::MAX);
    for (at, c) in text.char_indices() {
        let seam = before.map_or(Seam::None, |before| seam(before, c));
        if seam > Seam::None {
            possible = at;
        }
        // a seam far to the left would leave most of the line empty
        if seam == Seam::Word && width(used.trim_end(), size) * 3 >= room && fits(at) {
            word = at;
        }
        used.push(c);
        if width(used.trim_end(), size) > room {
            let best = if word > 0 { word } else { possible };
            return if best > 0 { best } else { end.max(at) }.max(c.len_utf8().min(text.len()));
        }
        end = at + c.len_utf8();
        before = Some(c);
    }
    text.len()
}
