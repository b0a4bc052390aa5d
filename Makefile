# Everything a developer runs, with nothing installed but CPython 3.11+ and make.
# Each target makes the virtual environment when it is missing or older than what it is made from.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# What is checked beside the packages themselves; a folder that does not exist yet is left out.
CODE := $(wildcard src tests benchmarks scripts)
SHAPE_TESTS := tests/test_architecture.py tests/test_tidy.py tests/test_public_surface.py

# More for pytest, for example `make test PYTEST_OPTIONS="-k prices -x"`.
PYTEST_OPTIONS ?=
# Rounds of kill and restart in `make test-crash`; `make test` plays a few only.
CRASH_ROUNDS ?= 100
# More for the benchmarks, for example `make bench BENCH="ingest"`.
BENCH ?=
# More for uv, for example `make lock LOCK_OPTIONS=--upgrade`.
LOCK_OPTIONS ?=
# More for the server and the demo, for example `make serve OPTIONS="--port 9000"`.
OPTIONS ?=

COVER_ALL_MIN := 95
COVER_FULLY := src/orbdo_server/core src/orbdo_sdk

PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
LOCK_TOOL := uv>=0.9,<1

export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: help venv demo serve test test-crash bench check format lock clean
.DEFAULT_GOAL := help

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | expand -t 12

venv: $(INSTALLED) ## make the virtual environment, and nothing else

$(INSTALLED): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) or sys.implementation.name != "cpython")' || { \
	    echo "orbdo needs CPython 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
	    echo "Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	    echo "Making $(VENV) with $$($(PYTHON) --version); the first time takes a minute or two."; \
	    $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing what constraints.txt pins into $(VENV)."
	@$(PIP) install --require-hashes --requirement constraints.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(INSTALLED) ## a trace becomes an invoice on your terminal, in under a minute
	@$(BIN)/orbdo demo $(OPTIONS)

serve: $(INSTALLED) ## the server on ./orbdo-data
	@$(BIN)/orbdo serve $(OPTIONS)

test: $(INSTALLED) ## every test, with the coverage that is asked for
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(PYTEST_OPTIONS)
	@$(BIN)/coverage combine --quiet
	@failed=0; for package in $(COVER_FULLY); do \
	    echo "Coverage of $$package, lines and branches (100% or it fails):"; \
	    $(BIN)/coverage report --include="$$package/*" --fail-under=100 || failed=1; done; \
	echo "Coverage of everything ($(COVER_ALL_MIN)% or it fails):"; \
	$(BIN)/coverage report --fail-under=$(COVER_ALL_MIN) || failed=1; \
	exit $$failed

test-crash: $(INSTALLED) ## the tests that kill real processes, in their long form
	@ORBDO_CRASH_ROUNDS=$(CRASH_ROUNDS) $(BIN)/python -m pytest -m crash --timeout=3600 $(PYTEST_OPTIONS)

bench: $(INSTALLED) ## every headline figure as a table, and as JSON under benchmarks/results
	@$(BIN)/python -m benchmarks $(BENCH)

check: $(INSTALLED) ## format, lint, types and shape; every tool runs, whatever the one before it says
	@failed=0; \
	$(BIN)/ruff format --check --quiet $(CODE) || { echo "Not formatted: run 'make format'." >&2; failed=1; }; \
	$(BIN)/ruff check --quiet $(CODE) || failed=1; \
	$(BIN)/mypy --no-error-summary $(CODE) || failed=1; \
	$(BIN)/pyright --pythonpath $(BIN)/python $(CODE) || failed=1; \
	test ! -e scripts/unasync.py || $(BIN)/python scripts/unasync.py --check || failed=1; \
	$(BIN)/python -m pytest --quiet $(SHAPE_TESTS) || failed=1; \
	exit $$failed

format: $(INSTALLED) ## put the code into the agreed form
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

lock: $(INSTALLED) ## write constraints.txt anew from pyproject.toml
	@test -x $(VENV)/lock/bin/uv || { $(PYTHON) -m venv $(VENV)/lock && \
	    $(VENV)/lock/bin/python -m pip -qq --disable-pip-version-check install '$(LOCK_TOOL)'; }
	@$(VENV)/lock/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-emit-index-url --quiet $(LOCK_OPTIONS) -o constraints.txt
	@echo "constraints.txt is written; read its diff, then run 'make check test'."

clean: ## remove the virtual environment and everything that was built or cached
	@rm -rf $(VENV) build dist .coverage .coverage.* .benchmarks .hypothesis benchmarks/results
	@find . -type d \( -name __pycache__ -o -name .mypy_cache -o -name .ruff_cache -o -name .pytest_cache \) \
	    -prune -exec rm -rf {} +
