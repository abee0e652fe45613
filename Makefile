# The one entry point: CI runs these targets too. `make help` lists them.
#
# The extension is built once per change, under one profile: `make build` (and run, bench) wants `release`; `make test`
# takes whatever is installed and fresh, and builds the quicker `dev` profile only when nothing is.

PYTHON ?= python3
ARGS ?=

venv := .venv
bin := $(venv)/bin
stamps := $(venv)/stamps
extension := python/fastgate/_core.abi3.so
release := $(stamps)/release
runtime := $(stamps)/runtime
dev := $(stamps)/dev
rust_sources := Cargo.toml Cargo.lock pyproject.toml $(shell find rust -type f \( -name '*.rs' -o -name Cargo.toml -o -path 'rust/core/data/*' \))
fuzz_targets := sse json headers routing failures translation
RUNS ?= 1000000
# What `cargo fuzz` compiles with, bar the sanitizer, which needs a nightly toolchain.
coverage := --cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 -Cdebug-assertions -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares
host = $(shell rustc -vV | sed -n 's/^host: //p')
release_goals := build run bench bench-peers
# How often each branch is taken (docs/decisions/0013): only the compiler that counted can read it, another does without.
compiler := $(shell rustc -vV 2>/dev/null | awk '/^host:/ { host = $$2 } /^release:/ { print $$2 "-" host }')
counts := rust/profile/$(compiler).profdata.xz
unpacked_counts := $(CURDIR)/target/profile/$(compiler).profdata
optimise := $(if $(wildcard $(counts)),-Cprofile-use=$(unpacked_counts) -Cllvm-args=-no-pgo-warn-mismatch)
training := $(CURDIR)/target/training
dev_goals := test lint format typecheck bench bench-peers

# One interpreter for every cargo call: pyo3's build script runs again whenever this changes.
export PYO3_PYTHON := $(CURDIR)/$(bin)/python

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: run build wheel test fuzz lint format typecheck bench bench-peers profile lock clean help check-python check-cargo

# A removed extension makes the record of its profile void.
ifeq ($(wildcard $(extension)),)
$(shell rm -f $(release))
endif

run: $(release)  ## From nothing to a running gateway (ARGS="-c FILE --listen ADDR" is passed on)
	$(bin)/fastgate serve $(ARGS)

build: $(release)  ## .venv/bin/fastgate with the optimised extension

wheel: $(runtime) $(dev) $(if $(optimise),$(unpacked_counts)) | check-cargo  ## The wheel in dist/, as it would be published
	RUSTFLAGS="$(RUSTFLAGS) $(optimise)" $(bin)/maturin build --quiet --release --out dist

test: $(extension) $(dev)  ## Rust and Python tests
	cargo test --workspace
	$(bin)/python -m pytest $(ARGS)

fuzz: | check-cargo  ## libFuzzer on every target of fuzz/, a million inputs each (RUNS=N for another number; needs a C++ compiler)
	cd fuzz && RUSTFLAGS="$(coverage)" cargo build --quiet --release --target $(host)
	set -e; for target in $(fuzz_targets); do \
		mkdir -p fuzz/corpus/$$target fuzz/artifacts/$$target; \
		fuzz/target/$(host)/release/$$target -runs=$(RUNS) -max_len=4096 -print_final_stats=1 \
			-artifact_prefix=fuzz/artifacts/$$target/ fuzz/corpus/$$target fuzz/seeds/$$target; \
	done

lint: $(dev) | check-cargo  ## clippy, rustfmt, ruff: complain, change nothing
	cargo fmt --all --check
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	cargo clippy --workspace --all-targets -- -D warnings

format: $(dev) | check-cargo  ## rustfmt and ruff: rewrite
	cargo fmt --all
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

typecheck: $(dev)  ## mypy, strict
	$(bin)/mypy

bench: $(release) $(dev)  ## The doors against nginx, side by side (needs wrk and nginx)
	$(bin)/python -m bench $(ARGS)

bench-peers: $(release) $(dev)  ## The same run with LiteLLM and Portkey in it
	$(bin)/python -m bench --peers $(ARGS)

