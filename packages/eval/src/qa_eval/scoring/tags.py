"""Scores by what question types ask for: their level, the abilities that they take, the frames that they need."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

Tags = Mapping[str, Mapping[str, list[str]]]
"""Question type to its values by tag."""


def read_tags(questions: Path | None) -> Tags:
    """Read what stands beside a questions table of the engine; empty where nothing does."""
    if questions is None:
        return {}
    folder = Path(questions) if Path(questions).is_dir() else Path(questions).parent
    if not (folder / "question_types.parquet").is_file():
        return {}
    from qa_contract.tableio import read_table  # opens a database, which most files do not need
    from qa_contract.tables import QUESTION_TYPES

    columns = ["question_type", "level", "abilities", "frames_needed"]
    rows = read_table(folder, "question_types", QUESTION_TYPES, columns=columns).iter_rows()
    return {name: {"level": [level], "ability": list(can), "frames": [frames]} for name, level, can, frames in rows}


def tag_means(types: Mapping[str, Mapping[str, Any]], tags: Tags) -> dict[str, dict[str, Any]]:
    """Average the scores of question types by tag, each type counting alike.

    Parameters
    ----------
    types : mapping of str to mapping
        Question type to its `mean` and `n`.
    tags : mapping

    Returns
    -------
    dict
        ``TAG:VALUE`` to `mean`, `n` (rows) and `types` (how many), sorted; types without tags count nowhere.

    Examples
    --------
    >>> tags = {"size": {"level": ["measurement"]}, "depth": {"level": ["relation"]}, "side": {"level": ["relation"]}}
    >>> types = {"size": {"mean": 0.5, "n": 9}, "depth": {"mean": 1.0, "n": 1}, "side": {"mean": 0.5, "n": 3}}
    >>> tag_means(types, tags)["level:relation"]
    {'mean': 0.75, 'n': 4, 'types': 2}
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for name, cell in types.items():
        for tag, values in tags.get(name, {}).items():
            for value in values if cell["mean"] is not None else ():
                found.setdefault(f"{tag}:{value}", []).append(cell)
    return {
        name: {
            "mean": sum(cell["mean"] for cell in cells) / len(cells),
            "n": sum(cell["n"] for cell in cells),
            "types": len(cells),
        }
        for name, cells in sorted(found.items())
    }
