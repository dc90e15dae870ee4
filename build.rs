//! Build script: embeds data files and compiles the committed protocol files. Each concern is one function, called from `main`.

#![allow(clippy::disallowed_methods, reason = "cargo speaks to build scripts through the environment")]

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde_yaml::Value;

fn main() -> io::Result<()> {
    embed("rules/services", "services", |whole| whole)?;
    embed("rules/validation", "validation", without_examples)?;
    embed("rules/questions", "questions", |whole| whole)?;
    embed("crds", "crds", |whole| whole)?;
    proto()
}

/// Writes two expressions `&[(file name, text), …]` of every `<folder>/*.yaml`, sorted by name: the files themselves as
/// `$OUT_DIR/<out>.rs`, and what a start reads of them (`kept`) as compact JSON in the same order as
/// `$OUT_DIR/<out>-compact.rs`. JSON is read ten times faster than YAML; that both say the same is a test. Adding a service
/// or rules is adding a file: nothing lists them by hand. Where nobody asks for the files themselves, they are not in the
/// binary.
fn embed(folder: &str, out: &str, kept: fn(Value) -> Value) -> io::Result<()> {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join(folder);
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let (mut whole, mut compact) = (String::from("&[\n"), String::from("&[\n"));
    fs::create_dir_all(out_dir.join(out))?;
    for path in &files {
        println!("cargo:rerun-if-changed={}", path.display());
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let entry = |path: &Path| format!("    ({name:?}, include_str!({:?})),\n", path.display().to_string());
        let place = out_dir.join(out).join(name).with_extension("json");
        fs::write(&place, json(path, kept)?)?;
        whole.push_str(&entry(path));
        compact.push_str(&entry(&place));
    }
    fs::write(out_dir.join(format!("{out}.rs")), whole + "]\n")?;
    fs::write(out_dir.join(format!("{out}-compact.rs")), compact + "]\n")
}

/// A YAML file as JSON, members in the order of the file. Reading it as a plain value refuses a key that stands twice.
fn json(path: &Path, kept: fn(Value) -> Value) -> io::Result<String> {
    let broken = |error: String| io::Error::other(format!("{}: {error}", path.display()));
    let value: Value = serde_yaml::from_str(&fs::read_to_string(path)?).map_err(|error| broken(error.to_string()))?;
    serde_json::to_string(&kept(value)).map_err(|error| broken(error.to_string()))
}

/// Rules without their examples, which are for tests: a server that runs for months need not remember them.
fn without_examples(mut file: Value) -> Value {
    for rule in file.get_mut("rules").and_then(Value::as_sequence_mut).into_iter().flatten() {
        for example in ["good", "bad"] {
            if let Some(example) = rule.get_mut(example) {
                *example = Value::Mapping(serde_yaml::Mapping::new());
            }
        }
    }
    file
}

/// Compiles `proto/*.proto` into `OUT_DIR` in pure Rust: no protoc on the machine. Server side only.
fn proto() -> io::Result<()> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["tfplugin5.proto", "goplugin.proto"], ["proto"]).map_err(io::Error::other)?;
    tonic_prost_build::configure().build_client(false).build_transport(false).compile_fds(files)
}
