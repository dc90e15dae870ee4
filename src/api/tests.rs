//! Tests of the documents: the judgement of approvals, conditions, names, the generated definitions.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;

use super::approval::{ApprovalContext, Channel, Identity, Refused, RefusedReason, Role, judge, short};
use super::condition::{MESSAGE_LIMIT, READY, Reason, STALLED, clip, condition, one_line, set_condition};
use super::design::{ApprovalPolicy, Counts, PlanRecord};
use super::names::{JobKey, job_name, session_name, sha256_hex};
use super::terraformjob::{Action, JobPhase};
use super::{Approval, ApprovalSpec, ApprovalStatus, Time};

/// Seconds since the epoch as an instant of documents.
fn at(second: i64) -> Time {
    k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::from_second(second).unwrap())
}

/// A plan made at second 1,000 of generation 3 on state (lin, 7), good for an hour.
fn plan() -> PlanRecord {
    PlanRecord {
        job: "s-1-plan-00000000".into(),
        destroy: false,
        digest: "d".into(),
        lineage: "lin".into(),
        serial: 7,
        generation: 3,
        plan_sha256: "a".repeat(64),
        semantic_sha256: "b".repeat(64),
        counts: Counts { create: 2, ..Counts::default() },
        changes: vec![],
        drift_deletes: vec![],
        drift_updates: vec![],
        imports: Default::default(),
        output_changes: false,
        created_at: at(1_000),
        expires_at: at(4_600),
    }
}

/// The approval of exactly that plan, stamped as given by the editor through MCP.
fn approval() -> Approval {
    let mut approval = Approval::new(
        "yes",
        ApprovalSpec {
            design_ref: "s-1".into(),
            design_uid: "uid-1".into(),
            plan_sha256: "a".repeat(64),
            generation: 3,
            expires_at: at(4_000),
            reason: None,
        },
    );
    approval.status = Some(ApprovalStatus {
        approver: Some("editor".into()),
        channel: Some(Channel::Mcp),
        role: Some(Role::Editor),
        ..ApprovalStatus::default()
    });
    approval
}

/// One situation an approval meets; changed by the rows of the table.
struct Situation {
    approval: Approval,
    design_uid: &'static str,
    generation: i64,
    plan: Option<PlanRecord>,
    state: (&'static str, u64),
    policy: ApprovalPolicy,
    in_flight: bool,
    now: i64,
}

impl Situation {
    fn good() -> Self {
        Situation {
            approval: approval(),
            design_uid: "uid-1",
            generation: 3,
            plan: Some(plan()),
            state: ("lin", 7),
            policy: ApprovalPolicy::Agent,
            in_flight: false,
            now: 2_000,
        }
    }

