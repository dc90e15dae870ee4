//! What would make the parser of HCL recurse until the stack ends, or read one place for ever. Takes text that nobody has
//! read yet; pure, linear.
//!
//! hcl-edit 0.10 reads `a % b % {…` twice when what the bracket holds breaks off: the chain gives its last operator back,
//! and the expression around it takes it up again. So each bracket behind a chain, inside another one, doubles the time; 35
//! of them in 400 bytes took a quarter of an hour (found by fuzzing: `overrides/crashes/chains-that-break-off`).

/// Deepest nesting of brackets. The parser recurses, and nothing that people read is deeper.
const MAX_DEPTH: usize = 40;
/// Most conditions in one text: a chain of them recurses without a bracket.
const MAX_CONDITIONS: usize = 200;
/// Brackets behind chains, inside one another. Two to this power is how often one place is read at most.
const MAX_CHAINS: usize = 6;

/// Whether a text must not be given to the parser. Asked of every HCL that a person wrote, before it is read.
pub fn nests_too_deeply(text: &str) -> bool {
    // Chains of these recurse too.
    let chains = text.contains("!!!!") || text.contains("----") || text.chars().filter(|c| *c == '?').count() > MAX_CONDITIONS;
    chains || brackets(text) > MAX_DEPTH || levels_too_deep(text)
}

/// How deep brackets stand in one another, wherever they stand: this depends on nothing that is taken for a text.
fn brackets(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// What a level holds.
#[derive(Clone, Copy)]
enum Holds<'a> {
    /// expressions; whether a new line ends one
    Code { lines: bool },
    /// a text in quotes
    Quoted,
    /// the lines before this one
    Heredoc(&'a str),
}

/// A bracket, a template, a text that is open.
struct Level<'a> {
    holds: Holds<'a>,
    /// operators of the expression that stands here
    operators: usize,
    /// stands behind a chain of operators
    chained: bool,
    /// nothing but space and remarks so far
    fresh: bool,
}

impl<'a> Level<'a> {
    fn new(holds: Holds<'a>, chained: bool) -> Self {
        Level { holds, operators: 0, chained, fresh: true }
    }
}

/// What the next piece of a text does.
enum Piece<'a> {
    /// space, a remark
    Blank,
    Opens(Holds<'a>),
    Closes,
    Operator,
    /// a comma, or a new line that counts: the next expression begins
    Next,
    /// `for`, where it makes the brackets around it those of a comprehension, which runs over lines
    For,
    Other,
}

/// Whether brackets and texts stand too deep in one another, or too many of them behind chains of operators.
fn levels_too_deep(text: &str) -> bool {
    let mut levels = vec![Level::new(Holds::Code { lines: true }, false)];
    let mut rest = text;
    while let (Some(level), false) = (levels.last_mut(), rest.is_empty()) {
        let (taken, piece) = match level.holds {
            Holds::Code { lines } => code(rest, lines, level.fresh),
            Holds::Quoted if rest.starts_with('\\') => (length(rest, 2), Piece::Other),
            Holds::Quoted => letters(rest, |rest| rest.starts_with('"')),
            Holds::Heredoc(end) => letters(rest, |rest| rest.strip_prefix('\n').is_some_and(|line| is_end(line, end))),
        };
        level.fresh &= matches!(piece, Piece::Blank | Piece::Next);
        match piece {
            Piece::Blank | Piece::Other => {}
            Piece::Operator => level.operators += 1,
            Piece::Next => level.operators = 0,
            Piece::For => level.holds = Holds::Code { lines: false },
            Piece::Opens(holds) => {
                let chained = level.operators > 1;
                levels.push(Level::new(holds, chained));
                if levels.len() > MAX_DEPTH + 1 || levels.iter().filter(|level| level.chained).count() > MAX_CHAINS {
                    return true;
                }
            }
            // A bracket too many is an error that the parser finds at once.
            Piece::Closes if levels.len() > 1 => drop(levels.pop()),
            Piece::Closes => {}
        }
        rest = &rest[taken..];
    }
    false
}

/// The piece at the start of code, and its length. Never asked of nothing.
fn code(rest: &str, lines: bool, fresh: bool) -> (usize, Piece<'_>) {
    let first = rest.chars().next().unwrap_or_default();
    let until = |ends: fn(char) -> bool| rest.find(ends).unwrap_or(rest.len());
    if rest.starts_with('#') || rest.starts_with("//") {
        return (until(|c| c == '\n'), Piece::Blank);
    }
    if rest.starts_with("/*") {
        return (rest.find("*/").map_or(rest.len(), |end| end + 2), Piece::Blank);
    }
    if let Some((length, end)) = heredoc(rest) {
        return (length, Piece::Opens(Holds::Heredoc(end)));
    }
    if is_operator(first) {
        let length = operator(rest);
        return (length, if matches!(&rest[..length], "=" | "=>") { Piece::Other } else { Piece::Operator });
    }
    if is_word(first) {
        let length = until(|c| !is_word(c));
        return (length, if fresh && &rest[..length] == "for" { Piece::For } else { Piece::Other });
    }
    let piece = match first {
        '{' => Piece::Opens(Holds::Code { lines: true }),
        '(' | '[' => Piece::Opens(Holds::Code { lines: false }),
        '"' => Piece::Opens(Holds::Quoted),
        '}' | ')' | ']' => Piece::Closes,
        ',' => Piece::Next,
        '\n' if lines => Piece::Next,
        _ if first.is_whitespace() => Piece::Blank,
        _ => Piece::Other,
    };
    (first.len_utf8(), piece)
}

