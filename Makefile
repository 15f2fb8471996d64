# Each target sets up what it needs in its own .venv and does its job on a fresh machine.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := pyproject.toml constraints.txt

ifneq ($(wildcard ../shared/data),)
export NERTUNE_DATA ?= $(abspath ../shared/data)
endif

.PHONY: help quickstart setup test test-fast check clean chromium java

help:
	@echo "make quickstart   train a small recogniser on the embedded corpus and try it"
	@echo "make test         all tests, the slow ones too"
	@echo "make test-fast    the tests that take a second"
	@echo "make check        ruff, mypy --strict, architecture test"
	@echo "make setup        only set up .venv with everything for development"
	@echo "make clean        remove .venv and caches"

quickstart: .venv/quickstart
	$(BIN)/nertune quickstart --overwrite

setup: .venv/dev

test: .venv/dev chromium java
	$(BIN)/python -m pytest -o addopts="-q --strict-markers"

test-fast: .venv/dev
	$(BIN)/python -m pytest

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/contracts/test_architecture.py

# For the tests of the pages. Where it cannot be had they are skipped, and say so.
chromium:
	@command -v chromium >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null; } || \
	  echo "no chromium: the browser tests will be skipped; as root: apt-get install chromium"

# For the tests of Spark, in the same way.
java:
	@command -v java >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends openjdk-17-jre-headless >/dev/null; } || \
	  echo "no java: the Spark tests will be skipped; as root: apt-get install openjdk-17-jre-headless"

.venv/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "nertune needs Python 3.11 or newer; run: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip
	@touch $@

# torch first and by itself: an unpinned one would bring several gigabytes of GPU libraries.
.venv/torch: .venv/pip $(SOURCES)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	@touch $@

.venv/quickstart: .venv/torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[quickstart]'
	@touch $@

.venv/dev: .venv/torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@ .venv/quickstart

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build src/*.egg-info
