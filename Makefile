# Two commands do everything: `make repro` (install, rebuild data and reports) and `make test` (install, check, test).
# They use the virtual environment that is active, or make .venv. PYTHON=python3.13 chooses the interpreter of a new one;
# LOCKED=1 installs the versions of constraints.txt.

PYTHON ?= python3.11
ifdef VIRTUAL_ENV
VENV := $(VIRTUAL_ENV)
else
VENV := .venv
endif
BIN := $(VENV)/bin
RUN := PATH="$(abspath $(BIN)):$$PATH"
# an empty file for each set of packages that was installed, newer than what names them
INSTALLED := $(VENV)/.installed$(if $(LOCKED),-locked)

# DVC looks for a Git repository; a copy of the tree without one needs this, kept out of the committed configuration
NO_SCM := git rev-parse --is-inside-work-tree >/dev/null 2>&1 || $(RUN) dvc config --local core.no_scm true

.DEFAULT_GOAL := help
.PHONY: help install repro test unit lint types bench dag lock clean

help:  ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

repro: $(INSTALLED)-demo  ## install, and rebuild everything that params.yaml asks for; the result is reports/index.html
	@$(NO_SCM)
	$(RUN) dvc repro

test: lint types  ## install with the test tools; lint, check types, run all tests
	$(RUN) pytest -n auto

unit: $(INSTALLED)-test  ## ... the quick tests alone, in about 90 seconds; says what they leave out
	$(RUN) pytest -n auto -m "not slow"

lint: $(INSTALLED)-test  ## ruff: rules and format
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: $(INSTALLED)-test  ## mypy over the project's code
	$(RUN) mypy

install: $(INSTALLED)-demo  ## install the pipeline and the demo corpus' speech synthesiser

bench: $(INSTALLED)-bench  ## measure speed against other packages (20 minutes on two cores); see benchmarks/README.md
	$(RUN) python -m benchmarks

dag: $(INSTALLED)-demo  ## print the picture of the pipeline that stands in the README
	@$(RUN) python tests/tools/dag.py

lock: $(INSTALLED)-demo  ## write the versions of this environment to constraints.txt, beside numbers made with it
	$(RUN) python tests/tools/lock.py

clean:  ## remove the report and what interrupted runs would continue from
	rm -rf .scratch reports/index.html reports/index.md reports/figures reports/tables

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-locked-%: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[$*]"
	@touch $@

# newest versions may replace locked ones, so what was locked is no longer said to be
$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e ".[$*]"
	@rm -f $(VENV)/.installed-locked-*
	@touch $@
