//! The words of `words.dict`, which libFuzzer reads itself.

use std::sync::LazyLock;

/// Every word of the dictionary that is text, in its order.
pub static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let lines = include_str!("words.dict").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| read(line).unwrap_or_else(|| panic!("words.dict: {line}"))).collect()
});

/// One entry: quoted, with `\\`, `\"` and `\xAB`.
fn read(line: &str) -> Option<String> {
    let mut rest = line.strip_prefix('"')?.strip_suffix('"')?.bytes();
    let mut bytes = Vec::new();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next()? {
            b'x' => {
                let hex = [rest.next()?, rest.next()?];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}
