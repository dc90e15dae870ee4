//! The simulated cloud as a file: what is made, changed and deleted is still so after a restart.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::super::api::OciError;
use super::*;

fn resource(id: &str, attributes: Json) -> CloudResource {
    let tags = tags_of(&attributes);
    CloudResource { id: id.into(), resource_type: "oci_core_vcn".into(), attributes, created_at: "2026-11-23T00:00:00Z".into(), tags }
}

fn make(cloud: &Cloud, id: &str, attributes: Json) {
    cloud
        .transact(|t| {
            t.put(resource(id, attributes));
            t.audit(Operation::Create, "oci_core_vcn", id, "ok");
        })
        .unwrap();
}

#[test]
fn what_was_acknowledged_is_there_after_reopening_and_files_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("cloud");
    make(&Cloud::open(&dir).unwrap(), "a", json!({"name": "日本 ${x}"}));
    let cloud = Cloud::open(&dir).unwrap();
    assert_eq!(cloud.get("a").unwrap().unwrap().attributes["name"], "日本 ${x}");
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    for file in fs::read_dir(&dir).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_torn_last_line_is_ignored_and_cut_off_at_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("cloud.jsonl");
    make(&Cloud::open(dir.path()).unwrap(), "a", json!({"n": 1}));
    let first = fs::read(&journal).unwrap().len();
    make(&Cloud::open(dir.path()).unwrap(), "b", json!({"n": 2}));
    let whole = fs::read(&journal).unwrap();
    for length in first..whole.len() {
        fs::write(&journal, &whole[..length]).unwrap();
        let cloud = Cloud::open(dir.path()).unwrap();
        assert_eq!(cloud.list().unwrap().len(), 1, "cut at {length}");
        make(&cloud, "c", json!({"n": 3}));
        let again = Cloud::open(dir.path()).unwrap();
        let ids: Vec<String> = again.list().unwrap().into_iter().map(|r| r.id).collect();
        assert_eq!(ids, ["a", "c"], "cut at {length}");
    }
}

#[test]
fn a_broken_line_in_the_middle_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    make(&Cloud::open(dir.path()).unwrap(), "a", json!({}));
    let journal = dir.path().join("cloud.jsonl");
    let line = fs::read(&journal).unwrap();
    fs::write(&journal, [line.as_slice(), b"{\"changes\":[\n", line.as_slice()].concat()).unwrap();
    let error = Cloud::open(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { line: 2, .. }), "{error}");
}

#[test]
fn two_clouds_on_one_directory_see_each_others_changes_also_across_a_compaction() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Cloud::open(dir.path()).unwrap(), Cloud::open(dir.path()).unwrap());
    make(&one, "a", json!({"x": {"y": 1}}));
    two.set("a", "x.y", json!(2)).unwrap();
    assert_eq!(one.get("a").unwrap().unwrap().attributes["x"]["y"], 2);
    one.compact().unwrap();
    make(&two, "b", json!({}));
    assert_eq!(one.list().unwrap().len(), 2);
    two.delete("a").unwrap();
    assert!(one.get("a").unwrap().is_none());
    assert_eq!(one.count(Operation::Create, "*", true).unwrap(), 2, "counters survive the compaction");
    assert_eq!(one.audit().unwrap().iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn the_journal_does_not_grow_without_bound() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::open(dir.path()).unwrap();
    make(&cloud, "a", json!({"n": 0}));
    for n in 0..2_100 {
        cloud.set("a", "n", json!(n)).unwrap();
    }
    let lines = fs::read_to_string(dir.path().join("cloud.jsonl")).unwrap().lines().count();
    assert!(lines < 200, "{lines} lines");
    assert_eq!(Cloud::open(dir.path()).unwrap().get("a").unwrap().unwrap().attributes["n"], 2_099);
}