    fn judged(&self) -> Result<(), Refused> {
        let now = at(self.now);
        judge(
            &self.approval,
            &ApprovalContext {
                design_uid: self.design_uid,
                generation: self.generation,
                plan: self.plan.as_ref(),
                state: self.state,
                policy: self.policy,
                in_flight: self.in_flight,
                now: &now,
            },
        )
    }
}

fn stamp(situation: &mut Situation, role: Option<Role>) {
    situation.approval.status.as_mut().unwrap().role = role;
}

#[test]
fn an_approval_allows_exactly_one_plan_and_every_refusal_says_why() {
    type Row = (&'static str, fn(&mut Situation), Option<RefusedReason>);
    #[rustfmt::skip]
    let table: &[Row] = &[
        ("nothing changed since the person said yes", |_| {}, None),
        ("it names an earlier design of the same name", |s| s.design_uid = "uid-2", Some(RefusedReason::WrongDesign)),
        ("the uid is judged before a refusal of the other design is repeated", |s| {
            s.design_uid = "uid-2";
            s.approval.status.as_mut().unwrap().refused = Some(Refused { reason: RefusedReason::Expired, message: "old".into() });
        }, Some(RefusedReason::WrongDesign)),
        ("a refusal is final, whatever happens later", |s| {
            s.approval.status.as_mut().unwrap().refused = Some(Refused { reason: RefusedReason::PlanTampered, message: "swapped".into() });
        }, Some(RefusedReason::PlanTampered)),
        ("it was consumed by a job", |s| s.approval.status.as_mut().unwrap().consumed_by = Some("j".into()), Some(RefusedReason::AlreadyConsumed)),
        ("there is no plan yet", |s| s.plan = None, Some(RefusedReason::NoPlan)),
        ("the design was edited after the approval", |s| s.generation = 4, Some(RefusedReason::GenerationChanged)),
        ("the plan is of an older generation than the design and the approval", |s| {
            s.generation = 4;
            s.approval.spec.generation = 4;
        }, Some(RefusedReason::GenerationChanged)),
        ("the hash is of another plan of the same generation", |s| s.approval.spec.plan_sha256 = "c".repeat(64), Some(RefusedReason::WrongPlan)),
        ("an upper-case hash is not the hash", |s| s.approval.spec.plan_sha256 = "A".repeat(64), Some(RefusedReason::WrongPlan)),
        ("another apply wrote a new serial", |s| s.state = ("lin", 8), Some(RefusedReason::StateChanged)),
        ("the same serial of another lineage is another state", |s| s.state = ("other", 7), Some(RefusedReason::StateChanged)),
        ("one second before the approval ends it still holds", |s| s.now = 3_999, None),
        ("at the very second it ends it does not", |s| s.now = 4_000, Some(RefusedReason::Expired)),
        ("the plan ended although the approval claims to last longer", |s| {
            s.approval.spec.expires_at = at(9_000);
            s.now = 4_600;
        }, Some(RefusedReason::Expired)),
        ("policy human: the editor is not enough", |s| s.policy = ApprovalPolicy::Human, Some(RefusedReason::ApproverRequired)),
        ("policy human: Galley itself is not a person", |s| {
            s.policy = ApprovalPolicy::Human;
            stamp(s, Some(Role::System));
        }, Some(RefusedReason::ApproverRequired)),
        ("policy human: an unstamped approval counts as the editor's", |s| {
            s.policy = ApprovalPolicy::Human;
            stamp(s, None);
        }, Some(RefusedReason::ApproverRequired)),
        ("policy human: the approver credential is", |s| {
            s.policy = ApprovalPolicy::Human;
            stamp(s, Some(Role::Approver));
        }, None),
        ("in flight: the agent may not apply over what nobody accounted for", |s| s.in_flight = true, Some(RefusedReason::InFlight)),
        ("in flight: nor may a policy approval", |s| {
            s.in_flight = true;
            s.policy = ApprovalPolicy::Auto;
            stamp(s, Some(Role::System));
        }, Some(RefusedReason::InFlight)),
        ("in flight: a person with the approver credential may", |s| {
            s.in_flight = true;
            stamp(s, Some(Role::Approver));
        }, None),
        ("policy agent: an approval that Galley gave while the policy was auto is void once the minimum is raised", |s| {
            s.policy = ApprovalPolicy::Agent;
            stamp(s, Some(Role::System));
        }, Some(RefusedReason::ApproverRequired)),
        ("policy auto: a policy approval of a plan is enough", |s| {
            s.policy = ApprovalPolicy::Auto;
            stamp(s, Some(Role::System));
        }, None),
    ];
    for (reason, change, expected) in table {
        let mut situation = Situation::good();
        change(&mut situation);
        let judged = situation.judged();
        assert_eq!(judged.as_ref().err().map(|refused| refused.reason), *expected, "{reason}");
        if let Err(refused) = judged {
            assert!(refused.message.len() <= MESSAGE_LIMIT, "{reason}: {}", refused.message);
        }
    }
}

#[test]
fn no_role_below_approver_satisfies_the_policy_human() {
    for role in [None, Some(Role::Editor), Some(Role::System)] {
        let mut situation = Situation::good();
        situation.policy = ApprovalPolicy::Human;
        stamp(&mut situation, role);
        assert!(situation.judged().is_err(), "{role:?}");
    }
}

#[test]
fn policies_are_ordered_from_loose_to_strict() {
    assert!(ApprovalPolicy::Auto < ApprovalPolicy::Agent && ApprovalPolicy::Agent < ApprovalPolicy::Human);
    assert_eq!(ApprovalPolicy::Human.max(ApprovalPolicy::Auto), ApprovalPolicy::Human, "the stricter of two is their maximum");
}

#[test]
fn a_plan_is_harmless_only_when_it_takes_nothing_away() {
    type Row = (&'static str, fn(&mut PlanRecord), bool);
    let table: &[Row] = &[
        ("creating is harmless", |_| {}, true),
        ("updating in place is harmless", |plan| plan.counts.update = 5, true),
        ("a delete is not", |plan| plan.counts.delete = 1, false),
        ("a replace is a delete too", |plan| plan.counts.replace = 1, false),
        ("a destroy plan is not, even an empty one", |plan| plan.destroy = true, false),
        ("a resource gone from the cloud may be forbidden instead of gone", |plan| plan.drift_deletes.push("x.y".into()), false),
        ("an import follows an interrupted apply", |plan| drop(plan.imports.insert("x.y".into(), "ocid".into())), false),
    ];
    for (reason, change, expected) in table {
        let mut plan = plan();
        change(&mut plan);
        assert_eq!(plan.is_harmless(), *expected, "{reason}");
    }
}

#[test]
fn a_plan_is_empty_only_when_neither_resources_nor_outputs_change() {
    let mut plan = plan();
    assert!(!plan.is_empty(), "two resources are created");
    plan.counts = Counts::default();
    assert!(plan.is_empty());
    plan.output_changes = true;
    assert!(!plan.is_empty(), "an output changes");
    assert_eq!(Counts { create: 1, update: 2, replace: 3, delete: 4, import: 5 }.total(), 15);
}

#[test]
fn a_condition_keeps_its_transition_time_while_its_status_stays() {
    let mut conditions = vec![];
    set_condition(&mut conditions, READY, false, Reason::JobRunning, "planning", Some(1), at(10));
    set_condition(&mut conditions, READY, false, Reason::AwaitingApproval, "approve it", Some(2), at(20));
    let ready = condition(&conditions, READY).unwrap();
    assert_eq!((ready.reason.as_str(), ready.message.as_str(), ready.observed_generation), ("AwaitingApproval", "approve it", Some(2)));
    assert_eq!(ready.last_transition_time, at(10), "False stayed False");
    set_condition(&mut conditions, READY, true, Reason::Synced, "", Some(2), at(30));
    assert_eq!(condition(&conditions, READY).unwrap().last_transition_time, at(30), "False became True");
    set_condition(&mut conditions, STALLED, false, Reason::Synced, "", Some(2), at(40));
    assert_eq!(conditions.len(), 2, "each type is there once");
    assert!(condition(&conditions, "Unheard").is_none());
}

#[test]
fn a_condition_message_is_clipped_at_its_limit() {
    let mut conditions = vec![];
    set_condition(&mut conditions, STALLED, true, Reason::JobFailed, &"長".repeat(5_000), None, at(1));
    let message = &conditions[0].message;
    assert!(message.len() <= MESSAGE_LIMIT && message.ends_with('…'), "{} bytes", message.len());
}

#[test]
fn reasons_are_words_a_condition_accepts_and_none_is_there_twice() {
    let words: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(words.len(), Reason::ALL.len());
    for reason in Reason::ALL {
        let word = reason.as_str();
        assert!(word.starts_with(|c: char| c.is_ascii_uppercase()) && word.chars().all(|c| c.is_ascii_alphanumeric()), "{word}");
        assert_eq!(serde_json::to_value(reason).unwrap(), word, "the document spells it the same way");
        assert_eq!(reason.to_string(), word);
    }
}

fn key() -> JobKey<'static> {
    JobKey {
        design: "s-1",
        design_uid: "u",
        action: "plan",
        digest: "d",
        lineage: "l",
        serial: 1,
        request: "",
        approval: "",
        attempt: 0,
        due: 0,
    }
}

#[test]
fn every_part_of_a_job_key_changes_the_name_and_an_equal_key_does_not() {
    let keys = [
        ("the first", key()),
        ("another design", JobKey { design: "s-2", ..key() }),
        ("the design was deleted and made again", JobKey { design_uid: "v", ..key() }),
        ("another action", JobKey { action: "apply", ..key() }),
        ("other inputs", JobKey { digest: "e", ..key() }),
        ("another lineage", JobKey { lineage: "m", ..key() }),
        ("a newer state", JobKey { serial: 2, ..key() }),
        ("a person asked", JobKey { request: "r", ..key() }),
        ("another approval", JobKey { approval: "a", ..key() }),
        ("a retry", JobKey { attempt: 1, ..key() }),
        ("a drift check is due", JobKey { due: 60, ..key() }),
        ("parts do not run into each other", JobKey { request: "x", approval: "", ..key() }),
        ("parts do not run into each other, the other way", JobKey { request: "", approval: "x", ..key() }),
    ];
    let names: BTreeSet<String> = keys.iter().map(|(_, key)| job_name(key)).collect();
    assert_eq!(names.len(), keys.len(), "{names:?}");
    assert_eq!(job_name(&key()), job_name(&key()), "a repeated create is a 409 and not a second run");
    assert!(job_name(&key()).starts_with("s-1-plan-") && job_name(&key()).len() == "s-1-plan-".len() + 8);
}

#[test]
fn minted_names_are_dns_labels() {
    let session = session_name(ulid::Ulid::from_parts(1_700_000_000_000, u128::MAX));
    let job = job_name(&JobKey { design: &session, action: "destroy", ..key() });
    for name in [&session, &job] {
        assert!(name.len() <= 63, "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
    }
    assert_eq!(session.len(), 28);
}

#[test]
fn digests_are_sha256_in_lower_case_hex() {
    assert_eq!(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "FIPS 180-2, appendix B.1");
    assert_eq!(short(&sha256_hex("abc")), "ba7816bf8f01");
    assert_eq!(short("abc"), "abc", "what is shorter stays");
}

#[test]
fn a_job_without_status_is_pending_and_the_terminal_phases_are_four() {
    let phases = [JobPhase::Pending, JobPhase::Running, JobPhase::Succeeded, JobPhase::Failed, JobPhase::Interrupted, JobPhase::Cancelled];
    assert_eq!(phases.iter().filter(|phase| phase.is_terminal()).count(), 4);
    let document = r#"{"apiVersion":"galley.dev/v1alpha1","kind":"TerraformJob","metadata":{"name":"j"},
        "spec":{"designRef":"s-1","designUid":"u","sessionRef":"s-1","action":"Plan","digest":"d","generation":1}}"#;
    let job: super::TerraformJob = serde_json::from_str(document).unwrap();
    assert_eq!(job.phase(), JobPhase::Pending);
    for (action, word, changes) in [
        (Action::Plan, "plan", false),
        (Action::Apply, "apply", true),
        (Action::Destroy, "destroy", true),
        (Action::Refresh, "refresh", false),
    ] {
        assert_eq!((action.as_str(), action.changes_the_cloud()), (word, changes));
    }
}

#[test]
fn the_four_definitions_belong_to_the_group_and_carry_columns_names_and_a_status() {
    let crds = super::crds();
    let kinds: Vec<&str> = crds.iter().map(|crd| crd.spec.names.kind.as_str()).collect();
    assert_eq!(kinds, ["Session", "Design", "TerraformJob", "Approval"]);
    for crd in &crds {
        let kind = &crd.spec.names.kind;
        let version = &crd.spec.versions[0];
        assert_eq!((crd.spec.group.as_str(), version.name.as_str()), (super::GROUP, super::VERSION), "{kind}");
        assert_eq!(crd.spec.names.categories.as_deref(), Some(&["galley".to_owned()][..]), "{kind}: kubectl get galley lists it");
        assert!(crd.spec.names.short_names.as_ref().is_some_and(|names| names.len() == 1), "{kind}");
        assert!(version.additional_printer_columns.as_ref().is_some_and(|columns| columns.len() >= 3), "{kind}");
        assert!(version.subresources.as_ref().is_some_and(|sub| sub.status.is_some()), "{kind}: spec and status are written apart");
    }
}

#[test]
fn a_server_serves_what_the_types_say() {
    assert!(super::committed_crds().unwrap() == super::crds(), "crds/ is stale: run `make crds` and commit it");
}

#[test]
fn an_identity_never_takes_its_role_from_anywhere_but_the_credential() {
    assert_eq!(Identity::system().role, Role::System);
    assert_eq!(Identity::editor(Channel::Mcp).role, Role::Editor);
    assert_eq!(Identity::approver(Channel::Page).role, Role::Approver);
    assert_eq!(Identity::system().name, super::MANAGER);
}

#[test]
fn text_of_strangers_is_one_bounded_line() {
    let rows = [
        ("`a\r\nb` is no key", 400, "`a  b` is no key", "two lines of a log"),
        ("語語語語", 3, "語語…", "characters, not bytes"),
        ("語語語", 3, "語語語", "what fits is whole"),
        ("", 3, "", "nothing"),
    ];
    for (text, limit, expected, reason) in rows {
        assert_eq!(one_line(text, limit), expected, "{reason}");
    }
}

proptest! {
    #[test]
    fn clipped_text_fits_its_limit_and_is_a_prefix(text in "\\PC{0,200}", limit in 3usize..300) {
        let clipped = clip(&text, limit);
        prop_assert!(clipped.len() <= limit);
        match clipped.strip_suffix('…') {
            Some(head) if clipped != text => prop_assert!(text.starts_with(head)),
            _ => prop_assert_eq!(&clipped, &text),
        }
    }
}
