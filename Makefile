# `make` lists what there is. Logic lives in scripts/ and in xtask; this file only names it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
LOGS := $(TARGET_DIR)/test-logs
# rustup and a private Node may be fresher than the PATH of this shell.
export PATH := $(HOME)/.cargo/bin:$(CURDIR)/target/tools/node_modules/.bin:$(PATH)

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | \
		awk -F'|' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: run
run: ## Build what changed and start the server (ARGS="--tls self-signed"); prints the address
	@exec scripts/run $(ARGS)

.PHONY: setup
setup: ## Install what building and testing need, or say how
	@scripts/setup test

.PHONY: web
web: ## Build the web app that the server carries
	@scripts/setup web
	@scripts/web

.PHONY: test
test: test-setup test-rust test-sdk test-web test-browser ## Run every test, with real Postgres, Redis and Chromium

# The suites run one after another: two of them at once would share two cores and the ports' peace.
.NOTPARALLEL:

.PHONY: test-setup
test-setup:
	@scripts/setup test
	@scripts/web
	@mkdir -p $(LOGS)

.PHONY: test-rust
test-rust: ## Run the Rust tests, on a private Postgres and Redis
	@mkdir -p $(LOGS)
	cargo xtask services -- cargo test --workspace --no-fail-fast 2>&1 | tee $(LOGS)/rust.log

.PHONY: test-postgres15
test-postgres15: ## Run the database tests on the machine's own Postgres, the oldest we support
	@mkdir -p $(LOGS)
	cargo xtask services --postgres system -- \
		cargo test -p confer-accounts -p confer-chat -p confer --no-fail-fast 2>&1 | tee $(LOGS)/postgres15.log

.PHONY: test-sdk
test-sdk: ## Run the JavaScript SDK's tests
	@mkdir -p $(LOGS)
	npm --prefix sdk/js test 2>&1 | tee $(LOGS)/sdk.log

.PHONY: test-web
test-web: ## Run the web app's tests
	@mkdir -p $(LOGS)
	npm --prefix web test 2>&1 | tee $(LOGS)/web.log

.PHONY: test-browser
test-browser: ## Run the tests in real Chromium, against the real binary
	@mkdir -p $(LOGS)
	cargo build --bin confer
	CONFER_BIN=$(abspath $(TARGET_DIR))/debug/confer npm --prefix e2e/browser test 2>&1 | tee $(LOGS)/browser.log

.PHONY: check
check: ## Check formatting, lints, architecture, generated files and docs
	@scripts/setup check
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo xtask tidy
	cargo xtask deps
	@scripts/generated check
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --workspace --no-deps --document-private-items
	@scripts/web
	npm --prefix sdk/js run check
	npm --prefix web run check
	npm --prefix e2e/browser run check

.PHONY: gen
gen: ## Rewrite generated files: TypeScript types and pages of docs/
	@scripts/generated update

.PHONY: bench
bench: ## Measure media, relay, chat and signaling; figures in target/bench/summary.json
	@scripts/setup test
	@scripts/web
	@grep -m1 'model name' /proc/cpuinfo || true
	cargo build --release --locked --bin confer --bin confer-loadtest
	cargo bench -p confer-sfu-core --bench forward
	cargo bench -p confer-sfu-net --bench process
	cargo bench -p confer-chat --bench send
	cargo bench -p confer-signaling-net --bench signaling
	cargo bench -p confer-turn-core --bench strangers
	cargo bench -p confer-turn-core --bench idle
	cargo bench -p confer-turn-net --bench idle
	cargo bench -p confer-turn-net --bench streams
	cargo bench -p confer-inprocess --bench path
	for transport in udp tcp tls; do \
		$(TARGET_DIR)/release/confer-loadtest turn --transport $$transport --confer $(TARGET_DIR)/release/confer || exit 1; \
	done
	@cat target/bench/summary.json
