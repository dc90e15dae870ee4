#!/bin/sh
# RUSTC_WORKSPACE_WRAPPER of the instrumented test run: instruments this crate alone, so its dependencies are shared with
# the ordinary build.
#
# -runtime-counter-relocation lets a process count straight into its profile file (%c in LLVM_PROFILE_FILE), so a server
# that a test ends with SIGKILL counts as well. -enable-name-compression=false because the llvm-cov of tools/pins.txt is
# built without zlib.
#
# Where profiles go is also told to the code that is compiled, as option_env!("GALLEY_COVERAGE_PROFILE"), for children that
# get an environment built from nothing.
export GALLEY_COVERAGE_PROFILE="${LLVM_PROFILE_FILE:-}"
exec "$@" -C instrument-coverage -C llvm-args=-runtime-counter-relocation -C llvm-args=-enable-name-compression=false
