//! Keeps the layers: who may name whom, where processes start, where the environment is read, what is pure.
//!
//! Reads `src/**/*.rs` as text (comments and strings blanked, test code left out) and fails with file, line and what
//! went where. The table [`LAYERS`] is the architecture; ARCHITECTURE.md explains it. Prints the share of comments.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

// ------------------------------------------------------------------------------------------------------- the table

/// One layer: a top-level module and what it may name.
struct Layer {
    name: &'static str,
    /// Top-level modules of this crate, or `module::submodule` where only that part may be named.
    may_name: &'static [&'static str],
}

/// Every top-level module, in reading order. A module that is missing here fails the test: decide where it belongs.
#[rustfmt::skip]
const LAYERS: &[Layer] = &[
    Layer { name: "api", may_name: &[] },
    Layer { name: "clock", may_name: &["api"] },
    // Named moments for `make crash`, empty in every other build: everybody may name it ([`EVERYWHERE`]).
    Layer { name: "faults", may_name: &[] },
    // The id of the request that is served, from door to process ([`EVERYWHERE`]).
    Layer { name: "trace", may_name: &[] },
    Layer { name: "store", may_name: &[] },
    Layer { name: "blobs", may_name: &[] },
    Layer { name: "apiserver", may_name: &["api", "store", "clock"] },
    Layer { name: "catalog", may_name: &["api", "blobs", "clock"] },
    // The judge lays the network out (docs/adr/0011): an address plan that does not fit is a finding, not a failed render.
    Layer { name: "validator", may_name: &["api", "catalog", "render::network", "render::overrides"] },
    Layer { name: "render", may_name: &["api", "catalog", "validator"] },
    Layer { name: "plan", may_name: &["api", "render"] },
    Layer { name: "process", may_name: &[] },
    Layer { name: "oci", may_name: &["process", "clock"] },
    Layer { name: "oke", may_name: &["api", "oci", "blobs"] },
    Layer { name: "sandbox", may_name: &["api", "oci", "blobs", "render::schema"] },
    // terraform starts the provider process it is given (docs/adr/0007); it never names sandbox.
    Layer { name: "terraform", may_name: &["api", "plan", "process", "blobs", "clock"] },
    Layer { name: "controllers", may_name: &["api", "validator", "render", "plan", "catalog", "terraform", "oke", "oci", "blobs", "clock"] },
    Layer { name: "services", may_name: &["api", "validator", "render", "plan", "catalog", "blobs", "clock"] },
    Layer { name: "mcp", may_name: &["services", "api"] },
    // From config only what a door is handed: the tokens and the header by which the CLI says who types.
    Layer { name: "http", may_name: &["services", "api", "mcp", "apiserver", "clock", "config::Secret", "config::Tokens", "config::CHANNEL_HEADER"] },
    // A client of the server: documents and HTTP. What it cannot do itself it asks of the trait Composition.
    Layer { name: "cli", may_name: &["api", "clock", "config", "telemetry"] },
    Layer { name: "config", may_name: &["api"] },
    Layer { name: "telemetry", may_name: &["config"] },
    Layer { name: "app", may_name: &[
        "api", "clock", "store", "blobs", "apiserver", "catalog", "validator", "render", "plan", "process", "oci", "oke", "sandbox",
        "terraform", "controllers", "services", "mcp", "http", "config", "telemetry",
        // implements the traits by which the command line asks for the server and the demo for its stage
        "cli::Composition", "cli::args", "cli::demo",
    ] },
    Layer { name: "main", may_name: &["cli", "app", "config", "telemetry"] },
    // lib.rs only declares; it names nothing.
    Layer { name: "lib", may_name: &[] },
];

/// What every layer may name: it knows nothing and, in a build that is used, does nothing.
const EVERYWHERE: &[&str] = &["faults", "trace"];

/// Arrows that exist for one file alone: file, layer it may name, why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("src/blobs/fs.rs", "store", "durable files are written in one place, store::Tree; blobs keep their own names and modes"),
    ("src/store/object_storage.rs", "oci", "the back end in OCI Object Storage"),
    ("src/blobs/object_storage.rs", "oci", "the back end in OCI Object Storage"),
    ("src/terraform/resource_manager.rs", "oci", "the runner that lets OCI Resource Manager hold Terraform"),
];

