GO    ?= go
TOOLS := $(GO) tool -modfile=$(CURDIR)/internal/tools/go.mod
FUZZTIME ?= 30s
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.PHONY: run build check fmt lint test e2e bench fuzz deadcode

# The default: everything in one process.
run:
	$(GO) run ./cmd/control

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/harken-proxy ./cmd/proxy
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/harken-control ./cmd/control

# The gate of every commit.
check: lint deadcode test

# Rewrites the sources in the one format that lint accepts.
fmt:
	$(TOOLS) golangci-lint fmt ./...

lint:
	$(GO) vet ./...
	$(TOOLS) golangci-lint run ./...
	$(TOOLS) golangci-lint fmt --diff ./...

deadcode:
	@out=$$($(TOOLS) deadcode -test ./...) && if [ -n "$$out" ]; then echo "$$out"; exit 1; fi

test:
	$(GO) test -race -shuffle=on -timeout 30m ./...

# Real binaries, a real Kafka, real clients. Needs node, python3, java, maven and chromium.
e2e: build
	cd internal/e2e && $(GO) test -count=1 -timeout 40m ./...

# Whole-process benchmarks: ratios within one run.
bench: build
	cd internal/bench && $(GO) run .

# Every fuzz target, $(FUZZTIME) each.
fuzz:
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
		done; \
	done
