#!/usr/bin/env bash
# The real OCI provider against everything that Galley renders, and against the sandbox (tests/provider, docs/parity.md).
# GALLEY_TEST_OCI_PROVIDER names a binary that is there; else tools/fetch.sh builds one; else one line says SKIPPED.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z "${GALLEY_TEST_OCI_PROVIDER:-}" ]]; then
    mkdir -p .cache
    if path="$(tools/fetch.sh oci-provider 2> .cache/oci-provider.log)"; then
        export GALLEY_TEST_OCI_PROVIDER="$path"
    else
        GALLEY_TEST_OCI_PROVIDER_MISSING="$(tail -n 1 .cache/oci-provider.log)"
        export GALLEY_TEST_OCI_PROVIDER_MISSING
    fi
fi
cargo test --locked --quiet --test provider
