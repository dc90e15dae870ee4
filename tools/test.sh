#!/usr/bin/env bash
# Runs every test and closes with one line, "N passed, N failed", over all suites: tools/test.sh [--coverage] [ARGS…]
#
# ARGS go to `cargo test`. With --coverage the crate is instrumented and tools/coverage.sh can read the result; the tests
# are the same. Exits non-zero when a test failed or nothing could be built.
set -euo pipefail
cd "$(dirname "$0")/.."

log=.cache/test.log
mkdir -p .cache

if [[ "${1:-}" == "--coverage" ]]; then
    shift
    rm -rf target/coverage && mkdir -p target/coverage/profraw
    export RUSTC_WORKSPACE_WRAPPER="$PWD/tools/rustc-coverage.sh"
    export LLVM_PROFILE_FILE="$PWD/target/coverage/profraw/%m-%p%c.profraw"
    # The list of instrumented programs, for llvm-cov. Built here, run below.
    cargo test --locked --no-run --message-format=json "$@" < /dev/null > target/coverage/build.jsonl
fi

# The kubectl of tools/pins.txt unless another one is named: one on PATH may be anything.
export GALLEY_TEST_KUBECTL="${GALLEY_TEST_KUBECTL:-$PWD/.cache/bin/kubectl}"
# A missing CLI configuration only makes terraform print warnings on stderr; the tests set their own.
unset TF_CLI_CONFIG_FILE TF_LOG TF_DATA_DIR

# Through a file and not through a pipe: a process that outlives its test would hold the pipe open for ever.
cargo test --locked --no-fail-fast "$@" < /dev/null > "$log" 2>&1 &
tests=$!
trap 'kill "$tests" 2> /dev/null || true' EXIT
tail --lines=+1 --follow --sleep-interval=0.2 --pid="$tests" "$log"
status=0
wait "$tests" || status=$?
trap - EXIT

# What a machine cannot run is said and counts as neither passed nor failed.
sed -n 's/^SKIPPED: /SKIPPED: /p' "$log" | tee .cache/test.skipped
# `test result: ok. 12 passed; 0 failed; 0 ignored; …`, one line for each suite.
awk '/^test result:/ { for (i = 1; i < NF; i++) { if ($(i + 1) ~ /^passed/) passed += $i; if ($(i + 1) ~ /^failed/) failed += $i } }
     END { printf "%d passed, %d failed\n", passed, failed; exit (failed > 0 || passed == 0) }' "$log" | tee .cache/test.count || status=1
exit "$status"
