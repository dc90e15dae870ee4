//! Mutations of inputs: bytes, words of the formats, JSON trees, two inputs into one, deep nesting. Deterministic: the same
//! seed gives the same inputs on every machine.

use serde_json::{Map, Value, json};

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides.max(1) as u64).unwrap_or_default()
    }
    pub fn pick<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        &items[self.roll(items.len())]
    }
}

/// What breaks readers: ends of numbers, other scripts, marks of templates, YAML's and HCL's own signs.
const WORDS: [&str; 46] = [
    "null",
    "true",
    "-1",
    "0",
    "1e308",
    "-0.0",
    "NaN",
    "9223372036854775808",
    "18446744073709551616",
    "\u{feff}",
    "\u{0}",
    "データ",
    "🦀",
    "\u{202e}",
    "${",
    "%{",
    "$${",
    "\\u0000",
    "\"",
    "'",
    "\\",
    "\n",
    "\r\n",
    "\t",
    "{{",
    "}}",
    "[[",
    "]]",
    ": ",
    "- ",
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "|\n",
    ">-\n",
    "#",
    "//",
    "/*",
    "<<EOT\n",
    "..",
    "::",
    "=>",
    "0.0.0.0/0",
    "::/0",
    "999.1.1.1/99",
];

/// Longest input: beside every cap of the readers, so that the caps are met too.
const LONGEST: usize = 300_000;

/// A new input from a known one (and another).
pub fn mutated(dice: &mut Dice, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut out = match serde_json::from_slice::<Value>(input) {
        Ok(value) if dice.roll(4) > 0 => tree(dice, value, serde_json::from_slice(other).unwrap_or(Value::Null)),
        _ => input.to_vec(),
    };
    let rounds = if dice.roll(3) == 0 { 0 } else { 1 + dice.roll(4) };
    for _ in 0..rounds {
        bytes(dice, &mut out, other);
    }
    out.truncate(LONGEST);
    out
}

fn bytes(dice: &mut Dice, out: &mut Vec<u8>, other: &[u8]) {
    let at = dice.roll(out.len() + 1);
    let end = (at + 1 + dice.roll(24)).min(out.len());
    match dice.roll(9) {
        0 if at < out.len() => out[at] ^= 1 << dice.roll(8),
        1 => drop(out.drain(at.min(end)..end)),
        2 => {
            let word = dice.pick(&WORDS).as_bytes().to_vec();
            drop(out.splice(at..at, word));
        }
        3 if at < end => {
            let part = out[at..end].to_vec();
            let to = dice.roll(out.len() + 1);
            drop(out.splice(to..to, part));
        }
        4 if !other.is_empty() => {
            let from = dice.roll(other.len());
            let until = (from + 1 + dice.roll(200)).min(other.len());
            drop(out.splice(at..at, other[from..until].to_vec()));
        }
        5 => lines(dice, out),
        6 => {
            let open = *dice.pick(&[b"(".as_slice(), b"[", b"{", b"[[", b"!", b"-", b"{\"a\":", b"\n - "]);
            let deep = if dice.roll(20) == 0 { 20_000 } else { 1 + dice.roll(300) };
            drop(out.splice(at..at, open.repeat(deep)));
        }
        7 if at < end => {
            let word = dice.pick(&WORDS).as_bytes().to_vec();
            drop(out.splice(at..end, word));
        }
        _ => out.truncate(at),
    }
}

/// Swaps, doubles or drops a line: what keeps YAML and HCL well formed more often than bytes do.
fn lines(dice: &mut Dice, out: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = out.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let (one, two) = (dice.roll(lines.len()), dice.roll(lines.len()));
    match dice.roll(4) {
        0 => lines.swap(one, two),
        1 => drop(lines.remove(one)),
        2 => lines.insert(two, lines[one].clone()),
        _ => {
            let spaces = b" ".repeat(dice.roll(5));
            drop(lines[one].splice(0..0, spaces));
        }
    }
    *out = lines.join(&b'\n');
}

fn tree(dice: &mut Dice, mut value: Value, other: Value) -> Vec<u8> {
    for _ in 0..1 + dice.roll(4) {
        edit(dice, &mut value, &other);
    }
    value.to_string().into_bytes()
}

/// Goes down to some member and changes it.
fn edit(dice: &mut Dice, value: &mut Value, other: &Value) {
    match value {
        Value::Object(members) if !members.is_empty() && dice.roll(6) > 0 => {
            let key = members.keys().nth(dice.roll(members.len())).cloned().unwrap_or_default();
            match dice.roll(12) {
                0 => drop(members.remove(&key)),
                1 => {
                    let moved = members.remove(&key).unwrap_or_default();
                    members.insert((*dice.pick(&WORDS)).to_owned(), moved);
                }
                _ => edit(dice, &mut members[&key], other),
            }
        }
        Value::Array(items) if !items.is_empty() && dice.roll(6) > 0 => {
            let at = dice.roll(items.len());
            match dice.roll(8) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                _ => edit(dice, &mut items[at], other),
            }
        }
        Value::String(text) if dice.roll(2) == 0 => {
            let word = *dice.pick(&WORDS);
            let mut at = dice.roll(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            text.insert_str(at, word);
        }
        place => *place = leaf(dice, other),
    }
}

fn leaf(dice: &mut Dice, other: &Value) -> Value {
    match dice.roll(11) {
        0 => Value::Null,
        1 => json!(dice.roll(2) == 0),
        2 => json!(i64::MIN),
        3 => json!(u64::MAX),
        4 => json!(1e300),
        5 => json!(*dice.pick(&WORDS)),
        6 => json!("x".repeat(dice.roll(70_000))),
        7 => Value::Array(vec![json!(1); dice.roll(300)]),
        8 => Value::Object(Map::new()),
        9 => other.clone(),
        _ => json!(dice.roll(70_000)),
    }
}
