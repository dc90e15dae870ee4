//! How far a text of HCL makes its parser read one place again. Takes text that nobody has read yet; pure, linear.
//!
//! hcl-edit 0.10 reads `a % b % {…` twice when what the bracket holds breaks off: the chain gives its last operator back,
//! and the expression around it takes it up again. So each bracket behind a chain, inside another one, doubles the time; 35
//! of them in 400 bytes took a quarter of an hour (found by fuzzing: `overrides/crashes/chains-that-break-off`).

/// Brackets behind chains, inside one another. Two to this power is how often one place is read at most.
const MAX_CHAINS: usize = 6;

/// What a level holds.
#[derive(Clone, Copy, PartialEq)]
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
    /// nothing but space so far
    fresh: bool,
}

/// Whether too many brackets stand behind chains of operators, inside one another.
pub(super) fn chains_too_deeply(text: &str) -> bool {
    let mut levels = vec![Level { holds: Holds::Code { lines: true }, operators: 0, chained: false, fresh: true }];
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let outermost = levels.len() == 1;
        let Some(level) = levels.last_mut() else { return false };
        let mut taken = first.len_utf8();
        let mut opens = None;
        match level.holds {
            Holds::Code { lines } => {
                if rest.starts_with('#') || rest.starts_with("//") {
                    taken = rest.find('\n').unwrap_or(rest.len());
                } else if rest.starts_with("/*") {
                    taken = rest.find("*/").map_or(rest.len(), |end| end + 2);
                } else if let Some((end, heredoc)) = heredoc(rest) {
                    (taken, opens) = (end, Some(heredoc));
                } else if is_operator(first) {
                    taken = operator(rest);
                    level.operators += usize::from(!matches!(&rest[..taken], "=" | "=>"));
                } else if first.is_alphanumeric() || first == '_' {
                    taken = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                    if level.fresh && &rest[..taken] == "for" {
                        level.holds = Holds::Code { lines: false };
                    }
                } else {
                    match first {
                        '{' => opens = Some(Holds::Code { lines: true }),
                        '(' | '[' => opens = Some(Holds::Code { lines: false }),
                        '"' => opens = Some(Holds::Quoted),
                        '}' | ')' | ']' if !outermost => drop(levels.pop()),
                        ',' => level.operators = 0,
                        '\n' if lines => level.operators = 0,
                        _ => {}
                    }
                }
                if !first.is_whitespace()
                    && !rest.starts_with(['#', '/'])
                    && let Some(level) = levels.last_mut()
                {
                    level.fresh = false;
                }
            }
            Holds::Quoted if first == '\\' => taken += rest[1..].chars().next().map_or(0, char::len_utf8),
            Holds::Quoted if first == '"' => drop(levels.pop()),
            Holds::Heredoc(end) if first == '\n' && ends(&rest[1..], end) => drop(levels.pop()),
            Holds::Quoted | Holds::Heredoc(_) => {
                if rest.starts_with("$${") || rest.starts_with("%%{") {
                    taken = 3;
                } else if rest.starts_with("${") || rest.starts_with("%{") {
                    (taken, opens) = (2, Some(Holds::Code { lines: false }));
                }
            }
        }
        if let Some(holds) = opens {
            let chained = levels.last().is_some_and(|level| level.operators > 1);
            levels.push(Level { holds, operators: 0, chained, fresh: true });
            if levels.iter().filter(|level| level.chained).count() > MAX_CHAINS {
                return true;
            }
        }
        rest = &rest[taken..];
    }
    false
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

/// Whether the first line is the one that ends a text over several lines.
fn ends(text: &str, end: &str) -> bool {
    let behind = text.trim_start_matches([' ', '\t']).strip_prefix(end);
    behind.is_some_and(|behind| !behind.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-')))
}

/// The start of a text over several lines, up to the end of its first one: `<<EOT` or `<<-EOT`.
fn heredoc(text: &str) -> Option<(usize, Holds<'_>)> {
    let name = text.strip_prefix("<<")?;
    let name = name.strip_prefix('-').unwrap_or(name);
    let end = name.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).filter(|end| *end > 0)?;
    name[end..].trim_start_matches('\r').starts_with('\n').then(|| (text.len() - name.len() + end, Holds::Heredoc(&name[..end])))
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
            (nested("q % f % {k = /* } */ 1, l = ", "}", 7), true, "nor in a remark"),
            (nested("q %/*\n*/ f %/*\n*/ {l = ", "}", 7), true, "a new line in a remark ends nothing"),
            (nested("1 + 2 + [<<E\n}\nE\n, ", "]", 7), true, "nor in a text over lines"),
            (nested("1 + {a = ", "}", 30), false, "one operator is no chain"),
            (nested("{a = ", "}", 30), false, "brackets alone"),
            (nested("x == 1 && f(", ")", 6), false, "conditions as people write them"),
            (flat, false, "side by side"),
            (blocks, false, "blocks are no expressions"),
        ];
        for (text, expected, reason) in rows {
            assert_eq!(chains_too_deeply(&text), expected, "{reason}: {}", text.chars().take(200).collect::<String>());
        }
    }
}
