# Everything here works from a fresh clone with Go 1.26 and Node 20. What else
# is needed is fetched: tools by the Go module proxy, PostgreSQL from Maven
# Central or Debian, Chromium and promtool from Debian.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/bodega
TOOLS := $(CACHE)/tools
BUF := $(TOOLS)/buf-1.75.0/buf
PROTOC_GEN_GO := $(TOOLS)/protoc-gen-go-1.36.12/protoc-gen-go
PROTOC_GEN_CONNECT := $(TOOLS)/protoc-gen-connect-go-1.21.1/protoc-gen-connect-go
GOLANGCI := $(TOOLS)/golangci-lint-2.15.0/golangci-lint

BODEGA_CORPORA ?= $(abspath ../shared/data)
export BODEGA_CORPORA

# The race detector needs a C compiler, which Go itself does not.
RACE := $(shell command -v "$$(go env CC)" >/dev/null && echo -race)

say = @printf '\n== %s\n' "$(1)"

.PHONY: help
help: ## List what can be made.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

## Build and run

console/node_modules/.package-lock.json: console/package.json console/package-lock.json
	$(call say,install the console's packages)
	cd console && npm ci --no-audit --no-fund
	touch $@

console/dist/index.html: console/node_modules/.package-lock.json $(shell find console/src console/public console/index.html console/vite.config.ts -type f 2>/dev/null)
	$(call say,build the console)
	cd console && npm run build

.PHONY: console
console: console/dist/index.html ## Build the console into console/dist.

.PHONY: build
build: console ## Build the binaries into bin/.
	$(call say,build the binaries: the first time this compiles Temporal and takes minutes)
	mkdir -p bin
	go build -o bin/ ./cmd/...

.PHONY: run
run: postgres build ## Build everything and run it on the demo marketplace; data lives in ./.bodega.
	./bin/bodega serve --demo --data-dir .bodega --log-level warn

.PHONY: dev
dev: postgres console ## Rebuild and restart on save; the console reloads by itself on port 5173.
	scripts/dev.sh

.PHONY: kube
kube: ## Leave a Kubernetes control plane running with the health operator, and print its kubeconfig.
	test/kube/build.sh
	@mkdir -p $(CACHE)
	go build -o $(CACHE)/sandbox ./internal/clusterhealth/kubetest/sandbox
	@exec $(CACHE)/sandbox

# Where to push the operator's image is yours to say; what builds it is what is
# installed.
IMAGE ?= bodega-operator:$(shell sed -n "s/^appVersion: //p" deploy/operator/chart/Chart.yaml)
CONTAINER_TOOL ?= $(firstword $(notdir $(shell command -v docker podman buildah)))
CA_ROOTS ?= $(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem))

.PHONY: operator-image
operator-image: ## Build the operator's container image IMAGE with docker, podman or buildah.
	@test -n "$(CONTAINER_TOOL)" || { echo "none of docker, podman and buildah is installed" >&2; exit 1; }
	@test -n "$(CA_ROOTS)" || { echo "no CA roots are found here: name the file with CA_ROOTS=" >&2; exit 1; }
	mkdir -p bin/image
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/image/bodega-operator ./cmd/bodega-operator
	cp $(CA_ROOTS) bin/image/ca-certificates.crt
	$(CONTAINER_TOOL) build -f deploy/operator/Dockerfile -t $(IMAGE) bin/image

.PHONY: postgres
postgres:
	@scripts/ensure-postgres.sh

.PHONY: browser
browser:
	@scripts/ensure-package.sh chromium chromium

.PHONY: promtool
promtool:
	@scripts/ensure-package.sh promtool prometheus

## Test

