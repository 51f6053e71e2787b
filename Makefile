# The commands of a contributor. They need Go 1.26 or later, GNU make and, for
# the race detector, a C compiler; every other tool is built from tools/go.mod.

GO        ?= go
BENCHTIME ?= 1x
# Repeats the choices of make soak; ROUNDS makes it longer or shorter.
SEED      ?=
ROUNDS    ?= 100
FUZZTIME  ?= 30s
# TESTFLAGS goes to go test as it is: make test TESTFLAGS='-run TestName -v'.
TESTFLAGS ?=

BUILD    := .build
LINT     := $(BUILD)/golangci-lint
LINT_PKG := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
GUESTS   := examples/wasm-tasks

# Runs a command with a Postgres server of its own in TASKHOST_TEST_DATABASE_URL,
# unless that is set. Where the machine has no Postgres, it installs one. It is
# built, because go run keeps neither a signal nor an exit code.
POSTGRES := $(BUILD)/with-postgres

# Builds guests, and installs the compilers of the other languages than Go where
# they are missing.
GUESTBUILD := $(BUILD)/guestbuild

# What a guest links has files that only a wasm build sees, so vet and lint look
# at these packages a second time, as that build does. There, lint leaves out
# unused, which does not know that go:wasmexport is a use.
WASM      := GOOS=wasip1 GOARCH=wasm
WASM_PKGS := $(patsubst %,./%/...,$(wildcard abi guest-sdk $(GUESTS)))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help test vet lint tidy race cc compilers fmt guests bench soak fuzz clean FORCE

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' Makefile

test: cc vet tidy lint race ## Everything a change must pass: vet, tidy, lint, all tests with -race

vet: ## go vet, natively and as a guest is built
	$(GO) vet ./...
	$(if $(WASM_PKGS),$(WASM) $(GO) vet $(WASM_PKGS))

tidy: ## Fail if go.mod or go.sum is not what go mod tidy would write
	$(GO) mod tidy -diff
	cd tools && $(GO) mod tidy -diff

lint: $(LINT) ## golangci-lint with the list in .golangci.yaml
	$(LINT) run ./...
	$(if $(WASM_PKGS),$(WASM) $(LINT) run --disable unused $(WASM_PKGS))

race: cc compilers $(POSTGRES) ## go test -race on every package (TESTFLAGS='-run X -v' is passed on)
	CGO_ENABLED=1 $(POSTGRES) $(GO) test -race -timeout 20m $(TESTFLAGS) ./...

# Checked first, so that the answer comes before minutes of work and is not
# cgo's. CC may carry arguments: only its first word is looked up.
cc:
	@set -- $$($(GO) env CC) && command -v "$$1" >/dev/null || { \
		echo "make: go test -race needs a C compiler and there is no '$$1' on the PATH." >&2; \
		echo "make: install one (Debian: apt-get install gcc; macOS: xcode-select --install) or set CC." >&2; \
		exit 1; }

compilers: $(GUESTBUILD) ## Install the compilers for guests in C, Rust and AssemblyScript, where they are missing
	@$(GUESTBUILD) install

fmt: $(LINT) ## Format every Go file (gofumpt, then gci for the import groups)
	$(LINT) fmt ./...

guests: compilers ## Build each example guest to .build/guests/<name>.wasm
	@$(GUESTBUILD) build $(BUILD)/guests $(wildcard $(GUESTS)/*/)

bench: compilers $(POSTGRES) ## Run each benchmark once, so that none rots (BENCHTIME=1s to measure)
	$(POSTGRES) $(GO) test -run '^$$' -bench . -benchtime=$(BENCHTIME) ./...

# One campaign after the other: they would take each other's time. Those of minutes a
# round have fewer rounds.
SOAK := TASKHOST_TEST_SEED=$(SEED) $(POSTGRES) $(GO) test -count=1 -timeout 4h -v -parallel 2
FEW  := $$(( ($(ROUNDS) + 9) / 10 ))

soak: cc compilers $(POSTGRES) ## Fault campaigns for an hour or two (SEED=n repeats one, ROUNDS=10 is shorter)
	TASKHOST_TEST_ROUNDS=$(ROUNDS) $(SOAK) -run 'TestKillMinusNine|TestNodesAreKilled' ./tests
	TASKHOST_TEST_ROUNDS=$(FEW) $(SOAK) -run 'TestPostgresIsKilled|TestNodesAreStopped' ./tests
	TASKHOST_TEST_ROUNDS=$(FEW) $(SOAK) -run 'TestDiskIsFull|TestStoppedNodeIsFenced' ./tests
	TASKHOST_TEST_ROUNDS=$(FEW) TASKHOST_TEST_DELAY_MS=200 $(SOAK) -run 'TestDatabaseIsSlow' ./tests
	TASKHOST_TEST_CALLERS=10000 $(SOAK) -run 'TestBurst' ./tests
	TASKHOST_TEST_ROUNDS=$$((10 * $(ROUNDS))) $(SOAK) -run 'TestConformance/(faults|clock)' ./pgstore
	$(SOAK) -run 'TestConformance/(faults|clock)' ./sqlitestore

# go test fuzzes one target of one package at a time, so they are listed first.
fuzz: ## Run each fuzz target for 30 s (FUZZTIME=5m for longer)
	@mkdir -p $(BUILD)
	@$(GO) test -run '^$$' -list '^Fuzz' ./... >$(BUILD)/fuzz.list || { cat $(BUILD)/fuzz.list; exit 1; }
	@awk '/^Fuzz/ { t[++n] = $$1 } /^ok/ { for (i = 1; i <= n; i++) print $$2, t[i]; n = 0 }' \
		$(BUILD)/fuzz.list >$(BUILD)/fuzz.targets
	@test -s $(BUILD)/fuzz.targets || echo "make: no package has a fuzz target."
	@set -e; while read -r pkg target; do \
		echo "$(GO) test -run '^$$' -fuzz ^$$target\$$ -fuzztime $(FUZZTIME) $$pkg"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$pkg" </dev/null; \
	done <$(BUILD)/fuzz.targets

clean: ## Remove everything that make has built
	rm -rf $(BUILD)

# A linter built by one Go release cannot read the packages of a newer one, so it
# is built again when its pinned version or the Go release changes.
$(LINT): tools/go.mod tools/go.sum $(BUILD)/go-version
	@echo "building golangci-lint from tools/go.mod; the first time takes a minute or two"
	cd tools && CGO_ENABLED=0 $(GO) build -buildvcs=false -o ../$(LINT) $(LINT_PKG)
	@touch $(LINT)

$(POSTGRES): FORCE
	@CGO_ENABLED=0 $(GO) build -buildvcs=false -o $@ ./internal/pgtest/run

$(GUESTBUILD): FORCE
	@CGO_ENABLED=0 $(GO) build -buildvcs=false -o $@ ./internal/guestbuild/run

$(BUILD)/go-version: FORCE
	@mkdir -p $(BUILD)
	@$(GO) env GOVERSION | cmp -s - $@ || $(GO) env GOVERSION >$@
