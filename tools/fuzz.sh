#!/usr/bin/env bash
# Coverage-guided fuzzing: tools/fuzz.sh SECONDS [NAME…]; tools/fuzz.sh --minimise [NAME…]
#
# Builds tests/fuzz with the coverage counters of rustc's own LLVM and runs each target under libFuzzer, which comes with
# bolero. No nightly: the counters are a pass and llvm arguments, no -Z flag; no sanitizer, because safe Rust gives it
# nothing to find (docs/adr/0014). New inputs stay in target/fuzz/corpus/; --minimise takes the fewest and smallest inputs
# that reach the same and writes a sample of them into tests/fuzz/__fuzz__/, which is what is committed. Exits non-zero when
# anything was found.
set -euo pipefail
cd "$(dirname "$0")/.."

# Longest input that is tried, and seconds after which one is a hang: the slowest of a whole run takes a tenth of it.
max_len=16384
hang=10
# Inputs of a target that are committed, from the smallest to the largest: two thousand each cost every test run a minute.
keep=60
# Targets at once: each is one thread.
at_once="${GALLEY_FUZZ_JOBS:-$(nproc)}"

triple="$(rustc -vV | sed -n 's/^host: //p')"
out="$PWD/target/fuzz"
export RUSTFLAGS="--cfg fuzzing --cfg fuzzing_libfuzzer -Cpasses=sancov-module
 -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
 -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
RUSTFLAGS="${RUSTFLAGS//$'\n'/}"
# cargo builds the program beside its tests, and only the test is linked with libFuzzer; the program is never run.
RUSTFLAGS+=" -Clink-arg=-Wl,--warn-unresolved-symbols"

# With --target, build scripts and macros stay as they are.
build() {
    cargo test --locked --quiet --profile fuzz --target "$triple" --target-dir target/fuzz-build --test fuzz --no-run --message-format json |
        sed -n 's/.*"executable":"\([^"]*\/deps\/fuzz-[^"]*\)".*/\1/p'
}

# `name test`, one line each: bolero itself says where a test keeps its inputs.
targets() {
    CARGO_BOLERO_SELECT=all "$1" --nocapture --test-threads 1 |
        sed -n 's|.*"work_dir":"[^"]*/__fuzz__/\([^"]*\)".*"test_name":"\([^"]*\)".*|\1 \2|p'
}

# libfuzzer NAME TEST ARGS…
libfuzzer() {
    local name="$1" test="$2"
    shift 2
    BOLERO_TEST_NAME="$test" BOLERO_LIBTEST_HARNESS=1 BOLERO_LIBFUZZER_ARGS="$*" \
        "$binary" "$test" --exact --nocapture --quiet --test-threads 1 < /dev/null > "$out/$name.log" 2>&1
}

# Where a target begins: what is committed, and the files that ship.
beginnings() {
    echo "tests/fuzz/__fuzz__/$1/corpus" "tests/fuzz/__fuzz__/$1/crashes"
    case "$1" in
        services) echo rules/services ;;
        rules) echo rules/validation ;;
        terraform) echo tests/fixtures ;;
    esac
}

existing() { for folder in "$@"; do if [[ -d "$folder" ]]; then echo "$folder"; fi; done; }

# One target for some time; one line of figures.
run() {
    local name="$1" test="$2" status=0 log="$out/$1.log" crashes="$PWD/tests/fuzz/__fuzz__/$1/crashes"
    mkdir -p "$out/corpus/$name" "$crashes"
    local before folders
    before="$(find "$crashes" -type f | wc -l)"
    # shellcheck disable=SC2046 # a list of folders
    folders="$(existing $(beginnings "$name") | tr '\n' ' ')"
    # shellcheck disable=SC2086 # a list of folders
    libfuzzer "$name" "$test" "$out/corpus/$name" $folders "-artifact_prefix=$crashes/" -max_total_time="$seconds" \
        -timeout="$hang" -rss_limit_mb=2048 -max_len="$max_len" -dict=tests/fuzz/words.dict -print_final_stats=1 || status=$?
    rmdir --ignore-fail-on-non-empty "$crashes"
    local runs edges all slow
    runs="$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
    edges="$(sed -n 's/^#[0-9]*\t.* cov: \([0-9]*\) ft: \([0-9]*\) corp: \([0-9]*\).*/\1 edges, \2 features, \3 inputs/p' "$log" | tail -1)"
    all="$(sed -n 's/^INFO: Loaded .* (\([0-9]*\) inline 8-bit counters).*/\1/p' "$log")"
    slow="$(sed -n 's/^stat::slowest_unit_time_sec: *//p' "$log")"
    local found=$(($(find "$crashes" -type f 2> /dev/null | wc -l) - before))
    if [[ "$status" != 0 && "$found" == 0 ]]; then found=1; fi
    echo "$name: ${runs:-?} executions, ${edges:-?} of ${all:-?} counters, slowest ${slow:-?} s, $found findings"
    [[ "$found" == 0 && "$status" == 0 ]] || { echo "$name: see $log and $crashes" >&2; return 1; }
}

# The fewest and smallest inputs that reach what all of them reach.
minimise() {
    local name="$1" test="$2" corpus="tests/fuzz/__fuzz__/$1/corpus" least="$out/least/$1"
    rm -rf "$least" && mkdir -p "$least"
    # shellcheck disable=SC2046 # a list of folders
    libfuzzer "$name" "$test" -merge=1 "$least" $(existing "$out/corpus/$name" "$corpus") -timeout="$hang" -max_len="$max_len"
    rm -rf "$corpus" && mkdir -p "$corpus"
    find "$least" -type f -size -4097c -printf '%s %p\n' | sort -n | cut -d' ' -f2- |
        awk -v keep="$keep" '{ all[NR] = $0 } END { for (i = 0; i < keep && i < NR; i++) print all[NR > keep ? int(i * NR / keep) + 1 : i + 1] }' |
        xargs -r cp -t "$corpus"
    echo "$name: $(find "$corpus" -type f | wc -l) inputs, $(du -sb --apparent-size "$corpus" | cut -f1) bytes"
}

what=run seconds="${1:?usage: tools/fuzz.sh SECONDS [NAME…] | --minimise [NAME…]}"
shift
if [[ "$seconds" == --minimise ]]; then
    what=minimise
elif [[ ! "$seconds" =~ ^[1-9][0-9]*$ ]]; then
    echo "tools/fuzz.sh: $seconds is no number of seconds; usage: tools/fuzz.sh SECONDS [NAME…] | --minimise [NAME…]" >&2
    exit 2
fi
mkdir -p "$out"
binary="$(build)"
[[ -x "$binary" ]] || { echo "tools/fuzz.sh: the target was not built" >&2; exit 1; }
wanted() { [[ "$#" == 1 ]] || [[ " ${*:2} " == *" $1 "* ]]; }
failed=0
while read -r name test; do
    if ! wanted "$name" "$@"; then continue; fi
    while [[ "$(jobs -rp | wc -l)" -ge "$at_once" ]]; do wait -n || failed=1; done
    "$what" "$name" "$test" &
done < <(targets "$binary")
while [[ -n "$(jobs -p)" ]]; do wait -n || { code=$?; [[ "$code" == 127 ]] && break; failed=1; }; done
exit "$failed"
