# One verb each; `make` prints them. Needs Go 1.26 and nothing else; works as root
# and, where user namespaces are on, without.

export CGO_ENABLED = 0

GO      ?= go
TOOL     = $(GO) tool -modfile=tools/go.mod
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)
BUILD    = $(GO) build -trimpath -ldflags '$(LDFLAGS)'

# The kernel tests make their own network namespaces. Who is not root runs them
# as root of a user namespace; where those are off, they skip and say so.
UNSHARE  = unshare --user --map-root-user --net --mount
ifeq ($(shell id -u),0)
EXEC     =
else
EXEC     = $(shell $(UNSHARE) true 2>/dev/null && echo "-exec '$(UNSHARE)'")
endif

# Debian and RPM versions begin with a digit and have no dash. Without a tag, the time of the
# commit has a later one sort as newer.
NUMBER   = $(shell echo '$(VERSION)' | sed -n 's/^v\{0,1\}\([0-9][0-9]*\..*\)/\1/p' | tr - +)
PACKAGE_VERSION = $(or $(NUMBER),0.0.0+$(DATE).$(VERSION))

ARCHES   ?= amd64 arm64
DIST     ?= dist
# Who makes the package; a distribution puts its own name here.
MAINTAINER ?= The Baton authors <baton@baton.invalid>
DATE     = $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

FUZZTIME ?= 30s
ARGS     ?=
TRIALS   ?= 100
ROUNDS   ?= 40
SEED     ?= 1
SEEDS    ?= 1000

.DEFAULT_GOAL = help
.PHONY: help build demo test e2e e2e-systemd examples faults-systemd nspawn faults trials torture smoke browser gallery chromium explore fuzz bench lint fmt vuln generate share package package-test check

help: ## print this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/baton, static
	$(BUILD) -o bin/baton ./cmd/baton

demo: build ## two appliances, a switch and a client on this machine (ARGS="--script ...")
	bin/baton demo $(ARGS)

test: ## every test but the end-to-end ones
	$(GO) test $(EXEC) ./...

e2e: build nspawn ## end-to-end: daemons in simulated hosts, cables pulled; and the page of the first example
	BATON_BINARY=$(CURDIR)/bin/baton $(GO) test $(EXEC) -count=1 -tags e2e -timeout 30m -v ./test/e2e/...
	$(GO) test -count=1 -tags e2e -run '^TestExampleNginx$$' -v ./test/systemd/

e2e-systemd: nspawn ## the package on two machines with systemd, as root: units, timers, power cuts, reboots, upgrades
	$(GO) test -count=1 -tags e2e -run '^TestMachines' -timeout 60m -v ./test/systemd/

examples: nspawn ## the pages of examples/ typed on two machines with systemd, as root; measures what a switch and a power cut cost
	@command -v npm >/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends npm || true; fi
	$(GO) test -count=1 -tags e2e -run '^TestExample' -timeout 60m -v ./test/systemd/

torture: ## a disk loses its power at any moment of data syncs and takeovers, as root (SEEDS=1000, or 17-17)
	BATON_SEEDS=$(SEEDS) $(GO) test -count=1 -run '^TestTorture' -timeout 4h -v ./internal/datasync/

# Where it cannot be installed, the tests say so and are skipped.
nspawn:
	@command -v mmdebstrap >/dev/null && command -v systemd-nspawn >/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mmdebstrap systemd-container || true; fi

faults: build ## a pair broken at random, as root; writes docs/faults.md (ARGS="-n 300 -seed 1 -profile 100ms,300ms,1s,default")
	$(GO) run ./test/faults $(ARGS)

faults-systemd: nspawn ## two machines with systemd and a service broken at random, as root: where does it run? (ROUNDS=40 SEED=1)
	BATON_ROUNDS=$(ROUNDS) BATON_SEED=$(SEED) $(GO) test -count=1 -tags e2e -run '^TestServicesAtRandom$$' -timeout 4h -v ./test/systemd/

