#!/usr/bin/env bash
# The official Python client (and fastmcp) talks to the real binary: tests/real/conversation.py.
set -euo pipefail
cd "$(dirname "$0")/.."

environment="$PWD/.cache/mcp-client"
if ! cmp -s tests/real/requirements.txt "$environment/installed"; then
    python3 -m venv "$environment"
    "$environment/bin/pip" --disable-pip-version-check install --quiet --requirement tests/real/requirements.txt
    cp tests/real/requirements.txt "$environment/installed"
fi
cargo build --locked --quiet --bin galley
exec "$environment/bin/python" tests/real/conversation.py target/debug/galley
