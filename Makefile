# Every target sets up .venv first; `make demo` and `make test` are all a stranger needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint typecheck check perf reliability format clean help
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Python {v.major}.{v.minor} is too old: 3.11 or newer is needed. Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(VENV)/.installed ## run the demo benchmark and build its report (no download)
	$(BIN)/etl-bench demo

test: $(VENV)/.installed ## run the test suite
	$(BIN)/python -m pytest

lint: $(VENV)/.installed ## style, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(VENV)/.installed ## apply the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: $(VENV)/.installed ## static types
	$(BIN)/mypy

perf: $(VENV)/.installed ## ratios of our way to the plain way, within one run
	PYTHONPATH=. $(BIN)/python tests/perf/run.py

reliability: $(VENV)/.installed ## kill a sweep 200 times and compare the result, byte for byte
	$(BIN)/python tests/reliability/kills.py

check: lint typecheck test ## everything a change must pass

clean: ## remove the environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