/// A word that may stand in product code only where said.
struct Fence {
    word: &'static str,
    /// path prefixes under `src/`
    at: &'static [&'static str],
    why: &'static str,
}

#[rustfmt::skip]
const FENCES: &[Fence] = &[
    Fence { word: "std::process::Command", at: &["process.rs"], why: "one place starts processes" },
    Fence { word: "tokio::process", at: &["process.rs"], why: "one place starts processes" },
    Fence { word: "CommandExt", at: &["process.rs"], why: "one place starts processes" },
    // Not std::env itself: the path of this binary and the names of the platform are no environment.
    Fence { word: "std::env::var", at: &["config/environment.rs"], why: "the environment is read in one place" },
    Fence { word: "std::env::var_os", at: &["config/environment.rs"], why: "the environment is read in one place" },
    Fence { word: "std::env::vars", at: &["config/environment.rs"], why: "the environment is read in one place" },
    Fence { word: "std::env::vars_os", at: &["config/environment.rs"], why: "the environment is read in one place" },
    Fence { word: "std::env::set_var", at: &[], why: "children get the environment that is made for them" },
    Fence { word: "std::env::set_current_dir", at: &[], why: "paths are made absolute once" },
    Fence { word: "env::var", at: &["config/environment.rs"], why: "the environment is read in one place" },
    Fence { word: "env::var_os", at: &["config/environment.rs"], why: "the environment is read in one place" },
    Fence { word: "env::vars", at: &["config/environment.rs"], why: "the environment is read in one place" },
    Fence { word: "env::vars_os", at: &["config/environment.rs"], why: "the environment is read in one place" },
    Fence { word: "rmcp", at: &["mcp/", "mcp.rs", "cli/demo"], why: "mcp is the only module that knows rmcp; the demo is a real MCP client" },
    Fence { word: "todo!", at: &[], why: "nothing half-built lands" },
    Fence { word: "unimplemented!", at: &[], why: "nothing half-built lands" },
];

/// Modules that are pure: no IO, no clock, no async.
const PURE: &[&str] = &["api", "validator", "render", "plan"];

/// What a pure module never names.
const IMPURE_WORDS: &[&str] = &[
    "async fn",
    "async move",
    ".await",
    "tokio",
    "std::fs",
    "std::net",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "rand::",
];

/// What changes the disk or starts a process: each stands in a function that names its moments (`faults::`), so that
/// `make crash` dies there.
const DURABLE: &[&str] = &[
    "fs::write",
    "fs::rename",
    "fs::remove_file",
    "fs::remove_dir",
    "fs::remove_dir_all",
    "fs::create_dir",
    "fs::create_dir_all",
    "fs::copy",
    "fs::hard_link",
    "fs::symlink",
    "File::create",
    "File::create_new",
    "File::options",
    "OpenOptions::new",
    "DirBuilder::new",
    ".persist(",
    ".set_len(",
    "process::spawn",
    "process::capture",
];

/// Functions that do so and name no moment: file, function, why a death in it can do no harm.
#[rustfmt::skip]
const WITHOUT_MOMENTS: &[(&str, &str, &str)] = &[
    ("src/store/files.rs", "sweep", "removes temporary files that nobody reads"),
    ("src/store/files.rs", "write_synced", "writes a temporary file; its caller has the moments"),
    ("src/store/files.rs", "make_directory", "an empty directory is what an absent one is; its caller has the moments"),
    ("src/store/fs.rs", "take_lock", "the lock is the kernel's; the text in it is a courtesy"),
    ("src/terraform/workdir.rs", "make_private", "an empty directory is what an absent one is"),
    ("src/config/files.rs", "create_private_dir", "an empty directory is what an absent one is"),
    ("src/process.rs", "append", "opens the output of a process; whoever starts the process has the moments"),
    ("src/terraform/version.rs", "version", "asks terraform for its version: nothing is changed"),
    ("src/cli/export.rs", "run", "a file for a person, written by the client"),
    ("src/app/stage.rs", "terraform", "the demo's own commands, beside the server"),
    ("src/app/stage.rs", "start", "the demo starts a server and ends it; nothing of it is durable"),
];

