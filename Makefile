# The first two need nothing but Python, make and a package index:
#
#   make demo    serves the demonstration at http://localhost:6543
#   make test    runs all tests
#
# Each sets up what it needs in .venv, once; a change of setup.cfg sets it up anew.
# Another Python: make test PYTHON=python3.13 VENV=.venv313
# Tests of a server that is not installed are skipped, and listed at the end:
# make test PYTEST_ARGS=--servers-required lets them fail, and measures the coverage, which has to
# be full. Without the servers it cannot be, and a run that does not measure it is a third shorter.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

help:
	@echo "make demo    serve the demonstration at http://localhost:6543"
	@echo "make test    run all tests"
	@echo "make lint    check style and types"
	@echo "make docs    build the documentation in docs/_build/html"
	@echo "make wheel   build the wheel in dist, and check it"
	@echo "make test-wheel  run all tests against that wheel"
	@echo "make torture break stores while clients use them, a few minutes"
	@echo "make fuzz    a million damaged cookies, records and values, some minutes"
	@echo "make test-bench  run the benchmarks with small numbers, as a test"
	@echo "make bench   measure sessions and regions beside their peers, a few minutes, with"
	@echo "             redis-server and memcached; what needs one that is missing is left out"
	@echo "make bench-load  measure web servers under load, and a million sessions, some minutes,"
	@echo "             with redis-server and wrk"
	@echo "make bench-sweep  measure the removal of a million expired sessions, some minutes,"
	@echo "             with PostgreSQL"
	@echo "make plots   draw the plots of docs/performance from what has been measured"
	@echo "make clean   remove what these have made, and the demonstration's sessions"

demo: $(VENV)/demo.done
	$(BIN)/pserve example.ini

test: $(VENV)/test.done
ifeq (,$(findstring --servers-required,$(PYTEST_ARGS)))
	$(BIN)/python -m pytest -n auto $(PYTEST_ARGS)
else
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto $(PYTEST_ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
endif

lint: $(VENV)/lint.done
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(VENV)/docs.done
	$(BIN)/sphinx-build -W -n --keep-going -b html docs docs/_build/html

wheel: $(VENV)/wheel.done
	rm -rf dist
	$(BIN)/python -m build --quiet
	$(BIN)/check-wheel-contents dist
	$(BIN)/twine check --strict dist/*

# In a folder that has the tests and what they look at, but not the package's sources, which would
# take the place of the wheel. The one test that is left out wants to see them there.
WHEEL_TEST = build/wheel-test
WITHOUT_SOURCES = --deselect tests/test_docs.py::test_links_of_the_readme_lead_to_files

test-wheel: wheel
	rm -rf $(WHEEL_TEST)
	mkdir -p $(WHEEL_TEST)
	cp -R tests benchmarks docs examples *.md pyproject.toml setup.cfg Makefile example.ini $(WHEEL_TEST)
	$(PYTHON) -m venv $(WHEEL_TEST)/venv
	$(WHEEL_TEST)/venv/bin/python -m pip install --quiet --disable-pip-version-check "$$(ls dist/*.whl)[test]"
	cd $(WHEEL_TEST) && venv/bin/python -m pytest $(WITHOUT_SOURCES) $(PYTEST_ARGS)

torture: $(VENV)/test.done
	$(BIN)/python -m tests.torture

fuzz: $(VENV)/test.done
	$(BIN)/python -m tests.fuzz

test-bench: $(VENV)/bench.done
	$(BIN)/python -m pytest tests/test_benchmarks.py $(PYTEST_ARGS)

bench: $(VENV)/bench.done
	$(BIN)/python -m benchmarks

bench-load: $(VENV)/bench.done
	$(BIN)/python -m benchmarks load million

bench-sweep: $(VENV)/bench.done
	$(BIN)/python -m benchmarks sweep

plots: $(VENV)/bench.done
	$(BIN)/python -m benchmarks.plots

clean:
	rm -rf $(VENV) build dist data benchmarks.json docs/_build .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(VENV)/made.done: setup.cfg
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

$(VENV)/demo.done: $(VENV)/made.done
	$(INSTALL) '.[demo]'
	touch $@

$(VENV)/test.done: $(VENV)/made.done
	$(INSTALL) '.[test]'
	touch $@

$(VENV)/bench.done: $(VENV)/test.done
	$(INSTALL) '.[bench]'
	touch $@

$(VENV)/lint.done: $(VENV)/made.done
	$(INSTALL) '.[lint]'
	touch $@

$(VENV)/docs.done: $(VENV)/made.done
	$(INSTALL) '.[docs]'
	touch $@

$(VENV)/wheel.done: $(VENV)/made.done
	$(INSTALL) '.[wheel]'
	touch $@

.PHONY: help demo test lint docs wheel test-wheel torture fuzz test-bench bench bench-load bench-sweep plots clean
.NOTPARALLEL:
