//! The hearing: answers, its completion, and what answers suggest for a design.
//!
//! Questions are data (`rules/questions/`). An answer that does not fit its question is refused with what would, and then
//! none of the call is written. A completed hearing is reopened by asking for it or by changing an answer: requirements
//! that no longer belong to the answers would be worse than none.
//!
//! In the document, a requirement is `[must] compute: <question>: <answer>` (or `[should]`; category as in the questions)
//! and a constraint `<question>: <answer>`; [`Requirement`] reads and writes the former.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Services;
use super::architecture_edit::{Edit, Operation};
use super::documents::name_of;
use super::error::{Code, Error, Problem};
use super::text::{Text, say};
use crate::api::Session;
use crate::api::condition::clip;
use crate::api::design::{DesignSpec, Finding, Severity};
use crate::api::session::{Answer, Hearing, Language};
use crate::catalog::questions::{AnswerKind, Category, Question, Questions};
use crate::validator::reading::read;

/// Arguments of save_answers.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct SaveAnswers {
    /// Session id.
    pub session_id: String,
    /// Question id → answer in the person's words. Empty text takes back an optional answer.
    pub answers: BTreeMap<String, String>,
}

/// Arguments of complete_hearing.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct CompleteHearing {
    /// Session id.
    pub session_id: String,
    /// true: open it again instead.
    pub reopen: Option<bool>,
}

/// A question, as it is asked.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
pub struct QuestionView {
    /// id
    pub id: String,
    /// what to ask
    pub text: String,
    /// examples
    pub help: String,
    /// phase it belongs to
    pub phase: String,
    /// whether the hearing needs it
    pub required: bool,
    /// what may be answered, when that is a closed set
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// Where a hearing stands.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default)]
pub struct HearingView {
    #[serde(skip)]
    pub(super) summary: String,
    /// session
    pub session_id: String,
    /// false when everything was so before
    pub changed: bool,
    /// true once completed
    pub completed: bool,
    /// ids with an answer
    pub answered: Vec<String>,
    /// required ids without one
    pub missing: Vec<String>,
    /// what to ask next
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next_questions: Vec<QuestionView>,
    /// Markdown of the answers, once completed
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hearing_summary: Option<String>,
    /// what the design has to do
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Requirement>,
    /// what limits it
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    /// what to call next
    pub next_actions: Vec<String>,
}

/// How much a requirement counts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// the question is required
    Must,
    /// it is not
    Should,
}

/// One requirement.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
pub struct Requirement {
    /// compute, database, network, security
    pub category: String,
    /// question and answer
    pub text: String,
    /// must or should
    pub priority: Priority,
}

impl Requirement {
    /// As it stands in the document.
    pub fn to_line(&self) -> String {
        let word = match self.priority {
            Priority::Must => "must",
            Priority::Should => "should",
        };
        format!("[{word}] {}: {}", self.category, self.text)
    }
    /// From the document; a line somebody else wrote is a `should` of no category.
    pub fn of_line(line: &str) -> Self {
        let parsed = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).and_then(|(word, rest)| {
            let priority = match word {
                "must" => Priority::Must,
                "should" => Priority::Should,
                _ => return None,
            };
            let (category, text) = rest.split_once(": ")?;
            Some(Requirement { category: category.to_owned(), text: text.to_owned(), priority })
        });
        parsed.unwrap_or_else(|| Requirement { category: "other".to_owned(), text: line.to_owned(), priority: Priority::Should })
    }
}

/// A suggestion with the edits that take it over.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
pub struct SuggestionView {
    /// what edit_architecture takes as suggestion_id
    pub id: String,
    /// why
    pub message: String,
    /// the edits
    pub edits: Vec<Edit>,
}

/// How many questions an answer repeats: as many as one asks at a time.
const NEXT_QUESTIONS: usize = 3;

impl Services {
    /// Saves answers, all or none. A completed hearing is reopened when one of them changes something.
    ///
    /// # Errors
    /// `session_not_found`, `invalid_argument` (no answers, unknown ids, blank or unfitting ones), `conflict`.
    pub async fn save_answers(&self, input: SaveAnswers) -> Result<HearingView, Error> {
        let session = self.living_session(&input.session_id).await?;
        let language = session.spec.language;
        let answers = check_answers(self.questions(), &input.answers, language)?;
        let time = self.parts().clock.now();
        let edit = |session: &Session| {
            let mut patch = Map::new();
            for (id, value) in &answers {
                let old = session.spec.answers.get(id).map(|answer| answer.value.as_str());
                if old != value.as_deref() {
                    let new = value.as_ref().map(|value| Answer { value: value.clone(), time: time.clone() });
                    patch.insert(id.clone(), json!(new));
                }
            }
            if patch.is_empty() {
                return Ok(None);
            }
            let mut spec = Map::from_iter([("answers".to_owned(), Value::Object(patch))]);
            if completed(session) {
                spec.insert("hearing".to_owned(), reopened());
            }
            Ok(Some(Value::Object(spec)))
        };
        let was_completed = completed(&session);
        let (session, changed) = self.edit_session(&session, edit).await?;
        let mut view = self.hearing_view(&session, changed);
        let values = [("answered", view.answered.len().to_string()), ("missing", view.missing.len().to_string())];
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        view.summary = say(language, if changed { Text::AnswersSaved } else { Text::AnswersUnchanged }, &values);
        if was_completed && changed {
            view.summary.push('\n');
            view.summary.push_str(&say(language, Text::HearingReopened, &[]));
        }
        Ok(with_next(view, language))
    }

    /// Completes the hearing: summary, requirements and constraints. Or opens it again.
    ///
    /// # Errors
    /// `session_not_found`, `invalid_argument` (required answers are missing; each is named), `conflict`.
    pub async fn complete_hearing(&self, input: CompleteHearing) -> Result<HearingView, Error> {
        let session = self.living_session(&input.session_id).await?;
        let language = session.spec.language;
        let reopen = input.reopen.unwrap_or(false);
        let edit = |session: &Session| {
            if reopen {
                return Ok(completed(session).then(|| json!({ "hearing": reopened() })));
            }
            let result = result_of(self.questions(), session)?;
            Ok((session.spec.hearing.as_ref() != Some(&result)).then(|| json!({ "hearing": result })))
        };
        let (session, changed) = self.edit_session(&session, edit).await?;
        let mut view = self.hearing_view(&session, changed);
        let text = if reopen { Text::HearingReopened } else { Text::HearingCompleted };
        let values = [("requirements", view.requirements.len().to_string()), ("constraints", view.constraints.len().to_string())];
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        view.summary = say(language, text, &values);
        if let Some(summary) = &view.hearing_summary {
            view.summary.push('\n');
            view.summary.push_str(&clip(summary, 1500));
        }
        Ok(with_next(view, language))
    }

    fn hearing_view(&self, session: &Session, changed: bool) -> HearingView {
        let language = session.spec.language;
        let questions = self.questions();
        let has = |question: &&Question| session.spec.answers.contains_key(&question.id);
        let hearing = session.spec.hearing.clone().unwrap_or_default();
        let missing: Vec<String> = questions.all().iter().filter(|q| q.required && !has(q)).map(|q| q.id.clone()).collect();
        // The rest of the phase that is asked now, required ones first over all.
        let open = questions.all().iter().filter(|q| !has(q));
        let mut open: Vec<&Question> = open.collect();
        open.sort_by_key(|question| !question.required);
        let next_questions = match hearing.completed {
            true => Vec::new(),
            false => open.into_iter().take(NEXT_QUESTIONS).map(|question| self.question_view(question, language)).collect(),
        };
        let next = match (hearing.completed, missing.is_empty()) {
            (true, _) => Text::NextDesign,
            (false, true) => Text::NextComplete,
            (false, false) => Text::NextAnswer,
        };
        HearingView {
            summary: String::new(),
            session_id: name_of(session).to_owned(),
            changed,
            completed: hearing.completed,
            answered: questions.all().iter().filter(has).map(|question| question.id.clone()).collect(),
            missing,
            next_questions,
            // Answers are up to 22,000 characters in all: the document has the whole, an answer the beginning.
            hearing_summary: hearing.summary.filter(|_| hearing.completed).map(|summary| clip(&summary, 2500)),
            requirements: hearing.requirements.iter().map(|line| Requirement::of_line(&clip(line, 300))).collect(),
            constraints: hearing.constraints.iter().map(|line| clip(line, 300)).collect(),
            next_actions: vec![say(language, next, &[])],
        }
    }

    /// A question as it is asked.
    pub(super) fn question_view(&self, question: &Question, language: Language) -> QuestionView {
        QuestionView {
            id: question.id.clone(),
            text: question.text.get(language).to_owned(),
            help: question.help.get(language).to_owned(),
            phase: self.questions().phase_of(&question.id).map(|phase| phase.names.get(language).to_owned()).unwrap_or_default(),
            required: question.required,
            choices: question.choices.iter().map(|choice| choice.label(language).to_owned()).collect(),
        }
    }

    /// What the answers of a session suggest for a design: findings of severity info, and the edits that take them over.
    pub(super) fn suggestions(&self, session: &Session, spec: &DesignSpec) -> (Vec<Finding>, Vec<SuggestionView>) {
        let language = session.spec.language;
        let answers: BTreeMap<&str, &str> = session.spec.answers.iter().map(|(id, answer)| (id.as_str(), answer.value.as_str())).collect();
        let catalog = self.parts().catalog.get();
        let (spec, _) = read(spec, &catalog);
        let suggested = self.questions().suggest(&answers, &spec.components, &catalog);
        let pairs = suggested.into_iter().map(|found| {
            let (rule, component) = (found.rule, found.component);
            let id = format!("{}.{component}", rule.id);
            let value = rule.value.as_str().map_or_else(|| rule.value.to_string(), str::to_owned);
            let message = format!("{} ({} = {value})", rule.message.get(language), rule.key);
            let finding = Finding {
                rule: format!("suggestion.{}", rule.id),
                severity: Severity::Info,
                path: format!("components[{component}].config.{}", rule.key),
                message: message.clone(),
                recommendation: Some(say(language, Text::TakeOver, &[("suggestion", &id)])),
                allowed: Vec::new(),
            };
            let edit = Edit {
                op: Operation::Configure,
                id: Some(component.to_owned()),
                config: Some(BTreeMap::from([(rule.key.clone(), rule.value.clone())])),
                ..Edit::default()
            };
            (finding, SuggestionView { id, message, edits: vec![edit] })
        });
        pairs.unzip()
    }
}

fn completed(session: &Session) -> bool {
    session.spec.hearing.as_ref().is_some_and(|hearing| hearing.completed)
}

/// The merge patch of a hearing that is open again: its result is gone.
fn reopened() -> Value {
    json!({ "completed": false, "summary": null, "requirements": null, "constraints": null })
}

fn with_next(mut view: HearingView, language: Language) -> HearingView {
    for question in &view.next_questions {
        let choices = if question.choices.is_empty() { String::new() } else { format!(" [{}]", question.choices.join(" / ")) };
        let must = if question.required { say(language, Text::Required, &[]) } else { String::new() };
        view.summary.push_str(&format!("\n{}{must}: {}{choices}", question.id, question.text));
    }
    for next in &view.next_actions {
        view.summary.push('\n');
        view.summary.push_str(next);
    }
    view
}

/// Every answer fits its question: trimmed, None where an optional one is taken back.
fn check_answers(
    questions: &Questions,
    answers: &BTreeMap<String, String>,
    language: Language,
) -> Result<BTreeMap<String, Option<String>>, Error> {
    let mut problems = Vec::new();
    let mut good = BTreeMap::new();
    if answers.is_empty() {
        let message = say(language, Text::NoAnswers, &[]);
        let allowed = questions.ids().into_iter().map(str::to_owned).collect();
        problems.push(Problem { path: "answers".into(), message, allowed, ..Problem::default() });
    }
    for (id, value) in answers {
        let path = format!("answers.{}", clip(id, 63));
        match questions.get(id) {
            None => problems.push(Problem {
                path,
                message: say(language, Text::UnknownQuestion, &[]),
                allowed: questions.ids().into_iter().map(str::to_owned).collect(),
                hint: Some(say(language, Text::HintQuestions, &[])),
                ..Problem::default()
            }),
            Some(question) => match check_answer(question, value, language) {
                Ok(answer) => {
                    good.insert(id.clone(), answer);
                }
                Err(problem) => problems.push(Problem { path, ..*problem }),
            },
        }
    }
    if problems.is_empty() { Ok(good) } else { Err(Error::problems(Code::InvalidArgument, language, problems)) }
}

