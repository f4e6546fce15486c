# SPDX-License-Identifier: BSD-2-Clause
# utmpd: see README.md. All targets need only Go and make, unless they say so. The
# tests fetch what else they need into a cache of their own, $(UTMPD_CACHE).

GO      ?= go
VERSION ?= $(shell packaging/version.sh)
LDFLAGS  = -s -w -X utmpd.dev/utmpd/internal/version.version=$(VERSION)
BIN     ?= bin
export PREFIX DESTDIR INIT BIN
export CGO_ENABLED ?= 0

.PHONY: build demo test test-unit test-unit-whole test-system test-race test-arch test-long sim sim-ci sim-boots mutants fuzz bench bench-readme benchstat install uninstall packages dist test-packages test-browser check vulncheck cross clean

build:
	$(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

# See packaging/install.sh for PREFIX, DESTDIR, INIT and more. These targets build
# nothing, so that root needs no Go.
install uninstall:
	packaging/install.sh $@

# deb and rpm, for amd64 and arm64, in dist/.
packages:
	packaging/build.sh

# The packages utmpfleet and utmpfleet-server, deb and rpm, for amd64 and arm64, in dist/.
.PHONY: packages-fleet
packages-fleet:
	packaging/fleet/build.sh

# The release tarball, in dist/. It needs neither git nor a network to build.
dist:
	packaging/tarball.sh

# Packages and services, in Debian root file systems.
test-packages:
	cd test/packages && $(GO) test -tags system -count=1 -timeout 30m

# Pages of utmpctl report in a headless Chromium. The first run fetches it: 90 MB, and
# 630 MB in the cache.
test-browser:
	cd test/browser && $(GO) test -tags system -count=1 -timeout 10m

# The manual pages as HTML, in dist/man/. Needs mandoc.
.PHONY: html
html:
	mkdir -p dist/man
	for page in man/*.[158]; do mandoc -T html -O man=%N.%S.html $$page >dist/man/$${page##*/}.html || exit; done

# Shows utmpd on a real session, from login to death, on private files.
demo: build
	$(GO) build -o bin/demo ./test/demo
	bin/demo bin/utmpd

# The programs of a fleet, and a demonstration of them on private files; see docs/fleet.md.
# They are a module of their own.
.PHONY: fleet demo-fleet test-fleet
fleet:
	cd fleet && $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(abspath $(BIN))/ ./cmd/...

demo-fleet: fleet
	cd fleet && $(GO) build -o $(abspath $(BIN))/demo-fleet ./demo
	$(BIN)/demo-fleet $(BIN)

# Real servers on loopback, some of which are killed.
test-fleet:
	cd fleet && $(GO) test ./...

# Distributions run test-unit only: it needs neither root nor a network. It is the quick form
# of the same tests: those that do one thing at thousands of places do it at fewer.
test:
	@test/parts.sh 'unit tests: $(MAKE) -s test-unit-whole' 'fleet: $(MAKE) -s test-fleet' $(SYSTEM_PARTS)

test-unit:
	$(GO) test -short ./...

test-unit-whole:
	$(GO) test ./...

# Real programs in Debian root file systems and namespaces of their own.
test-system:
	@test/parts.sh $(SYSTEM_PARTS)

SYSTEM       = libc kernel dropin cases faults system
SYSTEM_PARTS = $(foreach s,$(SYSTEM),'$s: $(MAKE) -s test-system-$s')

.PHONY: $(SYSTEM:%=test-system-%)
test-system-cases: ARGS = -parallel 24
test-system-faults: ARGS = -timeout 10m
test-system-system: ARGS = -parallel 12 -timeout 30m
$(SYSTEM:%=test-system-%): test-system-%:
	cd test/$* && $(GO) test -tags system -count=1 $(ARGS)

# By an ordinary user, even if root asks for it: test-unit may be root's. Left out are tests
# that do one thing at very many places, or start a program for each step: with the detector
# they take most of a quarter of an hour, and others start the same goroutines.
RACE_SKIP = ^(TestAppendOn|TestAsXZ|TestBridgeKilledAnywhere|TestPageAgrees|TestPageTellsEvents|TestRead|TestScript|TestSlotTorn|TestWorld)$$

test-race:
	CGO_ENABLED=1 test/ordinary.sh -race -skip '$(RACE_SKIP)' $$(test/racy.sh)
	test/ordinary.sh $$(test/racy.sh -v)
	cd fleet && CGO_ENABLED=1 $(GO) test -race ./...

# The C libraries of other machines, under user-mode emulation.
test-arch:
	test/arch/run.sh

# Whole emulated machines, with power cuts and reboots. Takes 15 to 30 minutes and
# writes its results to docs/testing.md.
.PHONY: test-vm
test-vm:
	cd test/vm && $(GO) test -tags system -count=1 -parallel 5 -timeout 3h -v

# last, lastb and utmpdump beside those of util-linux: SIMCOUNT random calls of each kind
# (10,000), from SIMSEED on.
.PHONY: sim-dropin
sim-dropin:
	cd test/dropin && $(GO) test -tags system -count=1 -timeout 0 -v -args \
		-dropin.n $(or $(SIMCOUNT),10000) $(if $(SIMSEED),-dropin.seed $(SIMSEED))

