# The first two need nothing but Python, make and a package index:
#
#   make demo    serves the demonstration at http://localhost:6543
#   make test    runs all tests
#
# Each sets up what it needs in .venv, once; a change of setup.cfg sets it up anew.
# Another Python: make test PYTHON=python3.13 VENV=.venv313
# Tests of a server that is not installed are skipped, and listed at the end:
# make test PYTEST_ARGS=--servers-required lets them fail.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

help:
	@echo "make demo    serve the demonstration at http://localhost:6543"
	@echo "make test    run all tests, with branch coverage"
	@echo "make lint    check style and types"
	@echo "make docs    build the documentation in docs/_build/html"
	@echo "make torture break stores while clients use them, a few minutes"
	@echo "make fuzz    a million damaged cookies, records and values, some minutes"
	@echo "make bench   measure sessions and regions beside pyramid_beaker"
	@echo "make clean   remove what these have made, and the demonstration's sessions"

demo: $(VENV)/demo.done
	$(BIN)/pserve example.ini

test: $(VENV)/test.done
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PYTEST_ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(VENV)/lint.done
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(VENV)/docs.done
	$(BIN)/sphinx-build -W -n --keep-going -b html docs docs/_build/html

torture: $(VENV)/test.done
	$(BIN)/python -m tests.torture

fuzz: $(VENV)/test.done
	$(BIN)/python -m tests.fuzz

bench: $(VENV)/test.done
	$(BIN)/python -m benchmarks.core
	$(BIN)/python -m benchmarks.memcached
	$(BIN)/python -m benchmarks.redis_sessions

clean:
	rm -rf $(VENV) build data docs/_build .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/made.done: setup.cfg
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

$(VENV)/demo.done: $(VENV)/made.done
	$(INSTALL) '.[demo]'
	touch $@

$(VENV)/test.done: $(VENV)/made.done
	$(INSTALL) '.[test]'
	touch $@

$(VENV)/lint.done: $(VENV)/made.done
	$(INSTALL) '.[lint]'
	touch $@

$(VENV)/docs.done: $(VENV)/made.done
	$(INSTALL) '.[docs]'
	touch $@

.PHONY: help demo test lint docs torture fuzz bench clean
.NOTPARALLEL:
