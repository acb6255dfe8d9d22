"""What a view of a store shows, whatever it is drawn with: scenes, frames, clouds, objects in view, questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.tableio import read_table
from qa_contract.tables import QUESTIONS

from qa_engine.errors import QAEngineError, unknown_name
from qa_engine.scenes.clouds import Cloud
from qa_engine.scenes.scene import Frame
from qa_engine.scenes.store import Store
from qa_engine.views.frame_sets import uniform
from qa_engine.views.observations import read_observations

MAX_FRAMES = 12
"""Frames of a scene where no frame set is named."""

CLOUD_POINTS = 200_000
"""Points of a cloud that are drawn."""

COLUMNS = ("scene_name", "question_type", "question", "options", "ground_truth", "unit", "program", "operands")


@dataclass(frozen=True)
class ViewReport:
    """What was written: scenes, frames, questions, seconds."""

    n_scenes: int
    n_frames: int
    n_questions: int
    seconds: float


class Shown:
    """Choose what is shown of a store.

    Parameters
    ----------
    store : Store
    scenes : sequence of str
        Names; the first `limit` scenes where empty, those with questions first.
    questions : Path, optional
        Table `questions` to show beside the scenes.
    frame_set : str, optional
        Frames to show; some at even steps where not given.
    limit : int
        Scenes where none is named.

    Raises
    ------
    QAEngineError
        An unknown scene or frame set.
    TableError
        The questions cannot be read.
    """

    def __init__(
        self,
        store: Store,
        *,
        scenes: Sequence[str] = (),
        questions: Path | None = None,
        frame_set: str | None = None,
        limit: int = 50,
    ) -> None:
        self.store = store
        self._asked = _questions(questions)
        self._chosen = _frame_sets(store, frame_set)
        self.names = _names(store, scenes, self._asked, limit)

    def questions(self, name: str) -> list[dict[str, Any]]:
        """List the questions about a scene: rows of the table with `COLUMNS`."""
        return self._asked.get(name, [])

    def frames(self, name: str) -> list[Frame]:
        """List the frames to show of a scene.

        Raises
        ------
        FileError
            An image lies outside the store: what is shown is copied, and might be passed on.
        """
        frames = self.store.frames(name)
        if self._chosen is None:
            return [frames[i] for i in uniform(len(frames), MAX_FRAMES)] if frames else []
        by_id = {frame.frame_id: frame for frame in frames}
        return [by_id[frame_id] for frame_id in self._chosen.get(name, []) if frame_id in by_id]

    def cloud(self, name: str) -> Cloud | None:
        """Read the cloud of a scene, at most about `CLOUD_POINTS` of its points."""
        cloud = self.store.cloud(name)
        step = 1 if cloud is None else -(-len(cloud) // CLOUD_POINTS)
        return cloud if cloud is None or step <= 1 else Cloud(cloud.xyz[::step], cloud.instance_id[::step])

    @cached_property
    def seen(self) -> dict[tuple[str, str], dict[int, list[float]]] | None:
        """Objects in view by scene and frame: instance_id to `box_2d`, pixels; None where `observe` has not run."""
        try:
            table = read_observations(self.store.path)
        except QAEngineError:
            return None
        seen: dict[tuple[str, str], dict[int, list[float]]] = {}
        rows = table.filter(pl.col("scene_name").is_in(self.names))
        for name, frame_id, number, box in rows.select("scene_name", "frame_id", "instance_id", "box_2d").iter_rows():
            seen.setdefault((name, frame_id), {})[number] = box
        return seen


def answer_text(row: Mapping[str, Any]) -> str:
    """Write the answer of a question: the option in full, or the number with its unit.

    Examples
    --------
    >>> answer_text({"ground_truth": "B", "unit": None, "options": ["A. left", "B. right"]})
    'B. right'
    """
    chosen = (option for option in row["options"] or () if option.startswith(f"{row['ground_truth']}. "))
    return next(chosen, f"{row['ground_truth']} {row['unit'] or ''}".strip())


def _questions(source: Path | None) -> dict[str, list[dict[str, Any]]]:
    """Read questions and group them by scene."""
    if source is None:
        return {}
    by_scene: dict[str, list[dict[str, Any]]] = {}
    for row in read_table(source, "questions", QUESTIONS, columns=COLUMNS).iter_rows(named=True):
        by_scene.setdefault(row["scene_name"], []).append(row)
    return by_scene


def _names(store: Store, scenes: Sequence[str], asked: Mapping[str, Any], limit: int) -> list[str]:
    """Choose the scenes to show."""
    known = store.scene_names()
    for name in scenes:
        if name not in known:
            raise unknown_name("scene", name, known, f"Its store is {store.path}.")
    return list(scenes) or sorted(known, key=lambda name: name not in asked)[:limit]


def _frame_sets(store: Store, frame_set: str | None) -> dict[str, list[str]] | None:
    """Look up the frames of a frame set: scene to frame_ids."""
    if frame_set is None:
        return None
    if frame_set not in store.frame_set_ids():
        raise unknown_name("frame set", frame_set, store.frame_set_ids(), "See 'qa-engine sample-frames --help'.")
    rows = store.frame_sets.filter(pl.col("frame_set_id") == frame_set)
    return dict(zip(rows["scene_name"].to_list(), rows["frame_ids"].to_list(), strict=True))
