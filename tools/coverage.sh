#!/usr/bin/env bash
# Line coverage of src/ from the last `tools/test.sh --coverage`: tools/coverage.sh FLOOR. Fails under FLOOR per cent.
#
# Without rustup's llvm-tools: llvm-profdata and llvm-cov come from tools/fetch.sh and must have the major version of
# rustc's own LLVM.
set -euo pipefail
cd "$(dirname "$0")/.."

floor="${1:?usage: tools/coverage.sh FLOOR}"
llvm=.cache/llvm/bin
out=target/coverage

theirs="$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')"
ours="$("$llvm/llvm-cov" --version | sed -n 's/.*LLVM version \([0-9]*\).*/\1/p')"
if [[ "$theirs" != "$ours" ]]; then
    echo "tools/coverage.sh: rustc uses LLVM $theirs, llvm-cov is $ours: pin llvm tools of major version $theirs in tools/pins.txt" >&2
    exit 1
fi

# A process that was killed between making its file and mapping it leaves an empty one.
find "$out/profraw" -name '*.profraw' -size -1k -delete
find "$out/profraw" -name '*.profraw' > "$out/profraw.list"
"$llvm/llvm-profdata" merge -sparse -failure-mode=all --input-files="$out/profraw.list" -o "$out/galley.profdata" 2> "$out/profdata.log" ||
    { cat "$out/profdata.log" >&2; exit 1; }

python3 tools/coverage.py objects "$out/build.jsonl" > "$out/objects.list"
mapfile -t objects < "$out/objects.list"
arguments=()
for object in "${objects[@]:1}"; do arguments+=(-object "$object"); done
"$llvm/llvm-cov" export -format=lcov -instr-profile="$out/galley.profdata" "${objects[0]}" "${arguments[@]}" > "$out/lcov.info" 2> "$out/cov.log" ||
    { cat "$out/cov.log" >&2; exit 1; }
python3 tools/coverage.py report "$out/lcov.info" "$out/uncovered.txt" "$floor"
