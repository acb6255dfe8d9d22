"""Add scenes to a store: they come as tables of their own beside the first ones, which nobody writes again.

The folder `added/00001` of a store holds the tables of the scenes that the first `ingest --add` brought. Their images
are moved to the others before it is renamed to its place: until then no table names what was moved, so that a run that
is killed leaves the store as it was.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from qa_contract.files import fsync
from qa_contract.tableio import ADDED, read_table, table_files
from qa_contract.tables import SCENES

from qa_engine.errors import QAEngineError

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""Names of collections."""


@dataclass(frozen=True)
class Known:
    """What a store has, to which others are added.

    Attributes
    ----------
    scenes : mapping of str to str
        Name of a scene to the data set that it was ingested as, which may call its scenes by those they come from.
    places : mapping of str to str
        `scene_group` to its split: a rescan of a place comes to the split of that place, however the rest is split.
    collections : frozenset of str
    """

    scenes: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    collections: frozenset[str] = frozenset()


def known_scenes(store: Path) -> Known:
    """Read what a store has.

    Raises
    ------
    TableError
        There is no store.
    """
    columns = ["scene_name", "scene_group", "split", "collection"]
    parts = {path: read_table(path, "scenes", SCENES, columns=columns) for path in table_files(store, "scenes")}
    table = pl.concat(parts.values())
    return Known(
        {name: _ingested_as(path.parent) for path, part in parts.items() for name in part["scene_name"]},
        dict(table.select("scene_group", "split").iter_rows()),
        frozenset(table["collection"].drop_nulls()),
    )


def _ingested_as(folder: Path) -> str:
    """Read which data set the tables of a folder were ingested as; empty where they do not say."""
    try:
        return str(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["config"]["dataset"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def check_collection(name: str, known: Known, dataset: str, scenes: Iterable[str]) -> None:
    """Refuse a collection that is there already, or whose scenes the store has from the same data set.

    Raises
    ------
    QAEngineError
    """
    if not NAME.fullmatch(name):
        raise QAEngineError(f"--collection {name}: use small letters, digits, '-' and '_', a letter or digit first.")
    if name in known.collections:
        raise QAEngineError(f"--collection {name}: the store has a collection of this name. Choose another.")
    double = [scene for scene in scenes if known.scenes.get(scene) == dataset]
    if double:
        shown = ", ".join(double[:3]) + (f" and {len(double) - 3} more" if len(double) > 3 else "")
        raise QAEngineError(
            f"--collection {name}: the store has {shown} from '{dataset}' already, and a scene belongs to one "
            "collection. Take other scenes, by --only, --first-scene or another --seed."
        )


def add_to(store: Path, staging: Path, collection: str | None = None) -> None:
    """Move what a run has made into a store: images and clouds of `staging`, then the tables in its folder `added`.

    The tables come to a folder of the collection's name, or of the next number. Where an earlier run was killed in
    between, this moves what is left.
    """
    tables = staging / ADDED
    for path in sorted(path for path in staging.glob("[!.]*/*") if path.parent != tables):
        target = store / path.relative_to(staging)
        target.parent.mkdir(exist_ok=True)
        if target.is_dir():  # of a killed run for something else; no table names it
            shutil.rmtree(target)
        path.replace(target)
    (store / ADDED).mkdir(exist_ok=True)
    before = [int(path.name) for path in (store / ADDED).iterdir() if path.name.isdigit()]
    tables.replace(store / ADDED / (collection or f"{max(before, default=0) + 1:05d}"))
    fsync(store / ADDED)
