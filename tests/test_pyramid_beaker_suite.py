"""The tests that pyramid_beaker 0.9 ships in its wheel, unmodified, run on this package."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import unittest
from base64 import urlsafe_b64encode
from importlib.metadata import distribution

import beaker.cache
import pytest
from pyramid import testing

import pyramid_beakerish

NAME = "pyramid_beaker.tests"
WHEEL = distribution("pyramid_beaker")
(SHIPPED,) = [file for file in WHEEL.files if str(file) == "pyramid_beaker/tests.py"]
SPEC = importlib.util.spec_from_file_location(NAME, SHIPPED.locate())
MODULE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(MODULE)


def cases(suite):
    """Give every single test of a suite."""
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from cases(part)
        else:
            yield part


CASES = {case.id(): case for case in cases(unittest.defaultTestLoader.loadTestsFromModule(MODULE))}


@pytest.fixture
def in_its_place(monkeypatch):
    """Have this package found under pyramid_beaker's name, for one test."""
    monkeypatch.setitem(sys.modules, "pyramid_beaker", pyramid_beakerish)
    monkeypatch.setitem(sys.modules, NAME, MODULE)
    monkeypatch.setattr(beaker.cache, "cache_regions", {})
    yield
    testing.tearDown()


def test_it_is_all_of_them_as_they_were_shipped():
    """There are the 36 tests of release 0.9, and nobody has changed the file."""
    assert (WHEEL.version, len(CASES)) == ("0.9", 36)
    digest = urlsafe_b64encode(hashlib.sha256(SHIPPED.read_binary()).digest())
    assert digest.rstrip(b"=").decode() == SHIPPED.hash.value


@pytest.mark.usefixtures("in_its_place")
@pytest.mark.parametrize("name", CASES)
def test_passes(name):
    """Each of pyramid_beaker's own tests passes, and none is skipped."""
    result = unittest.TestResult()
    CASES[name].run(result)
    assert result.testsRun == 1
    assert [*result.failures, *result.errors, *result.skipped] == []
