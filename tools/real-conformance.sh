#!/usr/bin/env bash
# Runs the official MCP conformance suite: over HTTP and over stdio, for both protocol eras, and what needs no fixture
# against `galley serve` itself. Known failures and their reasons: tests/real/suite/. Ends with a line for each run.
set -euo pipefail
cd "$(dirname "$0")/.."

cache="$PWD/.cache/conformance"
mkdir -p "$cache"
cp tests/real/suite/package.json tests/real/suite/package-lock.json "$cache/"
if ! cmp -s "$cache/package-lock.json" "$cache/installed"; then
    (cd "$cache" && npm ci --no-audit --no-fund --loglevel=error)
    cp "$cache/package-lock.json" "$cache/installed"
fi
suite=("$cache/node_modules/.bin/node" "$cache/node_modules/@modelcontextprotocol/conformance/dist/index.js" server)

cargo build --locked --quiet --bin galley --example mcp-conformance
program=target/debug/examples/mcp-conformance
folder="$(mktemp -d)"
children=()
stop() {
    for child in "${children[@]}"; do kill "$child" 2> /dev/null || true; done
    wait || true
    rm -rf "$folder"
}
trap stop EXIT

# Starts a server that prints its URL as its first line, and gives that URL in $url.
start() {
    : > "$folder/url" # there before the program is, and empty again for the next one
    "$@" > "$folder/url" 2> "$folder/server.log" &
    children+=($!)
    for _ in $(seq 300); do
        url="$(head -n 1 "$folder/url")"
        [[ -n "$url" ]] && return
        sleep 0.1
    done
    echo "$* does not start:" >&2
    cat "$folder/server.log" >&2
    exit 1
}

failed=0
# run NAME URL OPTION...: the summary on failure, one line in any case.
run() {
    local name="$1" url="$2" log="$cache/$1.log" verdict=passed
    shift 2
    "${suite[@]}" --url "$url" --timeout 15000 "$@" > "$log" 2>&1 || { verdict=FAILED; failed=1; }
    [[ "$verdict" == passed ]] || sed -n '/=== SUMMARY ===/,$p' "$log"
    echo "conformance, $name: $verdict ($(grep -c '^✓' "$log" || true) scenarios without a failure; $log)"
}

start "$program" http
run http-2025-11-25 "$url" --requirements 2025-11-25
run http-2026-07-28 "$url" --requirements 2026-07-28
start python3 tests/real/stdio_door.py "$program" stdio
run stdio-2025-11-25 "$url" --requirements 2025-11-25 --expected-failures tests/real/suite/expected-stdio-2025-11-25.yaml
run stdio-2026-07-28 "$url" --requirements 2026-07-28 --expected-failures tests/real/suite/expected-stdio-2026-07-28.yaml

# The product itself, with its token where a URL may have one.
token=conformance-editor-token-0001
GALLEY_DATA_DIR="$folder/data" GALLEY_LISTEN=127.0.0.1:0 GALLEY_TOKEN="$token" target/debug/galley serve > "$folder/serve.log" 2>&1 &
children+=($!)
for _ in $(seq 300); do [[ -f "$folder/data/server.json" ]] && break; sleep 0.1; done
base="$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["baseUrl"])' "$folder/data/server.json")"
for scenario in server-initialize ping tools-list resources-list prompts-list server-session-lifecycle server-sse-multiple-streams \
    dns-rebinding-protection; do
    run "serve-$scenario" "$base/mcp?token=$token" --scenario "$scenario" --spec-version 2025-11-25
done
for scenario in tools-list resources-list prompts-list caching dns-rebinding-protection sep-2164-resource-not-found; do
    run "serve-$scenario-2026" "$base/mcp?token=$token" --scenario "$scenario" --spec-version 2026-07-28
done
exit "$failed"
