//! The hearing as data: questions, their order in phases, and what answers suggest for components. Three YAML files of
//! `rules/questions/`, embedded at build. Pure after loading: no IO, no clock.
//!
//! Loading is strict: unknown keys, a question in no phase or in two, double ids and suggestions about unknown questions
//! are errors that name the file. What the files may say is in `rules/questions/README.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Catalog;
use super::service::Text;
use super::spelling::bare;
use crate::api::design::Component;
use crate::api::session::Language;

/// What ships with this build, for the tests that change it.
#[cfg(test)]
const EMBEDDED: Files<'static> = Files {
    questions: include_str!("../../rules/questions/questions.yaml"),
    flow: include_str!("../../rules/questions/flow.yaml"),
    suggestions: include_str!("../../rules/questions/suggestions.yaml"),
};

/// The same as compact JSON that the build has made: (file name, text).
const COMPACT: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/questions-compact.rs"));

/// The three files.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// questions.yaml
    pub questions: &'a str,
    /// flow.yaml
    pub flow: &'a str,
    /// suggestions.yaml
    pub suggestions: &'a str,
}

/// Why the questions could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// not YAML, or a key or type that the file cannot have
    #[error("read {file}, line {line}: {message}")]
    Read {
        /// file name
        file: &'static str,
        /// line, from 1
        line: usize,
        /// what is wrong
        message: String,
    },
    /// readable, but it contradicts itself
    #[error("check {file}: {message}")]
    Check {
        /// file name
        file: &'static str,
        /// what is wrong
        message: String,
    },
}

/// One question.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// id in answers
    pub id: String,
    /// what is asked
    pub text: Text,
    /// examples
    pub help: Text,
    /// what an answer is a requirement of
    pub category: Category,
    /// whether a hearing is complete without it
    pub required: bool,
    /// how it is answered
    #[serde(rename = "type")]
    pub kind: AnswerKind,
    /// for [`AnswerKind::Choice`]
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// most characters of an answer
    #[serde(default = "default_length")]
    pub max_length: usize,
}

fn default_length() -> usize {
    2000
}

/// What an answer is a requirement of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// computing
    Compute,
    /// data
    Database,
    /// network
    Network,
    /// security
    Security,
    /// nothing of these: its answer is a constraint
    Other,
}

impl Category {
    /// As in the files.
    pub fn as_str(self) -> &'static str {
        match self {
            Category::Compute => "compute",
            Category::Database => "database",
            Category::Network => "network",
            Category::Security => "security",
            Category::Other => "other",
        }
    }
}

/// How a question is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerKind {
    /// free text
    Text,
    /// one of the choices
    Choice,
}

/// One choice. An answer may be its id or either label.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// id, the same in every language
    pub id: String,
    /// Japanese label
    pub ja: String,
    /// English label
    pub en: String,
}

impl Choice {
    /// The label.
    pub fn label(&self, language: Language) -> &str {
        match language {
            Language::Ja => &self.ja,
            Language::En => &self.en,
        }
    }
}

/// A part of the hearing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// id
    pub id: String,
    /// name
    pub names: Text,
    /// ids of its questions, in order
    pub questions: Vec<String>,
}

/// What answers suggest for components.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suggestion {
    /// id; findings carry it as rule `suggestion.<id>`
    pub id: String,
    /// all must hold
    pub when: Vec<Condition>,
    /// none may hold
    #[serde(default)]
    pub unless: Vec<Condition>,
    /// service types it is about
    pub types: Vec<String>,
    /// config key
    pub key: String,
    /// the value
    pub value: Value,
    /// why
    pub message: Text,
}

/// A condition on one answer. Exactly one of `says`, `choice` and the numbers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// id of the question
    pub question: String,
    /// any of these is in the answer
    #[serde(default)]
    pub says: Vec<String>,
    /// the answer is one of these choices
    #[serde(default)]
    pub choice: Vec<String>,
    /// the largest number in the answer is at least this
    pub at_least: Option<f64>,
    /// the largest number in the answer is below this
    pub below: Option<f64>,
}