/// Modules whose writes are not Galley's: the simulated cloud is a process of its own, and the truth that `make crash` reads.
const NOT_OURS: &[&str] = &["sandbox", "faults"];

/// Past this a file is two files.
const MAX_LINES: usize = 700;

/// Share of comment lines over all of `src/`, in per cent: fewer and nobody knows why, more and nobody reads them.
const COMMENT_SHARE: std::ops::RangeInclusive<f64> = 8.0..=35.0;

// ------------------------------------------------------------------------------------------------------ reading src

struct Source {
    /// `src/controllers/design/diff.rs`
    path: String,
    /// path under `src/`
    inner: String,
    /// as written
    text: String,
    /// comments, strings and test code blanked with spaces, lines kept
    code: String,
}

impl Source {
    /// Reads text as the file `path`.
    fn new(path: &str, text: &str) -> Self {
        let code = if is_test_file(path) { String::new() } else { without_tests(&without_comments_and_strings(text)) };
        Source { path: path.to_owned(), inner: path.trim_start_matches("src/").to_owned(), text: text.to_owned(), code }
    }

    fn layer(&self) -> &str {
        let first = self.inner.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Module path of the file: `controllers, design, diff`.
    fn module(&self) -> Vec<String> {
        let mut parts: Vec<String> = self.inner.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            parts.pop();
        }
        parts
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![];
    rust_files(&root.join("src"), &mut paths);
    let read = |path: &PathBuf| Source::new(path.strip_prefix(&root).unwrap().to_str().unwrap(), &std::fs::read_to_string(path).unwrap());
    paths.iter().map(read).collect()
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.ends_with("_tests.rs") || path.ends_with("/testkit.rs")
}

/// Blanks comments, string and character literals; what is left keeps its lines.
fn without_comments_and_strings(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => find(&chars, at, |rest| rest[0] == '\n'),
            '/' if chars.get(at + 1) == Some(&'*') => block_comment(&chars, at),
            '"' => quoted(&chars, at),
            'r' | 'b' | 'c' if starts_literal(&chars, at) => literal_with_prefix(&chars, at),
            '\'' if is_char_literal(&chars, at) => char_literal(&chars, at),
            c => {
                out.push(c);
                at += 1;
                continue;
            }
        };
        out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    out
}

/// First index from `from` where `stop` holds of the rest, or the end.
fn find(chars: &[char], from: usize, stop: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|&index| stop(&chars[index..])).unwrap_or(chars.len())
}

fn block_comment(chars: &[char], from: usize) -> usize {
    let (mut depth, mut at) = (0, from);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    chars.len()
}

/// End of a `"…"` that opens at `from`.
fn quoted(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// `r"`, `r#"`, `b"`, `br#"`, `c"`: not a raw identifier (`r#type`) and not the end of a name.
fn starts_literal(chars: &[char], at: usize) -> bool {
    if at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') {
        return false;
    }
    let rest: String = chars[at..chars.len().min(at + 12)].iter().collect();
    let body = rest.trim_start_matches(['b', 'c', 'r']);
    rest.len() - body.len() <= 2 && body.trim_start_matches('#').starts_with('"')
}

fn literal_with_prefix(chars: &[char], from: usize) -> usize {
    let quote = find(chars, from, |rest| rest[0] == '"');
    let hashes = chars[from..quote].iter().filter(|&&c| c == '#').count();
    if !chars[from..quote].contains(&'r') {
        return quoted(chars, quote);
    }
    let closing = |rest: &[char]| rest[0] == '"' && rest.len() > hashes && rest[1..=hashes].iter().all(|&c| c == '#');
    chars.len().min(find(chars, quote + 1, closing) + hashes + 1)
}

/// `'a'` and `'\n'`, not the lifetime `'a`.
fn is_char_literal(chars: &[char], at: usize) -> bool {
    chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'')
}

fn char_literal(chars: &[char], from: usize) -> usize {
    let body = if chars.get(from + 1) == Some(&'\\') { from + 3 } else { from + 2 };
    chars.len().min(find(chars, body, |rest| rest[0] == '\'') + 1)
}

