"""The package's face: names that are imported on first use."""

import subprocess
import sys

import pytest
import qa_contract


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_every_public_name_is_there():
    for name in qa_contract.__all__:
        assert getattr(qa_contract, name) is not None
    assert set(qa_contract.__all__) == set(qa_contract._OWNER) <= set(dir(qa_contract))
    assert callable(qa_contract.connect)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        qa_contract.nope  # noqa: B018


@pytest.mark.parametrize(
    "statement", ["import qa_contract", "from qa_contract.errors import UserError", "from qa_contract import ExitCode"]
)
def test_a_command_line_starts_without_table_libraries(statement):
    assert not loaded_after(statement) & {"polars", "duckdb", "numpy", "pyarrow", "torch"}


def test_files_identity_and_prompts_need_no_table_libraries():
    modules = ("files", "identity", "prompts", "leakage", "queries")
    statement = f"from qa_contract import {', '.join(modules)}"
    assert not loaded_after(statement) & {"polars", "duckdb", "numpy", "pyarrow"}
