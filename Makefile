# make alone lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
GO ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## compile bin/millrace
	@mkdir -p bin
	$(GO) build -o bin/millrace ./cmd/millrace

.PHONY: demo
demo: build ## run the main job on a generated bank, from change stream to features
	bin/millrace demo --dir out/demo

.PHONY: berka
berka: build ## take a real bank's ledger through ingest, proofs and features
	rm -rf out/berka
	$(GO) run ./examples/berka stream --dir out/berka
	bin/millrace ingest --project out/berka/millrace.yaml --until-caught-up
	bin/millrace reconcile --project out/berka/millrace.yaml --rows || test $$? -eq 1
	$(GO) run ./examples/berka balances --dir out/berka
	$(GO) run ./examples/berka orders --dir out/berka
	$(GO) run ./examples/berka loans --dir out/berka

.PHONY: test
test: ## install what the tests need, and run them all
	bash internal/scripts/test.sh

SEED ?= $(shell date +%s)
KILLS ?= 200

.PHONY: kill
kill: ## kill the ingest 200 times in each world (SEED=, KILLS=), and hold every cut against the source
	$(GO) test ./jobs/ingest/killsuite -count 1 -timeout 4h -v -seed $(SEED) -kills $(KILLS)

.PHONY: lint
lint: ## vet, formatting and static analysis
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt-ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

.PHONY: fuzz
fuzz: ## give each fuzz target ten seconds
	bash internal/scripts/fuzz.sh 10s

.PHONY: clean
clean: ## remove what was built and what the demo wrote
	rm -rf bin out
