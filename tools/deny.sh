#!/usr/bin/env bash
# cargo-deny on licences, bans and sources (deny.toml says why not advisories). Prints its verdict; all of it when it fails.
set -euo pipefail
cd "$(dirname "$0")/.."

log=.cache/deny.log
if ! .cache/bin/cargo-deny --locked check --hide-inclusion-graph bans licenses sources > "$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
echo "cargo deny: $(tail -1 "$log"); $(grep -c '^warning\[duplicate\]' "$log" || true) crates are there in more than one version"