profile: $(runtime) $(dev) | check-cargo  ## Count anew how often each branch is taken, under load (needs wrk, and llvm-tools of rustup)
	rm -rf $(training) && rm -f $(release)
	RUSTFLAGS="$(RUSTFLAGS) -Cprofile-generate=$(training)/counts" VIRTUAL_ENV=$(CURDIR)/$(venv) \
		$(bin)/maturin develop --quiet --group build --release
	rm -rf $(training)/counts  # of the build itself
	LLVM_PROFILE_FILE=$(training)/counts/%m-%p.profraw $(bin)/python -m bench --rounds 1 --seconds 6 --measures load,paced,unpaced \
		--targets native,native-limits,native-o200k,native-chat-to-anthropic,native-anthropic-to-chat,uvicorn,granian-asgi,granian-rsgi \
		--output $(training)
	$$(rustc --print target-libdir)/../bin/llvm-profdata merge --sparse --output $(training)/merged $(training)/counts
	@mkdir -p $(dir $(counts))
	$(bin)/python -c 'import lzma, sys; sys.stdout.buffer.write(lzma.compress(sys.stdin.buffer.read(), preset=9 | lzma.PRESET_EXTREME))' \
		< $(training)/merged > $(counts)
	rm -rf $(training) $(extension)

lock: $(runtime)  ## Resolve the Python dependencies anew, with hashes
	$(bin)/python -m pip install --quiet uv
	$(lock) --group build pyproject.toml -o requirements.lock
	$(lock) --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:  ## Remove everything that the targets above made
	rm -rf $(venv) target dist $(extension) .pytest_cache .mypy_cache .ruff_cache .hypothesis

help:  ## This list
	@sed -n 's/^\([a-z-]*\):.*##/\1/p' $(MAKEFILE_LIST) | awk '{ name = $$1; $$1 = ""; printf "  %-12s%s\n", name, $$0 }'

lock = UV_CUSTOM_COMPILE_COMMAND="make lock" $(bin)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate

# pip in one environment is not safe beside itself, so each step that writes to it waits for the one before.
$(runtime): requirements.lock | check-python
	$(PYTHON) -m venv $(venv)
	$(bin)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@mkdir -p $(@D) && touch $@

$(dev): requirements-dev.lock $(runtime)
	$(bin)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Asked for a release build in the same call, `test` must not start a second build beside it.
ifneq ($(filter $(release_goals),$(MAKECMDGOALS)),)
$(extension): $(release) ;
else
$(extension): $(rust_sources) $(runtime) | check-cargo
	rm -f $(release)
	VIRTUAL_ENV=$(CURDIR)/$(venv) $(bin)/maturin develop --quiet --group build --profile dev
	@touch $@
endif

$(release): $(rust_sources) $(runtime) $(if $(optimise),$(unpacked_counts)) | check-cargo
	RUSTFLAGS="$(RUSTFLAGS) $(optimise)" VIRTUAL_ENV=$(CURDIR)/$(venv) $(bin)/maturin develop --quiet --group build --release
	@touch $(extension) $@

$(unpacked_counts): $(counts)
	@mkdir -p $(@D)
	@$(PYTHON) -c 'import lzma, sys; sys.stdout.buffer.write(lzma.decompress(sys.stdin.buffer.read()))' < $< > $@

ifneq ($(filter $(dev_goals),$(MAKECMDGOALS)),)
$(extension) $(release): | $(dev)
endif

check-python:
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "fastgate needs Python 3.11 or later with its venv module, and '$(PYTHON)' is not that." >&2; \
	  echo "  Debian, Ubuntu:  apt-get install python3 python3-venv" >&2; \
	  echo "  macOS:           brew install python@3.13" >&2; \
	  echo "  another one:     make PYTHON=/path/to/python3.13 ..." >&2; exit 1; }

check-cargo:
	@command -v cargo >/dev/null || { \
	  echo "fastgate builds its engine with Rust 1.90 or later, and cargo is not on the PATH." >&2; \
	  echo "  Install Rust from https://rustup.rs (or: apt-get install rustup && rustup default stable)," >&2; \
	  echo "  open a new shell and run make again." >&2; exit 1; }
	@command -v cc >/dev/null || { \
	  echo "fastgate's Rust build needs a C compiler, and cc is not on the PATH." >&2; \
	  echo "  Debian, Ubuntu:  apt-get install build-essential" >&2; \
	  echo "  macOS:           xcode-select --install" >&2; exit 1; }
