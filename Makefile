# Understudy. `make` lists the targets.

BIN        := bin/understudy
GO         ?= go
LINT       := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
VULNCHECK  := golang.org/x/vuln/cmd/govulncheck@v1.9.0
# The database of known vulnerabilities: that of the Go project, or a mirror or a folder (file:///…).
GOVULNDB   ?= https://vuln.go.dev
FUZZTIME   ?= 30s
# The race detector needs a C compiler. Go turns cgo off if there is none.
RACE        = $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)

.DEFAULT_GOAL := help
.PHONY: help build run dev test lint vulncheck e2e standin conformance fuzz bench bench-reload abuse

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/understudy
	$(GO) build -trimpath -o $(BIN) ./host/understudy

run: build ## start the host with the sandbox: a Coder stand-in and a demo app
	$(BIN)

dev: build ## the same, and reload the code at each save without losing a request
	$(BIN) dev ./host/understudy

test: ## run all tests that need no browser, with the race detector if there is a C compiler
	$(GO) test $(RACE) ./...

lint: ## run golangci-lint at a pinned version
	$(GO) run $(LINT) run ./...

vulncheck: ## look for known vulnerabilities with govulncheck at a pinned version; skipped out loud without its database
	@found=$$(GOBIN=$(CURDIR)/bin $(GO) install $(VULNCHECK) 2>&1 && bin/govulncheck -db $(GOVULNDB) ./... 2>&1); status=$$?; \
	echo "$$found"; \
	case "$$found" in \
	  *"fetching vulnerabilities: "*|*"creating client: "*|*"dial tcp: "*) \
	    echo "SKIPPED: known vulnerabilities were not looked for, since $(GOVULNDB) cannot be read" >&2 ;; \
	  *) exit $$status ;; \
	esac

conformance: ## compare the config loader with Backstage's, on random configurations; needs Node 20 and npm
	$(GO) test -tags conformance -count=1 -timeout 20m -run TestDifferential -v ./pkg/appconfig/... ./host/cli

bench: ## run the benchmarks, with allocations
	$(GO) test -run '^$$' -bench . -benchmem ./...

fuzz: ## run each fuzz test for FUZZTIME (30s if not set)
	@for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "$$package $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
	  done; \
	done

abuse: ## flood a host with made-up tokens while Coder hangs, and measure it; needs Linux
	$(GO) test -C host/abuse -tags abuse -count=1 -timeout 3m -v

standin: ## run a real Backstage backend from npm behind the host; needs Node 20 and npm
	$(GO) test -C host/standin $(RACE) -tags standin -count=1 -timeout 10m

e2e: ## run the browser tests; needs Chromium, and npm for those with Backstage's own client and backend
	$(GO) test -C host/e2e $(RACE) -tags e2e -count=1 -timeout 20m
	$(GO) test -C plugin/coder/sandbox $(RACE) -tags e2e -count=1 -timeout 5m

bench-reload: ## measure reloads under load, and compare with air and Backstage's command; ten minutes
	$(GO) test -C host/benchreload -tags benchreload -count=1 -timeout 60m -v
