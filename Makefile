# Two commands do everything: `make repro` (install, rebuild data and reports) and `make test` (install, check, test).
# They use the virtual environment that is active, or make .venv.

PYTHON ?= python3.11
ifdef VIRTUAL_ENV
VENV := $(VIRTUAL_ENV)
else
VENV := .venv
endif
BIN := $(VENV)/bin
RUN := PATH="$(abspath $(BIN)):$$PATH"

# DVC looks for a Git repository; a copy of the tree without one needs this, kept out of the committed configuration
NO_SCM := git rev-parse --is-inside-work-tree >/dev/null 2>&1 || $(RUN) dvc config --local core.no_scm true

.DEFAULT_GOAL := help
.PHONY: help install install-test install-bench repro test lint types unit bench clean

help:  ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

repro: install  ## install, and rebuild everything that params.yaml asks for; the result is reports/index.html
	@$(NO_SCM)
	$(RUN) dvc repro

test: install-test lint types unit  ## install with the test tools; lint, check types, run all tests

install: $(VENV)/.installed-demo  ## install the pipeline and the demo corpus' speech synthesiser

install-test: $(VENV)/.installed-test  ## ... and the test tools

lint:  ## ruff: rules and format
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types:  ## mypy over erc_core, stages and benchmarks
	$(RUN) mypy

unit:  ## pytest
	$(RUN) pytest -n auto

install-bench: $(VENV)/.installed-bench  ## ... and what the benchmarks compare with

bench: install-bench  ## measure speed against other packages (20 minutes on two cores); see benchmarks/README.md
	$(RUN) python -m benchmarks

clean:  ## remove the report and what interrupted runs would continue from
	rm -rf .scratch reports/index.html reports/index.md reports/figures reports/tables

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade-strategy only-if-needed -e ".[$*]"
	@touch $@
