//! The stories that are told while Galley dies: scripted ones, and one that a seed makes up.

use serde_json::{Value, json};

use crate::person::Wish;

/// The one session and its design.
pub const NAME: &str = "s-01h0000000000000000000000c";

/// A story with a beginning on disk.
#[derive(Clone)]
pub struct Scenario {
    pub name: &'static str,
    /// starts on an applied design
    pub applied: bool,
    /// the cloud refuses the next bucket once
    pub refusing: bool,
    pub wishes: Vec<Wish>,
}

/// Small random numbers that are the same on every machine: xorshift64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.max(1))
    }
    pub fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) as usize
    }
}

pub fn bucket(number: usize, name: &str) -> Value {
    json!({"id": format!("lake{number}"), "serviceType": "objectstorage", "displayName": name, "config": {}})
}

/// A network with a subnet, a database whose password Galley makes, and buckets.
pub fn design(buckets: &[Value]) -> Value {
    let mut components = vec![
        json!({"id": "net", "serviceType": "vcn", "displayName": "Net", "config": {"cidr_block": "10.20.0.0/16"}}),
        json!({"id": "app", "serviceType": "subnet", "displayName": "App", "config": {"cidr_block": "10.20.1.0/24", "prohibit_public_ip": true}}),
    ];
    components.extend(buckets.iter().cloned());
    let connections = json!([{"sourceId": "app", "targetId": "net", "connectionType": "deployed_in"}]);
    json!({"target": "sandbox", "desiredState": "Applied", "components": components, "connections": connections})
}

fn components(buckets: &[Value]) -> Value {
    json!({"components": design(buckets)["components"]})
}

/// Edits that nobody waits for: buckets come, go and change their names, the design is suspended and goes on; the last one
/// is waited for. Policy `auto`, so that what is harmless is approved by Galley itself.
fn hurry(seed: u64) -> Vec<Wish> {
    let mut random = Random::new(seed ^ 0x9E37_79B9);
    let mut wishes = vec![Wish::Nudge(json!({"policy": {"approval": "auto"}}))];
    let some = |random: &mut Random| -> Vec<Value> {
        let mut some = vec![];
        for number in 1..=3 {
            if number == 1 || !random.next().is_multiple_of(3) {
                some.push(bucket(number, &format!("data-{}-{number}", ["lake", "pond"][random.next() % 2])));
            }
        }
        some
    };
    for _ in 0..2 + random.next() % 2 {
        wishes.push(match random.next() % 4 {
            0 => Wish::Nudge(json!({"suspend": true})),
            1 => Wish::Nudge(json!({"desiredState": "Planned"})),
            _ => Wish::Nudge(components(&some(&mut random))),
        });
    }
    let mut last = components(&some(&mut random));
    last["suspend"] = json!(false);
    last["desiredState"] = json!("Applied");
    wishes.push(Wish::Edit(last));
    wishes
}

/// All of them; the first one makes the beginning of the others.
pub fn scenarios(seed: u64) -> Vec<Scenario> {
    let (one, two) = (bucket(1, "data-lake-1"), bucket(2, "data-lake-2"));
    let story = |name, applied, wishes| Scenario { name, applied, refusing: false, wishes };
    let replaced = components(&[one.clone(), bucket(2, "data-pond-2")]);
    let more = components(&[one.clone(), two.clone(), bucket(3, "data-lake-3")]);
    vec![
        story("create", false, vec![Wish::Create(design(&[one, two]))]),
        story("replace", true, vec![Wish::Edit(replaced)]),
        Scenario { refusing: true, ..story("retry", true, vec![Wish::Edit(more)]) },
        story("destroy", true, vec![Wish::Edit(json!({"desiredState": "Destroyed"})), Wish::Delete]),
        story("hurry", true, hurry(seed)),
    ]
}
