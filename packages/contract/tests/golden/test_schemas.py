"""Columns, types and versions of the tables as files carry them: a change here is a change of the exchange format."""

import json
from pathlib import Path

from qa_contract.tables import DECLARATIONS, VERSIONS
from qa_contract.tables.declaration import type_name

STORED = json.loads((Path(__file__).parent / "schemas.json").read_text())


def test_tables_are_those_that_files_carry():
    found = {
        name: {
            "version": VERSIONS[name],
            "columns": {column: type_name(declared.dtype) for column, declared in table.columns.items()},
        }
        for name, table in DECLARATIONS.items()
    }
    assert found == STORED
    for name, table in found.items():  # the order of the columns is part of the bytes
        assert list(table["columns"]) == list(STORED[name]["columns"])


def test_confidence_is_one_table():
    columns = DECLARATIONS["confidence"].columns
    assert list(columns)[:6] == ["question_id", "scene_name", "question_type", "model_id", "round", "phase"]
    # What the engine's samplers read of it.
    assert {name: str(columns[name].dtype) for name in ("question_id", "label", "gold_confidence", "round")} == {
        "question_id": "String",
        "label": "String",
        "gold_confidence": "Float64",
        "round": "Int32",
    }
