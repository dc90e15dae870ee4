//! Every fault point that stands in the source must have been passed: a point that no story reaches is a durable step at
//! which nobody ever died. (That every durable step has a point is what tests/architecture.rs keeps.)

use std::collections::BTreeSet;
use std::path::Path;

use crate::world::PASSED;

/// Points that no story passes, each with the reason.
const UNPASSED: &[(&str, &str)] = &[
    ("status.undecodable.before", "a document that does not decode is nobody's story; it is one status write like any other"),
    ("status.undecodable.after", "see before"),
];

/// A call in the source: (area, what, moment); None = worked out at run time.
type Call = (Option<String>, Option<String>, Option<String>);

/// Names the points that were never passed; gives how many.
pub fn unpassed() -> usize {
    let mut calls = vec![];
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut calls);
    let passed = PASSED.lock().expect("points").clone();
    let missing: Vec<&(String, Call)> = calls.iter().filter(|(_, call)| !is_passed(call, &passed)).collect();
    for (file, call) in &missing {
        println!("NEVER PASSED {file}: {call:?}");
    }
    println!("\n{} calls of fault points in the source, {} distinct points passed, {} never", calls.len(), passed.len(), missing.len());
    missing.len()
}

fn is_passed((area, what, moment): &Call, passed: &BTreeSet<String>) -> bool {
    if let (Some(area), Some(what), Some(moment)) = (area, what, moment)
        && UNPASSED.iter().any(|(point, _)| *point == format!("{area}.{what}.{moment}"))
    {
        return true;
    }
    passed.iter().any(|point| {
        let Some((at, rest)) = point.split_once('.') else { return false };
        area.as_deref().is_none_or(|area| area == at)
            && what.as_deref().is_none_or(|what| rest.split('.').next() == Some(what))
            && moment.as_deref().is_none_or(|moment| rest.ends_with(&format!(".{moment}")))
    })
}

/// Every call of `faults::at`, `file` and `pass` outside of tests.
fn collect(directory: &Path, calls: &mut Vec<(String, Call)>) {
    for entry in std::fs::read_dir(directory).expect("src").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "faults") {
                collect(&path, calls);
            }
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a source file");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let found = ["faults::at(", "faults::file(", "faults::pass("].into_iter().flat_map(|call| text.split(call).skip(1));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        calls.extend(found.map(|rest| (name.clone(), read(rest))));
    }
}

/// The three arguments of a call; only literals are known.
fn read(rest: &str) -> Call {
    let (mut depth, mut quoted, mut arguments) = (0, false, vec![String::new()]);
    for c in rest.chars() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth == 0 => break,
            ')' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = arguments.last_mut() {
            last.push(c);
        }
    }
    let literal = |index: usize| {
        let text = arguments.get(index)?.trim();
        Some(text.strip_prefix('"')?.strip_suffix('"')?.to_owned())
    };
    (literal(0), literal(1), literal(2))
}
