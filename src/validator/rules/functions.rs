//! What rules may call: the standard functions of CEL and Kubernetes' own, cut to a list that is known to be cheap, and a
//! few of Galley's for addresses, versions and patterns. Pure; the cache of patterns only saves work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::Ipv4Net;
use regex::{Regex, RegexBuilder};

use super::cel::{Context, ExecutionError, ResolveResult, Value};

/// Functions beside operators and the macros `has`, `all`, `exists`, `exists_one`, `map`, `filter`. `matches` is not among
/// them: it compiles its pattern on every call (measured 15 ms on 100 components); `fits` compiles it once.
pub(super) const ALLOWED: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "string",
    "int",
    "double",
    "min",
    "max",
    "lowerAscii",
    "upperAscii",
    "trim",
    "split",
    "join",
    "substring",
    "indexOf",
    "charAt",
    "isCIDR",
    "sum",
    // Galley's own
    "overlaps",
    "inside",
    "prefix",
    "usable",
    "private",
    "newer",
    "minor",
    "number",
    "fits",
];

/// RFC 1918, and the shared space of RFC 6598.
const PRIVATE: [([u8; 4], u8); 4] = [([10, 0, 0, 0], 8), ([172, 16, 0, 0], 12), ([192, 168, 0, 0], 16), ([100, 64, 0, 0], 10)];

/// Adds Galley's functions.
pub(super) fn register(context: &mut Context<'_>) {
    context.add_function("overlaps", |a: Arc<String>, b: Arc<String>| -> ResolveResult {
        let (a, b) = (net("overlaps", &a)?, net("overlaps", &b)?);
        Ok(Value::Bool(a.contains(&b) || b.contains(&a)))
    });
    context.add_function("inside", |inner: Arc<String>, outer: Arc<String>| -> ResolveResult {
        Ok(Value::Bool(net("inside", &outer)?.contains(&net("inside", &inner)?)))
    });
    context.add_function("prefix", |text: Arc<String>| -> ResolveResult { Ok(Value::Int(net("prefix", &text)?.prefix_len().into())) });
    context.add_function("usable", |text: Arc<String>| -> ResolveResult { Ok(Value::Int(usable(net("usable", &text)?))) });
    context.add_function("private", |text: Arc<String>| -> ResolveResult {
        let net = net("private", &text)?;
        let within = |(address, prefix): &([u8; 4], u8)| Ipv4Net::new((*address).into(), *prefix).is_ok_and(|range| range.contains(&net));
        Ok(Value::Bool(PRIVATE.iter().any(within)))
    });
    context.add_function("newer", |a: Arc<String>, b: Arc<String>| -> ResolveResult { Ok(Value::Bool(version(&a) > version(&b))) });
    context.add_function("minor", |text: Arc<String>| -> ResolveResult { Ok(Value::Int(version(&text).get(1).copied().unwrap_or(0))) });
    context.add_function("number", |text: Arc<String>, key: Arc<String>| -> ResolveResult { Ok(Value::Int(number(&text, &key))) });
    let cache: Mutex<HashMap<String, Regex>> = Mutex::default();
    context.add_function("fits", move |text: Arc<String>, pattern: Arc<String>| -> ResolveResult {
        let mut known = cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = known.get(pattern.as_str()) {
            return Ok(Value::Bool(regex.is_match(&text)));
        }
        let regex = pattern_of(&pattern).map_err(|error| ExecutionError::function_error("fits", error))?;
        let answer = regex.is_match(&text);
        known.insert(pattern.to_string(), regex);
        Ok(Value::Bool(answer))
    });
}

/// Bytes a compiled pattern may take: as in service files, a length is not written as a repetition of thousands.
const PATTERN_BYTES: usize = 1 << 19;

/// A pattern that matches a text as a whole.
pub(super) fn pattern_of(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(PATTERN_BYTES).build()
}

fn net(function: &str, text: &str) -> Result<Ipv4Net, ExecutionError> {
    text.parse::<Ipv4Net>().map_err(|_| ExecutionError::function_error(function, format!("`{text}` is not an IPv4 CIDR")))
}

/// Addresses that components can have: OCI keeps the first two and the last of every subnet.
pub(super) fn usable(net: Ipv4Net) -> i64 {
    (1i64 << (32 - u32::from(net.prefix_len()))).saturating_sub(3)
}

/// The numbers of a version: `v1.33.1` → 1, 33, 1.
fn version(text: &str) -> Vec<i64> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).map(|part| part.parse().unwrap_or(0)).collect()
}

/// The number after `key=`, or -1.
fn number(text: &str, key: &str) -> i64 {
    let behind = text.split_once(&format!("{key}=")).map(|(_, behind)| behind).unwrap_or_default();
    let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::super::cel::Program;
    use super::*;

    #[test]
    fn the_functions_of_rules_answer_as_their_page_says() {
        let mut context = Context::default();
        register(&mut context);
        let rows = [
            ("overlaps('10.0.0.0/16', '10.0.4.0/24')", true),
            ("overlaps('10.0.0.0/24', '10.0.1.0/24')", false),
            ("inside('10.0.4.0/24', '10.0.0.0/16')", true),
            ("inside('10.0.0.0/16', '10.0.4.0/24')", false),
            ("prefix('10.0.0.0/28') == 28 && usable('10.0.0.0/28') == 13", true),
            ("private('172.20.0.0/16') && !private('8.8.8.0/24')", true),
            ("newer('v1.33.1', 'v1.9.4') && !newer('v1.33.1', 'v1.33.1')", true),
            ("minor('v1.33.1') == 33 && minor('none') == 0", true),
            ("number('maxReadUnits=50,maxWriteUnits=7', 'maxWriteUnits') == 7 && number('x', 'y') == -1", true),
            ("fits('kix.ocir.io', '[a-z]{3}[.]ocir[.]io') && !fits('x.kix.ocir.io', '[a-z]{3}[.]ocir[.]io')", true),
        ];
        for (source, expected) in rows {
            assert_eq!(Program::compile(source).unwrap().execute(&context).unwrap(), Value::Bool(expected), "{source}");
        }
        assert!(Program::compile("prefix('x')").unwrap().execute(&context).is_err());
    }
}
