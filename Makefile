# `make` alone says what there is.

CARGO ?= cargo
# nginx and ip live where only root looks for commands.
export PATH := $(PATH):/usr/sbin:/sbin

.PHONY: help run test tools

help:
	@echo "make run     take uploads into ./uploads"
	@echo "make test    everything that has to hold: format, lints, documentation, tests"
	@echo "make tools   install what the tests need beyond Rust (Debian), or say what is missing"

run:
	$(CARGO) run --release -- uploads

test: tools
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --all-features -- -D warnings
	$(CARGO) check --no-default-features --lib
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --all-features
	$(CARGO) test --all-features
	$(CARGO) test --all-features --test it -- --ignored --test-threads=1 slow_link

tools:
	@.ci/tools
