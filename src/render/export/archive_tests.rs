//! Archives: the same bytes every time, only plain relative files, and nothing read that a stranger could mean badly.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::archive::{Caps, Error, check_name, read_tar_gz, read_zip, tar_gz, zip};
use super::tests::verification;
use super::{all_tar_gz, terraform_zip};
use crate::render::tests::rendered;

fn files(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// A tar.gz with one entry as an attacker would write it: the name is not checked by the writer.
fn raw_tar(name: &str, kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, content).unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

fn raw_zip(entries: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, content) in entries {
        writer.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn what_is_packed_is_what_is_read_in_both_formats() {
    let all = files(&[("a.tf", "terraform {}\n"), ("terraform/b.tf", "# 日本語\n"), ("z.md", "")]);
    assert_eq!(read_zip(&zip(&all).unwrap(), Caps::default()).unwrap(), all);
    assert_eq!(read_tar_gz(&tar_gz(&all).unwrap(), Caps::default()).unwrap(), all);
}

#[test]
fn archives_carry_no_time_owner_or_order_of_their_maker() {
    let all = files(&[("b.tf", "2"), ("a.tf", "1")]);
    let bytes = tar_gz(&all).unwrap();
    assert_eq!(&bytes[4..8], &[0, 0, 0, 0], "the time of the gzip header");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
    let headers: Vec<tar::Header> = archive.entries().unwrap().map(|entry| entry.unwrap().header().clone()).collect();
    for header in &headers {
        assert_eq!((header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap(), header.mode().unwrap()), (0, 0, 0, 0o644));
    }
    assert_eq!(headers.len(), 2);
    let packed = zip(&all).unwrap();
    let mut archive = zip_archive(&packed);
    let names: Vec<String> = (0..archive.len()).map(|at| archive.by_index(at).unwrap().name().unwrap().into_owned()).collect();
    assert_eq!(names, ["a.tf", "b.tf"]);
    assert_eq!(archive.by_index(0).unwrap().last_modified(), Some(zip::DateTime::default()));
    assert_eq!(packed, zip(&all).unwrap());
}

fn zip_archive(bytes: &[u8]) -> zip::ZipArchive<Cursor<&[u8]>> {
    zip::ZipArchive::new(Cursor::new(bytes)).unwrap()
}

#[test]
fn names_that_could_leave_the_folder_are_refused_in_writing_and_reading() {
    for (name, why) in [
        ("/etc/passwd", "absolute"),
        ("../up.tf", "upwards"),
        ("a/../../up.tf", "upwards in the middle"),
        ("./a.tf", "a dot part hides a second spelling"),
        ("a//b.tf", "an empty part"),
        ("a\\b.tf", "a separator of another system"),
        ("C:/a.tf", "a drive"),
        ("nul.tf", "a device of another system"),
        ("a/COM1", "a device of another system"),
        ("日本.tf", "spelt in several ways in Unicode"),
        ("a\nb", "a control character"),
    ] {
        assert!(matches!(check_name(name), Err(Error::Name { .. })), "{name:?}: {why}");
        assert!(matches!(zip(&files(&[(name, "")])), Err(Error::Name { .. })), "{name:?}: {why}");
        assert!(matches!(tar_gz(&files(&[(name, "")])), Err(Error::Name { .. })), "{name:?}: {why}");
        assert!(matches!(all_tar_gz(&verification().subject(), Some(&files(&[(name, "")]))), Err(Error::Name { .. })), "{name:?}: {why}");
        assert!(read_tar_gz(&raw_tar(name, tar::EntryType::Regular, b""), Caps::default()).is_err(), "{name:?}: {why}");
        assert!(read_zip(&raw_zip(&[(name, 0o644, b"")]), Caps::default()).is_err(), "{name:?}: {why}");
    }
    assert!(matches!(check_name(""), Err(Error::Name { .. })));
    assert!(matches!(check_name(&"a".repeat(101)), Err(Error::Name { .. })));
    for good in ["main.tf", "terraform/terraform.tfvars.example", "a-b_c.tf", "console.tf"] {
        assert!(check_name(good).is_ok(), "{good}");
    }
}

#[test]
fn links_and_devices_are_refused() {
    use tar::EntryType::{Block, Char, Fifo, GNULongName, Link, Symlink, XHeader};
    for kind in [Symlink, Link, Char, Block, Fifo, XHeader, GNULongName] {
        let result = read_tar_gz(&raw_tar("a.tf", kind, b""), Caps::default());
        assert!(matches!(result, Err(Error::Kind { .. })), "{kind:?}: {result:?}");
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("a.tf", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    assert!(matches!(read_zip(&bytes, Caps::default()), Err(Error::Kind { .. })));
}

#[test]
fn bombs_and_crowds_are_refused_before_they_unfold() {
    let zeros = vec![b' '; 3 << 20];
    for result in [
        read_tar_gz(&raw_tar("a.tf", tar::EntryType::Regular, &zeros), Caps::default()),
        read_zip(&raw_zip(&[("a.tf", 0o644, &zeros)]), Caps::default()),
    ] {
        assert!(matches!(result, Err(Error::TooMuch { what: "bytes per packed byte", .. })), "{result:?}");
    }
    let small = Caps { entries: 2, bytes: 10, ratio: 1000 };
    let long = files(&[("a.tf", "elf letters"), ("b.tf", "")]);
    let many = files(&[("a.tf", "1"), ("b.tf", "2"), ("c.tf", "3")]);
    for (all, what) in [(&long, "bytes"), (&many, "entries")] {
        for result in [read_tar_gz(&tar_gz(all).unwrap(), small), read_zip(&zip(all).unwrap(), small)] {
            assert!(matches!(&result, Err(Error::TooMuch { what: found, .. }) if *found == what), "{what}: {result:?}");
        }
    }
}

#[test]
fn broken_bytes_and_other_content_are_errors() {
    for bytes in [&b""[..], b"PK\x03\x04", b"\x1f\x8b\x08", b"no archive at all"] {
        assert!(matches!(read_zip(bytes, Caps::default()), Err(Error::Read(_))));
        assert!(matches!(read_tar_gz(bytes, Caps::default()), Err(Error::Read(_))));
    }
    assert!(matches!(read_tar_gz(&raw_tar("a.tf", tar::EntryType::Regular, b"\xff\xfe"), Caps::default()), Err(Error::Text { .. })));
    assert!(matches!(read_zip(&raw_zip(&[("a.tf", 0o644, b"\xff")]), Caps::default()), Err(Error::Text { .. })));
}

#[test]
fn the_terraform_archive_stands_alone_for_terraform_1_5() {
    let scene = verification();
    let out = rendered(&scene.spec);
    let inside = read_zip(&terraform_zip(&scene.subject(), &out.files).unwrap(), Caps::default()).unwrap();
    assert_eq!(inside.len(), out.files.len() + 2, "README.md and schema.yaml beside the files: {:?}", inside.keys());
    assert!(inside["README.md"].contains("terraform init") && inside["README.md"].contains("Resource Manager"));
    assert!(inside.values().any(|text| text.contains("required_version = \">= 1.5.0\"")));
    let files: BTreeMap<String, String> = inside.into_iter().filter(|(name, _)| name.ends_with(".tf")).collect();
    assert_eq!(crate::designs::beyond_1_5(&files), Vec::<String>::new());
    let newer = BTreeMap::from([("a.tf".to_owned(), "removed {\n  x = 1\n}\npassword_wo = provider::a::b()\n".to_owned())]);
    assert_eq!(crate::designs::beyond_1_5(&newer).len(), 2, "what is newer is seen");
}

#[test]
fn everything_is_one_archive_with_the_terraform_in_a_folder() {
    let scene = verification();
    let out = rendered(&scene.spec);
    let inside = read_tar_gz(&all_tar_gz(&scene.subject(), Some(&out.files)).unwrap(), Caps::default()).unwrap();
    for name in ["summary.md", "diagram.mmd", "diagram.svg", "terraform/main.tf", "terraform/README.md", "terraform/schema.yaml"] {
        assert!(inside.contains_key(name), "{name} not in {:?}", inside.keys());
    }
    assert!(inside["summary.md"].contains("](diagram.svg)"), "the summary shows the picture beside it");
    let without = read_tar_gz(&all_tar_gz(&scene.subject(), None).unwrap(), Caps::default()).unwrap();
    assert_eq!(without.keys().collect::<Vec<_>>(), ["diagram.mmd", "diagram.svg", "summary.md"]);
}
