# `make` prints a list of targets.

CARGO ?= cargo
# nginx and ip are in directories that are in the PATH of root only.
export PATH := $(PATH):/usr/sbin:/sbin

# Tests that cannot run write a line here.
LEFT_OUT = $(or $(CARGO_TARGET_DIR),target)/tmp/left-out

FUZZ_SECS ?= 600

# Tests under many schedules of their threads. They need other locks, and so a build of their own.
INTERLEAVINGS = RUSTFLAGS="--cfg shuttle -D warnings" \
	$(CARGO) test -p resumed --no-default-features --lib --target-dir target/shuttle interleavings

.PHONY: help run dist test check-msrv check-targets test-arm test-deb test-image torture filesystems fuzz bench docs film release tools peers

help:
	@echo "make run        serve http://127.0.0.1:8080; files appear in ./uploads"
	@echo "make test       check format, lints and documentation; run the tests"
	@echo "make check-msrv check the code with rustc 1.85 of Debian 13, which it fetches (Debian)"
	@echo "make check-targets check the types for macOS, FreeBSD, Windows, RISC-V and ARM (with rustup, or on Debian)"
	@echo "make test-arm   run the core tests on ARM, 32 and 64 bits, in qemu (Debian)"
	@echo "make test-deb   install, run and remove the Debian package (as root, on Debian; after make dist)"
	@echo "make test-image build and run the container image (as root, with buildah and debootstrap)"
	@echo "make torture    run the long tests: kill -9, power loss, a million uploads, floods, 100,000 schedules"
	@echo "make filesystems try uploads on many file systems in a virtual machine, and write docs/filesystems.md (Debian)"
	@echo "make fuzz       fuzz each target of fuzz/ for ten minutes (cargo install cargo-fuzz)"
	@echo "make bench      compare with other servers, and write docs/bench.md (options: BENCH=--help)"
	@echo "make docs       build the documentation as a site in target/docs/book, and check its links (needs mdbook)"
	@echo "make dist       build static binaries for x86-64 and ARM, Debian packages, and the npm package (Debian)"
	@echo "make film       film resumed put and kill -9 of the server as docs/cut.svg"
	@echo "make release    check that this commit can be released: versions, changelog, tag"
	@echo "make tools      install what the tests need (Debian), or list what is missing"
	@echo "make peers      install the servers to compare with: dufs, rustus, @tus/server"

run:
	$(CARGO) run --release -p resumed -- uploads

# The fuzz targets are checked only: linking needs a C++ compiler.
test: tools
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	$(CARGO) check --no-default-features --lib
	$(CARGO) clippy --no-default-features --features cli -- -D warnings
	CUSTOM_LIBFUZZER_PATH=none/libfuzzer.a RUSTFLAGS="--cfg fuzzing" \
		$(CARGO) clippy --manifest-path fuzz/Cargo.toml --target-dir target/fuzzing -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --all-features -p resumed -p resumed-client
	@rm -f $(LEFT_OUT)
	@.ci/deny $(LEFT_OUT)
	$(CARGO) test --all-features
	$(CARGO) test --all-features --test it -- --ignored --test-threads=1 slow_link flood
	$(INTERLEAVINGS)
	@cat $(LEFT_OUT) 2>/dev/null || true

check-msrv:
	@.ci/check-msrv

check-targets:
	@.ci/check-targets

test-arm:
	@.ci/test-arm

test-deb:
	@.ci/test-deb

test-image:
	@.ci/test-image

torture: tools
	@rm -f $(LEFT_OUT)
	TORTURE=1 $(CARGO) test --all-features --test it -- --nocapture --test-threads=1 crash model soak
	SCHEDULES=100000 $(INTERLEAVINGS)
	TORTURE=1 $(CARGO) test --all-features --release --test it -- --include-ignored --nocapture --test-threads=1 hostile flood
	@cat $(LEFT_OUT) 2>/dev/null || true

filesystems:
	@.ci/filesystems durability::file_systems::table durability::mounted durability::slow_sync

# New inputs go to target/fuzz; fuzz/corpus holds the kept ones. Stable Rust is enough.
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
	$(CARGO) build --release --features put,tls --target-dir target/put
	$(CARGO) run --release -p bench -- $(BENCH)

docs:
	@.ci/docs

film:
	$(CARGO) build --release --features put,tls --target-dir target/put
	@.ci/film target/put/release/resumed

release:
	@.ci/release

tools:
	@.ci/tools

peers:
	@bench/peers/install
