//! The hearing: what is taken, refused, completed, reopened, and what it suggests.

use std::collections::BTreeMap;

use serde_json::json;

use super::{code, component, save};
use crate::api::session::Language;
use crate::services::architecture_edit::EditArchitecture;
use crate::services::catalog::{Kind, ListCatalog};
use crate::services::hearing::{CompleteHearing, Priority, SaveAnswers};
use crate::services::session::CreateSession;
use crate::services::testkit::Kit;
use crate::services::{Code, Error};

fn answers(session: &str, pairs: &[(&str, &str)]) -> SaveAnswers {
    let answers: BTreeMap<String, String> = pairs.iter().map(|(id, value)| ((*id).to_owned(), (*value).to_owned())).collect();
    SaveAnswers { session_id: session.to_owned(), answers }
}

fn complete(session: &str) -> CompleteHearing {
    CompleteHearing { session_id: session.to_owned(), reopen: None }
}

const REQUIRED: [(&str, &str); 4] =
    [("purpose", "IoT platform"), ("users", "2,000"), ("workload_type", "Web application"), ("database_required", "Oracle")];

fn paths(error: &Error) -> Vec<&str> {
    error.details["problems"].as_array().unwrap().iter().map(|problem| problem["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn answers_that_do_not_fit_are_refused_with_what_would_and_none_of_the_call_is_written() {
    let kit = Kit::real().await;
    let session = kit.session().await;
    let before = kit.server.writes().len();
    let long = "x".repeat(2001);
    let rows: Vec<(Vec<(&str, &str)>, &str, bool, &str)> = vec![
        (vec![], "answers", true, "no answers"),
        (vec![("purpose", "x"), ("colour", "red")], "answers.colour", true, "an unknown id beside a good one"),
        (vec![("purpose", "  ")], "answers.purpose", false, "a required one left blank"),
        (vec![("workload_type", "mainframe")], "answers.workload_type", true, "none of the choices"),
        (vec![("timeline", long.as_str())], "answers.timeline", false, "too long"),
    ];
    for (pairs, path, allowed, reason) in rows {
        let error = kit.services.save_answers(answers(&session, &pairs)).await.unwrap_err();
        assert_eq!((error.code, paths(&error)[0]), (Code::InvalidArgument, path), "{reason}");
        let listed = error.details["problems"][0]["allowed"].as_array().is_some_and(|list| !list.is_empty());
        assert_eq!(listed, allowed, "{reason}: {error:?}");
    }
    assert_eq!(kit.server.writes().len(), before);
}

#[tokio::test]
async fn the_next_questions_are_told_until_the_required_ones_are_answered() {
    let kit = Kit::real().await;
    let input = CreateSession { title: "IoT".into(), language: Some(Language::Ja), ..CreateSession::default() };
    let session = kit.services.create_session(input).await.unwrap().session_id;
    let view = kit.services.save_answers(answers(&session, &[("purpose", "検証"), ("workload_type", "web")])).await.unwrap();
    assert_eq!((view.answered.len(), view.missing.as_slice()), (2, ["users".to_owned(), "database_required".to_owned()].as_slice()));
    assert_eq!(view.next_questions[0].id, "users");
    assert!(view.summary.contains("利用者数"), "{}", view.summary);
    let stored = kit.server.object("sessions", &session).unwrap();
    assert_eq!(stored["spec"]["answers"]["workload_type"]["value"], json!("Webアプリケーション"), "in the session's language");
    let again = kit.services.save_answers(answers(&session, &[("purpose", "検証")])).await.unwrap();
    assert!(!again.changed);
}

#[tokio::test]
async fn completing_names_what_is_missing_and_then_gives_requirements_and_constraints() {
    let kit = Kit::real().await;
    let session = kit.session().await;
    kit.services.save_answers(answers(&session, &REQUIRED[..2])).await.unwrap();
    let error = kit.services.complete_hearing(complete(&session)).await.unwrap_err();
    assert_eq!((error.code, paths(&error)), (Code::InvalidArgument, vec!["answers.workload_type", "answers.database_required"]));
    let mut rest = REQUIRED[2..].to_vec();
    rest.extend([("network_requirements", "private\nonly"), ("timeline", "April")]);
    kit.services.save_answers(answers(&session, &rest)).await.unwrap();
    let view = kit.services.complete_hearing(complete(&session)).await.unwrap();
    assert!(view.completed && view.changed);
    let of = |category: &str| view.requirements.iter().find(|one| one.category == category).unwrap();
    assert_eq!((of("database").priority, of("network").priority), (Priority::Must, Priority::Should));
    assert!(of("network").text.ends_with(": private only"), "one line per answer");
    assert_eq!(view.constraints.len(), 2, "purpose and timeline: {:?}", view.constraints);
    assert_eq!(view.hearing_summary.as_ref().unwrap().lines().count(), 6);
    let stored = kit.server.object("sessions", &session).unwrap();
    assert!(stored["spec"]["hearing"]["requirements"][0].as_str().unwrap().starts_with("[must] compute: "));
    assert!(!kit.services.complete_hearing(complete(&session)).await.unwrap().changed, "the same again is no edit");
}

#[tokio::test]
async fn a_completed_hearing_is_reopened_by_asking_or_by_changing_an_answer() {
    let kit = Kit::real().await;
    let session = kit.session().await;
    kit.services.save_answers(answers(&session, &REQUIRED)).await.unwrap();
    kit.services.complete_hearing(complete(&session)).await.unwrap();
    assert!(kit.services.save_answers(answers(&session, &[("users", "2,000")])).await.unwrap().completed, "nothing changed");
    let view = kit.services.save_answers(answers(&session, &[("users", "5,000"), ("timeline", "")])).await.unwrap();
    assert!(!view.completed && view.requirements.is_empty() && view.summary.contains("open again"), "{}", view.summary);
    kit.services.complete_hearing(complete(&session)).await.unwrap();
    let reopen = CompleteHearing { session_id: session.clone(), reopen: Some(true) };
    assert!(!kit.services.complete_hearing(reopen.clone()).await.unwrap().completed);
    assert!(!kit.services.complete_hearing(reopen).await.unwrap().changed);
}

#[tokio::test]
async fn what_the_answers_suggest_is_an_info_finding_with_an_edit_that_takes_it_over() {
    let kit = Kit::real().await;
    let session = kit.session().await;
    let mut said = REQUIRED.to_vec();
    said.push(("budget_constraints", "Always Free only"));
    kit.services.save_answers(answers(&session, &said)).await.unwrap();
    let components = vec![component("net", "vcn", json!({})), component("db", "adb", json!({}))];
    let saved = kit.services.save_architecture(save(&session, components, vec![])).await.unwrap();
    let finding = saved.findings.items.iter().find(|finding| finding.rule == "suggestion.free-tier").unwrap();
    assert_eq!(finding.path, "components[db].config.is_free_tier");
    assert_eq!(saved.suggestions[0].id, "free-tier.db");
    assert!(saved.summary.contains("free-tier.db"), "{}", saved.summary);
    let take = |id: &str| EditArchitecture { session_id: session.clone(), suggestion_id: Some(id.into()), ..EditArchitecture::default() };
    let error = kit.services.edit_architecture(take("free-tier.net")).await.unwrap_err();
    assert_eq!(error.details["problems"][0]["allowed"], json!(["free-tier.db"]));
    let taken = kit.services.edit_architecture(take("free-tier.db")).await.unwrap();
    assert!(taken.changed && taken.suggestions.is_empty());
    let design = kit.server.object("designs", &session).unwrap();
    assert_eq!(design["spec"]["components"][1]["config"], json!({ "is_free_tier": true }));
    assert_eq!(code(kit.services.edit_architecture(take("free-tier.db")).await), Code::InvalidArgument, "it is taken over already");
}

#[tokio::test]
async fn the_catalogue_is_listed_page_by_page_and_a_service_is_shown_in_full() {
    let kit = Kit::real().await;
    let list = |kind| ListCatalog { kind, ..ListCatalog::default() };
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let page = kit.services.list_catalog(ListCatalog { limit: Some(3), cursor, ..list(Kind::Services) }).await.unwrap();
        names.extend(page.items.into_iter().map(|line| line.name));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let catalog = crate::catalog::Catalog::embedded().unwrap();
    assert_eq!(names, catalog.service_types());
    for name in names {
        let page = kit.services.list_catalog(ListCatalog { name: Some(name.clone()), ..list(Kind::Services) }).await.unwrap();
        let size = serde_json::to_string(&page).unwrap().len();
        assert!(size <= 8_000, "{name}: {size} bytes");
        assert!(page.summary.len() <= 3_000, "{name}");
    }
    let adb = kit.services.list_catalog(ListCatalog { name: Some("adb".into()), ..list(Kind::Services) }).await.unwrap().entry;
    assert_eq!(adb["config"]["workload_type"]["default"], json!("ATP"));
    assert!(adb["connected_from"]["private_endpoint"].as_array().unwrap().contains(&json!("compute")));
    assert_eq!(adb["ports"][0]["port"], json!(1521));
    let questions = kit.services.list_catalog(list(Kind::Questions)).await.unwrap();
    assert_eq!((questions.total, questions.items[2].choices.len()), (10, 5));
    assert!(kit.services.list_catalog(list(Kind::Templates)).await.unwrap().items.is_empty());
    let missing = |kind| ListCatalog { name: Some("nothing".into()), ..list(kind) };
    assert_eq!(code(kit.services.list_catalog(missing(Kind::Services)).await), Code::InvalidArgument);
    assert_eq!(code(kit.services.list_catalog(missing(Kind::Templates)).await), Code::TemplateNotFound);
    let foreign = ListCatalog { cursor: Some("nothing".into()), ..list(Kind::Services) };
    assert_eq!(code(kit.services.list_catalog(foreign).await), Code::InvalidArgument);
}