/// A suggestion that holds for one component.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggested<'a> {
    /// the rule
    pub rule: &'a Suggestion,
    /// id of the component
    pub component: &'a str,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionFile {
    questions: Vec<Question>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlowFile {
    phases: Vec<Phase>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SuggestionFile {
    suggestions: Vec<Suggestion>,
}

#[derive(Debug, Default, PartialEq)]
struct Inner {
    questions: Vec<Question>,
    phases: Vec<Phase>,
    suggestions: Vec<Suggestion>,
}

/// The hearing in force. Cheap to clone; `default()` asks nothing.
#[derive(Debug, Clone, Default)]
pub struct Questions(Arc<Inner>);

impl Questions {
    /// What ships with this build. An error here is a build that its own tests would have refused.
    pub fn embedded() -> Result<Self, Error> {
        Self::checked(read_compact("questions.yaml")?, read_compact("flow.yaml")?, read_compact("suggestions.yaml")?)
    }

    /// Loads and checks the three files.
    pub fn from_files(files: Files<'_>) -> Result<Self, Error> {
        let (questions, flow) = (read("questions.yaml", files.questions)?, read("flow.yaml", files.flow)?);
        Self::checked(questions, flow, read("suggestions.yaml", files.suggestions)?)
    }

    fn checked(questions: QuestionFile, flow: FlowFile, suggestions: SuggestionFile) -> Result<Self, Error> {
        let (mut questions, phases, suggestions) = (questions.questions, flow.phases, suggestions.suggestions);
        check_questions(&questions)?;
        let order = check_flow(&phases, &questions)?;
        check_suggestions(&suggestions, &questions)?;
        questions.sort_by_key(|question| order.get(question.id.as_str()).copied());
        Ok(Questions(Arc::new(Inner { questions, phases, suggestions })))
    }

    /// Every question, in the order of the flow.
    pub fn all(&self) -> &[Question] {
        &self.0.questions
    }
    /// The question of that id.
    pub fn get(&self, id: &str) -> Option<&Question> {
        self.0.questions.iter().find(|question| question.id == id)
    }
    /// Ids, in the order of the flow.
    pub fn ids(&self) -> Vec<&str> {
        self.0.questions.iter().map(|question| question.id.as_str()).collect()
    }
    /// The phases, in order.
    pub fn phases(&self) -> &[Phase] {
        &self.0.phases
    }
    /// The phase a question belongs to.
    pub fn phase_of(&self, id: &str) -> Option<&Phase> {
        self.0.phases.iter().find(|phase| phase.questions.iter().any(|question| question == id))
    }
    /// Every suggestion.
    pub fn suggestions(&self) -> &[Suggestion] {
        &self.0.suggestions
    }

    /// What these answers (id → text) suggest for these components: what the component does not say itself and its default
    /// is not already. Types and keys the catalogue does not have are passed over.
    pub fn suggest<'a>(&'a self, answers: &BTreeMap<&str, &str>, components: &'a [Component], catalog: &Catalog) -> Vec<Suggested<'a>> {
        let mut found = Vec::new();
        for rule in &self.0.suggestions {
            let holds = |condition: &Condition| {
                let question = self.get(&condition.question);
                question.zip(answers.get(condition.question.as_str())).is_some_and(|(question, answer)| condition.holds(question, answer))
            };
            if !rule.when.iter().all(holds) || rule.unless.iter().any(holds) {
                continue;
            }
            for component in components.iter().filter(|component| rule.types.contains(&component.service_type)) {
                let key = catalog.service(&component.service_type).and_then(|service| service.key(&rule.key));
                let Some((name, schema)) = key else { continue };
                let said = component.config.contains_key(name) || schema.aliases.iter().any(|alias| component.config.contains_key(alias));
                if !said && schema.default.as_ref() != Some(&rule.value) {
                    found.push(Suggested { rule, component: &component.id });
                }
            }
        }
        found
    }
}

impl Question {
    /// The choice an answer names: by id or label, letter case, width and spaces aside; or the only one whose label it begins
    /// or begins with, as "バッチ" and "Web application (shop)" do.
    pub fn choice(&self, answer: &str) -> Option<&Choice> {
        let wanted = bare(&plain(answer));
        let names = |choice: &Choice| [&choice.id, &choice.ja, &choice.en].map(|name| bare(&plain(name)));
        let exact = self.choices.iter().find(|choice| names(choice).contains(&wanted));
        exact.or_else(|| {
            // Fewer letters begin too much.
            let long = |text: &str| text.chars().count() >= 3;
            let begins = |name: &String| long(&wanted) && name.starts_with(&wanted) || long(name) && wanted.starts_with(name.as_str());
            let mut near = self.choices.iter().filter(|choice| names(choice).iter().any(begins));
            near.next().filter(|_| near.next().is_none())
        })
    }
}

impl Condition {
    fn holds(&self, question: &Question, answer: &str) -> bool {
        if !self.says.is_empty() {
            let answer = plain(answer);
            return self.says.iter().any(|needle| contains(&answer, &plain(needle)));
        }
        if !self.choice.is_empty() {
            return question.choice(answer).is_some_and(|choice| self.choice.contains(&choice.id));
        }
        let number = largest_number(answer);
        number.is_some_and(|n| self.at_least.is_none_or(|least| n >= least) && self.below.is_none_or(|most| n < most))
    }
}

/// Whether `needle` stands in `text`. A Latin needle is a whole word: "ha" is not in "what".
fn contains(text: &str, needle: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric();
    let latin = needle.chars().all(|c| c.is_ascii_alphabetic() || c == ' ');
    text.match_indices(needle).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + needle.len()..].chars().next();
        !latin || !(before.is_some_and(word) || after.is_some_and(word))
    })
}