/// Blanks every item under `#[cfg(test)]`: to its closing brace, or to the `;` of a `mod tests;`.
fn without_tests(code: &str) -> String {
    let mut chars: Vec<char> = code.chars().collect();
    let marker: Vec<char> = "#[cfg(test)]".chars().collect();
    let mut at = 0;
    while at + marker.len() <= chars.len() {
        if chars[at..at + marker.len()] != marker[..] {
            at += 1;
            continue;
        }
        let (mut depth, mut end) = (0usize, at + marker.len());
        while end < chars.len() {
            match chars[end] {
                '{' | '(' | '[' => depth += 1,
                '}' if depth <= 1 => break,
                '}' | ')' | ']' => depth = depth.saturating_sub(1),
                ';' if depth == 0 => break,
                _ => {}
            }
            end += 1;
        }
        let end = chars.len().min(end + 1);
        chars[at..end].iter_mut().filter(|c| **c != '\n').for_each(|c| *c = ' ');
        at = end;
    }
    chars.into_iter().collect()
}

// ------------------------------------------------------------------------------------------------- paths in the code

/// A word or one sign, with its line.
struct Token<'a> {
    text: &'a str,
    line: usize,
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = vec![];
    for (index, line) in code.lines().enumerate() {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let length = match rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len()) {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                word => word,
            };
            if !first.is_whitespace() {
                found.push(Token { text: &rest[..length], line: index + 1 });
            }
            rest = &rest[length..];
        }
    }
    found
}

