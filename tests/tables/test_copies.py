"""The packages hold copies of a few files and declarations; here they are compared."""

import importlib
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "qa_engine": ROOT / "packages/qa-engine/src/qa_engine",
    "qa_confidence": ROOT / "packages/confidence/src/qa_confidence",
    "qa_eval": ROOT / "packages/eval/src/qa_eval",
    "qa_loop": ROOT / "src/qa_loop",
}


def declared(package: str) -> dict:
    return importlib.import_module(f"{package}.tables").TABLES


def test_table_reader_is_the_same_everywhere():
    texts = {(folder / "tableio.py").read_text() for folder in PACKAGES.values()}
    assert len(texts) == 1


def test_prompt_table_is_the_same_in_engine_and_evaluator():
    texts = {(PACKAGES[package] / "prompts.py").read_text() for package in ("qa_engine", "qa_eval")}
    assert len(texts) == 1


@pytest.mark.parametrize("table", sorted({name for package in PACKAGES for name in declared(package)}))
def test_every_copy_of_a_table_is_equal(table):
    copies = {p: pl.Schema(declared(p)[table]) for p in PACKAGES if table in declared(p)}
    first = next(iter(copies.values()))
    for package, schema in copies.items():
        assert list(schema.items()) == list(first.items()), package
