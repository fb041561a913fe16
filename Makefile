# Everything sets itself up: Python 3.11 or newer with venv, and make, are all that is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests mostly wait, so there are more of them at once than processors.
WORKERS ?= 3

.PHONY: demo test lint bench faults clean

demo: $(VENV)/program.stamp ## Server and simulator with a sample account
	@exec $(BIN)/python server.py demo $(ARGS)

test: $(VENV)/test.stamp lint ## Lint, types and all tests, the browser's too
	@$(BIN)/python tests/browser/chromium.py
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: $(VENV)/test.stamp ## Format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/bench.stamp ## Figures as ratios to floors of the same run
	$(BIN)/python -m tests.bench $(ARGS)

faults: $(VENV)/test.stamp ## Kills, outages, full disks at large: half an hour, and a summary
	$(BIN)/python -m tests.faults $(ARGS)

$(VENV)/program.stamp: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "wxbind needs Python 3.11 or newer; say PYTHON=… to make")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/test.stamp: $(VENV)/program.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[test]"
	@touch $@

$(VENV)/bench.stamp: $(VENV)/test.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[test,bench]"
	@touch $@

clean: ## Remove what was set up
	rm -rf $(VENV) build ./*.egg-info test-artefacts .mypy_cache .ruff_cache .pytest_cache
