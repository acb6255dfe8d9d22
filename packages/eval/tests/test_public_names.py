"""The package's face: names that are imported on first use."""

import subprocess
import sys

import pytest
import qa_eval


def test_every_public_name_is_there():
    for name in qa_eval.__all__:
        assert getattr(qa_eval, name) is not None
    assert set(qa_eval.__all__) == set(qa_eval._OWNER) <= set(dir(qa_eval))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        qa_eval.nope  # noqa: B018


def test_the_package_itself_imports_nothing_heavy():
    code = "import sys, qa_eval; print([m for m in ('torch', 'polars', 'duckdb', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
