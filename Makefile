# The commands of this project; `make help` lists them.

GO ?= go
# More flags for go test, such as TESTFLAGS=-v.
TESTFLAGS ?=
# Of make model: how many seeds, and the first of them.
SEEDS ?= 2000
FIRST ?= 1
# Of make fuzz and fuzz-short: how long each target runs.
FUZZTIME ?= 20s
# Of make soak: how long.
SOAK ?= 5m
# Of make faults-night: how long, and the first seed.
NIGHT ?= 8h
SEED ?= 1

# Built with the local Go, as golangci-lint must not be older than the code it reads.
GOLANGCI_VERSION := v2.15.0
GOLANGCI := .bin/golangci-lint-$(GOLANGCI_VERSION)
LINT := $(CURDIR)/$(GOLANGCI) --config $(CURDIR)/.golangci.yml

# Built with the local Go, whose standard library it judges, too.
GOVULNCHECK_VERSION := v1.8.0
GOVULNCHECK := .bin/govulncheck-$(GOVULNCHECK_VERSION)
# Of make vuln: the database, or a mirror of it.
VULNDB ?= https://vuln.go.dev
# Of make sbom: the version that the hub is given.
VERSION ?= dev

# Tests and tools with dependencies that the hub must not have are modules of their own.
NESTED := $(patsubst %/go.mod,%,$(shell find deploy test -name go.mod 2>/dev/null))
MODULES := . $(NESTED)

.PHONY: help run test test-cluster model fuzz fuzz-short allocs allocs-update lint fmt bench growth soak attack faults faults-short faults-night vuln sbom clean redis-server tools

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## start a hub on 127.0.0.1:8080, with an embedded Redis unless HUB_REDIS_URL is set
	$(GO) run ./cmd/hub

test: redis-server tools ## run every test, on a real redis-server
	$(GO) test -race -shuffle=on -timeout 15m $(TESTFLAGS) ./...
	@set -e; for module in $(NESTED); do \
		echo "$(GO) test -C $$module ./..."; \
		$(GO) test -C $$module -shuffle=on -timeout 10m $(TESTFLAGS) ./...; \
	done

test-cluster: redis-server tools ## run every test of the whole hub that can on a Redis Cluster of three nodes; `make test` runs some of them
	EVENTHUB_TEST_CLUSTER=1 $(GO) test -race -shuffle=on -timeout 30m $(TESTFLAGS) ./cmd/hub

model: redis-server ## run SEEDS=2000 random histories of sinks against what is promised; `make test` runs 200
	$(GO) test -race -timeout 60m $(TESTFLAGS) -run TestSinksKeepTheirPromisesWhateverHappens ./internal/broker -model.seeds=$(SEEDS) -model.first=$(FIRST)

fuzz: ## run every fuzz target for FUZZTIME=20s, in about 15 minutes; the first that fails ends it
	@GO='$(GO)' .ci/fuzz $(FUZZTIME)

# Names, ids, filters, frames, CloudEvents and tokens: what a stranger's text meets first.
FUZZ_SHORT := Names ParseID Pattern Scanner ParseCommand DecodeCloudEvents DecodeBinaryCloudEvent Token Claims

fuzz-short: ## run the targets of what strangers send first, in under 5 minutes; CI does
	@GO='$(GO)' .ci/fuzz $(FUZZTIME) $(FUZZ_SHORT)

# Of limits on allocations: the tests that have them, one package at a time.
ALLOCS := $(GO) test -race -count=1 -p 1 -timeout 10m -v -run '^TestAllocationsPerEventStayWithinTheirLimits$$' ./internal/... ./cmd/hub

allocs: redis-server ## show how many allocations an event costs in each hot path; `make test` checks their limits
	$(ALLOCS) | grep -v -e '^===' -e 'no test' -e '^testing:'

allocs-update: redis-server ## measure again, and write the limits by it into the allocs_test.go of each package
	EVENTHUB_TEST_ALLOCS=update $(ALLOCS) | grep -v -e '^===' -e 'no test' -e '^testing:'

lint: $(GOLANGCI) ## check formatting, imports, go.mod files, the modules downloaded and the code
	@set -e; for module in $(MODULES); do \
		echo "lint $$module"; \
		$(GO) -C $$module mod tidy -diff; \
		$(GO) -C $$module mod verify; \
		$(GO) -C $$module vet ./...; \
		(cd $$module && $(LINT) run ./...); \
	done

fmt: $(GOLANGCI) ## format the code with gofumpt and sort its imports
	@set -e; for module in $(MODULES); do (cd $$module && $(LINT) fmt ./...); done

bench: ## measure publishing and delivery on this machine, in under 5 minutes
	$(GO) run ./test/bench

growth: ## measure what an event costs as streams, sinks, sockets, backlogs and hubs grow, in under 10 minutes
	$(GO) run ./test/bench -growth

soak: ## see for SOAK=5m, and 2 minutes more, that a hub's memory does not grow
	$(GO) run ./test/bench -soak $(SOAK)

attack: ## have slow clients attack a hub, in a minute, and see that they are let go and cost a good client little
	$(GO) run ./test/bench -attack

# Several at a time, as most of what they do is wait.
faults: redis-server ## break hubs and Redis in every way there is, in about 20 minutes, and write docs/faults.md's table; then see that broken hubs are noticed
	$(GO) run ./test/faults -parallel 3 -docs docs/faults.md
	$(GO) run ./test/faults -broken

faults-short: redis-server ## break hubs and Redis in some ways, in under 4 minutes; CI does
	$(GO) run ./test/faults -short -parallel 3

faults-night: redis-server ## mixes of faults with one seed after another, and every tenth time all of make faults, for NIGHT=8h, whatever fails; each failure leaves its history in faults-out
	$(GO) run ./test/faults -parallel 3 -seed $(SEED) -night $(NIGHT)

vuln: $(GOVULNCHECK) ## look for known vulnerabilities that the code reaches, unless their database (VULNDB) is out of reach
	@.ci/vuln $(GOVULNCHECK) $(VULNDB)

# Built as the Dockerfile does: what the image holds is what the document lists.
sbom: ## build the hub, VERSION=dev, and list the modules in it as CycloneDX, both in sbom-out
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.release=$(VERSION)" -o sbom-out/hub ./cmd/hub
	$(GO) run -C deploy/sbom . -version "$(VERSION)" $(CURDIR)/sbom-out/hub >sbom-out/hub.cdx.json

clean: ## remove what these commands have built
	rm -rf .bin bench-out faults-out sbom-out coverage.out

redis-server: ## install redis-server where it is missing
	@.ci/redis-server

tools: ## install curl, jq and Chromium where they are missing
	@.ci/tools

$(GOLANGCI):
	GOBIN=$(CURDIR)/.bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv .bin/golangci-lint $@

$(GOVULNCHECK):
	GOBIN=$(CURDIR)/.bin $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv .bin/govulncheck $@
