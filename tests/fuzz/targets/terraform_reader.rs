//! Terraform's own reader (tests/real/hcl), when GALLEY_TEST_HCL names it: `make test-real` does. What it sees in a file that
//! was taken must be within the allowlist as well: where two readers disagree, code of one is a text of the other.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Everything in a file, at any depth and in every template.
#[derive(Debug, Default, Deserialize)]
pub struct Reading {
    /// whether Terraform can read it at all; one that it cannot is refused when it is planned
    pub readable: bool,
    /// keywords and labels
    pub blocks: Vec<String>,
    pub functions: Vec<String>,
    /// first names of traversals
    pub roots: Vec<String>,
    pub attributes: Vec<String>,
}

struct Reader {
    child: Child,
    answers: BufReader<ChildStdout>,
}

static READER: LazyLock<Option<Mutex<Reader>>> = LazyLock::new(|| {
    let program = std::env::var_os("GALLEY_TEST_HCL")?;
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let answers = BufReader::new(child.stdout.take().unwrap());
    Some(Mutex::new(Reader { child, answers }))
});

/// What Terraform's reader sees; None where there is none.
pub fn reading(text: &str) -> Option<Reading> {
    let mut reader = READER.as_ref()?.lock().unwrap();
    let Reader { child, answers } = &mut *reader;
    writeln!(child.stdin.as_mut().unwrap(), "{}", STANDARD.encode(text)).unwrap();
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
}
