//! The 19-component platform, against the `expect` block of its own file.

use serde_json::{Value, json};

use super::tests::{argument, assert_formatted, count, document, judge, rendered, spec};
use super::*;

fn platform() -> (Value, Rendered) {
    let document = document("iot-platform-19.json");
    let out = rendered(&spec(&document));
    (document, out)
}

#[test]
fn the_platform_renders_to_formatted_files() {
    let (_, out) = platform();
    assert_formatted(&out);
}