.PHONY: test
test: postgres browser promtool build ## Run every test that fits in ten warm minutes.
	$(call say,build the operator's test control plane, once for a machine)
	test/kube/build.sh
	$(call say,test the packages where the race detector is affordable$(if $(RACE),, -- without it: no C compiler is here))
	go test $(RACE) -timeout 30m $$(scripts/packages.sh race)
	$(call say,test the other packages)
	go test $$(scripts/packages.sh plain)
	$(call say,test the console's parts)
	cd console && npm test
	$(call say,walk the console in a browser on demo data)
	cd console && npm run e2e

.PHONY: test-faults
test-faults: postgres console ## Kill the server at every durable write and at seeded moments: long.
	$(call say,kill PostgreSQL, its parent and transactions in flight)
	go test -timeout 30m -count 1 ./internal/platform/pg/...
	$(call say,build the server with crash points)
	mkdir -p bin/faults
	go build -tags faults -o bin/faults/ ./cmd/bodega
	$(call say,kill the server before and after each of its durable writes and at seeded moments; take database and disk away: about a quarter of an hour)
	BODEGA_BIN=$(CURDIR)/bin/faults/bodega go test -tags faults -timeout 30m -count 1 -parallel 6 ./test/faults
	$(call say,record the histories of feeds in a real Temporal server)
	go test -tags faults -timeout 30m -count 1 -run TestHistories ./cmd/bodega

## Check

.PHONY: lint
lint: $(GOLANGCI) console/node_modules/.package-lock.json ## Lint Go and TypeScript.
	$(call say,lint Go)
	$(GOLANGCI) run --allow-parallel-runners ./...
	$(GOLANGCI) run --allow-parallel-runners --build-tags faults ./test/... ./internal/platform/crash ./internal/platform/pg ./cmd/bodega
	$(call say,check the console's types and lint it)
	cd console && npm run typecheck && npm run lint

.PHONY: generate
generate: $(BUF) $(PROTOC_GEN_GO) $(PROTOC_GEN_CONNECT) console/node_modules/.package-lock.json ## Generate code from the protos.
	$(call say,generate code)
	PATH="$(dir $(PROTOC_GEN_GO)):$(dir $(PROTOC_GEN_CONNECT)):$$PATH" $(BUF) generate proto

.PHONY: verify
verify: generate ## Check that generated code is current, the API compatible, the module tidy.
	$(call say,check that generated code is current)
	git diff --exit-code -- gen console/src/gen
	test -z "$$(git status --porcelain -- gen console/src/gen)"
	deploy/operator/generate.sh verify
	$(call say,check the protos and their compatibility with what was released)
	$(BUF) lint
	$(BUF) breaking proto --against proto/released.binpb
	$(call say,check that the module is tidy)
	go mod tidy -diff
	go mod verify

.PHONY: release-api
release-api: $(BUF) ## Take the protos as they are as released: later changes must stay compatible.
	$(BUF) build proto -o proto/released.binpb

## Measure

.PHONY: bench-inventory
bench-inventory: postgres ## Rows a second through the pipeline, beside its baselines.
	go run ./bench/inventory

.PHONY: bench-ml
bench-ml: ## Trees and clusters, beside LightGBM and scikit-learn where Python is present.
	bench/ml/run.sh

.PHONY: bench-health
bench-health: ## Cluster health checks a second, their lateness and memory, beside a plain loop and the limits.
	test/kube/build.sh
	go run ./bench/health $(BENCH)

## Tools

$(BUF):
	$(call say,install buf: about three minutes the first time)
	GOBIN=$(dir $@) go install github.com/bufbuild/buf/cmd/buf@v1.75.0

$(PROTOC_GEN_GO):
	GOBIN=$(dir $@) go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12

$(PROTOC_GEN_CONNECT):
	GOBIN=$(dir $@) go install connectrpc.com/connect/cmd/protoc-gen-connect-go@v1.21.1

$(GOLANGCI):
	$(call say,install golangci-lint: about a minute)
	GOBIN=$(dir $@) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: clean
clean: ## Remove what was built; data in .bodega stays.
	rm -rf bin console/dist console/test-results
