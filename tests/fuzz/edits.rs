//! Edits of documents that are right to begin with: what reaches behind a parser that bytes alone hardly get past. The
//! choices come from the engine, so that libFuzzer guides them by coverage and a failing one is shrunk.

use bolero::TypeGenerator;
use serde_json::{Map, Value, json};

use crate::words::WORDS;

/// Copies of copies double a document each time; readers refuse what is longer than this anyway.
const LONGEST: usize = 400_000;

/// A document to begin with and what is done to it.
#[derive(Debug, Clone, TypeGenerator)]
pub struct Edits {
    seed: u16,
    /// the document that parts are taken from
    other: u16,
    #[generator(bolero::produce_with::<Vec<Edit>>().len(0..16usize))]
    edits: Vec<Edit>,
}

/// Where: at each level the step picks a member, until the steps or the levels end.
#[derive(Debug, Clone, TypeGenerator)]
struct Place(#[generator(bolero::produce_with::<Vec<u8>>().len(0..9usize))] Vec<u8>);

#[derive(Debug, Clone, TypeGenerator)]
enum Edit {
    Set(Place, Leaf),
    Remove(Place),
    /// the member gets another name
    Rename(Place, u8),
    /// a further member beside this one: a copy of it in a list, a word in an object
    Add(Place, u8, Leaf),
    /// a word in the middle of a text
    Insert(Place, u8, u8),
    /// what stands in the same document elsewhere: ids that exist, types that are known
    Copy(Place, Place),
    /// what stands in the other document
    Graft(Place, Place),
    /// every member of the other list or object
    Join(Place, Place),
}

#[derive(Debug, Clone, TypeGenerator)]
enum Leaf {
    Null,
    Bool(bool),
    Small(i8),
    Whole(i64),
    Huge(u64),
    Float(f64),
    Word(u8),
    Words(#[generator(bolero::produce_with::<Vec<u8>>().len(0..6usize))] Vec<u8>),
    Text(#[generator(bolero::produce_with::<String>().len(0..24usize))] String),
    Long(u16),
    Many(u16),
    Deep(u8),
    Empty,
}

fn word(number: u8) -> String {
    WORDS[usize::from(number) % WORDS.len()].clone()
}

impl Leaf {
    fn value(&self) -> Value {
        match self {
            Leaf::Null => Value::Null,
            Leaf::Bool(flag) => json!(flag),
            Leaf::Small(number) => json!(number),
            Leaf::Whole(number) => json!(number),
            Leaf::Huge(number) => json!(number),
            Leaf::Float(number) => json!(number),
            Leaf::Word(number) => word(*number).into(),
            Leaf::Words(numbers) => numbers.iter().map(|number| word(*number)).collect::<String>().into(),
            Leaf::Text(text) => json!(text),
            Leaf::Long(length) => "x".repeat((*length).into()).into(),
            Leaf::Many(count) => vec![json!(1); usize::from(*count) % 700].into(),
            Leaf::Deep(levels) => (0..*levels).fold(Value::Null, |inner, _| json!([inner])),
            Leaf::Empty => Value::Object(Map::new()),
        }
    }
}

impl Place {
    /// Hands over what stands there.
    fn visit<'v>(&self, mut value: &'v mut Value) -> &'v mut Value {
        for step in &self.0 {
            let step = usize::from(*step);
            let len = match &*value {
                Value::Object(members) => members.len(),
                Value::Array(items) => items.len(),
                _ => 0,
            };
            if len == 0 {
                break;
            }
            value = match value {
                Value::Object(members) => members.values_mut().nth(step % len).unwrap_or_else(|| unreachable!("within its length")),
                Value::Array(items) => &mut items[step % len],
                _ => unreachable!("it has members"),
            };
        }
        value
    }

    fn copied(&self, value: &Value) -> Value {
        self.visit(&mut value.clone()).clone()
    }

    /// The object or list around, and which of its members is meant.
    fn parent(&self) -> Option<(Place, usize)> {
        let (last, before) = self.0.split_last()?;
        Some((Place(before.to_vec()), usize::from(*last)))
    }
}

impl Edits {
    /// The edited document, from the seeds of a target.
    pub fn applied(&self, seeds: &[Value]) -> Value {
        let mut value = seeds[usize::from(self.seed) % seeds.len()].clone();
        let other = &seeds[usize::from(self.other) % seeds.len()];
        for edit in &self.edits {
            edit.apply(&mut value, other);
            if matches!(edit, Edit::Copy(..)) && value.to_string().len() > LONGEST {
                break;
            }
        }
        value
    }
}

impl Edit {
    fn apply(&self, value: &mut Value, other: &Value) {
        match self {
            Edit::Set(place, leaf) => *place.visit(value) = leaf.value(),
            Edit::Remove(place) => inside(place, value, |around, at| match around {
                Value::Object(members) => drop(key(members, at).and_then(|key| members.remove(&key))),
                Value::Array(items) => drop(items.remove(at)),
                _ => {}
            }),
            Edit::Rename(place, number) => inside(place, value, |around, at| {
                let Value::Object(members) = around else { return };
                if let Some((key, member)) = key(members, at).and_then(|key| members.remove_entry(&key)) {
                    let renamed = if *number < 128 { word(*number) } else { format!("{key}{}", number % 8) };
                    members.insert(renamed, member);
                }
            }),
            Edit::Add(place, number, leaf) => inside(place, value, |around, at| match around {
                Value::Object(members) => drop(members.insert(word(*number), leaf.value())),
                Value::Array(items) => items.push(items[at].clone()),
                _ => {}
            }),
            Edit::Insert(place, number, at) => {
                if let Value::String(text) = place.visit(value) {
                    let mut at = usize::from(*at) % (text.len() + 1);
                    while !text.is_char_boundary(at) {
                        at -= 1;
                    }
                    text.insert_str(at, &word(*number));
                }
            }
            Edit::Copy(from, to) => {
                let copied = from.copied(value);
                *to.visit(value) = copied;
            }
            Edit::Graft(from, to) => *to.visit(value) = from.copied(other),
            Edit::Join(from, to) => match (from.copied(other), to.visit(value)) {
                (Value::Array(more), Value::Array(items)) => items.extend(more),
                (Value::Object(more), Value::Object(members)) => members.extend(more),
                (more, Value::Array(items)) => items.push(more),
                _ => {}
            },
        }
    }
}

/// Changes the object or list around a place; nothing for an empty one.
fn inside(place: &Place, value: &mut Value, change: impl FnOnce(&mut Value, usize)) {
    let Some((around, at)) = place.parent() else { return };
    let around = around.visit(value);
    let len = around.as_object().map(Map::len).or(around.as_array().map(Vec::len)).unwrap_or(0);
    if len > 0 {
        change(around, at % len);
    }
}

fn key(members: &Map<String, Value>, at: usize) -> Option<String> {
    members.keys().nth(at).cloned()
}
