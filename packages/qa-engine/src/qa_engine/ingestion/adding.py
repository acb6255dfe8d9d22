"""Add scenes to a store: they come as tables of their own beside the first ones, which nobody writes again.

The folder `added/00001` of a store holds the tables of the scenes that the first `ingest --add` brought. Their images
are moved to the others before it is renamed to its place: until then no table names what was moved, so that a run that
is killed leaves the store as it was.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from qa_contract.errors import FileError
from qa_contract.files import fsync
from qa_contract.tableio import ADDED, read_table
from qa_contract.tables import SCENES

from qa_engine.errors import QAEngineError
from qa_engine.scenes.scene import SPLITS


def known_scenes(store: Path, split: Mapping[str, float], seed: int) -> frozenset[str]:
    """Name the scenes of the store that others are added to.

    Raises
    ------
    TableError
        There is no store.
    QAEngineError
        It was split otherwise: a rescan of a place that it has could come to another split.
    """
    names = read_table(store, "scenes", SCENES, columns=["scene_name"])["scene_name"]
    path = store / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        known, first = {name: float(manifest["config"]["split"][name]) for name in SPLITS}, manifest["seed"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(f"{path}: does not say how the store was split ({error}). Write the store again.") from None
    if (known, first) != (dict(split), seed):
        fractions = ",".join(f"{name}={part:g}" for name, part in known.items())
        raise QAEngineError(
            f"--add: {store} was split by --split {fractions} --seed {first}. Give the same, or rescans of one place "
            "could stand in two splits."
        )
    return frozenset(names)


def add_to(store: Path, staging: Path) -> None:
    """Move what a run has made into a store: images and clouds of `staging`, then the tables in its folder `added`.

    Where an earlier run was killed in between, this moves what is left.
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
    tables.replace(store / ADDED / f"{max(before, default=0) + 1:05d}")
    fsync(store / ADDED)
