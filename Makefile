# `make` alone says what there is.

CARGO ?= cargo
# nginx and ip live where only root looks for commands.
export PATH := $(PATH):/usr/sbin:/sbin

# Where tests note that they could not run.
LEFT_OUT = $(or $(CARGO_TARGET_DIR),target)/tmp/left-out

.PHONY: help run test torture tools

help:
	@echo "make run      take uploads into ./uploads"
	@echo "make test     everything that has to hold: format, lints, documentation, tests"
	@echo "make torture  what make test does a little of, for as long as it takes: kill -9, pulled plugs"
	@echo "make tools    install what the tests need beyond Rust (Debian), or say what is missing"

run:
	$(CARGO) run --release -- uploads

test: tools
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --all-features -- -D warnings
	$(CARGO) check --no-default-features --lib
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --all-features
	@rm -f $(LEFT_OUT)
	$(CARGO) test --all-features
	$(CARGO) test --all-features --test it -- --ignored --test-threads=1 slow_link
	@cat $(LEFT_OUT) 2>/dev/null || true

torture: tools
	@rm -f $(LEFT_OUT)
	TORTURE=1 $(CARGO) test --all-features --test it crash -- --nocapture --test-threads=1
	@cat $(LEFT_OUT) 2>/dev/null || true

tools:
	@.ci/tools
