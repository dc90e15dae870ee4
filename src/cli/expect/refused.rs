//! `must_be_refused`: a design that is not saved, and what the refusal says so that it can be mended in one call. Pure.

use serde_json::Value;

use super::checks::texts;

/// What a refusal has to say: `{code, paths, allowed}`, all of them optional; `true` for any refusal.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a>(pub(super) &'a Value);

impl Refusal<'_> {
    /// Holds it against the answer of the tool: code and details.
    ///
    /// # Errors
    /// Everything it does not say.
    pub fn check(&self, code: &str, details: &Value) -> Result<Vec<String>, Vec<String>> {
        let problems: Vec<&Value> = details["problems"].as_array().into_iter().flatten().collect();
        let (mut facts, mut wrong) = (Vec::new(), Vec::new());
        let mut hold = |fact: String, holds: bool| if holds { facts.push(fact) } else { wrong.push(format!("no {fact}")) };
        match self.0["code"].as_str() {
            Some(asked) => hold(format!("code {asked} (it is {code})"), asked == code),
            None => hold(format!("code (it is {code})"), true),
        }
        for path in texts(&self.0["paths"]) {
            // the file may say a member as the document does (`serviceType`) or as the tool does (`service_type`)
            let asked = snake(path);
            let there = problems.iter().any(|problem| problem["path"].as_str().is_some_and(|found| snake(found).starts_with(&asked)));
            hold(format!("problem at {path}"), there);
        }
        for word in texts(&self.0["allowed"]) {
            let allows = |problem: &&Value| texts(&problem["allowed"]).contains(&word);
            hold(format!("allowed value {word}"), problems.iter().any(allows));
        }
        if wrong.is_empty() { Ok(facts) } else { Err(wrong) }
    }
}

/// A path with every member in snake_case; what stands in brackets is an id and stays.
fn snake(path: &str) -> String {
    let (mut told, mut inside) = (String::with_capacity(path.len()), false);
    for c in path.chars() {
        inside = (inside || c == '[') && c != ']';
        if c.is_ascii_uppercase() && !inside {
            told.push('_');
            told.push(c.to_ascii_lowercase());
        } else {
            told.push(c);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_the_same_in_either_spelling_and_an_id_is_not_respelled() {
        assert_eq!(snake("components[dbMain].serviceType"), "components[dbMain].service_type");
        assert_eq!(snake("connections[2].source_id"), "connections[2].source_id");
    }
}
