# `make` prints a list of targets.

CARGO ?= cargo
# nginx and ip are in directories that are in the PATH of root only.
export PATH := $(PATH):/usr/sbin:/sbin

# Tests that cannot run write a line here.
export LEFT_OUT := $(abspath $(or $(CARGO_TARGET_DIR),target)/tmp/left-out)

FUZZ_SECS ?= 600

# Tests under many schedules of their threads. They need other locks, and so a build of their own. With optimization they
# take a quarter of the time.
INTERLEAVINGS = RUSTFLAGS="--cfg shuttle -D warnings" CARGO_PROFILE_DEV_OPT_LEVEL=2 \
	$(CARGO) test -p resumed --no-default-features --lib --target-dir target/shuttle interleavings

.PHONY: help repository run dist test check-msrv check-targets test-arm test-crates test-deb test-image torture filesystems fuzz bench docs api film release tools peers

help:
	@echo "make run        serve http://127.0.0.1:8080; files appear in ./uploads"
	@echo "make test       check format, lints and documentation; run the tests"
	@echo "make check-msrv check the code with rustc 1.85 of Debian 13, which it fetches (Debian)"
	@echo "make check-targets check the types for macOS, FreeBSD, Windows, RISC-V and ARM (with rustup, or on Debian)"
	@echo "make test-arm   run the core tests on ARM, 32 and 64 bits, in qemu (Debian)"
	@echo "make test-crates pack the crates as for crates.io, and test what is packed"
	@echo "make test-deb   install, run and remove the Debian package (as root, on Debian; after make dist)"
	@echo "make test-image build and run the container image (as root, with buildah and debootstrap)"
	@echo "make torture    run the long tests: kill -9, power loss, a million uploads, floods, 100,000 schedules"
	@echo "make filesystems try uploads on many file systems in a virtual machine, and write docs/filesystems.md (Debian)"
	@echo "make fuzz       fuzz each target of fuzz/ for ten minutes (cargo install cargo-fuzz)"
	@echo "make bench      compare with other servers, and write docs/bench.md (options: BENCH=--help)"
	@echo "make docs       build the documentation as a site in target/docs/book, and check its links (needs mdbook)"
	@echo "make api        write docs/api/, the lists of the public API (needs cargo-public-api)"
	@echo "make dist       build static binaries for x86-64 and ARM, Debian packages, and the npm package (Debian)"
	@echo "make film       film resumed put and kill -9 of the server as docs/cut.svg"
	@echo "make release    check that this commit can be released: versions, changelog, tag"
	@echo "make tools      list the tools of the tests by purpose, and install the missing ones (Debian)"
	@echo "make peers      install the servers to compare with: dufs, rustus, @tus/server"

run:
	$(CARGO) run --release -p resumed -- uploads

# These use tests and scripts that the packages do not have.
test check-msrv check-targets test-arm test-crates test-deb test-image torture filesystems \
	fuzz dist bench docs api film release tools peers: repository

repository:
	@[ -d .ci ] || { echo "this needs a clone of the repository: the package has no tests and no scripts"; exit 1; }

test:
	@.ci/tools missing
	@rm -f $(LEFT_OUT) && mkdir -p $(dir $(LEFT_OUT))
	@.ci/lint
	@.ci/watch $(CARGO) test --all-features
	@.ci/watch $(CARGO) test --all-features --test it -- --ignored --test-threads=1 slow_link flood
	@.ci/watch env $(INTERLEAVINGS)
	@.ci/left-out

check-msrv:
	@.ci/check-msrv

check-targets:
	@.ci/check-targets

test-arm:
	@.ci/test-arm

test-crates:
	@.ci/test-crates

test-deb:
	@.ci/test-deb

test-image:
	@.ci/test-image

torture:
	@.ci/tools missing
	@rm -f $(LEFT_OUT) && mkdir -p $(dir $(LEFT_OUT))
	TORTURE=1 $(CARGO) test --all-features --test it -- --nocapture --test-threads=1 crash model soak
	SCHEDULES=100000 $(INTERLEAVINGS)
	TORTURE=1 $(CARGO) test --all-features --release --test it -- --include-ignored --nocapture --test-threads=1 hostile flood
	@.ci/left-out

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

api:
	@.ci/api --write

film:
	$(CARGO) build --release --features put,tls --target-dir target/put
	@.ci/film target/put/release/resumed

release:
	@.ci/release

tools:
	@.ci/tools

peers:
	@bench/peers/install
