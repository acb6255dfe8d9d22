"""What is worth a look, the most doubtful first: objects and questions with the reasons in words."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import shapely
from qa_contract.tableio import read_table
from qa_contract.tables import CONFIDENCE, QUESTIONS

from qa_engine.checks.noise import CENTER_NOISE_M
from qa_engine.geometry.boxes import box_footprint
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.store import Store

SAME_SHARE = 0.5
"""Two boxes of one category that share more of the smaller one are one object twice, or one is too large."""

SURE = 0.7
"""Confidence below which an object is doubtful."""

WIDE_SHARE = 0.25
"""Half-width of the bounds of a number, as a part of it, from which on it is doubtful."""


@dataclass
class Item:
    """An object or a question to look at.

    Attributes
    ----------
    kind : str
        `object` or `question`.
    scene_name, item : str
        As in `reviews`.
    title : str
    doubts : list of (float, str)
        How grave, 0 to 1, and why in words.
    row : dict
        Of the table `questions`; empty for an object.
    """

    kind: str
    scene_name: str
    item: str
    title: str
    doubts: list[tuple[float, str]] = field(default_factory=list)
    row: dict[str, Any] = field(default_factory=dict)

    @property
    def weight(self) -> float:
        """The gravest doubt, and a little for each more."""
        weights = sorted((weight for weight, _ in self.doubts), reverse=True)
        return sum(weight * 0.5**k for k, weight in enumerate(weights))


def find_items(
    store: Store, questions: Path | None, confidence: Path | None, *, limit: int, only_doubtful: bool
) -> list[Item]:
    """List what to look at.

    Parameters
    ----------
    store : Store
    questions : Path, optional
        Table `questions`.
    confidence : Path, optional
        Table `confidence`, whose suspects come first.
    limit : int
        Items at most.
    only_doubtful : bool
        Leave out what nothing speaks against.

    Returns
    -------
    list of Item
        The most doubtful first; equal ones by scene, kind and item.
    """
    table = pl.DataFrame(schema=QUESTIONS) if questions is None else read_table(questions, "questions", QUESTIONS)
    suspects = _suspects(confidence)
    notes = _notes(store)
    items: list[Item] = []
    by_scene = {str(key[0]): part for key, part in table.partition_by("scene_name", as_dict=True).items()}
    for scene in store.iter_scenes():
        objects = _objects(scene, notes.get(scene.scene_name, {}))
        asked = [_question(row, suspects) for row in by_scene.get(scene.scene_name, table.clear()).to_dicts()]
        _blame(objects, asked)
        items += [*objects.values(), *asked]
    chosen = [item for item in items if item.doubts or not only_doubtful]
    return sorted(chosen, key=lambda item: (-item.weight, item.scene_name, item.kind, item.item))[:limit]


def _objects(scene: Scene, notes: dict[int, list[str]]) -> dict[int, Item]:
    """List the objects of a scene with what speaks against each."""
    items: dict[int, Item] = {}
    for row, number in enumerate(scene.instance_id.tolist()):
        item = Item("object", scene.scene_name, str(number), str(scene.category[row]))
        item.doubts += [(0.8, note) for note in notes.get(row, [])]
        if scene.face_error_m is not None and scene.face_error_m[row] > CENTER_NOISE_M:
            error = float(scene.face_error_m[row])
            item.doubts.append((min(error, 0.6), f"a face may lie {error:.2f} m off: nobody saw that side"))
        if scene.confidence is not None and scene.confidence[row] < SURE:
            sure = float(scene.confidence[row])
            item.doubts.append((1 - sure, f"confidence {sure:.2f}: few frames, or masks that differ"))
        items[number] = item
    for first, second, share in _doubled(scene):
        words = f"shares {share:.0%} of the smaller box with another {scene.category[first]}"
        for row in (first, second):
            items[int(scene.instance_id[row])].doubts.append((share, words))
    return items


def _doubled(scene: Scene) -> list[tuple[int, int, float]]:
    """Find pairs of boxes of one category that lie in each other: rows, and share of the smaller box."""
    outlines = [shapely.Polygon(outline) for outline in box_footprint(scene.center, scene.size, scene.rotation)]
    half = np.abs(scene.rotation[:, :, 2] * scene.size).sum(axis=1) / 2
    low, high = scene.center[:, 2] - half, scene.center[:, 2] + half
    tree = shapely.STRtree(outlines)
    found: list[tuple[int, int, float]] = []
    for a, b in zip(*tree.query(outlines, predicate="intersects"), strict=True):
        if a < b and scene.category[a] == scene.category[b]:
            tall = max(min(high[a], high[b]) - max(low[a], low[b]), 0)
            shared = outlines[a].intersection(outlines[b]).area * tall
            smaller = min(outlines[k].area * (high[k] - low[k]) for k in (a, b))
            if smaller > 0 and shared > SAME_SHARE * smaller:
                found.append((int(a), int(b), min(shared / smaller, 1.0)))
    return found


def _question(row: dict[str, Any], suspects: dict[str, str]) -> Item:
    item = Item("question", row["scene_name"], row["question_id"], row["question_type"], row=row)
    if row["question_id"] in suspects:
        item.doubts.append((0.9, suspects[row["question_id"]]))
    value, low, high = row["answer_value"], row["answer_low"], row["answer_high"]
    if value and low is not None and high is not None:
        share = max(high - value, value - low) / abs(value)
        if share > WIDE_SHARE:
            item.doubts.append((min(share, 0.7), f"the answer may be {share:.0%} off: {low:.2f} to {high:.2f}"))
    return item


def _blame(objects: dict[int, Item], questions: Sequence[Item]) -> None:
    """Tell objects of the suspects that are about them: several suspects with one object in common accuse it."""
    accused: dict[int, int] = defaultdict(int)
    for item in questions:
        if any("suspect" in words for _, words in item.doubts):
            for operand in item.row["operands"] or ():
                for number in operand["instance_ids"] or ():
                    accused[number] += 1
    for number, n in accused.items():
        if number in objects:
            objects[number].doubts.append((min(0.3 + 0.2 * n, 0.95), f"{n} suspect questions are about it"))


def _suspects(confidence: Path | None) -> dict[str, str]:
    """Look up the questions that qa-confidence labels suspect."""
    if confidence is None:
        return {}
    table = read_table(confidence, "confidence", CONFIDENCE, columns=["question_id", "label", "confidence"])
    found = table.filter(pl.col("label") == "suspect")
    return {
        question: "suspect: the model is sure of another answer" + ("" if sure is None else f" (confidence {sure:.2f})")
        for question, sure in found.select("question_id", "confidence").iter_rows()
    }


def _notes(store: Store) -> dict[str, dict[int, list[str]]]:
    """Read what the checks of `ingest` and `lift` said about single objects: scene, row of the object, words."""
    path = store.path / "rejects.parquet"
    notes: dict[str, dict[int, list[str]]] = {}
    if not path.is_file():
        return notes
    table = pl.read_parquet(path).filter(pl.col("stage") == "check")
    for name, reason, detail in table.select("scene_name", "reason", "detail").iter_rows():
        if name and (place := re.search(r"objects\[(\d+)\]", detail or "")):
            words = f"{reason.replace('_', ' ')}: {detail.partition(': ')[2] or detail}"
            notes.setdefault(name, {}).setdefault(int(place[1]), []).append(words)
    return notes
