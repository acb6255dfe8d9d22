import doctest
import importlib
import pkgutil

import pytest
import qa_engine

MODULES = ["qa_engine", *(module.name for module in pkgutil.walk_packages(qa_engine.__path__, "qa_engine."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
