"""What the tests of faults share: a run of programs that stand in for the packages, and one of real commands."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from disturb import ASK, ROOMS, run

# The loop's tests have programs that stand in for the packages; two conftest files cannot import each other by name.
_spec = importlib.util.spec_from_file_location("loop_fakes", Path(__file__).parents[1] / "loop/conftest.py")
assert _spec is not None
assert _spec.loader is not None
_fakes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fakes)
fakes, finished_run, tables = _fakes.fakes, _fakes.finished_run, _fakes.tables


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with observations and frame sets, and questions about it, that nothing disturbed; read only."""
    folder = tmp_path_factory.mktemp("undisturbed")
    store = folder / "store"
    for words in (
        (*ROOMS, "--out", store),
        ("observe", store),
        ("sample-frames", store, "--frames", 2),
        ("generate", store, "--out", folder / "questions", *ASK),
    ):
        code, err = run(*words)
        assert code == 0, err
    return folder
