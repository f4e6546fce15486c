# SPDX-License-Identifier: BSD-2-Clause
# utmpd: see README.md. Nothing here needs more than Go and make; what the tests
# need beyond that they fetch into a cache of their own, $(UTMPD_CACHE).

GO      ?= go
VERSION ?= $(shell packaging/version.sh)
LDFLAGS  = -s -w -X utmpd.dev/utmpd/internal/version.version=$(VERSION)
BIN     ?= bin
export PREFIX DESTDIR INIT BIN
export CGO_ENABLED ?= 0

.PHONY: build demo test test-unit test-system test-race test-arch test-long sim sim-ci mutants fuzz bench bench-readme benchstat install uninstall packages dist test-packages check cross clean

build:
	$(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

# PREFIX, DESTDIR, INIT and more: see packaging/install.sh. It builds nothing, so
# that root needs no Go.
install uninstall:
	packaging/install.sh $@

# deb and rpm, for amd64 and arm64, in dist/.
packages:
	packaging/build.sh

# The source with all it is built from, in dist/: needs neither git nor a network.
dist:
	packaging/tarball.sh

# Packages and services, in Debian root file systems.
test-packages:
	cd test/packages && $(GO) test -tags system -count=1 -timeout 20m

# A real session, start to end, on private files.
demo: build
	$(GO) build -o bin/demo ./test/demo
	bin/demo bin/utmpd

# What distributions run is the first: unprivileged and offline.
test: test-unit test-system

test-unit:
	$(GO) test ./...

# Real programs in root file systems and namespaces of their own.
test-system:
	cd test/system && $(GO) test -tags system -parallel 6 -timeout 30m
	cd test/libc && $(GO) test -tags system -count=1
	cd test/faults && $(GO) test -tags system -count=1 -timeout 10m

test-race:
	CGO_ENABLED=1 $(GO) test -race ./...

# The libc of other machines, under user-mode emulation.
test-arch:
	test/arch/run.sh

# Whole machines, emulated: power cuts, reboots. It writes what it saw into
# docs/testing.md. A quarter of an hour or two of them.
.PHONY: test-vm
test-vm:
	cd test/vm && $(GO) test -tags system -count=1 -parallel 5 -timeout 3h -v

# Every point of test/faults, and a million sessions: hours.
test-long:
	cd test/faults && $(GO) test -tags system -count=1 -long -timeout 3h -v
	cd test/system && UTMPD_TEST_LONG=1 $(GO) test -tags system -count=1 -timeout 3h

# utmpd in simulated worlds, in which random things happen: for SIMTIME, or
# SIMCOUNT of them, beginning with SIMSEED or anywhere.
SIMTIME ?= 1m
sim:
	$(GO) test -count=1 -timeout 0 -run 'TestSim$$' -v ./internal/daemon -args \
		$(if $(SIMCOUNT),-sim.n $(SIMCOUNT),-sim.time $(SIMTIME)) $(if $(SIMSEED),-sim.first $(SIMSEED))

# So many take some two minutes on two idle processors.
sim-ci:
	$(MAKE) sim SIMCOUNT=100000

# Every fuzz target for FUZZTIME: so many inputs, or a time.
FUZZTIME ?= 50000x
fuzz:
	test/fuzz.sh $(FUZZTIME)

# Each patch in test/mutants breaks a law or a decision; a test must notice.
mutants:
	test/mutants/run.sh

# What utmpd costs beside a program that does only what must be done: some ten
# minutes, to be run on a machine that does nothing else. BENCH='-quick' tries it,
# BENCH='-case one,all -n 1000' is a part. PEER='cmd {utmp} {wtmp} {pipe} {config}'
# measures another command in turns with ours.
BENCH ?=
PEER  ?=
bench: build
	$(GO) build -o bin/ ./bench ./bench/floor
	bin/bench -json bin/bench.json -md bin/bench.md $(if $(PEER),-peer '$(PEER)') $(BENCH) bin/utmpd bin/floor

# The README's table, from the last run of make bench.
bench-readme:
	sed -i -e '/bench.md begins/,/bench.md ends/{//!d}' -e '/bench.md begins/r bin/bench.md' README.md

# The microbenchmarks of two revisions, in turns, compared.
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

PLATFORMS = linux/amd64 linux/arm64 linux/386 linux/s390x illumos/amd64 solaris/amd64

cross:
	@for p in $(PLATFORMS); do \
		echo "build $$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build ./... && \
		GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) vet ./... || exit 1; \
	done

clean:
	rm -rf bin dist