trials: build ## what is no reason for a takeover, 100 times each at the default timeout; as root, an hour and a half (TRIALS=100)
	BATON_TRIALS=$(TRIALS) BATON_BINARY=$(CURDIR)/bin/baton $(GO) test $(EXEC) -count=1 -tags e2e -run '^TestTrialsAtTheDefaultTimeout$$' -parallel 6 -timeout 4h -v ./test/e2e/

smoke: build chromium nspawn ## the short part of e2e, e2e-systemd and browser: pair, sync, takeover, switch, console
	BATON_BINARY=$(CURDIR)/bin/baton $(GO) test $(EXEC) -p 1 -count=1 -short -tags e2e -timeout 10m -v ./test/...

browser: build chromium ## the console in a real browser, against two daemons
	BATON_BINARY=$(CURDIR)/bin/baton $(GO) test $(EXEC) -count=1 -tags e2e -timeout 30m -v ./test/browser/...

gallery: build chromium ## bin/gallery: a picture of every page of the console in every state
	rm -rf bin/gallery
	BATON_GALLERY=$(CURDIR)/bin/gallery BATON_BINARY=$(CURDIR)/bin/baton $(GO) test $(EXEC) -count=1 -tags e2e -timeout 30m ./test/browser/...

chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium; \
	else echo 'chromium is missing: install it as root (apt-get install chromium), then run make again'; exit 1; fi

explore: ## every world at large bounds, and long random runs (hours)
	$(GO) test -count=1 -tags explore -run '^TestExplore' -timeout 0 -v ./internal/failover/...

fuzz: ## each fuzz test for FUZZTIME (30s)
	@set -eu; for package in $$($(GO) list ./...); do \
		for name in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

bench: build ## side by side with keepalived, rsync and nginx; writes docs/benchmarks.md
	@command -v keepalived >/dev/null && command -v nginx >/dev/null && command -v rsync >/dev/null && test -x /usr/sbin/sshd && command -v mkfs.xfs >/dev/null && command -v sqlite3 >/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends keepalived nginx-light rsync openssh-server xfsprogs sqlite3; \
	else echo 'keepalived, nginx, rsync, sshd, mkfs.xfs or sqlite3 is missing: install them as root (apt-get install keepalived nginx-light rsync openssh-server xfsprogs sqlite3), then run make bench again'; exit 1; fi
	$(GO) run ./bench $(ARGS)

lint: ## the rules of .golangci.yml
	$(TOOL) golangci-lint run

fmt: ## format every file
	$(TOOL) golangci-lint fmt

vuln: ## known advisories in what is linked
	@sh tools/vuln.sh

generate: ## what is generated from the code
	$(GO) generate ./...

share: # bin/share: manual pages, completions, changelogs
	@rm -rf bin/share
	@$(GO) run ./packaging/pages -version '$(VERSION)' -package-version '$(PACKAGE_VERSION)-1' -maintainer '$(MAINTAINER)' -date '$(DATE)' bin/share

package: share ## dist/: deb and rpm for amd64 and arm64
	@mkdir -p $(DIST)
	@set -eu; for arch in $(ARCHES); do \
		GOARCH=$$arch $(BUILD) -o bin/linux-$$arch/baton ./cmd/baton; \
		for format in deb rpm; do \
			ARCH=$$arch PACKAGE_VERSION='$(PACKAGE_VERSION)' MAINTAINER='$(MAINTAINER)' SOURCE_DATE_EPOCH='$(DATE)' \
			$(TOOL) nfpm package --config packaging/nfpm.yaml --packager $$format --target $(DIST)/; \
		done; \
	done

package-test: ## install, upgrade, remove and purge the package on a Debian with systemd, as root
	@bash test/package/run.sh

check: build ## all that must pass: both builds, tests, lint, end-to-end in short, 60 faults, the package
	GOARCH=arm64 $(BUILD) -o bin/linux-arm64/baton ./cmd/baton
	$(MAKE) test
	$(MAKE) lint
	$(MAKE) smoke
	$(MAKE) package-test
	@if [ "$$(id -u)" = 0 ] && [ -e /dev/loop-control ]; then $(MAKE) faults ARGS='-n 60 -seed 1 -for 10m'; \
	else echo 'skipped: the campaign of faults needs root and loop devices'; fi
