#!/usr/bin/env bash
# The Mermaid exports of the tests through the real Mermaid (npm): designs as people draw them, and names that try to leave
# their labels. tests/real/mermaid/parse.mjs says what must be true.
set -euo pipefail
cd "$(dirname "$0")/.."

cache="$PWD/.cache/mermaid"
mkdir -p "$cache"
cp tests/real/mermaid/package.json tests/real/mermaid/package-lock.json tests/real/mermaid/parse.mjs "$cache/"
if ! cmp -s "$cache/package-lock.json" "$cache/installed"; then
    (cd "$cache" && npm ci --no-audit --no-fund --loglevel=error)
    cp "$cache/package-lock.json" "$cache/installed"
fi
rm -rf "$cache/diagrams" && mkdir "$cache/diagrams"
GALLEY_TEST_MERMAID="$cache/diagrams" cargo test --locked --quiet --lib render::export::tests::hostile_names_and_empty_designs_are_valid_mermaid > "$cache/write.log" 2>&1 ||
    { cat "$cache/write.log"; exit 1; }
exec "$cache/node_modules/.bin/node" "$cache/parse.mjs" "$cache/diagrams"
