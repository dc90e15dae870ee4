//! The readers on what Terraform and the real provider (8.28.0) really wrote: `tests/fixtures/`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde_json::{Value, json};

use super::events::{Event, Operation, parse_line};
use super::mask::Redactor;
use super::*;
use crate::api::WhoActs;
use crate::api::design::Severity;
use crate::render::RenderedResource;

fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let bytes = std::fs::read(&path).unwrap();
    if !name.ends_with(".gz") {
        return bytes;
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
    plain
}

fn view(name: &str) -> PlanView {
    PlanView::parse(&fixture(name)).unwrap()
}

#[test]
fn every_resource_of_a_plan_is_counted_once() {
    let table = [
        ("plan-noop.json", Counts::default(), "nothing"),
        ("plan-update.json", Counts { update: 2, ..Counts::default() }, "two in place"),
        ("plan-replace.json", Counts { replace: 1, ..Counts::default() }, "delete and create are one replace"),
        ("plan-drift.json", Counts { update: 1, ..Counts::default() }, "what the console changed is changed back"),
        ("plan-destroy.json", Counts { delete: 6, ..Counts::default() }, "everything"),
        ("plan-refresh-only.json", Counts::default(), "looking changes nothing"),
        ("plan-create-big.json.gz", Counts { create: 111, ..Counts::default() }, "every service, data sources not counted"),
    ];
    for (name, expected, reason) in table {
        assert_eq!(view(name).counts, expected, "{name}: {reason}");
    }
}

#[test]
fn a_replace_names_the_attribute_that_forces_it() {
    let change = &view("plan-replace.json").changes[0];
    assert_eq!((change.address.as_str(), change.action), ("oci_core_subnet.public", ChangeAction::Replace));
    assert_eq!(change.replace_paths, ["dns_label"]);
    assert!(change.changed_paths.contains(&"dns_label".to_owned()), "{:?}", change.changed_paths);
}

#[test]
fn drift_and_outputs_are_told_apart_from_changes() {
    for name in ["plan-drift.json", "plan-refresh-only.json"] {
        let view = view(name);
        assert_eq!(
            view.drift().iter().map(|change| change.address.as_str()).collect::<Vec<_>>(),
            ["oci_core_route_table.public"],
            "{name}"
        );
        assert!(!view.drift_updates[0].changed_paths.is_empty() && !view.output_changes);
    }
    assert!(view("plan-destroy.json").output_changes);
    let mut gone: Value = serde_json::from_slice(&fixture("plan-refresh-only.json")).unwrap();
    gone["resource_drift"][0]["change"]["actions"] = json!(["delete"]);
    assert_eq!(PlanView::parse(gone.to_string().as_bytes()).unwrap().drift_deletes, ["oci_core_route_table.public"]);
}

#[test]
fn the_semantic_digest_ignores_order_and_time_and_nothing_else() {
    let plan: Value = serde_json::from_slice(&fixture("plan-update.json")).unwrap();
    let digest = view("plan-update.json").semantic_sha256;
    let mut later = plan.clone();
    later["timestamp"] = json!("2030-01-01T00:00:00Z");
    let reversed: serde_json::Map<String, Value> = later.as_object().unwrap().clone().into_iter().rev().collect();
    assert_eq!(PlanView::parse(Value::Object(reversed).to_string().as_bytes()).unwrap().semantic_sha256, digest);
    let mut other = plan;
    other["resource_changes"][0]["change"]["after"]["display_name"] = json!("other");
    assert_ne!(PlanView::parse(other.to_string().as_bytes()).unwrap().semantic_sha256, digest);
}

