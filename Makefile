# Everything a checkout of baton is asked to do. `make help` lists it.
#
# Variables worth setting: TEST (packages to test), TEST_FLAGS, TEST_PARALLEL, TEST_TIMEOUT, DEMO_FLAGS, BENCH_FLAGS;
# for install: DESTDIR, PREFIX, SYSTEMD_DIR.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

GO ?= go
PREFIX ?= /usr/local
# systemd reads /usr/lib and /usr/local/lib; with another PREFIX, say where the units belong.
SYSTEMD_DIR ?= $(PREFIX)/lib
TEST ?= ./...
TEST_TIMEOUT ?= 20m
# Packages tested side by side: most of them run several servers of their own, which two at a time keep two cores busy.
TEST_PARALLEL ?= 2

# The revision is passed below, so the toolchain need not ask git, which refuses in a checkout that somebody else owns.
export GOFLAGS := $(strip $(shell $(GO) env GOFLAGS 2>/dev/null) -buildvcs=false)

# What the binary says about itself; outside a git checkout it says less. The time is the commit's, so that the same
# commit makes the same binary.
VERSION ?= $(shell git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null)
REVISION ?= $(shell git describe --always --abbrev=12 --exclude '*' --dirty 2>/dev/null)
BUILD_TIME ?= $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null)
LDFLAGS = -X main.version=$(VERSION) -X main.revision=$(REVISION) -X main.buildTime=$(BUILD_TIME)

# Names every target that has a description behind two number signs.
.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/baton
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/baton ./cmd/baton

# The version in the form that both package systems take and sort rightly.
UNTAGGED = $(if $(REVISION),0.0.0~git$(subst -,,$(firstword $(subst T, ,$(BUILD_TIME)))).$(subst -,.,$(REVISION)),0.0.0~unknown)
PACKAGE_VERSION ?= $(if $(VERSION),$(subst -,+,$(VERSION:v%=%)),$(UNTAGGED))
PACKAGE_ARCHS ?= amd64 arm64
DIST ?= dist
# What Debian and Red Hat packages hold, without anything of this machine: the same commit makes the same bytes.
NFPM = $(GO) tool -modfile=deploy/package/go.mod nfpm
# The time of the commit, in seconds, is that of all files; outside a git checkout that of this file's.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y Makefile)

