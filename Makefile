# Galley. `make` alone prints this list. Everything a target needs and the machine lacks goes into .cache/ (untracked).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The least share of the lines of src/ that the tests must reach, in per cent.
COVERAGE_FLOOR ?= 80
CARGO ?= cargo
# Incremental state helps the second build on a person's machine and costs disk on a machine that builds once.
ifdef CI
export CARGO_INCREMENTAL := 0
endif

.PHONY: help demo run model crash fuzz build test test-real lint lint-code cover verify crds pictures chart bench scale soak clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build:
	$(CARGO) build --locked

demo: build ## a real design is planned, approved, applied, drifts, is repaired and destroyed; no tenancy, no credentials
	@tools/fetch.sh terraform
	target/debug/galley demo

run: build ## the server on 127.0.0.1:8470, in the data directory that README.md names
	@tools/fetch.sh terraform
	target/debug/galley serve

test: ## every test; closes with "N passed, N failed"
	@tools/fetch.sh terraform kubectl chromium
	@tools/test.sh

test-real: ## other people's programs: MCP suite, Python clients, kubectl, browser, Mermaid, a real kube-apiserver, OCI's provider
	@tools/fetch.sh terraform kubectl chromium
	@tools/real-conformance.sh
	@tools/real-conversation.sh
	@tools/real-mermaid.sh
	@tools/test.sh --test acceptance kubectl::
	@tools/test.sh --test page
	@tools/real-cluster.sh
	@tools/real-provider.sh

model: ## the decisions, called by an abstract world: every way within the bounds, walks beyond; 0 counterexamples
	$(CARGO) test --locked --test model --no-run
	@# 8 GiB of address space: a model that grows beyond its bounds ends here and not in swap
	(ulimit -v 8388608; GALLEY_MODEL=full $(CARGO) test --locked --test model -- --nocapture --test-threads 1)

crash: ## Galley dies at every durable moment, in storms, and broken on purpose (GALLEY_CRASH_POINTS=240, GALLEY_CRASH_SEED=1)
	@tools/fetch.sh terraform
	$(CARGO) test --locked --features faults --test crash

fuzz: ## what strangers write, mutated by libFuzzer: each target for GALLEY_FUZZ_SECONDS (300); 0 findings
	@tools/fuzz.sh "$${GALLEY_FUZZ_SECONDS:-300}"

lint: lint-code ## format, clippy, dependencies, generated files and documents
	$(CARGO) test --locked --quiet --test crds --test documents --test architecture

# Product code is held to more than tests are: it does not unwrap, panic, start processes or read the environment.
lint-code:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --lib --bins -- -D warnings -D clippy::unwrap_used -D clippy::panic -D clippy::disallowed_methods
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --features faults --test crash -- -D warnings
	@tools/fetch.sh cargo-deny
	@tools/deny.sh

cover: ## every test, instrumented; line coverage of src/ per module, uncovered lines in target/coverage/uncovered.txt
	@tools/fetch.sh terraform kubectl llvm chromium
	@tools/test.sh --coverage
	@tools/coverage.sh $(COVERAGE_FLOOR)

verify: ## exactly what CI runs: versions, lint, chart, every test instrumented, coverage, crash
	@COVERAGE_FLOOR=$(COVERAGE_FLOOR) tools/verify.sh

crds: ## write crds/ and the chart's copies from the types
	UPDATE_GOLDEN=1 $(CARGO) test --locked --quiet --test crds

pictures: ## draw docs/img/ anew: diagrams from the exporter, pages from Chromium; all of them, for looking at, in target/pictures
	@tools/fetch.sh terraform chromium fonts
	@tools/pictures.sh

chart: ## lint and render the chart
	@tools/fetch.sh helm
	@tools/chart.sh

bench: ## each figure beside its bar (release build); non-zero when one is missed by more than noise
	$(CARGO) bench --locked --bench figures

# SCALE="1000" measures one size; PROFILE=dev an unoptimised build, whose figures say nothing beside the bars.
SCALE ?= 1000 10000
PROFILE ?= bench

scale: ## 1,000 and 10,000 designs: memory, restart, sweep, reads, queue, each beside its bar (release build)
	@tools/fetch.sh terraform
	$(CARGO) bench --locked --profile $(PROFILE) --bench scale -- $(SCALE)

soak: ## mixed load for GALLEY_SOAK_MINUTES (30): memory, files and children stay flat, no error that was not injected
	@tools/fetch.sh terraform
	$(CARGO) bench --locked --profile $(PROFILE) --bench soak -- $(or $(GALLEY_SOAK_MINUTES),30)

clean: ## remove what was built and fetched; data directories stay
	$(CARGO) clean
	rm -rf .cache
