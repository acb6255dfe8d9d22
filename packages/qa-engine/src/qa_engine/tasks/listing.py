"""Question types as a table."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl
from qa_contract.tables import QUESTION_TYPES

from qa_engine.tasks import BLIND, TASKS


def type_table(names: Iterable[str]) -> pl.DataFrame:
    """Say of some question types what they ask for.

    Examples
    --------
    >>> type_table(["object_height"]).select("family", "level", "frames_needed").row(0)
    ('sizes', 'measurement', 'many')
    """
    rows = []
    for name in names:
        tags, blind = TASKS[name].tags, BLIND.get(name)
        row = {"question_type": name, "family": tags.family, "level": tags.level, "abilities": list(tags.abilities)}
        row |= {"frames_needed": tags.frames_needed}
        row |= {"chance": blind and blind.chance, "blind_score": blind and blind.score}
        rows.append(row)
    return pl.DataFrame(rows, schema=dict(QUESTION_TYPES))