/// Lower case, full-width ASCII as ASCII.
fn plain(text: &str) -> String {
    let narrow = |c: char| match c {
        '\u{3000}' => ' ',
        // full-width forms stand 0xFEE0 above ASCII
        '\u{ff01}'..='\u{ff5e}' => u32::from(c).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(c),
        c => c,
    };
    text.chars().map(narrow).flat_map(char::to_lowercase).collect()
}

/// The largest number in a text: "約1万2千人" has 12,000, "1,500 users" 1,500, "2k" 2,000.
fn largest_number(text: &str) -> Option<f64> {
    let text: Vec<char> = plain(text).chars().filter(|c| *c != ',').collect();
    let mut largest: Option<f64> = None;
    let mut sum = 0.0;
    let mut at = 0;
    while at < text.len() {
        if !text[at].is_ascii_digit() {
            sum = 0.0;
            at += 1;
            continue;
        }
        let end = text[at..].iter().position(|c| !c.is_ascii_digit() && *c != '.').map_or(text.len(), |length| at + length);
        let digits: String = text[at..end].iter().collect();
        let number: f64 = digits.trim_end_matches('.').parse().unwrap_or(0.0);
        let (factor, step) = match text.get(end) {
            Some('万') => (10_000.0, 1),
            Some('千') => (1_000.0, 1),
            Some('百') => (100.0, 1),
            Some('k') if !text.get(end + 1).is_some_and(|c| c.is_ascii_alphabetic()) => (1_000.0, 1),
            _ => (1.0, 0),
        };
        sum += number * factor;
        largest = Some(largest.map_or(sum, |old| old.max(sum)));
        // Only what follows a unit at once is part of the same number.
        if step == 0 {
            sum = 0.0;
        }
        at = end + step;
    }
    largest
}

fn read<T: DeserializeOwned>(file: &'static str, text: &str) -> Result<T, Error> {
    super::yaml::read(text).map_err(|fault| Error::Read { file, line: fault.line, message: fault.message })
}

/// What the build has made of a file; it refused keys that stand twice.
fn read_compact<T: DeserializeOwned>(file: &'static str) -> Result<T, Error> {
    let json = COMPACT.iter().find(|(name, _)| *name == file).map_or("", |(_, json)| json);
    serde_json::from_str(json).map_err(|error| Error::Read { file, line: error.line(), message: error.to_string() })
}