#[test]
fn many_threads_and_two_handles_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clouds = [Cloud::open(dir.path()).unwrap(), Cloud::open(dir.path()).unwrap()];
    std::thread::scope(|scope| {
        for worker in 0..4_usize {
            let cloud = &clouds[worker % 2];
            scope.spawn(move || (0..25).for_each(|n| make(cloud, &format!("{worker}-{n}"), json!({}))));
        }
    });
    assert_eq!(clouds[0].list().unwrap().len(), 100);
    let mut seqs: Vec<u64> = clouds[1].audit().unwrap().iter().map(|e| e.seq).collect();
    seqs.dedup();
    assert_eq!(seqs, (1..=100).collect::<Vec<u64>>());
}

#[test]
fn faults_match_operation_and_type_and_bounded_ones_are_used_up_durably() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::open(dir.path()).unwrap();
    cloud.fail(CannedFault::LimitExceeded.on("oci_core_vcn").times(2)).unwrap();
    cloud.delay(FaultOperation::Any, "*", Duration::from_millis(5)).unwrap();
    let judge = |cloud: &Cloud, operation, resource_type: &str| cloud.transact(|t| t.judge(operation, resource_type)).unwrap();
    assert_eq!(judge(&cloud, Operation::Create, "oci_core_subnet").error, None);
    assert_eq!(judge(&cloud, Operation::Read, "oci_core_vcn").error, None, "limits are met on create");
    let verdict = judge(&cloud, Operation::Create, "oci_core_vcn");
    assert_eq!((verdict.error.unwrap().code, verdict.delay), ("LimitExceeded".into(), Duration::from_millis(5)));
    let again = Cloud::open(dir.path()).unwrap();
    assert!(judge(&again, Operation::Create, "oci_core_vcn").error.is_some());
    assert!(judge(&again, Operation::Create, "oci_core_vcn").error.is_none(), "used up");
    assert_eq!(cloud.clear_faults().unwrap(), 1);
    assert_eq!(judge(&cloud, Operation::Create, "oci_core_vcn"), Verdict::default());
}

#[test]
fn a_fault_reads_back_as_it_was_written() {
    let faults = [
        Fault::error(FaultOperation::Any, "*", OciError::new(404, "NotAuthorizedOrNotFound", "gone")).times(3),
        Fault::delay(FaultOperation::One(Operation::Delete), "oci_core_vcn", Duration::from_secs(1)),
    ];
    for fault in faults {
        let text = serde_json::to_string(&fault).unwrap();
        assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), fault, "{text}");
    }
    for canned in CannedFault::ALL {
        assert_eq!(CannedFault::parse(canned.name()), Some(canned));
    }
}

#[test]
fn resources_are_found_by_tags_and_by_likeness() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::open(dir.path()).unwrap();
    make(
        &cloud,
        "a",
        json!({"id": "x", "name": "n", "ports": [{"min": 1, "max": null}], "freeform_tags": {TAG_DESIGN: "d", TAG_ADDRESS: "oci_core_vcn.a"}}),
    );
    make(
        &cloud,
        "b",
        json!({"id": "y", "name": "n", "ports": [{"min": 1, "max": 2}], "freeform_tags": {TAG_DESIGN: "other", TAG_ADDRESS: "oci_core_vcn.a"}}),
    );
    let found = cloud.find_by_tags("d", "oci_core_vcn.a").unwrap();
    assert_eq!(found.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["a"]);
    let like = |planned: Json, excluding: &[&str]| {
        cloud.find_like("oci_core_vcn", &planned, &excluding.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).unwrap()
    };
    assert_eq!(like(json!({"name": "n", "ports": [{"min": 1.0, "max": null}], "id": null}), &[]), ["a", "b"]);
    assert_eq!(like(json!({"name": "n", "ports": [{"min": 1, "max": 2}]}), &[]), ["b"]);
    assert_eq!(like(json!({"name": "n", "ports": [], "freeform_tags": {}}), &["y"]), ["a"], "excluded by attribute id");
    assert_eq!(like(json!({"name": "other"}), &[]), Vec::<String>::new());
}

#[test]
fn debug_output_shows_no_attribute() {
    let shown = format!("{:?}", resource("a", json!({"admin_password": "s3cret"})));
    assert!(shown.contains("\"a\"") && !shown.contains("s3cret"));
}
