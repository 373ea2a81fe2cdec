# `make` alone says what there is.

CARGO ?= cargo
# nginx and ip live where only root looks for commands.
export PATH := $(PATH):/usr/sbin:/sbin

# Where tests note that they could not run.
LEFT_OUT = $(or $(CARGO_TARGET_DIR),target)/tmp/left-out

FUZZ_SECS ?= 600

.PHONY: help run dist test test-arm test-deb test-image torture fuzz bench tools peers

help:
	@echo "make run      take uploads into ./uploads"
	@echo "make test     everything that has to hold: format, lints, documentation, tests"
	@echo "make test-arm the core of the tests on ARM, 32 and 64 bits: built here, run by qemu (Debian)"
	@echo "make test-deb the Debian package: in, run, out (as root, on Debian; after make dist)"
	@echo "make test-image  the container image: built, run, tried (as root, with buildah; after make dist)"
	@echo "make torture  what make test does a little of, for as long as it takes: kill -9, pulled plugs,"
	@echo "              requests cut at every byte, a flood of clients"
	@echo "make fuzz     ten minutes for each target of fuzz/ (cargo install cargo-fuzz)"
	@echo "make bench    measure it beside others and write docs/bench.md; BENCH=--help says what can be chosen"
	@echo "make dist     static binaries for x86-64 and ARM, and Debian packages, in target/dist (Debian)"
	@echo "make tools    install what the tests need beyond Rust (Debian), or say what is missing"
	@echo "make peers    install others to measure beside: dufs, rustus, @tus/server"

run:
	$(CARGO) run --release -- uploads

# The fuzz targets are not linked here: that takes a C++ compiler.
test: tools
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --all-features -- -D warnings
	$(CARGO) check --no-default-features --lib
	$(CARGO) clippy --no-default-features --features cli -- -D warnings
	$(CARGO) clippy --release --manifest-path bench/Cargo.toml --target-dir target/bench -- -D warnings
	CUSTOM_LIBFUZZER_PATH=none/libfuzzer.a RUSTFLAGS="--cfg fuzzing" \
		$(CARGO) clippy --manifest-path fuzz/Cargo.toml --target-dir target/fuzzing -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --all-features
	@rm -f $(LEFT_OUT)
	$(CARGO) test --all-features
	$(CARGO) test --all-features --test it -- --ignored --test-threads=1 slow_link flood
	@cat $(LEFT_OUT) 2>/dev/null || true

test-arm:
	@.ci/test-arm

test-deb:
	@.ci/test-deb

test-image:
	@.ci/test-image

torture: tools
	@rm -f $(LEFT_OUT)
	TORTURE=1 $(CARGO) test --all-features --test it crash -- --nocapture --test-threads=1
	TORTURE=1 $(CARGO) test --all-features --release --test it -- --include-ignored --nocapture --test-threads=1 hostile flood
	@cat $(LEFT_OUT) 2>/dev/null || true

# What is found on the way goes to target/fuzz; fuzz/corpus is what of it is kept. Stable Rust will do.
fuzz:
	@for target in body connection flags head id record request; do \
		mkdir -p target/fuzz/$$target; \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --sanitizer none $$target target/fuzz/$$target fuzz/corpus/$$target \
			-- -max_len=1024 -max_total_time=$(FUZZ_SECS) || exit; \
	done

dist:
	@.ci/dist

bench:
	$(CARGO) build --release
	$(CARGO) run --release --manifest-path bench/Cargo.toml --target-dir target/bench -- $(BENCH)

tools:
	@.ci/tools

peers:
	@bench/peers/install
