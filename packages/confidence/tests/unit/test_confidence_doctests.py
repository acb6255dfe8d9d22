import doctest
import importlib
import pkgutil

import pytest
import qa_confidence

MODULES = ["qa_confidence", *(m.name for m in pkgutil.walk_packages(qa_confidence.__path__, "qa_confidence."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