fn check_questions(questions: &[Question]) -> Result<(), Error> {
    let fail = |message: String| Err(Error::Check { file: "questions.yaml", message });
    let mut ids = BTreeSet::new();
    for question in questions {
        let id = &question.id;
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            return fail(format!("question id `{id}` is not [a-z0-9_]+"));
        }
        if !ids.insert(id) {
            return fail(format!("question `{id}` stands twice"));
        }
        let texts = [&question.text.ja, &question.text.en, &question.help.ja, &question.help.en];
        if texts.iter().any(|text| text.trim().is_empty()) || question.max_length == 0 {
            return fail(format!("question `{id}` has an empty text or no room for an answer"));
        }
        let names: Vec<String> = question.choices.iter().flat_map(|c| BTreeSet::from([plain(&c.id), plain(&c.ja), plain(&c.en)])).collect();
        let distinct: BTreeSet<&String> = names.iter().collect();
        match (question.kind, question.choices.len()) {
            (AnswerKind::Text, 0) => {}
            (AnswerKind::Text, _) => return fail(format!("question `{id}` is text and has choices")),
            (AnswerKind::Choice, 0 | 1) => return fail(format!("question `{id}` needs at least two choices")),
            (AnswerKind::Choice, _) if distinct.len() != names.len() => return fail(format!("question `{id}` has a choice twice")),
            (AnswerKind::Choice, _) => {}
        }
    }
    Ok(())
}

/// Every question is in exactly one phase; gives its place.
fn check_flow<'a>(phases: &'a [Phase], questions: &[Question]) -> Result<BTreeMap<&'a str, usize>, Error> {
    let fail = |message: String| Err(Error::Check { file: "flow.yaml", message });
    let mut order = BTreeMap::new();
    for id in phases.iter().flat_map(|phase| &phase.questions) {
        if !questions.iter().any(|question| question.id == *id) {
            return fail(format!("there is no question `{id}`"));
        }
        if order.insert(id.as_str(), order.len()).is_some() {
            return fail(format!("question `{id}` stands twice"));
        }
    }
    match questions.iter().find(|question| !order.contains_key(question.id.as_str())) {
        Some(question) => fail(format!("question `{}` is in no phase", question.id)),
        None => Ok(order),
    }
}

