//! What was seen, as a table: type × keys × validate × plan × parity, with every fault and every difference below it.

use std::collections::{BTreeMap, BTreeSet};

use crate::batch::{Changes, Outcome};
use crate::compare::{self, Difference, general};
use crate::explained::{Explained, is_explained};

/// Steps in the order in which they run; a fault in one of them means the later ones did not run.
const STEPS: [&str; 8] = [
    "init",
    "validate",
    "plan of the sandbox",
    "plan",
    "create",
    "apply in the sandbox",
    "plan of the edit in the sandbox",
    "plan of the edit",
];
/// Columns: heading, and the steps that it stands for.
const COLUMNS: [(&str, &[&str]); 4] = [
    ("validate", &["init", "validate"]),
    ("plan", &["plan of the sandbox", "plan"]),
    ("create as the sandbox", &["create"]),
    ("edit as the sandbox", &["apply in the sandbox", "plan of the edit in the sandbox", "plan of the edit", "edit"]),
];

/// One thing that was planned.
struct Entry {
    kind: String,
    key: String,
    edits: bool,
    /// step of the first fault or difference
    wrong: BTreeSet<&'static str>,
}

/// All of it.
pub struct Ledger {
    explained: Vec<Explained>,
    entries: BTreeMap<String, Entry>,
    order: Vec<String>,
    faults: usize,
    /// difference → how often; printed when it is first seen
    differences: BTreeMap<(&'static str, Difference), usize>,
    excused: usize,
}

impl Ledger {
    pub fn new(explained: Vec<Explained>) -> Ledger {
        Ledger { explained, entries: BTreeMap::new(), order: Vec::new(), faults: 0, differences: BTreeMap::new(), excused: 0 }
    }

    /// Something that is about to be planned, under the name of its module.
    pub fn open(&mut self, module: &str, kind: &str, key: &str, edits: bool) {
        if !self.order.iter().any(|known| known == kind) {
            self.order.push(kind.to_owned());
        }
        let entry = Entry { kind: kind.to_owned(), key: key.to_owned(), edits, wrong: BTreeSet::new() };
        self.entries.insert(module.to_owned(), entry);
    }

    /// A fault that belongs to nothing in particular, or to one entry.
    pub fn fault(&mut self, module: &str, step: &'static str, text: &str) {
        let of = self.entries.get_mut(module).map(|entry| {
            entry.wrong.insert(step);
            format!("{} {}", entry.kind, entry.key)
        });
        println!("FAULT {} [{step}] {text}", of.unwrap_or_else(|| module.to_owned()));
        self.faults += 1;
    }

    /// What a batch gave.
    pub fn enter(&mut self, outcome: &Outcome) {
        for (module, step, text) in &outcome.faults {
            self.fault(module, step, text);
        }
        self.compare("create", &outcome.created);
        self.compare("edit", &outcome.edited);
    }

    fn compare(&mut self, step: &'static str, (sandbox, real): &(Changes, Changes)) {
        let none = BTreeMap::new();
        let modules: BTreeSet<&String> = sandbox.keys().chain(real.keys()).collect();
        for module in modules {
            let (one, other) = (sandbox.get(module).unwrap_or(&none), real.get(module).unwrap_or(&none));
            let addresses: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for address in addresses {
                for found in compare::change(one.get(address), other.get(address)) {
                    if is_explained(&self.explained, &found) {
                        self.excused += 1;
                        continue;
                    }
                    let entry = self.entries.get_mut(module);
                    let place = entry.map_or_else(String::new, |entry| {
                        entry.wrong.insert(step);
                        format!("{} {} {address}", entry.kind, entry.key)
                    });
                    let found = Difference { path: general(&found.path), ..found };
                    let Difference { resource_type, path, sandbox, real } = &found;
                    if !self.differences.contains_key(&(step, found.clone())) {
                        let short = |text: &str| text.chars().take(160).collect::<String>();
                        println!("DIFFERS {step} {resource_type} {path}: sandbox {}, real {} (first {place})", short(sandbox), short(real));
                    }
                    *self.differences.entry((step, found)).or_default() += 1;
                }
            }
        }
    }

    /// Prints the table; whether all is green. `whole`: everything was planned, so that an explanation
    /// that nothing needs is wrong, too.
    pub fn close(&self, whole: bool) -> bool {
        println!("| type | keys | values | {} |", COLUMNS.map(|(heading, _)| heading).join(" | "));
        println!("|---|---|---|{}", "---|".repeat(COLUMNS.len()));
        let mut sums = vec![(0, 0); COLUMNS.len()];
        let (mut keys, mut values) = (0, 0);
        for kind in &self.order {
            let own: Vec<&Entry> = self.entries.values().filter(|entry| entry.kind == *kind).collect();
            let names: BTreeSet<&str> = own.iter().map(|entry| entry.key.split(" = ").next().unwrap_or_default()).collect();
            let cells = COLUMNS.iter().zip(&mut sums).map(|((heading, steps), sum)| {
                let asked: Vec<&&Entry> = own.iter().filter(|entry| entry.edits || !heading.starts_with("edit")).collect();
                let good = asked.iter().filter(|entry| entry.reached(steps)).count();
                *sum = (sum.0 + good, sum.1 + asked.len());
                if good == asked.len() { good.to_string() } else { format!("**{good} of {}**", asked.len()) }
            });
            println!("| {kind} | {} | {} | {} |", names.len(), own.len(), cells.collect::<Vec<_>>().join(" | "));
            (keys, values) = (keys + names.len(), values + own.len());
        }
        let cells = sums.iter().map(|(good, all)| format!("{good} of {all}"));
        println!("| all {} | {keys} | {values} | {} |", self.order.len(), cells.collect::<Vec<_>>().join(" | "));
        let idle: Vec<&Explained> = self.explained.iter().filter(|entry| whole && entry.seen() == 0).collect();
        idle.iter().for_each(|entry| println!("FAULT explained.yaml: {} {} no longer occurs", entry.resource, entry.path));
        println!(
            "{} faults, {} differences in {} places, {} explained differences in {} places",
            self.faults + idle.len(),
            self.differences.len(),
            self.differences.values().sum::<usize>(),
            self.explained.len() - idle.len(),
            self.excused
        );
        self.faults == 0 && self.differences.is_empty() && idle.is_empty()
    }
}

impl Entry {
    /// Whether these steps ran and nothing was wrong with them.
    fn reached(&self, steps: &[&str]) -> bool {
        let at = |step: &str| STEPS.iter().position(|known| *known == step).unwrap_or(STEPS.len());
        let last = steps.iter().map(|step| at(step)).max().unwrap_or_default();
        // What two plans differ in stops nothing; a fault does.
        let stops = |step: &&str| if ["create", "edit"].contains(step) { steps.contains(step) } else { at(step) <= last };
        !self.wrong.iter().any(stops)
    }
}