fn check_answer(question: &Question, value: &str, language: Language) -> Result<Option<String>, Box<Problem>> {
    let value = value.trim();
    let length = value.chars().count();
    if length == 0 {
        return match question.required {
            false => Ok(None),
            true => Err(Box::new(Problem { message: say(language, Text::BlankAnswer, &[]), ..Problem::default() })),
        };
    }
    if length > question.max_length {
        let values = [("min", "1".to_owned()), ("max", question.max_length.to_string()), ("got", length.to_string())];
        let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
        return Err(Box::new(Problem { message: say(language, Text::LengthOutside, &values), ..Problem::default() }));
    }
    match question.kind {
        AnswerKind::Text => Ok(Some(value.to_owned())),
        AnswerKind::Choice => match question.choice(value) {
            Some(choice) => Ok(Some(choice.label(language).to_owned())),
            None => {
                let allowed: Vec<String> = question.choices.iter().map(|choice| choice.label(language).to_owned()).collect();
                Err(Box::new(Problem {
                    message: say(language, Text::NotAllowed, &[]),
                    value: Some(Value::from(clip(value, 120))),
                    hint: Some(say(language, Text::HintUseAllowed, &[("allowed", &allowed.join(", "))])),
                    allowed,
                    ..Problem::default()
                }))
            }
        },
    }
}

/// Summary, requirements and constraints of the answers; refused while required ones are missing.
fn result_of(questions: &Questions, session: &Session) -> Result<Hearing, Error> {
    let language = session.spec.language;
    let problems: Vec<Problem> = questions
        .all()
        .iter()
        .filter(|question| question.required && !session.spec.answers.contains_key(&question.id))
        .map(|question| Problem {
            path: format!("answers.{}", question.id),
            message: say(language, Text::MissingAnswer, &[("question", question.text.get(language))]),
            hint: Some(say(language, Text::HintAskQuestion, &[])),
            allowed: question.choices.iter().map(|choice| choice.label(language).to_owned()).collect(),
            ..Problem::default()
        })
        .collect();
    if !problems.is_empty() {
        return Err(Error::problems(Code::InvalidArgument, language, problems));
    }
    let mut hearing = Hearing { completed: true, ..Hearing::default() };
    let mut lines = Vec::new();
    for (question, answer) in in_order(questions, session) {
        let text = question.text.get(language);
        // One line per answer: a line break would end the bullet.
        let value = answer.value.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.push(format!("- **{text}** {value}"));
        let line = format!("{text}: {value}");
        match question.category {
            Category::Other => hearing.constraints.push(line),
            Category::Compute | Category::Database | Category::Network | Category::Security => {
                let priority = if question.required { Priority::Must } else { Priority::Should };
                hearing.requirements.push(Requirement { category: question.category.as_str().to_owned(), text: line, priority }.to_line());
            }
        }
    }
    hearing.summary = Some(lines.join("\n"));
    Ok(hearing)
}

/// Answered questions in the order they were answered; those of one call in the order of the flow.
fn in_order<'a>(questions: &'a Questions, session: &'a Session) -> Vec<(&'a Question, &'a Answer)> {
    let pairs = questions.all().iter().filter_map(|question| Some((question, session.spec.answers.get(&question.id)?)));
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_by_key(|(_, answer)| answer.time.0);
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_reads_back_from_its_line() {
        let requirement = Requirement { category: "database".into(), text: "kind: a: b".into(), priority: Priority::Must };
        assert_eq!(requirement.to_line(), "[must] database: kind: a: b");
        assert_eq!(Requirement::of_line(&requirement.to_line()), requirement);
        let foreign = Requirement::of_line("[x] something else");
        assert_eq!((foreign.text.as_str(), foreign.priority), ("[x] something else", Priority::Should));
    }
}