fn check_suggestions(suggestions: &[Suggestion], questions: &[Question]) -> Result<(), Error> {
    let fail = |message: String| Err(Error::Check { file: "suggestions.yaml", message });
    let mut ids = BTreeSet::new();
    for Suggestion { id, when, unless, types, key, .. } in suggestions {
        if !ids.insert(id) {
            return fail(format!("suggestion `{id}` stands twice"));
        }
        if when.is_empty() || types.is_empty() || key.is_empty() {
            return fail(format!("suggestion `{id}` needs when, types and key"));
        }
        for condition in when.iter().chain(unless) {
            let Some(question) = questions.iter().find(|question| question.id == condition.question) else {
                return fail(format!("suggestion `{id}`: there is no question `{}`", condition.question));
            };
            let number = condition.at_least.is_some() || condition.below.is_some();
            let kinds = [!condition.says.is_empty(), !condition.choice.is_empty(), number];
            if kinds.iter().filter(|kind| **kind).count() != 1 {
                return fail(format!("suggestion `{id}`: a condition has exactly one of says, choice, at_least/below"));
            }
            if let Some(choice) = condition.choice.iter().find(|choice| !question.choices.iter().any(|c| c.id == **choice)) {
                return fail(format!("suggestion `{id}`: question `{}` has no choice `{choice}`", question.id));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shipped_hearing_asks_ten_questions_in_four_phases() {
        let questions = Questions::embedded().unwrap();
        assert_eq!(questions.all().len(), 10);
        assert_eq!(
            questions.phases().iter().map(|phase| phase.id.as_str()).collect::<Vec<_>>(),
            ["basic", "technical", "operations", "extra"]
        );
        let required: Vec<&str> = questions.all().iter().filter(|q| q.required).map(|q| q.id.as_str()).collect();
        assert_eq!(required, ["purpose", "users", "workload_type", "database_required"]);
        assert_eq!(questions.phase_of("timeline").unwrap().id, "operations");
    }

    #[test]
    fn every_suggestion_is_about_a_key_and_a_value_that_the_catalogue_takes() {
        let catalog = Catalog::embedded().unwrap();
        for rule in Questions::embedded().unwrap().suggestions() {
            for service in rule.types.iter().filter_map(|kind| catalog.service(kind)) {
                let (_, key) =
                    service.key(&rule.key).unwrap_or_else(|| panic!("{}: {} has no {}", rule.id, service.service_type, rule.key));
                assert!(super::super::has_type(key.value_type, &rule.value), "{}", rule.id);
                assert!(key.choices.is_empty() || key.choices.contains(&rule.value), "{}", rule.id);
            }
        }
    }

    #[test]
    fn a_choice_is_named_by_id_or_label_in_either_language() {
        let questions = Questions::embedded().unwrap();
        let question = questions.get("workload_type").unwrap();
        for answer in ["web", "Webアプリケーション", "ＷＥＢアプリケーション", " web application ", "Web application"] {
            assert_eq!(question.choice(answer).map(|choice| choice.id.as_str()), Some("web"), "{answer}");
        }
        assert!(question.choice("mainframe").is_none() && question.choice("").is_none());
    }

    #[test]
    fn numbers_are_read_in_the_words_people_use() {
        let rows = [
            ("約1万人", Some(10_000.0)),
            ("1万2千人", Some(12_000.0)),
            ("1,500 users", Some(1500.0)),
            ("１０００人", Some(1000.0)),
            ("2k", Some(2000.0)),
            ("社員 300 人、同時 50 人", Some(300.0)),
            ("1.5万", Some(15_000.0)),
            ("many", None),
        ];
        for (text, number) in rows {
            assert_eq!(largest_number(text), number, "{text}");
        }
    }

    #[test]
    fn answers_suggest_only_what_a_component_does_not_say_itself() {
        let questions = Questions::embedded().unwrap();
        let catalog = Catalog::embedded().unwrap();
        let component = |id: &str, kind: &str, config: Value| Component {
            id: id.into(),
            service_type: kind.into(),
            config: serde_json::from_value(config).unwrap(),
            ..Component::default()
        };
        let components = [
            component("db", "adb", json!({})),
            component("paid", "adb", json!({ "is_free_tier": false })),
            component("vm", "compute", json!({})),
            component("odd", "mainframe", json!({})),
        ];
        let suggested = |answers: &[(&str, &str)]| -> Vec<String> {
            let answers = answers.iter().copied().collect();
            questions.suggest(&answers, &components, &catalog).iter().map(|s| format!("{}.{}", s.rule.id, s.component)).collect()
        };
        assert_eq!(suggested(&[("budget_constraints", "Always Free のみ")]), ["free-tier.db", "free-shape.vm"]);
        assert_eq!(suggested(&[("users", "2,000 人")]), ["size-medium.vm"]);
        assert!(suggested(&[("users", "2,000 人"), ("budget_constraints", "無料で")]).iter().all(|id| !id.starts_with("size")));
        assert!(suggested(&[("availability_requirements", "what you have")]).is_empty(), "`ha` is a word, not a part of one");
        assert!(suggested(&[("budget_constraints", "none"), ("users", "10")]).is_empty());
    }

    #[test]
    fn the_json_of_the_build_says_what_the_files_say() {
        assert_eq!(*Questions::from_files(EMBEDDED).unwrap().0, *Questions::embedded().unwrap().0);
    }

    #[test]
    fn a_faulty_file_is_refused_with_its_name() {
        let rows = [
            (("    required: true\n", "    requird: true\n"), "questions.yaml", "requird", "a misspelt key"),
            (("id: users", "id: purpose"), "questions.yaml", "purpose", "a question twice"),
            (("id: users", "id: user count"), "questions.yaml", "user count", "an id with a space"),
            (("id: batch, ja: バッチ処理", "id: web, ja: バッチ処理"), "questions.yaml", "twice", "a choice twice"),
            (("[purpose, users, workload_type]", "[purpose, users]"), "flow.yaml", "workload_type", "a question in no phase"),
            (
                ("[purpose, users, workload_type]", "[purpose, users, workload_type, users]"),
                "flow.yaml",
                "users",
                "a question in two places",
            ),
            (("question: users, at_least: 1000,", "question: usres, at_least: 1000,"), "suggestions.yaml", "usres", "an unknown question"),
            (("at_least: 1000, below: 10000", "at_least: 1000, says: [a]"), "suggestions.yaml", "exactly one", "two kinds of condition"),
        ];
        for ((old, new), file, expected, reason) in rows {
            let change = |text: &str| text.replacen(old, new, 1);
            let (questions, flow, suggestions) = (change(EMBEDDED.questions), change(EMBEDDED.flow), change(EMBEDDED.suggestions));
            let files = Files { questions: &questions, flow: &flow, suggestions: &suggestions };
            let error = Questions::from_files(files).unwrap_err().to_string();
            assert!(error.contains(file) && error.contains(expected), "{reason}: {error}");
        }
    }
}
