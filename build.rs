//! Build script: compiles the committed protocol files. Small functions, so that further steps stand beside this one.

fn main() {
    proto();
}

/// Compiles `proto/*.proto` into `OUT_DIR` in pure Rust: no protoc on the machine. Server side only.
fn proto() {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["tfplugin5.proto", "goplugin.proto"], ["proto"]).expect("proto/*.proto are committed and valid");
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .compile_fds(files)
        .expect("OUT_DIR is writable during a build");
}
