//! The `expect` block of a design file, held exactly against the rendered Terraform, the simulated cloud and the findings.
//!
//! The demo and the acceptance tests use this one checker. It takes a design file, a [`World`] and the findings as data;
//! gives what was confirmed or every difference. A member that it does not know is told ([`Expectation::unknown`]): nothing
//! that a file expects is passed over. Pure; it knows nothing of Galley's renderer, so it cannot agree with it by construction.
//!
//! | member | held against |
//! |---|---|
//! | `terraform_resource_counts` | both: number of resources of a type |
//! | `placement` | both: `component`, `component.endpoint`, `.nodes`, `.pods`, `.balancers` → subnet |
//! | `routes`, `subnet_tables` | both: gateways of a route table; route table and security lists of a subnet |
//! | `names` | both: regular expression for the name of a component's resource |
//! | `resource_names_match` | both: every Terraform label |
//! | a component's id or type | both: arguments of its resource, nested ones by name or dotted path; null means absent |
//! | `reachable` (`{"vm -> db": [1521], "internet -> lb": 443}`), `unreachable` (`["internet -> db"]`) | both: security rules both ways, lists, routes |
//! | `public`, `private` (components or places) · `cidrs` (`{subnet: cidr}`) | both: where they stand |
//! | `image_from_data_source`, `image_os_must_be_honoured`, `variables_must_not_include`, `variables_must_include`, `outputs` | the rendered Terraform |
//! | `plan` (`{create: n}`) | the rendered Terraform, which a plan creates |
//! | `validation_should_flag` (sentences), `must_flag`, `must_not_flag` (`rule` or `rule component`) | the findings |
//! | `must_be_refused` (`{code, paths, allowed}`) | the answer to the save: see [`Expectation::refusal`] |
//! | `known_failure_to_survive` | a behaviour: see [`Expectation::partial_failure`] |
//!
//! Beside the block, of every design: its `constraints` (`max_vcns`, `max_ocpus_per_shape`, `always_free`), private subnets that carry something reach NAT and OCI services, public ones the
//! internet, and a cluster has its whole rule set.

mod arguments;
mod checks;
mod constraints;
mod flags;
mod oke;
mod places;
mod reach;
mod refused;
#[cfg(test)]
mod predecessor_tests;
#[cfg(test)]
mod tests;
mod world;

use serde_json::{Map, Value};

pub use flags::Flag;
pub use refused::Refusal;
pub use world::{Part, View, World};

/// One member that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// the member, or what was checked beside the block
    pub member: String,
    /// how many facts it was
    pub count: usize,
    /// the facts in short
    pub detail: String,
}

/// A part of an apply that fails on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartialFailure {
    /// Terraform type that is made
    pub made: &'static str,
    /// Terraform type whose creation fails
    pub failed: &'static str,
}

/// What a design file expects.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    design: &'a Value,
    members: &'a Map<String, Value>,
}

impl<'a> Expectation<'a> {
    /// Of a design file; None when it has no `expect`.
    ///
    /// # Errors
    /// An `expect` that is no object.
    pub fn of(design: &'a Value) -> Result<Option<Self>, String> {
        match design.get("expect") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Expectation { design, members })),
            Some(other) => Err(format!("expect is {other}, not an object")),
        }
    }

    /// Members that no check is known for: a person has to look at what they ask.
    pub fn unknown(&self) -> Vec<String> {
        let members = self.members.keys().filter(|member| !checks::knows(self, member)).map(|member| format!("expect.{member}"));
        let constraints = self.design["constraints"].as_object().into_iter().flatten().map(|(name, _)| name);
        let constraints = constraints.filter(|name| !constraints::KNOWN.contains(&name.as_str()));
        members.chain(constraints.map(|name| format!("constraints.{name}"))).collect()
    }

    /// Whether the design has to be refused, and what the answer to the save has to say.
    pub fn refusal(&self) -> Option<Refusal<'a>> {
        self.members.get("must_be_refused").map(Refusal)
    }

    /// Everything that can be held against a view.
    ///
    /// # Errors
    /// Every difference, one sentence each.
    pub fn check(&self, world: &World) -> Result<Vec<Confirmed>, Vec<String>> {
        let (mut confirmed, mut wrong) = (Vec::new(), Vec::new());
        let own = self.members.iter().filter_map(|(name, wanted)| Some((name.as_str(), checks::member(self, world, name, wanted)?)));
        let always = [
            ("reachability", checks::reachability(self.design, world)),
            ("OKE rule set", checks::oke_rules(world)),
            ("constraints", constraints::check(self.design, world)),
        ];
        for (name, outcome) in own.chain(always.into_iter().filter_map(|(name, outcome)| Some((name, outcome?)))) {
            match outcome {
                Ok(facts) => {
                    let said: Vec<&str> = facts.iter().map(String::as_str).filter(|fact| !fact.is_empty()).collect();
                    confirmed.push(Confirmed { member: name.to_owned(), count: facts.len(), detail: said.join(", ") });
                }
                Err(problems) => wrong.extend(problems.into_iter().map(|problem| format!("{} — {name}: {problem}", world.view.as_str()))),
            }
        }
        if wrong.is_empty() { Ok(confirmed) } else { Err(wrong) }
    }

    /// The findings the file asks for, each of which must be there. Gives what was flagged.
    ///
    /// # Errors
    /// Every one that is missing.
    pub fn flagged(&self, findings: &[Flag]) -> Result<Vec<String>, Vec<String>> {
        let parts = [
            flags::check(self.design, self.members.get("validation_should_flag"), findings),
            flags::rules(self.members.get("must_flag"), findings, true),
            flags::rules(self.members.get("must_not_flag"), findings, false),
        ];
        parts.into_iter().fold(Ok(Vec::new()), checks::join)
    }

    /// The half-failed apply that the design has to survive, if it speaks of one.
    ///
    /// # Errors
    /// Words that name no known service.
    pub fn partial_failure(&self) -> Result<Option<PartialFailure>, String> {
        let Some(text) = self.members.get("known_failure_to_survive").and_then(|known| known["partial"].as_str()) else { return Ok(None) };
        checks::partial_failure(text).map(Some).ok_or_else(|| format!("known_failure_to_survive: {text:?} names no known services"))
    }

    /// Service type of a component of the file.
    fn service_type(&self, id: &str) -> Option<&str> {
        components(self.design).find(|component| component["id"] == id)?["service_type"].as_str()
    }
}

fn components(design: &Value) -> impl Iterator<Item = &Value> {
    design["components"].as_array().into_iter().flatten()
}