#[test]
fn what_is_not_a_plan_is_an_error_and_no_panic() {
    for text in ["", "{", "[]", "null", "{\"format_version\":\"2.0\"}", "{\"format_version\":1}"] {
        assert!(PlanView::parse(text.as_bytes()).is_err(), "{text}");
    }
    let odd = PlanView::parse(br#"{"format_version":"1.2","resource_changes":{"a":1},"resource_drift":[3],"output_changes":[1]}"#).unwrap();
    assert_eq!(odd.counts.total(), 0);
}

#[test]
fn the_graph_says_what_cannot_be_made_when_something_fails() {
    let graph = view("plan-update.json").depends_on;
    assert_eq!(graph["oci_core_subnet.public"], ["oci_core_route_table.public", "oci_core_security_list.sl", "oci_core_vcn.main"]);
    let view = view("plan-destroy.json");
    let blocked = view.blocked_by(&["oci_core_subnet.public".to_owned()], true);
    let names = ["oci_core_internet_gateway.igw", "oci_core_route_table.public", "oci_core_security_list.sl", "oci_core_vcn.main"];
    assert_eq!(blocked, BTreeSet::from(names.map(str::to_owned)), "a subnet that stays keeps its network");
}

#[test]
fn the_graph_looks_through_locals_data_sources_and_instances() {
    let resource = |address: &str, mode: &str, references: Value| json!({"address": address, "mode": mode, "expressions": {"x": {"references": references}}});
    let plan = json!({
        "format_version": "1.2",
        "resource_changes": [
            {"address": "t.a[0]", "mode": "managed", "change": {"actions": ["create"]}},
            {"address": "t.a[1]", "mode": "managed", "change": {"actions": ["create"]}},
            {"address": "t.b", "mode": "managed", "change": {"actions": ["create"]}},
        ],
        "configuration": {"root_module": {"resources": [
            resource("t.a", "managed", json!([])),
            resource("data.d.x", "data", json!(["t.a[0].id", "t.a[0]", "t.a"])),
            resource("t.b", "managed", json!(["local.list", "var.v"])),
        ]}},
    });
    let files = BTreeMap::from([(
        "locals.tf".to_owned(),
        "locals {\n  list = [for item in data.d.x.items : \"${local.other}\"]\n  other = 1\n}\n".to_owned(),
    )]);
    let view = PlanView::parse_with_files(plan.to_string().as_bytes(), &files).unwrap();
    assert_eq!(view.depends_on["t.b"], ["t.a[0]", "t.a[1]"]);
    assert_eq!(view.blocked_by(&["t.a[0]".to_owned()], false), BTreeSet::from(["t.b".to_owned()]));
}

#[test]
fn a_state_is_whole_or_its_fault_is_named() {
    let bytes = fixture("terraform.tfstate");
    let view = StateView::parse(&bytes).unwrap();
    assert_eq!((view.record.serial, view.record.resources, view.resources.len()), (7, 6, 6));
    assert_eq!(view.record.lineage, "9128b8ea-d1b6-35bc-7131-2c8a345390f8");
    assert_eq!(view.resources["oci_core_vcn.main"].0, "oci_core_vcn");
    assert!(view.resources["oci_core_vcn.main"].1.as_deref().unwrap().starts_with("ocid1.vcn."));
    assert!(view.types().contains("oci_core_services"), "data sources need their provider too");
    assert_eq!(view.outputs.keys().collect::<Vec<_>>(), ["vcn_id"]);
    assert_eq!(StateView::parse(b" \n").unwrap_err(), StateError::Empty);
    for length in [1, 100, bytes.len() / 2, bytes.len() - 2] {
        assert!(matches!(StateView::parse(&bytes[..length]), Err(StateError::Torn { .. })), "{length}");
    }
    assert_eq!(StateView::parse(b"{\"version\":3}").unwrap_err(), StateError::Version { found: 3 });
    assert_eq!(StateView::parse(&state::empty_state("l", "1.11.4")).unwrap().record.resources, 0);
}

#[test]
fn addresses_outputs_and_leftovers_of_a_state_are_read_exactly() {
    let state = json!({
        "version": 4, "serial": 1, "lineage": "l",
        "outputs": {"open": {"value": 1}, "closed": {"value": "hush", "sensitive": true}},
        "resources": [{"mode": "managed", "type": "t", "name": "n", "instances": [
            {"index_key": "k\"x", "attributes": {"id": "1"}},
            {"index_key": 0, "attributes": {"id": "2"}},
            {"deposed": "abcd", "attributes": {"id": "3"}},
        ]}],
    });
    let view = StateView::parse(state.to_string().as_bytes()).unwrap();
    assert_eq!(view.resources.keys().collect::<Vec<_>>(), ["t.n (deposed abcd)", "t.n[\"k\\\"x\"]", "t.n[0]"]);
    assert_eq!(view.record.resources, 3, "a leftover that must still be destroyed is not nothing");
    assert_eq!(view.outputs, BTreeMap::from([("open".to_owned(), json!(1))]));
    assert!(!format!("{view:?}").contains("hush"));
}

fn events(name: &str) -> Vec<Event> {
    String::from_utf8(fixture(name)).unwrap().lines().map(|line| parse_line(line, &Redactor::default()).event).collect()
}

#[test]
fn an_apply_is_accounted_for_from_its_events() {
    let state = StateView::parse(&fixture("terraform.tfstate")).unwrap();
    let mut tracker = Tracker::default();
    events("apply-ok.jsonl").iter().for_each(|event| tracker.observe(event));
    let ended = tracker.end(Some(&state));
    assert_eq!((ended.created.len(), tracker.total(), tracker.done()), (6, 6, 6), "reading data sources makes nothing");
    assert!(ended.failed.is_empty() && ended.not_attempted.is_empty() && ended.in_flight.is_empty());
    let mut cut = Tracker::default();
    let until = events("apply-ok.jsonl").iter().position(|event| matches!(event, Event::Start { .. })).unwrap();
    events("apply-ok.jsonl").iter().take(until + 1).for_each(|event| cut.observe(event));
    let ended = cut.end(None);
    assert_eq!((ended.in_flight.len(), ended.created.len()), (cut.current(10).len(), 0), "begun, and nobody saw the end");
}

/// Where an apply died: the events of `a.b`, the id under its address in the state that was left, and what is in flight then.
#[test]
fn an_old_object_under_its_address_hides_no_new_one() {
    use ChangeAction::{Create, Replace};
    let start = |operation| Event::Start { address: "a.b".into(), operation, id: None };
    let done = |operation, id: Option<&str>| Event::Complete { address: "a.b".into(), operation, id: id.map(str::to_owned) };
    let old = Event::Start { address: "a.b".into(), operation: Operation::Delete, id: Some("old".into()) };
    let (delete, create) = (Operation::Delete, Operation::Create);
    let replaced = [old.clone(), done(delete, None), start(create), done(create, Some("new"))];
    let nameless = [old.clone(), done(delete, None), start(create), done(create, None)];
    let first = [start(create), done(create, Some("new")), old.clone()];
    let rows: &[(&[Event], ChangeAction, Option<&str>, Option<Option<&str>>, &str)] = &[
        (&replaced, Replace, Some("new"), None, "the state knows what was made"),
        (&replaced, Replace, Some("old"), Some(Some("new")), "the mirror is older than what was made: the new one is nobody's"),
        (&replaced, Replace, None, Some(Some("new")), "the same without the old one"),
        (&nameless, Replace, Some("old"), Some(None), "no id was told: it is looked for"),
        (&replaced[..3], Replace, Some("old"), Some(None), "the old id is not that of what is being made"),
        (&replaced[..3], Replace, None, Some(None), "the same without the old one"),
        (&first, Replace, Some("old"), Some(Some("new")), "made before the old one goes"),
        (&replaced[2..], Create, Some("new"), None, "a plain create"),
        (&replaced[2..], Create, None, Some(Some("new")), "made, and in no state"),
        (&nameless[2..], Create, Some("new"), None, "an address that was not there before holds what was made"),
    ];
    for (events, action, held, expected, reason) in rows {
        let mut tracker = Tracker::new(BTreeMap::from([("a.b".to_owned(), *action)]));
        events.iter().for_each(|event| tracker.observe(event));
        let resources = held.iter().map(|id| ("a.b".to_owned(), ("a".to_owned(), Some((*id).to_owned()))));
        let state = StateView { resources: resources.collect(), ..StateView::parse(&fixture("terraform.tfstate")).unwrap() };
        let found: Vec<_> = tracker.end(Some(&state)).in_flight.into_iter().map(|entry| (entry.action, entry.found_id)).collect();
        let makes = found.iter().all(|(action, _)| matches!(action, Create | Replace));
        let ids: Vec<_> = found.iter().map(|(_, id)| id.as_deref()).collect();
        assert_eq!(ids, expected.iter().copied().collect::<Vec<_>>(), "{reason}");
        assert!(makes, "it is looked for or imported: {reason}");
    }
}

/// What is said of a create that errored, and whether something may have been made all the same.
#[test]
fn a_create_that_nobody_answered_may_have_made_something() {
    use ChangeAction::{Create, Delete, Replace, Update};
    let said = |summary: &str, detail: &str| {
        let value = json!({"severity": "error", "address": "a.b", "summary": summary, "detail": detail});
        Event::Diagnostic(Box::new(diagnostics::parse(&value, &Redactor::default())))
    };
    let start = |operation| Event::Start { address: "a.b".into(), operation, id: None };
    let errored = |operation| Event::Errored { address: "a.b".into(), operation };
    let tried = |answer: Option<Event>| -> Vec<Event> {
        [Some(start(Operation::Create)), Some(errored(Operation::Create)), answer].into_iter().flatten().collect()
    };
    let told = |summary| tried(Some(said(summary, "")));
    // run with terraform 1.11.4 and a provider that was killed in the middle of a create
    let gone = said(
        "Plugin did not respond",
        "The plugin encountered an error, and failed to respond to the plugin.(*GRPCProvider).ApplyResourceChange call.",
    );
    let deleted = [
        Event::Start { address: "a.b".into(), operation: Operation::Delete, id: Some("old".into()) },
        Event::Complete { address: "a.b".into(), operation: Operation::Delete, id: Some("old".into()) },
    ];
    let rows: Vec<(Vec<Event>, ChangeAction, Option<&str>, bool, &str)> = vec![
        (tried(None), Create, None, true, "terraform was killed before it said why"),
        (tried(Some(gone.clone())), Create, None, true, "the provider died; the request may have arrived"),
        (tried(Some(gone.clone())), Create, Some("new"), false, "it is in the state, tainted"),
        (told("500-InternalServerError, try again"), Create, None, true, "an error of the server undoes nothing"),
        (told("Post \"https://x\": read: connection reset by peer"), Create, None, true, "no answer"),
        (told("Post \"https://x\": context canceled"), Create, None, true, "stopped while it waited for the answer"),
        (told("429-TooManyRequests, slow down"), Create, None, false, "refused before anything was made"),
        (told("409-BucketAlreadyExists, taken"), Create, None, false, "refused"),
        (told("400-LimitExceeded, too many"), Create, None, false, "refused"),
        (told("500-InternalError, Out of host capacity."), Create, None, false, "a no, whatever its number"),
        (told("Invalid value for variable"), Create, None, false, "said by the provider itself"),
        (deleted.iter().cloned().chain(tried(None)).collect(), Replace, None, true, "the second half of a replacement"),
        (deleted.iter().cloned().chain(tried(None)).collect(), Replace, Some("old"), true, "the state still holds what was deleted"),
        (deleted.iter().cloned().chain(tried(None)).collect(), Replace, Some("new"), false, "the state holds what was made, tainted"),
        (vec![start(Operation::Update), errored(Operation::Update)], Update, Some("old"), false, "a refresh sees what an update did"),
        (vec![start(Operation::Delete), errored(Operation::Delete)], Delete, Some("old"), false, "a refresh sees what a delete did"),
        (vec![gone], Create, None, false, "never begun"),
    ];
    for (events, action, held, expected, reason) in rows {
        let mut tracker = Tracker::new(BTreeMap::from([("a.b".to_owned(), action)]));
        events.iter().for_each(|event| tracker.observe(event));
        let resources = held.iter().map(|id| ("a.b".to_owned(), ("a".to_owned(), Some((*id).to_owned()))));
        let state = StateView { resources: resources.collect(), ..StateView::parse(&fixture("terraform.tfstate")).unwrap() };
        let ended = tracker.end(Some(&state));
        assert_eq!((ended.unanswered.len(), ended.failed.len()), (usize::from(expected), usize::from(!expected)), "{reason}");
        assert!(ended.in_flight.is_empty(), "terraform itself saw the end: {reason}");
        assert!(ended.unanswered.iter().all(|entry| entry.action == Create && entry.found_id.is_none() && !entry.looked_up), "{reason}");
    }
}

#[test]
fn a_failed_apply_gives_codes_places_and_what_to_do() {
    let mut tracker = Tracker::default();
    let events = events("apply-fail.jsonl");
    events.iter().for_each(|event| tracker.observe(event));
    let ended = tracker.end(Some(&StateView::parse(&fixture("terraform.tfstate")).unwrap()));
    let failed =
        ["oci_apigateway_gateway.gw", "oci_database_autonomous_database.adb", "oci_objectstorage_bucket.bad", "oci_streaming_stream.s"];
    assert_eq!(ended.failed, failed);
    assert_eq!(ended.created, ["oci_core_route_table.public"]);
    let found: Vec<_> = events.iter().filter_map(|event| if let Event::Diagnostic(found) = event { Some(found) } else { None }).collect();
    let stream = found.iter().find(|found| found.address.as_deref() == Some("oci_streaming_stream.s")).unwrap();
    assert_eq!((stream.code.as_deref(), stream.severity, stream.who_acts), (Some("400-LimitExceeded"), Severity::Error, WhoActs::Stalled));
    assert_eq!(stream.summary, "400-LimitExceeded, You exceeded the number of allowed partitions for your tenancy");
    assert!(stream.detail.starts_with("Suggestion: Request a service limit increase") && stream.detail.contains("OPC request ID"));
    assert_eq!((stream.file.as_deref(), stream.line), (Some("main.tf"), Some(71)));
    assert!(stream.next_action.as_deref().unwrap().contains("limit"));
}

#[test]
fn errors_say_who_acts_next() {
    use WhoActs::{Retry, Stalled};
    let table = [
        ("429-TooManyRequests, slow down", Retry, "asks for patience"),
        ("500-InternalError, unexpected", Retry, "the server's fault"),
        ("503-ServiceUnavailable, later", Retry, "the server's fault"),
        ("500-InternalError, Out of host capacity.", Stalled, "does not go away by itself"),
        ("409-LockConflict, busy", Retry, "another change is going on"),
        ("409-IncorrectState, the resource is in a conflicted state", Retry, "the SDK retries it too"),
        (
            "409-IncorrectState, You are attempting to use a feature that's not currently enabled for this tenancy.",
            Stalled,
            "an administrator must act",
        ),
        ("400-LimitExceeded, too many", Stalled, "a limit"),
        ("400-QuotaExceeded, too many", Stalled, "a quota"),
        ("404-NotAuthorizedOrNotFound, gone", Stalled, "gone or forbidden: never guessed"),
        ("409-NotAuthorizedOrResourceAlreadyExists, taken", Stalled, "a name"),
        ("401-NotAuthenticated, who", Stalled, "credentials"),
        ("400-InvalidParameter, endpointType must be valid", Stalled, "the design"),
        ("412-NoEtagMatch, changed", Retry, "somebody was faster"),
        ("501-MethodNotImplemented, no", Stalled, "never works"),
        ("Plugin did not respond", Retry, "the provider died"),
        ("Get \"https://x\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)", Retry, "slow"),
        ("Post \"https://x\": context canceled", Retry, "stopped in the middle"),
        ("Post \"https://x\": unexpected EOF", Retry, "the connection ended"),
        ("Get \"https://x\": http2: client connection lost", Retry, "the connection ended"),
        ("write tcp 10.0.0.2:5: write: broken pipe", Retry, "the connection ended"),
        ("Saved plan is stale", Retry, "planned again"),
        ("No value for required variable", Stalled, "a person gives it"),
        ("Reference to undeclared resource", Stalled, "the design"),
        ("12-monkeys, a film", Stalled, "not a code"),
    ];
    for (summary, expected, reason) in table {
        let found = diagnostics::parse(&json!({"severity": "error", "summary": summary}), &Redactor::default());
        assert_eq!(found.who_acts, expected, "{summary}: {reason}");
        assert!(found.next_action.is_some_and(|text| text.ends_with('.')), "{summary}");
    }
    let both = ["429-TooManyRequests, x", "400-LimitExceeded, x"]
        .map(|summary| diagnostics::parse(&json!({"severity": "error", "summary": summary}), &Redactor::default()));
    assert_eq!(diagnostics::who_acts(&both), Some(Stalled), "one that needs a person is enough");
    assert_eq!(diagnostics::who_acts(&both[..1]), Some(Retry));
    assert_eq!(diagnostics::who_acts(&[diagnostics::parse(&json!({"severity": "warning", "summary": "x"}), &Redactor::default())]), None);
}

#[test]
fn pages_joined_are_the_whole_plan_and_a_summary_names_everything_it_destroys() {
    let details = PlanDetails::parse(&fixture("plan-create-big.json.gz")).unwrap();
    let mut joined = Vec::new();
    let mut offset = Some(0);
    while let Some(at) = offset {
        let page = details.page(at, 17);
        assert_eq!(page.total, 111);
        offset = page.next;
        joined.extend(page.changes);
    }
    assert_eq!(joined, details.view().changes);
    assert!(details.page(1000, 10).changes.is_empty());
    let summary = details.summary(600);
    assert!(summary.len() < 700 && summary.contains("more that neither delete nor replace"), "{summary}");
    let destroy = PlanDetails::parse(&fixture("plan-destroy.json")).unwrap().summary(10);
    assert_eq!(destroy.matches("\n- ").count(), 6, "{destroy}");
    assert!(
        PlanDetails::parse(&fixture("plan-replace.json")).unwrap().summary(10).contains("-/+ oci_core_subnet.public (forced by dns_label)")
    );
}

#[test]
fn one_resource_is_shown_with_its_values_but_never_with_a_secret() {
    let details = PlanDetails::parse(&fixture("plan-replace.json")).unwrap();
    let subnet = details.resource("oci_core_subnet.public").unwrap();
    assert_eq!((subnet.after["dns_label"].as_str(), subnet.after["id"].as_str()), (Some("pub2"), Some(mask::UNKNOWN)));
    assert_eq!(subnet.reason.as_deref(), Some("replace_because_cannot_update"));
    assert!(details.resource("no.such").is_none());
    let plan = json!({"format_version": "1.2", "resource_changes": [{"address": "t.a", "mode": "managed", "type": "t", "change": {
        "actions": ["create"], "before": null,
        "after": {"name": "n", "by_mark": "hush1", "list": ["x", "hush2"], "admin_password": "hush3", "block": [{"private_key": "hush4", "open": 1}]},
        "after_sensitive": {"by_mark": true, "list": [false, true]}, "after_unknown": {"id": true, "block": [{}]},
    }}]});
    let details = PlanDetails::parse(plan.to_string().as_bytes()).unwrap();
    let shown = details.resource("t.a").unwrap();
    let expected = json!({"name": "n", "by_mark": "(sensitive)", "list": ["x", "(sensitive)"], "admin_password": "(sensitive)",
        "block": [{"private_key": "(sensitive)", "open": 1}], "id": "(known after apply)"});
    assert_eq!(shown.after, expected);
    assert!(!details.planned_values("t.a").to_string().contains("hush"));
    assert!(!format!("{details:?}{shown:?}{}", details.summary(9999)).contains("hush"));
}

fn rendered(address: &str, arguments: Value, unknown: &[&str]) -> RenderedResource {
    let resource_type = address.split('.').next().unwrap().to_owned();
    RenderedResource {
        address: address.to_owned(),
        resource_type,
        arguments,
        unknown: unknown.iter().map(|path| path.to_string()).collect(),
    }
}

#[test]
fn the_structural_diff_expects_what_terraform_would_do() {
    let state = StateView::parse(&fixture("terraform.tfstate")).unwrap();
    let force_new = |_: &str, path: &str| path == "dns_label";
    let vcn = json!({"cidr_blocks": ["10.0.0.0/16"], "dns_label": "galley", "compartment_id": null});
    let list = json!({"vcn_id": null, "ingress_security_rules": [{"protocol": 6, "source": "0.0.0.0/0", "tcp_options": {"min": 443, "max": "443"}}]});
    let table = [
        (rendered("oci_core_vcn.main", vcn.clone(), &["compartment_id"]), None, "as recorded"),
        (rendered("oci_core_security_list.sl", list, &["vcn_id"]), None, "blocks and numbers as Terraform converts them"),
        (rendered("oci_core_vcn.main", json!({"display_name": "other"}), &[]), Some(ChangeAction::Update), "in place"),
        (rendered("oci_core_vcn.main", json!({"dns_label": "other"}), &[]), Some(ChangeAction::Replace), "forced"),
        (rendered("oci_core_vcn.main", json!({"dns_label": null}), &["dns_label"]), None, "what is not known is not expected"),
        (
            rendered("oci_core_vcn.main", json!({"cidr_blocks": ["10.0.0.0/16", "10.1.0.0/16"]}), &[]),
            Some(ChangeAction::Update),
            "one more",
        ),
        (rendered("oci_core_vcn.new", vcn, &[]), Some(ChangeAction::Create), "new"),
    ];
    for (resource, expected, reason) in table {
        let preview = structural_diff(std::slice::from_ref(&resource), Some(&state), force_new);
        let found = preview.changes.iter().find(|change| change.address == resource.address).map(|change| change.action);
        assert_eq!(found, expected, "{reason}: {:?}", preview.changes.iter().find(|change| change.address == resource.address));
    }
    let nothing = structural_diff(&[], Some(&state), force_new);
    assert_eq!(nothing.counts, Counts { delete: 6, ..Counts::default() });
    assert_eq!(structural_diff(&[rendered("t.a", json!({}), &[])], None, force_new).counts.create, 1);
}

#[test]
fn wherever_a_text_is_clipped_no_part_of_a_secret_is_left() {
    let secret = "https://user:0123456789abcdef@db.example.com\nsecond-line-4567";
    let redactor = Redactor::new([secret]);
    for before in (440..530).chain(1980..2060) {
        let long = format!("{}{secret} and more", "x".repeat(before));
        let line = json!({"@message": long, "@level": "error", "type": "diagnostic",
            "diagnostic": {"severity": "error", "summary": long, "detail": long}});
        for text in [line.to_string(), long] {
            let said = parse_line(&text, &redactor);
            let said = format!("{} {:?}", said.message, said.event);
            assert!(!said.contains("http") && !said.contains("0123") && !said.contains("second"), "{before}: {said}");
        }
    }
}
