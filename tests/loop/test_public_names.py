"""The public names of the loop and of qa-confidence: there, lazy, described."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["qa_loop", "qa_confidence"])
def test_every_public_name_is_there_and_described(package):
    module = importlib.import_module(package)
    assert module.__all__ == sorted(module.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    for name in module.__all__:
        value = getattr(module, name)
        assert name in dir(module)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), name
    with pytest.raises(AttributeError, match="nothing"):
        module.nothing  # noqa: B018


@pytest.mark.parametrize("package", ["qa_loop", "qa_confidence"])
def test_package_itself_imports_nothing_slow(package):
    code = f"import sys, {package}; print(sorted({{'numpy', 'polars', 'duckdb', 'pydantic'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
