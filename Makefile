# The commands of this project; CMake does the work (CMakePresets.json).
.DEFAULT_GOAL := help
.PHONY: help deps build all demo demo-cluster test test-aarch64 chaos benchmark benchmark-cluster fuzz format lint exports clean
export JOBS ?= $(shell nproc)
PRESETS := release asan tsan fuzz
SECONDS ?= 60

help: ## Show these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

deps: ## Install the Debian packages that building and testing need
	@scripts/deps.sh test

build: ## Build the libraries, the programs and the examples under build/release/
	@scripts/deps.sh build
	@TARGET=programs scripts/build.sh release

all: deps build test ## deps, build and test

demo: ## Install what is missing, build, and run the demo
	@scripts/demo.sh

demo-cluster: ## The same for a cluster: a node is killed, one is drained, one joins
	@scripts/demo-cluster.sh

test: ## Install what is missing, build, and run every test
	@scripts/test.sh $(PRESETS)

test-aarch64: ## Build for aarch64 and run the unit tests under qemu
	@scripts/test-aarch64.sh

chaos: ## Break clusters of real nodes for 15 minutes, and check what is promised
	@scripts/chaos.sh

benchmark: ## Install what is missing, build, and measure
	@scripts/benchmark.sh

benchmark-cluster: ## The same for calls between nodes
	@scripts/benchmark.sh --suite cluster

fuzz: ## Fuzz every decoder for SECONDS=60 seconds each
	@scripts/deps.sh test
	@scripts/build.sh fuzz
	@scripts/fuzz.sh $(SECONDS)

format: ## Rewrite the C and C++ files in the project's format
	@scripts/format.sh

lint: ## Check the format, the code (clang-tidy) and the scripts (shellcheck)
	@scripts/deps.sh test
	@scripts/lint.sh

exports: ## Write the list of exported symbols anew, after the API has changed
	@scripts/deps.sh build
	@TARGET=programs scripts/build.sh release
	@scripts/exports.sh write build/release/libmesh.so

clean: ## Remove everything that was built
	rm -rf build
