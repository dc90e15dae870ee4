//! Build script: embeds data files and compiles the committed protocol files. Each concern is one function, called from `main`.

#![allow(clippy::disallowed_methods, reason = "cargo speaks to build scripts through the environment")]

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    embed("rules/services", "services.rs")?;
    embed("rules/validation", "validation.rs")?;
    proto()
}

/// Writes `$OUT_DIR/<out>`: an expression `&[(file name, text), …]` of every `<folder>/*.yaml`, sorted by name. Adding a
/// service or rules is adding a file: nothing lists them by hand.
fn embed(folder: &str, out: &str) -> io::Result<()> {
    let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join(folder);
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let mut text = String::from("&[\n");
    for path in &files {
        println!("cargo:rerun-if-changed={}", path.display());
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        text.push_str(&format!("    ({name:?}, include_str!({:?})),\n", path.display().to_string()));
    }
    text.push_str("]\n");
    fs::write(Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join(out), text)
}

/// Compiles `proto/*.proto` into `OUT_DIR` in pure Rust: no protoc on the machine. Server side only.
fn proto() -> io::Result<()> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["tfplugin5.proto", "goplugin.proto"], ["proto"]).map_err(io::Error::other)?;
    tonic_prost_build::configure().build_client(false).build_transport(false).compile_fds(files)
}
