# Everything one does with this repository. `make` alone explains.

PREFIX ?= /usr/local
# The demo shares the debug build with the tests: on a fresh clone it is there minutes sooner than a release build,
# and what it shows (when a path changes) does not depend on the difference. `make demo CONFIGURATION=release` works too.
CONFIGURATION ?= debug
FUZZ_RUNS ?= 1000000
# Of `make chaos`; SEED, LIMIT (seconds) and EVIDENCE (a folder for everything the programs say) may be given, too.
MESSAGES ?= 100000
KILLS ?= 500
CUTS ?= 200
FILLS ?= 40

.DEFAULT_GOAL := help
.PHONY: help demo test build install format lint bench compare clean matrix chaos asan tsan fuzz bootstrap
# One build at a time: Swift's package manager uses all cores itself.
.NOTPARALLEL:

help: ## explain these commands
	@echo "Sotto: private chat between two people behind NATs. Commands:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F '|' '{ printf "%-16s %s\n", $$1, $$2 }'

demo: bootstrap ## build, then show two people behind NATs chatting
	@swift build --configuration $(CONFIGURATION) --product sotto
	@swift build --configuration $(CONFIGURATION) --product sotto-signal
	@swift build --configuration $(CONFIGURATION) --product sotto-demo
	@"$$(swift build --configuration $(CONFIGURATION) --show-bin-path)/sotto-demo"

test: bootstrap ## build everything and run all tests, the NAT laboratory included
	@scripts/test

build: bootstrap ## build the release binaries
	swift build --configuration release --static-swift-stdlib --product sotto
	swift build --configuration release --static-swift-stdlib --product sotto-signal

install: build ## install sotto and sotto-signal below PREFIX (default /usr/local)
	@bin="$$(swift build --configuration release --static-swift-stdlib --show-bin-path)" && \
	install -d "$(DESTDIR)$(PREFIX)/bin" && \
	install -s -m 755 "$$bin/sotto" "$$bin/sotto-signal" "$(DESTDIR)$(PREFIX)/bin/" && \
	echo "Installed sotto and sotto-signal in $(DESTDIR)$(PREFIX)/bin"

format: ## format all Swift sources in place
	swift format --in-place --recursive Package.swift Sources Tests signaling

lint: ## complain about unformatted Swift sources (the tests do, too)
	swift format lint --strict --recursive Package.swift Sources Tests signaling

bench: build ## measure latency, throughput, memory, the mailbox and long paths on this machine
	swift build --configuration release --static-swift-stdlib --product mailbox-bench
	swift build --configuration release --static-swift-stdlib --product path-bench
	@scripts/bench "$$(swift build --configuration release --static-swift-stdlib --show-bin-path)"
	@bin="$$(swift build --configuration release --static-swift-stdlib --show-bin-path)" && "$$bin/path-bench" "$$bin"

compare: ## measure Sotto beside iroh, libdatachannel and Tox, its server beside nats-server and coturn; writes docs/performance.md
	@bench/compare
	@bench/compare-server

matrix: bootstrap ## run every ordered pair of NATs in the laboratory and write docs/nat-matrix.md
	swift build --build-tests
	swift build --configuration release --product sotto
	swift build --configuration release --product sotto-signal
	SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=2 SOTTO_MATRIX_OUT="$(CURDIR)/docs/nat-matrix.md" \
		SOTTO_BIN_DIR="$$(swift build --configuration release --show-bin-path)" \
		swift test --skip-build --disable-xctest --filter '^NATMatrixTests\.'

chaos: bootstrap ## kill, cut and fill everything while two people talk; nothing may get lost (SEED, MESSAGES, KILLS, CUTS)
	swift build --configuration release --product sotto
	swift build --configuration release --product sotto-signal
	swift build --configuration release --product sotto-chaos
	@MESSAGES="$(MESSAGES)" KILLS="$(KILLS)" CUTS="$(CUTS)" FILLS="$(FILLS)" \
		SUMMARY="$${SUMMARY:-$(CURDIR)/.build/chaos.txt}" \
		"$$(swift build --configuration release --show-bin-path)/sotto-chaos"

# No report of leaks at exit: Swift programs end with their thread pools, contexts and argument trees in use, and the
# report cannot tell those from what was lost. What must not grow has tests of its own (ResourceTests, LifecycleTests).
asan: bootstrap ## run the tests, without the laboratory, under AddressSanitizer
	@ASAN_OPTIONS="detect_leaks=0:$$ASAN_OPTIONS" \
		SOTTO_TEST_FLAGS="--sanitize=address --scratch-path .build/asan" scripts/test unit

tsan: bootstrap ## run the tests, without the laboratory, under ThreadSanitizer
	@TSAN_OPTIONS="suppressions=$(CURDIR)/scripts/tsan-suppressions $$TSAN_OPTIONS" \
		SOTTO_TEST_FLAGS="--sanitize=thread --scratch-path .build/tsan" scripts/test unit

fuzz: bootstrap ## fuzz everything that reads bytes from outside, FUZZ_RUNS inputs each (default 1000000)
	@scripts/fuzz $(FUZZ_RUNS)

clean: ## remove everything that was built
	rm -rf .build

bootstrap:
	@scripts/bootstrap
