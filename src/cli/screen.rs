//! How output looks: colours only on a terminal that wants them, tables, bars, ages. No meaning.

use std::io::IsTerminal;

use comfy_table::{ContentArrangement, Table, presets};

use super::text::Lang;
use crate::api::Time;
use crate::config::Environment;

/// Where and how things are printed.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// language of the texts
    pub lang: Lang,
    /// true: ANSI colours
    pub colour: bool,
    /// true: a person looks at a terminal; lines may be drawn again
    pub live: bool,
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// good
    Good,
    /// look here
    Warn,
    /// bad
    Bad,
    /// a heading
    Strong,
    /// beside the point
    Faint,
}

impl Screen {
    /// For stdout of this process.
    pub fn of(environment: &Environment) -> Self {
        let live = std::io::stdout().is_terminal();
        let lang = if environment.is_japanese() { Lang::Ja } else { Lang::En };
        Screen { lang, colour: live && environment.allows_colour(), live: live && environment.get("TERM") != Some("dumb") }
    }
    /// Plain text in a language: tests, pipes.
    pub fn plain(lang: Lang) -> Self {
        Screen { lang, colour: false, live: false }
    }
    /// `text` in a tone, or as it is.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Strong => "1",
            Tone::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// A table without lines, as kubectl prints them. Cells hold no control characters: what a document says must not steer
/// the terminal it is shown on.
pub fn table<H: AsRef<str>, C: AsRef<str>>(head: &[H], rows: &[Vec<C>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if !head.is_empty() {
        table.set_header(head.iter().map(|cell| clean(cell.as_ref())).collect::<Vec<_>>());
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| clean(cell.as_ref())).collect::<Vec<_>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Text of a document on one line, without control characters and without bidirectional overrides.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' | '\r' | '\t' => ' ',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '�',
            letter if letter.is_control() => '�',
            letter => letter,
        })
        .collect()
}

/// `████░░░░` for `done` of `total`.
pub fn bar(done: usize, total: usize, width: usize) -> String {
    let filled = if total == 0 { 0 } else { (done.min(total) * width) / total };
    format!("{}{}", "█".repeat(filled), "░".repeat(width - filled))
}

/// Seconds as kubectl says them: `42s`, `5m`, `3h`, `2d`.
pub fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Time since `then`.
pub fn age(then: &Time, now: &Time) -> String {
    span(now.0.as_second() - then.0.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_in_both_languages_and_steers_no_terminal() {
        let text = table(&["名前", "STATE"], &[vec!["東京リージョンの設計", "ok"], vec!["a\u{1b}[31mb\nc", "no\u{202e}"]]);
        assert_eq!(text, "名前                  STATE\n東京リージョンの設計  ok\na�[31mb c             no�");
    }

    #[test]
    fn a_bar_is_never_longer_than_itself() {
        for (done, total, expected) in [(0, 4, "░░░░"), (1, 4, "█░░░"), (4, 4, "████"), (9, 4, "████"), (0, 0, "░░░░")]
        {
            assert_eq!(bar(done, total, 4), expected, "{done}/{total}");
        }
    }

    #[test]
    fn ages_are_short() {
        for (seconds, expected) in [(-5, "0s"), (59, "59s"), (119, "119s"), (120, "2m"), (7200, "2h"), (200_000, "2d")] {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        assert_eq!(Screen::plain(Lang::En).paint(Tone::Bad, "x"), "x");
        assert_eq!(Screen { lang: Lang::En, colour: true, live: true }.paint(Tone::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
