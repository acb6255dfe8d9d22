"""Every example in a docstring of the package runs."""

import doctest
import importlib
import pkgutil

import pytest
import qa_eval

MODULES = sorted(["qa_eval", *(module.name for module in pkgutil.walk_packages(qa_eval.__path__, "qa_eval."))])


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
