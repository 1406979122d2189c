# The commands of this project; CMake does the work (CMakePresets.json).
.DEFAULT_GOAL := help
.PHONY: help deps build all test
JOBS ?= $(shell nproc)
PRESETS := release asan tsan

help: ## Show these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

deps: ## Install the Debian packages that building and testing need
	@scripts/deps.sh test

build: ## Build the libraries and the examples under build/release/
	@scripts/deps.sh build
	@scripts/build.sh release

all: deps build test ## deps, build and test

test: ## Install what is missing, build, and run every test
	@scripts/test.sh $(PRESETS)
