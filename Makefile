# Each target creates .venv when it is missing and installs the versions of constraints.txt into it.
PYTHON ?= python3
WORKERS ?= logical
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP = $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo test test-programs test-portable test-all check lint format-check imports typecheck doctest docs format perf gpu reliability differential official lock release clean help
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Python {v.major}.{v.minor} is too old: 3.11 or newer is needed. Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/.created
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.created
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.core

demo: $(VENV)/.core ## run the demo benchmark and build its report (no download)
	$(BIN)/etl-bench demo

PYTEST = $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal --durations 10

test: $(VENV)/.dev ## run the tests but slow ones that a faster test covers, one process per CPU (WORKERS=0: in one process)
	$(PYTEST) -m 'not slow'

test-programs: $(VENV)/.dev ## run the tests that need a browser or a compiler, which `make test` leaves out where there is none
	$(PYTEST) -m '(browser or compiler) and not slow'

# Baseline instructions round otherwise, and one busy process a core leaves the tests half of the time. The annotated
# types and sizes of arrays are checked here alone: that takes a third of the time of the tests of methods.
test-portable: export ATEN_CPU_CAPABILITY = default
test-portable: export OMP_NUM_THREADS = 1
test-portable: $(VENV)/.dev ## run the fast tests of numbers and of processes as on another, busy processor, and check array types
	$(BIN)/python tests/support/busy.py $(PYTEST) --timeout 1800 --jaxtyping-packages=methods,beartype.beartype \
		-m 'portable and not slow' tests/bench tests/methods

check: lint format-check imports typecheck doctest docs test ## everything a change must pass, quickest first

lint: $(VENV)/.dev ## style of the code
	$(BIN)/ruff check .

format-check: $(VENV)/.dev
	$(BIN)/ruff format --check .

imports: $(VENV)/.dev ## import contracts between packages and layers
	$(BIN)/lint-imports

typecheck: $(VENV)/.dev ## static types
	$(BIN)/mypy

doctest: $(VENV)/.dev ## examples in docstrings; modules of packages that are not installed are skipped
	$(BIN)/python -m pytest --quiet --doctest-modules --doctest-ignore-import-errors bench methods datasets_registry reports

docs: $(VENV)/.dev ## compare the generated files with the code, and build the documentation into build/docs
	$(BIN)/python -m tools.generate_docs --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/docs

format: $(VENV)/.dev ## apply the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

perf: $(VENV)/.dev ## compare our implementation's time with a plain one's
	OMP_WAIT_POLICY=PASSIVE PYTHONPATH=.:tests/support $(BIN)/python -m tools.perf

gpu: $(VENV)/.dev ## measure on a GPU and write the table of docs/performance.md
	PYTHONPATH=.:tests/support $(BIN)/python -m tools.perf --gpu cuda --write docs/performance.md

reliability: $(VENV)/.dev ## kill a sweep 200 times and compare the results byte by byte
	ETL_BENCH_KILLS=200 $(BIN)/python -m pytest tests/reliability/test_kills.py

differential: $(VENV)/.dev ## compare five methods with a plain re-implementation (FEATURES=folder of real CLIP features)
	PYTHONPATH=.:tests/support:tests/reference $(BIN)/python tests/reference/differential.py $(if $(FEATURES),--features $(FEATURES))

official: $(VENV)/.dev ## compare with official code: CHECKOUTS=folder, EUROSAT=folder, OFFICIAL_PYTHON=interpreter; see docs/parity.md
	PYTHONPATH=.:tests/support:tools/parity $(BIN)/python tools/parity/compare.py --checkouts $(CHECKOUTS) --eurosat $(EUROSAT) $(if $(OFFICIAL_PYTHON),--python $(OFFICIAL_PYTHON))

test-all: $(VENV)/.dev reliability ## all tests and the long reliability run
	$(PYTEST)

lock: ## write the newest versions of all dependencies to constraints.txt; run it with the oldest supported Python
	$(PYTHON) -m venv --clear $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --editable '.[dev,mlflow,wandb]'
	{ grep '^#' constraints.txt; $(VENV)-lock/bin/python -m pip freeze --exclude-editable \
		| sed -E 's/\+[^ ]*$$//' | grep -viE '^(nvidia|cuda|triton)'; } > $(VENV)-lock/constraints.txt
	mv $(VENV)-lock/constraints.txt constraints.txt
	rm -r $(VENV)-lock

release: $(VENV)/.dev ## build and check a release in a clean environment, write its changelog section and tag it (VERSION=0.2.0)
	$(BIN)/python -m tools.release $(VERSION)

clean: ## remove the environment, caches and built documentation
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
