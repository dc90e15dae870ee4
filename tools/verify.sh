#!/usr/bin/env bash
# `make verify`: everything CI asks for, each step with its time. The tests run once, instrumented.
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
    local name="$1" started="$SECONDS"
    shift
    echo "== $name"
    "$@"
    echo "== $name: $((SECONDS - started)) s"
}

# A set but missing CLI configuration makes terraform complain on every start.
unset TF_CLI_CONFIG_FILE

step "tools" tools/fetch.sh terraform kubectl cargo-deny llvm chromium
rustc --version
cargo --version
git --version
# sed reads to the end: a reader that leaves early makes the writer fail, and pipefail the whole run
"${GALLEY_TERRAFORM_BIN:-terraform}" version | sed -n 1p
.cache/bin/kubectl version --client | sed -n 1p
echo "Helm $(.cache/bin/helm version --short)"
# what the browser says on stderr is about the machine's desktop
chromium --version 2> /dev/null || echo "no Chromium on PATH"

step "lint" make --no-print-directory lint-code
step "chart" tools/chart.sh
# The suite includes tests/architecture.rs, tests/crds.rs and tests/documents.rs.
step "tests" tools/test.sh --coverage
step "coverage" tools/coverage.sh "${COVERAGE_FLOOR:-80}"
# A build of its own, with fault points that do something. Its figures stand in its output.
step "crash" make --no-print-directory crash
# What was skipped and the closing line once more, where they are seen.
cat .cache/test.skipped
tail -1 .cache/test.count
