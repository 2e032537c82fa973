# Two commands do everything on a fresh checkout: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header

.DEFAULT_GOAL := help
.PHONY: help demo test tests lint style types layers bench lock

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(READY) ## a real Kafka, simulated vendors and all workers, live (ARGS="--keep" leaves it running)
	@$(BIN)/relay demo $(ARGS)

test: style layers ## style, layers, then types beside every test (ARGS="-n 0" runs one at a time)
	@$(MAKE) --no-print-directory --jobs 2 types tests

lint: style layers types ## style, layers, types

tests: $(READY)
	@echo "tests"
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n 3 --dist worksteal $(ARGS)

style: $(READY)
	@echo "style"
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet

types: $(READY)
	@echo "types"
	@$(BIN)/mypy --explicit-package-bases --no-error-summary

layers: $(READY)
	@echo "layers"
	@$(BIN)/lint-imports --no-cache >.venv/layers.txt || { cat .venv/layers.txt; exit 1; }

lock: $(READY) ## pins and hashes of what pyproject.toml names (ARGS="--upgrade" takes the newest versions)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile $(LOCK) $(ARGS) --output-file requirements.lock pyproject.toml
	@$(BIN)/uv pip compile $(LOCK) $(ARGS) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

bench: $(READY) ## records per second beside the transport's own ceiling; what telemetry, pollers and parked orders cost
	@$(BIN)/python -m workers.devkit.bench.run $(ARGS)
	@$(BIN)/python -m workers.devkit.bench.telemetry
	@$(BIN)/python -m workers.devkit.bench.poller
	@$(BIN)/python -m workers.devkit.bench.parked
	@$(BIN)/python -m workers.devkit.bench.parked_start

# Production installs requirements.lock; the demo and the tests need what requirements-dev.lock adds.
$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Order Relay needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.13" >&2; exit 2; }
	@echo "virtual environment in .venv"
	@$(PYTHON) -m venv .venv
	@echo "dependencies of requirements-dev.lock"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@
