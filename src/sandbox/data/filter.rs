//! `filter` blocks: all of them must match, any of the values of one; plain text or a regular expression. What the real
//! provider does in its own code, not the service.

use regex::Regex;

use crate::render::schema::Type;

use super::super::value::Value;
use super::Question;

/// Filters the computed list of an answer in place.
pub(super) fn apply(question: &Question<'_>, value: &mut Value) {
    let filters = question.config.get("filter").elements().to_vec();
    if filters.is_empty() {
        return;
    }
    let lists = question.block.attributes.iter().filter(|(_, attribute)| {
        attribute.computed && matches!(&attribute.ty, Type::List(element) if matches!(**element, Type::Object(_)))
    });
    for (name, attribute) in lists {
        let wrapped =
            matches!(&attribute.ty, Type::List(element) if matches!(&**element, Type::Object(fields) if fields.contains_key("items")));
        let path = if wrapped { format!("{name}.0.items") } else { name.clone() };
        if let Some(Value::List(items)) = value.at_mut(&path) {
            items.retain(|item| filters.iter().all(|filter| matches(filter, item)));
        }
    }
}

fn matches(filter: &Value, item: &Value) -> bool {
    let property = find(item, filter.get("name").as_str().unwrap_or_default());
    let texts: Vec<String> = match property {
        Value::List(elements) => elements.iter().filter_map(text).collect(),
        other => text(other).into_iter().collect(),
    };
    let is_regex = filter.get("regex").as_bool().unwrap_or(false);
    filter.get("values").texts().any(|wanted| {
        if is_regex {
            // An invalid expression matches nothing; the real provider only logs it.
            return Regex::new(wanted).is_ok_and(|regex| texts.iter().any(|text| regex.is_match(text)));
        }
        texts.iter().any(|text| text == wanted)
    })
}

/// `freeform_tags.com.oracle.x` and `source_details.source_type`: the longest member name first, lists of one looked into.
fn find<'a>(item: &'a Value, path: &str) -> &'a Value {
    static NULL: Value = Value::Null;
    let item = match item {
        Value::List(elements) if elements.len() == 1 => &elements[0],
        other => other,
    };
    let Value::Object(members) = item else { return &NULL };
    if let Some(value) = members.get(path) {
        return value;
    }
    match path.split_once('.') {
        Some((first, rest)) => members.get(first).map_or(&NULL, |value| find(value, rest)),
        None => &NULL,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Unknown(..) | Value::List(_) | Value::Object(_) => None,
    }
}
