# Liaison: what a person or a machine runs. The first target says what there is.

.PHONY: help build test shared setup lint go-test demo browser fuzz bench bench-large bench-rooms clean

GO ?= go
FUZZTIME ?= 10m

help:
	@echo "make build    the binary, ./liaison"
	@echo "make test     installs what the tests need, then runs them all"
	@echo "make shared   the tests over ../shared/data"
	@echo "make fuzz     every fuzz target for FUZZTIME ($(FUZZTIME)) each"
	@echo "make bench    the benchmarks of the whole, into docs/benchmarks.md; bench-large with 10 million objects, bench-rooms in Go"

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o liaison .

test: setup lint go-test demo browser
	@echo "all tests passed"

setup:
	@.ci/setup

lint:
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted"; exit 1; fi
	$(GO) mod verify
	$(GO) vet ./... ./testdata/bench
	$(GO) vet -tags shared ./...
	$(GO) tool staticcheck ./... ./testdata/bench
	GOOS=windows $(GO) build -o /dev/null .
	GOOS=darwin $(GO) build -o /dev/null .

go-test:
	bash -o pipefail -c '$(GO) test -race -shuffle=on -timeout 20m ./... ./testdata/bench 2>&1 | .ci/no-secrets'

demo:
	$(GO) run . demo --once

browser:
	@.ci/browser

shared:
	@test -d ../shared/data || { echo "make shared: there is no ../shared/data"; exit 1; }
	$(GO) test -tags shared -run Shared . ./stix

fuzz:
	@.ci/fuzz $(FUZZTIME)

bench:
	$(GO) run ./testdata/bench

bench-large:
	$(GO) run ./testdata/bench -large

bench-rooms:
	$(GO) test -run '^$$' -bench . -benchmem ./...

clean:
	rm -f liaison
