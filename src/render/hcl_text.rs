//! HCL structures to text as `terraform fmt` would leave it, and lines back from text. hcl-rs prints one space around
//! `=`; `terraform fmt` aligns neighbouring single-line arguments: [`align`] does that on the finished lines.

use hcl::structure::Block;

use super::tree::Mode;

/// Text of blocks, with an empty line between them.
pub fn text(blocks: &[Block]) -> Result<String, hcl::Error> {
    let mut parts = Vec::with_capacity(blocks.len());
    for block in blocks {
        parts.push(align(hcl::format::to_string(block)?.trim_end()));
    }
    Ok(if parts.is_empty() { String::new() } else { parts.join("\n\n") + "\n" })
}

/// Where ` = ` stands outside quotes, if the rest of the line opens and closes its brackets.
fn assignment(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    let (mut quoted, mut skip, mut at, mut depth) = (false, false, None, 0i32);
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            _ if skip => skip = false,
            b'\\' if quoted => skip = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'=' if at.is_none() && index > 0 && bytes.get(index + 1) == Some(&b' ') && bytes.get(index - 1) == Some(&b' ') => {
                at = Some(index);
            }
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth -= 1,
            _ => {}
        }
    }
    at.filter(|_| depth == 0)
}

/// Aligns the `=` of neighbouring lines. Strings never span lines here, so a line is a whole argument or an opening one.
pub(super) fn align(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut out: Vec<String> = Vec::with_capacity(lines.len());
    let mut index = 0;
    while let Some(line) = lines.get(index) {
        if assignment(line).is_none() {
            let first_block = line.ends_with('{') && !line.contains(" = ") && out.last().is_some_and(|before| !before.ends_with('{'));
            if first_block && !line.starts_with(|c: char| !c.is_whitespace()) {
                out.push(String::new());
            }
            out.push((*line).to_owned());
            index += 1;
            continue;
        }
        let group: Vec<(&str, usize)> = lines.iter().skip(index).map_while(|l| assignment(l).map(|at| (*l, at))).collect();
        let column = group.iter().map(|(l, at)| l[..*at].trim_end().chars().count()).max().unwrap_or_default();
        for (line, at) in &group {
            let name = line[..*at].trim_end();
            let pad = column - name.chars().count();
            out.push(format!("{name}{} {}", " ".repeat(pad), &line[*at..]));
        }
        index += group.len();
    }
    out.join("\n")
}

/// Line (from 1) of a path inside a top-level block of a rendered file; the block's own line when the path is not found.
pub fn line(text: &str, mode: Mode, resource_type: &str, label: &str, path: &str) -> usize {
    let keyword = match mode {
        Mode::Managed => "resource",
        Mode::Data => "data",
    };
    let head = format!("{keyword} \"{resource_type}\" \"{label}\" {{");
    let lines: Vec<&str> = text.lines().collect();
    let Some(start) = lines.iter().position(|line| *line == head) else { return 1 };
    let mut at = start;
    for (depth, part) in path.split('.').filter(|part| !part.is_empty()).enumerate() {
        let indent = "  ".repeat(depth + 1);
        let inside = lines.iter().enumerate().skip(at + 1).take_while(|(_, line)| **line != "}");
        let names = |line: &str| {
            let rest = line.strip_prefix(&indent).and_then(|rest| rest.strip_prefix(part));
            rest.is_some_and(|rest| rest.starts_with(' '))
        };
        match inside.into_iter().find(|(_, line)| names(line)) {
            Some((found, _)) => at = found,
            None => break,
        }
    }
    at + 1
}