/// The piece at the start of a text that goes on until `closes`, and its length. Never asked of nothing.
fn letters<'a>(rest: &'a str, closes: impl Fn(&str) -> bool) -> (usize, Piece<'a>) {
    if closes(rest) {
        return (1, Piece::Closes);
    }
    if rest.starts_with("$${") || rest.starts_with("%%{") {
        return (3, Piece::Other);
    }
    if rest.starts_with("${") || rest.starts_with("%{") {
        return (2, Piece::Opens(Holds::Code { lines: false }));
    }
    (length(rest, 1), Piece::Other)
}

/// Bytes of the first `letters` characters.
fn length(text: &str, letters: usize) -> usize {
    text.chars().take(letters).map(char::len_utf8).sum()
}

/// How long the operators at the start are: a remark or a text over lines that begins behind them is none.
fn operator(text: &str) -> usize {
    let ends = |(at, letter): &(usize, char)| {
        !is_operator(*letter) || *at > 0 && ["//", "/*", "<<"].iter().any(|other| text[*at..].starts_with(other))
    };
    text.char_indices().find(ends).map_or(text.len(), |(at, _)| at)
}

fn is_operator(letter: char) -> bool {
    matches!(letter, '=' | '!' | '<' | '>' | '+' | '-' | '*' | '/' | '%' | '&' | '|')
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The start of a text over several lines, `<<EOT` or `<<-EOT`: its length and the word that ends it.
fn heredoc(text: &str) -> Option<(usize, &str)> {
    let name = text.strip_prefix("<<")?;
    let name = name.strip_prefix('-').unwrap_or(name);
    let end = name.find(|c| !(is_word(c) || c == '-')).filter(|end| *end > 0)?;
    name[end..].trim_start_matches('\r').starts_with('\n').then(|| (text.len() - name.len() + end, &name[..end]))
}

/// Whether a text begins with the line that ends a text over several lines.
fn is_end(text: &str, end: &str) -> bool {
    let behind = text.trim_start_matches([' ', '\t']).strip_prefix(end);
    behind.is_some_and(|behind| !behind.starts_with(|c| is_word(c) || c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_brackets_behind_chains_inside_one_another_are_too_deep() {
        let nested = |open: &str, close: &str, depth: usize| format!("a = {}1{}", open.repeat(depth), close.repeat(depth));
        let flat = "output \"o\" {\n  value = 1 + 2 + max(3, 4)\n}\n".repeat(200);
        let blocks = "a {\n  b = 1 - 2 - 3\n".repeat(30) + &"}\n".repeat(30);
        let rows = [
            (nested("q % f % {l = ", "}", 7), true, "objects"),
            (nested("q % f % {l = ", "", 7), true, "objects that are not closed, as they were found"),
            (nested("q % f % {l = ", "}", 6), false, "64 readings of one place are nothing"),
            (nested("1 + 2 + max(", ")", 7), true, "calls"),
            (nested("(1 +\n 2 +\n", ")", 8), true, "a new line ends nothing in parentheses"),
            (nested("{for k in 1 +\n 2 +\n", "}", 9), true, "nor in a for"),
            (nested("1 + 2 + \"${", "}\"", 7), true, "templates"),
            (nested("q % f % {k = \"}\", l = ", "}", 7), true, "a bracket in a text closes nothing"),
            (nested("q % f % {k = \"\\\"}\", l = ", "}", 7), true, "nor behind a quote that is one of its letters"),
            (nested("q % f % {k = /* } */ 1, l = ", "}", 7), true, "nor in a remark"),
            ("\"}\" == {l = ".repeat(41), true, "nor as deep as the stack"),
            (nested("q %/*\n*/ f %/*\n*/ {l = ", "}", 7), true, "a new line in a remark ends nothing"),
            (nested("1 + 2 + [<<E\n}\nE\n, ", "]", 7), true, "nor in a text over lines"),
            (nested("1 + {a = ", "}", 30), false, "one operator is no chain"),
            (nested("{a = ", "}", 30), false, "brackets alone"),
            (nested("x == 1 && f(", ")", 6), false, "conditions as people write them"),
            (flat, false, "side by side"),
            (blocks, false, "blocks are no expressions"),
        ];
        for (text, expected, reason) in rows {
            assert_eq!(nests_too_deeply(&text), expected, "{reason}: {}", text.chars().take(200).collect::<String>());
        }
    }
}
