"""Declaration of a table: its columns with type, meaning and whether they may be null, its key and its version."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

Schema = Mapping[str, Any]
"""Column name to polars dtype, in the order of the columns."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    dtype : polars dtype
    meaning : str
        What it holds: shape, unit, values.
    nullable : bool
        Whether a row may lack it.
    since : str
        Version of the table that brought it; files of earlier versions read as null.
    """

    dtype: Any
    meaning: str
    nullable: bool
    since: str = "1"


@dataclass(frozen=True)
class Table:
    """A table that packages exchange.

    Attributes
    ----------
    name : str
    rows : str
        What one row is.
    written_by : str
        The commands that write it.
    about : str
        One or two sentences.
    columns : dict of str to Column
    key : tuple of str
        Columns that together name a row; empty where rows may repeat.
    version : str
        `MAJOR` or `MAJOR.MINOR`. A new nullable column is a minor version, anything else a major one.
    """

    name: str
    rows: str
    written_by: str
    about: str
    columns: dict[str, Column]
    key: tuple[str, ...] = ()
    version: str = "1"

    @property
    def schema(self) -> dict[str, Any]:
        """Column name to polars dtype."""
        return {name: column.dtype for name, column in self.columns.items()}

    @property
    def later(self) -> tuple[str, ...]:
        """Columns that a file of the same major version may lack, because a minor version brought them."""
        return tuple(name for name, column in self.columns.items() if "." in column.since)

    def lowest(self, empty: Collection[str]) -> Table:
        """Give the earliest minor version that holds a file whose columns `empty` are null throughout.

        So that what says nothing new has the bytes that it always had.

        Examples
        --------
        >>> steps = Table("steps", "step", "", "", {"x": maybe(pl.Float64, ""), "y": maybe(pl.Float64, "", "1.1")},
        ...               version="1.1")
        >>> steps.lowest(["x", "y"]).version, list(steps.lowest(["x", "y"]).columns), steps.lowest(["x"]).version
        ('1', ['x'], '1.1')
        """
        kept = {name: column for name, column in self.columns.items() if name not in empty or "." not in column.since}
        if len(kept) == len(self.columns):
            return self
        return replace(self, columns=kept, version=max(column.since for column in kept.values()))

    def markdown(self) -> str:
        """Describe the table for people, as a section of a page.

        Examples
        --------
        >>> steps = Table("steps", "step", "`walk`", "Where it went.", {"x": maybe(pl.Float64, "metres")})
        >>> print(steps.markdown())
        ## steps
        <BLANKLINE>
        One row per step. Written by `walk`. Where it went.
        <BLANKLINE>
        | column | type | null | meaning |
        |---|---|---|---|
        | `x` | float64 | yes | metres |
        """
        head = f"## {self.name}\n\nOne row per {self.rows}. Written by {self.written_by}. {self.about}\n"
        rows = [
            f"| `{name}` | {type_name(column.dtype)} | {'yes' if column.nullable else ''} | {column.meaning} |"
            for name, column in self.columns.items()
        ]
        return "\n".join([head, "| column | type | null | meaning |", "|---|---|---|---|", *rows])


def always(dtype: Any, meaning: str) -> Column:
    """Declare a column that every row has."""
    return Column(dtype, meaning, nullable=False)


def maybe(dtype: Any, meaning: str, since: str = "1") -> Column:
    """Declare a column that a row may lack."""
    return Column(dtype, meaning, nullable=True, since=since)


def type_name(dtype: Any) -> str:
    """Name a polars dtype for people.

    Examples
    --------
    >>> type_name(pl.List(pl.Struct({"category": pl.String, "count": pl.Int64})))
    'list({category: text, count: int64})'
    """
    if isinstance(dtype, pl.List):
        return f"list({type_name(dtype.inner)})"
    if isinstance(dtype, pl.Struct):
        return "{" + ", ".join(f"{field.name}: {type_name(field.dtype)}" for field in dtype.fields) + "}"
    return {"String": "text", "Boolean": "bool"}.get(str(dtype), str(dtype).lower())


SCENE_NAME = always(pl.String, "name of the scene, unique in a store")
QUESTION_ID = always(pl.String, "unique across rounds")
QUESTION_TYPE = always(pl.String, "see `qa-engine tasks`")
ROUND = maybe(pl.Int32, "of the loop")
RUN_ID = always(pl.String, "hash of configuration and seed")
MODEL_ID = always(pl.String, "the model, by name or content")
RUNNER = always(pl.String, "what answered: transformers, blind, majority, oracle, ...; trainer for a training pass")
FRAME_SET_ID = maybe(pl.String, "frames shown")
PROMPT_ID = always(pl.String, "wording around the question")
