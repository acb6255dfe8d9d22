from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest
import qa_trainer

MODULES = sorted(module.name for module in pkgutil.walk_packages(qa_trainer.__path__, "qa_trainer."))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
