"""Examples in the docstrings of the loop."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import qa_loop

MODULES = ["qa_loop", *(m.name for m in pkgutil.walk_packages(qa_loop.__path__, "qa_loop."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0
