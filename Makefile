# `make` alone lists what there is.
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
REVISION ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null)

# The same flags as the node image is built with: whatever it shares with epi compiles once.
# Programs go into images on an empty base, so they are static and for Linux, except the runner. No
# commit is stamped into them: the same program gives the same image in every commit.
GOFLAGS_BUILD := -trimpath -buildvcs=false -gcflags=all=-dwarf=false
LDFLAGS       := -s -w -X main.version=$(VERSION) -X main.revision=$(REVISION)
PROGRAMS      := epi-agent epi-webhook epi-emulator epi-probe epi-runc

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GORELEASER    := github.com/goreleaser/goreleaser/v2@v2.15.1
ACTIONLINT    := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# epi is started without a shell between, so that a signal to make reaches it.
.PHONY: e2e
e2e: build ## Everything on a kind cluster of its own: up, test, bench, report, down (KEEP=1 keeps it); on a failure make exits 2 and its last line has epi's code
	bin/epi run $(if $(KEEP),--keep) $(ARGS)

.PHONY: e2e-eks
e2e-eks: bin/epi-e2e-eks ## The same on EKS without AWS: eksctl makes a cluster in a region of epi cloud up, epi tests and removes it, and nothing is left (about 7 minutes)
	bin/epi-e2e-eks $(ARGS)

.PHONY: two-clusters
two-clusters: build ## Two EKS clusters in a region of epi cloud up, whose pods are kept apart by the session tag of their cluster (about 8 minutes)
	EPI_TEST_TWO_CLUSTERS=1 go test -count=1 -timeout 30m -v -run '^TestTwoClustersKeepTheirPodsApart$$' ./cmd/epi-e2e-eks

# Not among the programs of build: a tool for this repository, that nobody else can use.
.PHONY: bin/epi-e2e-eks
bin/epi-e2e-eks: build
	CGO_ENABLED=0 go build $(GOFLAGS_BUILD) -ldflags '-s -w' -o bin/ ./cmd/epi-e2e-eks

.PHONY: test
test: ## Every unit, integration, fuzz-seed and browser test, with the race detector
	go test -race -gcflags=all=-dwarf=false -timeout 9m ./...

.PHONY: clients
clients: ## Install the AWS clients (AWS CLI, SDK for JavaScript) that test the emulator, as far as this machine can
	go run ./clusters/emulator/clienttest/install

.PHONY: minio
minio: ## Run minio-go's functional tests against the emulator's S3 (about 3 minutes, and the Go module proxy once)
	EPI_TEST_MINIO=1 go test -count=1 -timeout 20m -v -run '^TestMinIO$$' ./clusters/emulator/clienttest

.PHONY: eksctl
eksctl: ## Test the emulator with the real eksctl (about 5 minutes; before that eksctl is built into the cache once, in about 7)
	go run ./clusters/eksctl/install
	EPI_TEST_EKSCTL=1 go test -count=1 -timeout 20m -v -run '^TestSeed$$' ./clusters/emulator/eksctltest

.PHONY: build
build: ## The runner and the programs that go into its images, into bin/
	CGO_ENABLED=0 go build $(GOFLAGS_BUILD) -ldflags '$(LDFLAGS)' -o bin/ ./cmd/epi
	CGO_ENABLED=0 GOOS=linux go build $(GOFLAGS_BUILD) -ldflags '-s -w' -o bin/ $(PROGRAMS:%=./cmd/%)

.PHONY: mutate
mutate: bin/epi-mutate ## Show that the suites notice each mutant (ARGS='--name ENV --mutants REGEX', see ARGS=--help)
	bin/epi-mutate $(ARGS)

# Not among the programs of build: a tool for this repository, that nobody else can use.
.PHONY: bin/epi-mutate
bin/epi-mutate: build
	CGO_ENABLED=0 go build $(GOFLAGS_BUILD) -ldflags '-s -w' -o bin/ ./cmd/epi-mutate

.PHONY: compat
compat: build ## Show that the suites fail nothing but known deviations on an agent and a webhook that do as AWS's do
	bin/epi run --name compat --compat upstream --bench none --label-filter '!AGT-13 && !INJ-17' $(ARGS)

.PHONY: kills
kills: bin/epi-kills ## End epi run in every way and show that epi down leaves nothing (ARGS='--only REGEX', see ARGS=--help)
	bin/epi-kills $(ARGS)

.PHONY: bin/epi-kills
bin/epi-kills: build
	CGO_ENABLED=0 go build $(GOFLAGS_BUILD) -ldflags '-s -w' -o bin/ ./cmd/epi-kills

.PHONY: images
images: build ## The images of agent, webhook, emulator and probe as one archive, bin/images.tar
	bin/epi images --file bin/images.tar

.PHONY: lint
lint: ## golangci-lint, go vet included, and actionlint for the workflows, as pinned here
	go run $(GOLANGCI_LINT) run
	go run $(ACTIONLINT)

.PHONY: release-check
release-check: ## Check the configuration of releases with goreleaser, as pinned here
	go run $(GORELEASER) check --config .github/goreleaser.yaml

.PHONY: snapshot
snapshot: ## Build what a release has, unpublished, into dist/
	go run $(GORELEASER) release --snapshot --clean --config .github/goreleaser.yaml

.PHONY: release
release: ## Build and draft a release of the tag that is checked out (CI does it)
	go run $(GORELEASER) release --clean --config .github/goreleaser.yaml

.PHONY: release-images
release-images: ## Push the images of a release, each for amd64 and arm64 (REPOSITORY=ghcr.io/you TAG=v1.2.3, after docker login)
	go run ./clusters/programs/pack --arch amd64
	go run ./clusters/programs/pack --arch arm64
	go run ./clusters/programs/publish --repository '$(REPOSITORY)' --tag '$(TAG)'

.PHONY: clean
clean: ## Remove what make built here; running environments: bin/epi down --all
	rm -rf bin dist _artifacts clusters/programs/packed_*.tar.zst
