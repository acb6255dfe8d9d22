"""Every example in a docstring of the package runs."""

import doctest
import importlib
import pkgutil

import pytest
import qa_contract

MODULES = sorted(
    ["qa_contract", *(module.name for module in pkgutil.walk_packages(qa_contract.__path__, "qa_contract."))]
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("qa_contract"):
            raise
        pytest.skip(f"needs an extra: {error.name}")
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).failed == 0
