# Every target sets up what it needs and nothing more; a second call installs nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt

.PHONY: demo test test-all lint bench bench-peers bench-scale ward faults docs docs-compare web clean

demo: $(VENV)/.installed
	$(BIN)/trainwright demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest

test-all: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m "slow or not slow"

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check src tests benchmarks docs examples ward
	$(BIN)/ruff format --check src tests benchmarks docs examples ward
	$(BIN)/lint-imports
	$(BIN)/pyright
	$(BIN)/python docs/build.py --check
	$(BIN)/python -m docs.execute --check

# The data sets that do not come with the package; see docs/about/method.md, "Training".
bench: $(VENV)/.installed
	$(BIN)/python benchmarks/quality.py

# Time per step beside other libraries, which get an environment of their own.
PEERS := accelerate keras lightning pytorch-ignite skorch transformers
bench-peers: $(VENV)-peers/.installed
	OMP_NUM_THREADS=1 $(VENV)-peers/bin/python benchmarks/speed.py

# One training on 1, 2 and 4 processes: samples a second, and what the exchange costs.
bench-scale: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/scale.py

$(VENV)-peers/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --disable-pip-version-check --editable . $(PEERS)
	@touch $@

# Sick programs, their fixed twins and healthy controls under the doctor, and the page that shows it: an hour or two.
ward: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m ward.run --half fitting --write
	OMP_NUM_THREADS=1 $(BIN)/python -m ward.run --write
	$(BIN)/python docs/build.py

# The page of the lab, built into the package; its sources are in web/. Needs node 20 and npm; nothing else here does.
web:
	cd web && npm ci --silent --no-audit --no-fund && npm run --silent types && npm run --silent build

# Kills, refusals, power cuts, signals: how often each was tried, and what was lost; QUICK=--quick takes minutes.
faults: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python tests/faults/table.py $(QUICK)

# The documentation site, in site/: pages from the code, code on the pages that was changed run, all of it built
# strictly and without a network.
docs: $(VENV)/.installed-docs
	$(BIN)/python docs/build.py
	OMP_NUM_THREADS=1 $(BIN)/python -m docs.execute
	OMP_NUM_THREADS=1 $(BIN)/python -m docs.simulation_pictures
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	$(BIN)/python docs/check_site.py

# Runs all code on the pages and draws all pictures again, and says what differs: some minutes.
docs-compare: $(VENV)/.installed-docs
	OMP_NUM_THREADS=1 $(BIN)/python -m docs.execute --compare
	OMP_NUM_THREADS=1 $(BIN)/python -m docs.simulation_pictures --compare
	OMP_NUM_THREADS=1 $(BIN)/python -m docs.verbs --compare

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "trainwright needs Python 3.11 or newer; choose one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable ".[test]"
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-lint: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable ".[test,lint]"
	@touch $@ $(VENV)/.installed $(VENV)/.installed-test

$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable ".[docs,lab,images]"
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) $(VENV)-peers site .pytest_cache .ruff_cache .hypothesis
