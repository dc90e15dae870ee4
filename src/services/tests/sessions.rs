//! Sessions: minted, listed, found, deleted.

use std::time::Duration;

use serde_json::json;

use super::{code, desired, save};
use crate::api::Session;
use crate::api::design::{DesiredState, Target};
use crate::api::session::{Language, SessionSpec};
use crate::services::Code;
use crate::services::session::{CreateSession, DeleteSession, GetSession, ListSessions};
use crate::services::testkit::{Kit, awaiting};

#[tokio::test]
async fn the_server_mints_the_id_and_keeps_title_and_language() {
    let kit = Kit::new().await;
    let input = CreateSession { title: "デモ \"x\" ${y}\nz".into(), language: Some(Language::Ja), target: Some(Target::Oci) };
    let view = kit.services.create_session(input).await.unwrap();
    assert!(view.session_id.starts_with("s-") && view.session_id.len() == 28, "{}", view.session_id);
    assert!(view.summary.contains(&view.session_id) && view.summary.contains("作成しました"));
    let shown = kit.services.get_session(GetSession { session_id: view.session_id.clone() }).await.unwrap();
    assert_eq!((shown.title.as_str(), shown.language, shown.target), ("デモ \"x\" ${y}\nz", Language::Ja, Some(Target::Oci)));
    assert_eq!(
        code(kit.services.create_session(CreateSession { title: " ".into(), ..CreateSession::default() }).await),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn sessions_are_listed_newest_first_and_page_by_page_without_a_gap() {
    let kit = Kit::new().await;
    let mut made = Vec::new();
    for n in 0..7 {
        let input = CreateSession { title: format!("session {n}"), ..CreateSession::default() };
        made.push(kit.services.create_session(input).await.unwrap().session_id);
        // ULIDs of one millisecond are in no order
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    made.reverse();
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = kit.services.list_sessions(ListSessions { limit: Some(3), cursor, ..ListSessions::default() }).await.unwrap();
        assert_eq!(page.total, 7);
        seen.extend(page.sessions.into_iter().map(|line| line.session_id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
    let found =
        kit.services.list_sessions(ListSessions { title_contains: Some("SESSION 3".into()), ..ListSessions::default() }).await.unwrap();
    assert_eq!(found.sessions.len(), 1);
    assert_eq!(
        code(kit.services.list_sessions(ListSessions { cursor: Some("../x".into()), ..ListSessions::default() }).await),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn an_id_that_cannot_be_a_name_never_becomes_a_url() {
    let kit = Kit::new().await;
    for id in ["", "../designs/x", "s-01/status", "S-1", "s-nobody", "日本"] {
        assert_eq!(code(kit.services.get_session(GetSession { session_id: id.into() }).await), Code::SessionNotFound, "{id}");
    }
    assert!(kit.server.writes().is_empty());
}

#[tokio::test]
async fn a_session_is_deleted_only_with_its_id_or_title_as_confirmation() {
    let kit = Kit::new().await;
    let session = kit.session().await;
    let input = |confirm: &str| DeleteSession { session_id: session.clone(), confirm: confirm.into() };
    let error = kit.services.delete_session(input("yes")).await.unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    assert!(error.hint.contains(&session));
    assert!(kit.services.delete_session(input("検証")).await.unwrap().deleted);
    assert_eq!(code(kit.services.delete_session(input(&session)).await), Code::SessionNotFound);
}

#[tokio::test]
async fn a_session_with_resources_says_that_they_are_destroyed_first_and_takes_no_edits_meanwhile() {
    let kit = Kit::new().await;
    let session = kit.design(awaiting()).await;
    kit.server.patch("sessions", &session, json!({ "metadata": { "finalizers": ["galley.dev/session"] } })).await;
    let answer = kit.services.delete_session(DeleteSession { session_id: session.clone(), confirm: session.clone() }).await.unwrap();
    assert!(!answer.deleted);
    assert_eq!(answer.resources, 2);
    assert!(answer.next_actions.iter().any(|action| action.contains("approve_plan")));
    assert_eq!(code(kit.services.set_desired_state(desired(&session, DesiredState::Applied)).await), Code::Conflict);
    assert_eq!(code(kit.services.save_architecture(save(&session, vec![], vec![])).await), Code::Conflict);
}

#[tokio::test]
async fn one_session_that_does_not_decode_hides_no_other() {
    let broken = json!({ "apiVersion": "galley.dev/v1alpha1", "kind": "Session", "metadata": { "name": "s-broken", "namespace": "default" }, "spec": { "title": 7 } });
    let kit = Kit::holding("sessions", "s-broken", broken).await;
    let session = kit.session().await;
    let list = kit.services.list_sessions(ListSessions::default()).await.unwrap();
    assert_eq!(list.sessions.iter().map(|line| line.session_id.as_str()).collect::<Vec<_>>(), [session.as_str()]);
    let error = kit.services.get_session(GetSession { session_id: "s-broken".into() }).await.unwrap_err();
    assert_eq!(error.code, Code::InvalidDesign, "{error:?}");
}

#[tokio::test]
async fn the_list_follows_what_these_services_and_others_write() {
    let kit = Kit::new().await;
    let first = kit.session().await;
    let names = async || -> Vec<String> {
        let list = kit.services.list_sessions(ListSessions::default()).await.unwrap();
        list.sessions.into_iter().map(|line| line.session_id).collect()
    };
    assert_eq!(names().await, [first.as_str()]);
    tokio::time::sleep(Duration::from_millis(2)).await;
    let second = kit.session().await;
    assert_eq!(names().await, [second.as_str(), first.as_str()], "their own writes at once");
    kit.services.delete_session(DeleteSession { session_id: first.clone(), confirm: first.clone() }).await.unwrap();
    assert_eq!(names().await, [second.as_str()], "their own deletes at once");

    let other = "s-zz-other";
    let session = Session::new(other, SessionSpec { title: "by kubectl".to_owned(), ..SessionSpec::default() });
    kit.services.sessions().create(&Default::default(), &session).await.unwrap();
    let until = async |wanted: &[&str]| {
        tokio::time::timeout(Duration::from_secs(10), async {
            while names().await != wanted {
                tokio::task::yield_now().await;
            }
        })
        .await
    };
    until(&[other, second.as_str()]).await.expect("the watch tells of a session that somebody else made");
    kit.services.sessions().delete(other, &Default::default()).await.unwrap();
    until(&[second.as_str()]).await.expect("the watch tells of its end");
}