# Every fault of test/faults, a million sessions, and an hour of everything at once (or
# UTMPD_TEST_SOAK=5m). Takes hours.
test-long:
	cd fleet/internal/proof && $(GO) test -count=1 -timeout 2h -v -args -long
	cd test/faults && $(GO) test -tags system -count=1 -long -timeout 3h -v
	cd test/system && UTMPD_TEST_LONG=1 $(GO) test -tags system -count=1 -timeout 3h

# The daemon in simulated worlds with random events: for SIMTIME, or for SIMCOUNT
# worlds. SIMSEED is the first seed; the default is random.
SIMTIME ?= 1m
sim:
	$(GO) test -count=1 -timeout 0 -run 'TestSim$$' -v ./internal/daemon -args \
		$(if $(SIMCOUNT),-sim.n $(SIMCOUNT),-sim.time $(SIMTIME)) $(if $(SIMSEED),-sim.first $(SIMSEED))

# utmpctl in random histories of boots. SIMSEED is the first seed; the default is 1.
sim-boots:
	$(GO) test -count=1 -timeout 0 -run 'TestWorld$$' ./internal/ctl -args \
		-world.n $(or $(SIMCOUNT),3000) $(if $(SIMSEED),-world.first $(SIMSEED))

# Takes about two minutes on two idle processors.
sim-ci:
	$(MAKE) sim SIMCOUNT=100000

# Every fuzz target for FUZZTIME: a number of inputs such as 50000x, a duration, or ci:
# fewer inputs for the slow ones.
FUZZTIME ?= 50000x
fuzz:
	test/fuzz.sh $(FUZZTIME)

# Each patch in test/mutants breaks a law or a decision; a test must fail. All of them take
# about half an hour on two processors; SHARE=4 runs a quarter, another one each day.
mutants:
	test/mutants/run.sh $(if $(SHARE),-share $(SHARE))

# What utmpd costs, compared with a program that does only the unavoidable work.
# Takes fourteen minutes, by estimate; run it on an otherwise idle machine. BENCH='-quick' is a
# short trial, BENCH='-case one,all -n 1000' a part.
# PEER='cmd {utmp} {wtmp} {pipe} {config}' measures another command alternately.
BENCH ?=
PEER  ?=
bench: build
	$(GO) build -o bin/ ./bench ./bench/floor
	bin/bench -json bin/bench.json -md bin/bench.md -compared bin/compare.md -reading bin/bench-read.md $(if $(PEER),-peer '$(PEER)') $(BENCH) bin/utmpd bin/floor

# The same with one processor, as on a small machine: bin/bench-1cpu.md. Takes some
# minutes.
.PHONY: bench-1cpu bench-count
bench-1cpu: build
	$(GO) build -o bin/ ./bench ./bench/floor
	taskset -c 0 bin/bench -n 1000 -runs 3 -case one,event,all,stale,cold,idle,scan,churn -md bin/bench-1cpu.md $(BENCH) bin/utmpd bin/floor

# How many instructions utmpd and the floor execute on amd64, arm64 and arm, in user mode, under
# Debian's qemu-user in a root file system in the cache: bin/bench-count.md. Takes a
# quarter of an hour.
bench-count:
	@mkdir -p bin/count; for a in amd64 arm64 arm; do for p in ./cmd/utmpd ./bench/floor ./bench/loop; do \
		GOARCH=$$a $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/count/$${p##*/}-$$a $$p || exit; \
	done; done
	$(GO) build -o bin/ ./bench
	root=$$(test/arch/root.sh) && bin/bench -count "$$root" -runs 3 -md bin/bench-count.md $(BENCH) bin/count

# Copies the tables of the last make bench into docs/performance.md and README.md.
bench-readme:
	sed -i -e '/bench.md begins/,/bench.md ends/{//!d}' -e '/bench.md begins/r bin/bench.md' docs/performance.md
	sed -i -e '/bench-read.md begins/,/bench-read.md ends/{//!d}' -e '/bench-read.md begins/r bin/bench-read.md' docs/performance.md
	awk -f bench/readme.awk bin/bench.md >bin/bench-five.md
	sed -i -e '/bench.md begins/,/bench.md ends/{//!d}' -e '/bench.md begins/r bin/bench-five.md' README.md
	sed -i -e '/compare.md begins/,/compare.md ends/{//!d}' -e '/compare.md begins/r bin/compare.md' README.md

# Compares the microbenchmarks of two revisions, run alternately.
OLD ?= HEAD~1
NEW ?= HEAD
benchstat:
	bench/benchstat.sh $(OLD) $(NEW)

check:
	test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags system ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 -tags system ./...
	cd fleet && $(GO) vet ./... && $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	cd test/dashboard && $(GO) vet . && $(GO) test -count=1 .

# Known vulnerabilities in what the programs call, if the database can be had.
vulncheck:
	test/vulncheck.sh

PLATFORMS = linux/amd64 linux/arm64 linux/386 linux/s390x illumos/amd64 solaris/amd64
FLEET_PLATFORMS = linux/amd64 linux/arm64

# vet, which reads the tests too and costs more than to build, where words or files differ
# from those that check has seen: illumos takes every file that solaris takes.
VETTED = linux/386 illumos/amd64

cross:
	@for p in $(PLATFORMS); do \
		echo "build $$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build ./... || exit 1; \
	done
	@for p in $(VETTED); do \
		echo "vet $$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) vet ./... || exit 1; \
	done
	@cd fleet && for p in $(FLEET_PLATFORMS); do \
		echo "build fleet $$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build ./... || exit 1; \
	done

clean:
	rm -rf bin dist