/// Every path into this crate that a file names: (module path, line). A `use` group gives one path per leaf.
fn crate_paths(source: &Source) -> Vec<(Vec<String>, usize)> {
    let tokens = tokens(&source.code);
    let (mut inline, mut depth) = (Vec::<usize>::new(), 0usize);
    let mut found = vec![];
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].text {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inline.retain(|&opened| opened <= depth);
            }
            "mod" if tokens.get(at + 2).is_some_and(|token| token.text == "{") => inline.push(depth + 1),
            "crate" | "galley" if starts_path(&tokens, at) => {
                at = leaves(&tokens, at + 2, vec![], &mut found);
                continue;
            }
            "super" if starts_path(&tokens, at) => {
                // The module this code stands in, one level up for each `super`.
                let mut base = source.module();
                base.extend(inline.iter().map(|_| "inline".to_owned()));
                while tokens.get(at).is_some_and(|token| token.text == "super") && followed_by_path(&tokens, at) {
                    base.pop();
                    at += 2;
                }
                at = leaves(&tokens, at, base, &mut found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Every path that starts at one of the crates that fences speak of, such as `std::process::Command`, with its line.
fn outside_paths(source: &Source) -> Vec<(String, usize)> {
    let tokens = tokens(&source.code);
    let mut found = vec![];
    for at in 0..tokens.len() {
        if matches!(tokens[at].text, "std" | "tokio") && starts_path(&tokens, at) {
            leaves(&tokens, at + 2, vec![tokens[at].text.to_owned()], &mut found);
        }
    }
    found.into_iter().map(|(path, line)| (path.join("::"), line)).collect()
}

fn followed_by_path(tokens: &[Token<'_>], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|token| token.text == "::")
}

/// `crate ::` at the start of a path, not in the middle of another one.
fn starts_path(tokens: &[Token<'_>], at: usize) -> bool {
    (at == 0 || tokens[at - 1].text != "::") && followed_by_path(tokens, at)
}

/// Reads the rest of a path that goes on at `at` below `base`; returns the index after it.
fn leaves(tokens: &[Token<'_>], mut at: usize, mut base: Vec<String>, found: &mut Vec<(Vec<String>, usize)>) -> usize {
    while let Some(token) = tokens.get(at) {
        if token.text == "{" {
            at += 1;
            while tokens.get(at).is_some_and(|token| token.text != "}") {
                at = leaves(tokens, at, base.clone(), found);
                // `as name`, then the comma
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at += 1;
                    if tokens[at - 1].text == "," {
                        break;
                    }
                }
            }
            return at + 1;
        }
        base.push(token.text.to_owned());
        at += 1;
        let goes_on = tokens.get(at + 1).is_some_and(|next| matches!(next.text, "{" | "*") || is_word(next.text));
        if !(goes_on && tokens[at].text == "::") {
            found.push((base, token.line));
            return at;
        }
        at += 1;
    }
    at
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Lines where `word` stands on its own in `code`.
fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let part_of_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let cut = |line: &str, start: usize| {
        let before = is_word(word) && part_of_name(line[..start].chars().next_back());
        let after = part_of_name(word.chars().next_back()) && part_of_name(line[start + word.len()..].chars().next());
        before || after
    };
    let hit = |line: &str| line.match_indices(word).any(|(start, _)| !cut(line, start));
    code.lines().enumerate().filter(|(_, line)| hit(line)).map(|(index, _)| index + 1).collect()
}

// -------------------------------------------------------------------------------------------------------- the judge

fn allowed(path: &str, from: &Layer, to: &[String]) -> bool {
    let Some(target) = to.first() else { return true };
    let covers = |entry: &&str| {
        let parts: Vec<&str> = entry.split("::").collect();
        to.len() >= parts.len() && parts.iter().zip(to).all(|(part, word)| part == word)
    };
    target == from.name
        || EVERYWHERE.contains(&target.as_str())
        || from.may_name.iter().any(covers)
        || EXCEPTIONS.iter().any(|(file, layer, _)| *file == path && layer == target)
}

fn layer_violations(sources: &[Source]) -> Vec<String> {
    let known: BTreeMap<&str, &Layer> = LAYERS.iter().map(|layer| (layer.name, layer)).collect();
    let mut wrong = vec![];
    for source in sources {
        let Some(from) = known.get(source.layer()) else {
            wrong.push(format!("{}: `{}` is in no layer; add it to LAYERS in tests/architecture.rs", source.path, source.layer()));
            continue;
        };
        for (to, line) in crate_paths(source) {
            // What is no module (a macro, an item of lib.rs) is no arrow.
            if to.first().is_some_and(|target| known.contains_key(target.as_str())) && !allowed(&source.path, from, &to) {
                wrong.push(format!("{}:{line}: {} → {} (`{}`)", source.path, from.name, to[0], to.join("::")));
            }
        }
    }
    wrong
}

fn fence_violations(sources: &[Source]) -> Vec<String> {
    let mut wrong = vec![];
    for source in sources {
        let outside = outside_paths(source);
        for fence in FENCES.iter().filter(|fence| !fence.at.iter().any(|prefix| source.inner.starts_with(prefix))) {
            let within = |path: &str| path.strip_prefix(fence.word).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
            let mut lines: BTreeSet<usize> = lines_with(&source.code, fence.word).into_iter().collect();
            lines.extend(outside.iter().filter(|(path, _)| within(path)).map(|(_, line)| line));
            for line in lines {
                wrong.push(format!("{}:{line}: `{}` only in {:?}: {}", source.path, fence.word, fence.at, fence.why));
            }
        }
        // In comments and in test code too.
        for (index, line) in source.text.lines().enumerate() {
            for word in ["TODO", "FIXME", "#[ignore"].iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{}:{}: `{word}`: finish it or file it", source.path, index + 1));
            }
        }
    }
    wrong
}

fn purity_violations(sources: &[Source]) -> Vec<String> {
    let mut wrong = vec![];
    for source in sources.iter().filter(|source| PURE.contains(&source.layer())) {
        for word in IMPURE_WORDS {
            for line in lines_with(&source.code, word) {
                wrong.push(format!("{}:{line}: `{word}` in the pure module {}", source.path, source.layer()));
            }
        }
    }
    wrong
}

/// Every function with a body: name, first and last line.
fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let tokens = tokens(code);
    let mut found = vec![];
    for at in 0..tokens.len() {
        let (Some(name), true) = (tokens.get(at + 1), tokens[at].text == "fn") else { continue };
        if !is_word(name.text) {
            continue;
        }
        let (mut depth, mut end, mut opened) = (0usize, at + 2, false);
        while let Some(token) = tokens.get(end) {
            match token.text {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth = depth.saturating_sub(1),
                // a declaration without a body
                ";" if depth == 0 => break,
                _ => {}
            }
            opened |= token.text == "{";
            if opened && depth == 0 {
                break;
            }
            end += 1;
        }
        if opened {
            found.push((name.text.to_owned(), tokens[at].line, tokens.get(end).map_or(usize::MAX, |token| token.line)));
        }
    }
    found
}

/// What changes the disk or starts a process without a moment to die in.
fn durable_violations(sources: &[Source]) -> Vec<String> {
    let mut wrong = vec![];
    for source in sources.iter().filter(|source| !NOT_OURS.contains(&source.layer())) {
        let functions = functions(&source.code);
        let lines: Vec<&str> = source.code.lines().collect();
        for word in DURABLE {
            for line in lines_with(&source.code, word) {
                if lines[line - 1].trim_start().starts_with("use ") {
                    continue;
                }
                let inner = functions.iter().filter(|(_, first, last)| (*first..=*last).contains(&line)).max_by_key(|(_, first, _)| *first);
                let Some((name, first, last)) = inner else { continue };
                let has_moments = lines[first - 1..lines.len().min(*last)].iter().any(|line| line.contains("faults::"));
                let excused = WITHOUT_MOMENTS.iter().any(|(file, function, _)| *file == source.path && function == name);
                if !has_moments && !excused {
                    wrong.push(format!("{}:{line}: `{word}` in `{name}`, which names no moment (faults::at, file or pass)", source.path));
                }
            }
        }
    }
    wrong
}

/// Documents are written by the controllers in one file, which has the moments; whoever keeps bytes has them too.
fn writing_violations(sources: &[Source]) -> Vec<String> {
    let mut wrong = vec![];
    for source in sources.iter().filter(|source| source.layer() == "controllers" && source.path != "src/controllers/documents.rs") {
        if source.path.contains("/testkit/") {
            continue;
        }
        for word in ["PostParams", "DeleteParams", "PatchParams"] {
            for line in lines_with(&source.code, word) {
                wrong.push(format!("{}:{line}: `{word}`: documents are written in src/controllers/documents.rs", source.path));
            }
        }
    }
    for source in sources {
        let keeps = ["impl Store for", "impl Blobs for"].iter().any(|word| !lines_with(&source.code, word).is_empty());
        let named = ["faults::", "Tree"].iter().any(|word| source.code.contains(word));
        let nothing_durable = ["memory.rs", "measured.rs"].iter().any(|name| source.path.ends_with(name));
        if keeps && !named && !nothing_durable {
            wrong.push(format!("{}: keeps bytes and names no moment to die in (faults::)", source.path));
        }
    }
    wrong
}

fn shape_violations(sources: &[Source]) -> Vec<String> {
    let mut wrong = vec![];
    for source in sources {
        if !source.text.starts_with("//!") {
            wrong.push(format!("{}:1: opens without `//!`: say what it is, what it takes, what it may not do", source.path));
        }
        let lines = source.text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{}: {lines} lines; past {MAX_LINES} a file is two files", source.path));
        }
    }
    wrong
}

fn none(what: &str, wrong: &[String]) {
    let mut text = String::new();
    for line in wrong {
        let _ = writeln!(text, "  {line}");
    }
    assert!(wrong.is_empty(), "{what}, {} times:\n{text}", wrong.len());
}

#[test]
fn every_module_names_only_the_layers_it_may() {
    none("a layer names one it must not (table: LAYERS in tests/architecture.rs)", &layer_violations(&sources()));
}

#[test]
fn processes_start_the_environment_is_read_and_rmcp_is_named_in_one_place_each() {
    none("a word stands where it must not", &fence_violations(&sources()));
}

#[test]
fn the_middle_is_pure() {
    none("a pure module reaches for the world", &purity_violations(&sources()));
}

#[test]
fn every_durable_step_has_a_moment_to_die_in() {
    none("a durable step is without a fault point", &durable_violations(&sources()));
    none("something is written where it must not be", &writing_violations(&sources()));
    for (file, function, _) in WITHOUT_MOMENTS {
        let there =
            sources().iter().any(|source| source.path == *file && functions(&source.code).iter().any(|(name, ..)| name == function));
        assert!(there, "WITHOUT_MOMENTS names {function} in {file}, which is not there");
    }
}

#[test]
fn every_file_says_what_it_is_and_none_is_too_long() {
    none("a file has the wrong shape", &shape_violations(&sources()));
}

#[test]
fn comments_are_neither_missing_nor_a_flood() {
    let sources = sources();
    let lines: Vec<&str> = sources.iter().flat_map(|source| source.text.lines()).map(str::trim).filter(|line| !line.is_empty()).collect();
    let comments = lines.iter().filter(|line| line.starts_with("//")).count();
    let share = 100.0 * comments as f64 / lines.len() as f64;
    println!("comment lines in src/: {share:.1} % of {}", lines.len());
    assert!(COMMENT_SHARE.contains(&share), "{share:.1} % of the lines in src/ are comments; {COMMENT_SHARE:?} is right");
}

#[test]
fn the_table_names_only_layers_and_services_and_controllers_never_meet() {
    let names: Vec<&str> = LAYERS.iter().map(|layer| layer.name).collect();
    for layer in LAYERS {
        for target in layer.may_name {
            assert!(names.contains(&target.split("::").next().unwrap()), "{} may name {target}, which is no layer", layer.name);
        }
    }
    let of = |name: &str| LAYERS.iter().find(|layer| layer.name == name).unwrap().may_name;
    assert!(!of("services").contains(&"controllers") && !of("controllers").contains(&"services"), "they meet in documents");
    assert!(!of("services").contains(&"process") && !of("services").contains(&"terraform"), "a tool starts nothing");
}

// ---------------------------------------------------------------------------------------------- the test of the test

#[test]
fn a_forbidden_arrow_is_found_however_it_is_written() {
    let rows = [
        ("a plain import", "services/a.rs", "use crate::controllers::gate;", 1),
        ("an import in a group", "services/a.rs", "use crate::{api::Design, controllers::{gate, backoff}};", 2),
        ("a group over lines, renamed", "services/a.rs", "use crate::{\n    api::Design as D,\n    terraform::Runner as R,\n};", 1),
        ("everything of a module", "services/a.rs", "use crate::store::*;", 1),
        ("the module itself", "services/a.rs", "use crate::store;", 1),
        ("a path in the middle of code", "mcp/a.rs", "fn f() { let x = crate::store::If::Any; }", 1),
        ("by way of super", "services/a.rs", "use super::super::controllers::gate;", 1),
        ("by way of super out of an inline module", "services/mod.rs", "mod inner { use super::super::controllers::gate; }", 1),
        ("a part that may be named", "sandbox/a.rs", "use crate::render::schema::Index;", 0),
        ("the rest of that module", "sandbox/a.rs", "use crate::render::render;", 1),
        ("the same layer", "services/a.rs", "use crate::services::x; use super::y;", 0),
        ("the crate by its name", "main.rs", "fn main() { galley::store::open(); galley::cli::run(); }", 1),
        ("a comment and a string are no code", "services/a.rs", "// crate::controllers\nconst A: &str = \"crate::controllers::x\";", 0),
        ("a raw string is no code", "services/a.rs", "const A: &str = r#\"crate::controllers::\"x\"#; const C: char = '\"';", 0),
        ("a lifetime opens no character", "services/a.rs", "fn f<'a>(x: &'a str) { crate::store::y(x) }", 1),
        ("test code may name anything", "services/a.rs", "#[cfg(test)]\nmod tests { use crate::controllers::gate; }", 0),
        ("a test helper with brackets", "services/a.rs", "#[cfg(test)]\nfn f(x: [u8; 3]) -> [u8; 3] { crate::store::y(x) }", 0),
        ("code after the tests is code again", "services/a.rs", "#[cfg(test)]\nmod tests;\nuse crate::controllers::gate;", 1),
        ("one file's own exception", "store/object_storage.rs", "use crate::oci::Client;", 0),
        ("nobody else's", "store/fs.rs", "use crate::oci::Client;", 1),
        ("a layer nobody decided about", "brandnew.rs", "", 1),
    ];
    for (reason, path, text, expected) in rows {
        let found = layer_violations(&[Source::new(&format!("src/{path}"), text)]);
        assert_eq!(found.len(), expected, "{reason}: {found:?}");
    }
}

#[test]
fn a_fenced_word_is_found_as_a_word() {
    let rows = [
        ("a process outside process.rs", "cli/a.rs", "use std::process::Command;", 1),
        ("a process in a group", "cli/a.rs", "use std::{fmt, process::{Command, Stdio}};", 1),
        ("a process of tokio in a group", "cli/a.rs", "use tokio::{io, process};", 1),
        ("an exit code is no process", "main.rs", "use std::process::ExitCode;", 0),
        ("the environment outside config.rs, twice fenced", "app.rs", "let x = std::env::var(\"A\");", 2),
        ("the environment by an import", "app.rs", "use std::env;\nfn f() { env::vars_os(); }", 1),
        ("the environment in a group", "app.rs", "use std::{env::{var_os as v}, fmt};", 1),
        ("the path of this binary is no environment", "app.rs", "let x = std::env::current_exe();", 0),
        ("the macro env! is not the environment", "app.rs", "const V: &str = env!(\"CARGO_PKG_VERSION\");", 0),
        ("rmcp in its module", "mcp/tools.rs", "use rmcp::model::Tool;", 0),
        ("rmcp elsewhere", "http/mod.rs", "use rmcp::model::Tool;", 1),
        ("a name that contains it", "http/mod.rs", "let trmcp = 1;", 0),
        ("half-built", "plan/mod.rs", "fn f() { todo!() }", 1),
    ];
    for (reason, path, text, expected) in rows {
        let found = fence_violations(&[Source::new(&format!("src/{path}"), text)]);
        assert_eq!(found.len(), expected, "{reason}: {found:?}");
    }
    assert_eq!(purity_violations(&[Source::new("src/render/a.rs", "async fn f() { g().await }")]).len(), 2);
    assert_eq!(purity_violations(&[Source::new("src/terraform/a.rs", "async fn f() { g().await }")]).len(), 0);
}

#[test]
fn a_durable_step_without_a_moment_is_found() {
    let rows = [
        ("a write", "terraform/a.rs", "fn f() { std::fs::write(a, b)?; }", 1),
        ("a write with a moment", "terraform/a.rs", "fn f() { faults::at(a, b, c)?; std::fs::write(a, b)?; }", 0),
        (
            "the moment of another function does not count",
            "terraform/a.rs",
            "fn f() { fs::rename(a, b) }\nfn g() { faults::pass(a, b, c) }",
            1,
        ),
        ("a function in a function", "terraform/a.rs", "fn g() {\n faults::pass(a, b, c);\n fn f() {\n fs::rename(a, b)\n }\n}", 1),
        ("the declaration of a trait has no body", "store/a.rs", "trait T { fn f(&self); }\nfn g() { File::create(a) }", 1),
        ("a process", "controllers/a.rs", "async fn f() { process::spawn(command).await }", 1),
        ("an import is nothing", "terraform/a.rs", "use std::fs::{self, OpenOptions};\nfn f() {}", 0),
        ("reading is nothing", "terraform/a.rs", "fn f() { std::fs::read(a) }", 0),
        ("the simulated cloud is not ours", "sandbox/a.rs", "fn f() { fs::write(a, b) }", 0),
        ("a test may write", "terraform/a.rs", "#[cfg(test)]\nmod tests { fn f() { fs::write(a, b) } }", 0),
    ];
    for (reason, path, text, expected) in rows {
        let found = durable_violations(&[Source::new(&format!("src/{path}"), text)]);
        assert_eq!(found.len(), expected, "{reason}: {found:?}");
    }
    let rows = [
        ("a document that is written elsewhere", "controllers/gate.rs", "fn f() { api.create(&PostParams::default(), &x) }", 1),
        ("where it belongs", "controllers/documents.rs", "fn f() { api.create(&PostParams::default(), &x) }", 0),
        ("the services write through other doors", "services/a.rs", "fn f() { api.create(&PostParams::default(), &x) }", 0),
        ("a back end without moments", "blobs/other.rs", "impl Blobs for Other {}", 1),
        ("a back end with moments", "blobs/other.rs", "impl Blobs for Other { fn put() { faults::at(a, b, c) } }", 0),
    ];
    for (reason, path, text, expected) in rows {
        let found = writing_violations(&[Source::new(&format!("src/{path}"), text)]);
        assert_eq!(found.len(), expected, "{reason}: {found:?}");
    }
}