.PHONY: package
package: build ## make dist/*.deb and dist/*.rpm, for amd64 and arm64 (PACKAGE_ARCHS, PACKAGE_VERSION, DIST)
	@rm -rf $(DIST) && mkdir -p $(DIST)/files/completions
	@bin/baton man $(DIST)/files/man && gzip -9n $(DIST)/files/man/*.1
	@for shell in bash zsh fish; do bin/baton completion $$shell >$(DIST)/files/completions/baton.$$shell; done
	@sed 's|/usr/local/bin/baton|/usr/bin/baton|' deploy/systemd/baton@.service >$(DIST)/files/baton@.service
	@for arch in $(PACKAGE_ARCHS); do \
		echo "building for $$arch"; \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build -trimpath -ldflags '-s -w $(LDFLAGS)' -o $(DIST)/files/$$arch/baton ./cmd/baton; \
		for packager in deb rpm; do \
			DIST=$(DIST) ARCH=$$arch PACKAGE_VERSION='$(PACKAGE_VERSION)' $(NFPM) package --config deploy/package/nfpm.yaml --packager $$packager --target $(DIST)/; \
		done; \
	done

.PHONY: package-test
package-test: package ## install, run, upgrade and remove the packages below a folder; make them twice and compare
	cd deploy/package && $(GO) test -count=1 -timeout $(TEST_TIMEOUT) $(TEST_FLAGS) ./...

# The packages of this machine's kind only, aside of those that somebody has made to install them, and without rpm, which
# would have to be downloaded.
.PHONY: package-check
package-check:
	@$(MAKE) package DIST=bin/packages PACKAGE_ARCHS=$$($(GO) env GOARCH)
	cd deploy/package && DIST=bin/packages $(GO) test -count=1 -skip 'TestTheSameCommit|TestARedHatPackageIsInstalled' ./...

.PHONY: demo
demo: build ## show baton replicate a shop from a leader to two followers, on servers of its own
	@$(GO) build -o bin/demo ./integration/demo
	@bin/demo $(DEMO_FLAGS)

# Never from the cache, which knows nothing of the programs that the tests build and run. The packages are tested with
# everything else, not with a TEST of one's own.
.PHONY: test
test: cgo programs lint $(if $(filter ./...,$(TEST)),package-check) ## check format, vet, staticcheck and the packages, and run all tests with the race detector, on real MySQL servers
	$(GO) test -race -count=1 -vet=off -p $(TEST_PARALLEL) -timeout $(TEST_TIMEOUT) $(TEST_FLAGS) $(TEST)

.PHONY: screenshots
screenshots: ## take the manual's pictures from a page that is open: make screenshots PAGE=http://127.0.0.1:8046/
	@$(GO) run ./integration/screenshots -page '$(PAGE)'

.PHONY: bench
bench: build ## measure baton beside native replication: catch-up, latency, commits, fan-out, memory, endpoints (some 20 minutes)
	@integration/mysqltest/find-mysqld --with sysbench --with haproxy >/dev/null
	@$(GO) build -o bin/bench ./integration/bench
	@bin/bench $(BENCH_FLAGS)

.PHONY: lint
lint: format ## check format, go vet and staticcheck
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

.PHONY: format
format:
	@unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .); \
	if [ -n "$$unformatted" ]; then \
		echo "not formatted as gofmt does; run gofmt -w on:" >&2; \
		echo "$$unformatted" >&2; \
		exit 1; \
	fi

# The race detector needs cgo.
.PHONY: cgo
cgo:
	@cc=$$($(GO) env CC); \
	command -v $${cc%% *} >/dev/null || { \
		echo "make test needs a C compiler for Go's race detector, and there is no $$cc: install gcc (Debian, Ubuntu: apt-get install gcc libc6-dev) or set CC" >&2; \
		exit 1; \
	}

# Tests would fetch these programs themselves, but their output shows only when they end.
.PHONY: programs
programs:
	@echo "looking for a MySQL server, Chromium, promtool and HAProxy (the first time they may have to be downloaded)"
	@integration/mysqltest/find-mysqld --with chromium --with promtool --with haproxy | sed -n 's/^\(VERSION\|MYSQLD\|CHROMIUM\|PROMTOOL\|HAPROXY\)=/  &/p'

# What is there is installed as it is: whoever installs need not be able to build.
bin/baton:
	@$(MAKE) build

.PHONY: install
install: bin/baton ## install the binary, the systemd units and the example configuration (DESTDIR, PREFIX=/usr/local)
	install -D -m 755 bin/baton $(DESTDIR)$(PREFIX)/bin/baton
	install -d $(DESTDIR)$(SYSTEMD_DIR)/systemd/system
	sed 's|/usr/local/bin/baton|$(PREFIX)/bin/baton|' deploy/systemd/baton@.service >$(DESTDIR)$(SYSTEMD_DIR)/systemd/system/baton@.service
	chmod 644 $(DESTDIR)$(SYSTEMD_DIR)/systemd/system/baton@.service
	install -D -m 644 deploy/systemd/baton.sysusers.conf $(DESTDIR)$(SYSTEMD_DIR)/sysusers.d/baton.conf
	install -D -m 644 deploy/systemd/baton.tmpfiles.conf $(DESTDIR)$(SYSTEMD_DIR)/tmpfiles.d/baton.conf
	install -D -m 644 config/baton.example.yaml $(DESTDIR)$(PREFIX)/share/doc/baton/baton.example.yaml
	@echo "next, on the machine itself: systemd-sysusers; systemd-tmpfiles --create; systemctl daemon-reload (docs/operations.md)"

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist
