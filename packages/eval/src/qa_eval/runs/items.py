"""Questions and frames of a store as items that a runner answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.clips import Clip, clip_of
from qa_contract.errors import FileError
from qa_contract.features import FeaturesError, SceneFeatures, find_features
from qa_contract.files import path_inside
from qa_contract.frame_lists import read_frame_sets
from qa_contract.prompts import format_prompt
from qa_contract.remote import fetch_all
from qa_contract.tableio import read_table
from qa_contract.tables import FRAMES

from qa_eval.pictures import MARK
from qa_eval.runners.base import Item


@dataclass(frozen=True)
class Shot:
    """Frames that questions show.

    Attributes
    ----------
    paths : tuple of Path
    ids : tuple of str
        Name of each frame in its scene.
    clip : Clip, optional
        Their times, where they are shown as a video.
    video : Path, optional
        File that they are decoded from.
    features : SceneFeatures, optional
        What a geometry encoder has made of them.
    """

    paths: tuple[Path, ...] = ()
    ids: tuple[str, ...] = ()
    clip: Clip | None = None
    video: Path | None = None
    features: SceneFeatures | None = None

    def middle(self) -> Shot:
        """Return the frame in the middle alone."""
        half = len(self.paths) // 2
        return Shot(self.paths[half : half + 1], self.ids[half : half + 1], video=self.video)


@dataclass(frozen=True)
class Problem:
    """Why a question cannot be put to a runner: a reason code and what was looked for."""

    reason: str
    detail: str


PUBLISHED = "published"
"""Frame set of questions that show the pictures that their benchmark publishes with them, each its own."""

Shots = dict[tuple[str, str], Shot | Problem]
"""(scene_name, frame_set_id) to the frames, or to why there are none; see `shot_keys`."""


def shot_keys(questions: pl.DataFrame) -> list[tuple[str, str]]:
    """Name what each question shows: the frame set of its scene, or the pictures of the question."""
    names = pl.when(pl.col("frame_set_id") == PUBLISHED).then("question_id").otherwise("scene_name")
    return questions.select(names, "frame_set_id").rows()


def frame_shots(questions: pl.DataFrame, store: Path, *, as_video: bool = False) -> Shots:
    """Look up the image files of every (scene_name, frame_set_id) that the questions use.

    Raises
    ------
    TableError
        The store lacks `frame_sets` or `frames`.
    """
    store = Path(store)
    keys = ["scene_name", "frame_set_id"]
    used = questions.select(keys).unique().drop_nulls()
    sets = read_frame_sets(store, used)
    images = read_table(store, "frames", FRAMES, columns=["scene_name", "frame_id", "image_path", "time_s"])
    listed = (
        used.join(sets, on=keys, how="left")
        .explode("frame_ids", empty_as_null=True)
        .rename({"frame_ids": "frame_id"})
        .join(images, on=["scene_name", "frame_id"], how="left", maintain_order="left")
    )
    fetch_all(store / path for path in listed["image_path"].drop_nulls())
    found: Shots = {}
    for (scene, set_id), group in listed.group_by(keys, maintain_order=True):
        rows = list(zip(group["frame_id"], group["image_path"], strict=True))
        key = (str(scene), str(set_id))
        missing = next((frame_id for frame_id, path in rows if path is None), None)
        if rows[0][0] is None:
            found[key] = Problem("missing_frame_set", f"{store}: no frames for set {set_id} of scene {scene}")
        elif missing is not None:
            found[key] = Problem("missing_frame", f"{store}: frames has no row {missing} of scene {scene}")
        else:
            shot = _shot(store, rows)
            times_s = group["time_s"].to_list()
            found[key] = _as_video(shot, times_s, str(scene)) if as_video and isinstance(shot, Shot) else shot
    return found


def with_features(shots: Shots, folder: Path) -> Shots:
    """Add to the frames of a store what a geometry encoder has made of them; where that is not there is a problem."""
    found = dict(shots)
    for key, shot in shots.items():
        if isinstance(shot, Shot):
            try:
                found[key] = replace(shot, features=find_features(folder, key[0], shot.ids, shot.paths))
            except FeaturesError as error:
                found[key] = Problem(error.reason, str(error))
    return found


def _shot(store: Path, rows: Sequence[tuple[str, str]]) -> Shot | Problem:
    """Name the files of frames (frame_id, path), which are shown to a model that may be on another machine."""
    try:
        paths = tuple(path_inside(store, path) for _, path in rows)
    except FileError as error:
        return Problem("frame_outside_store", str(error))
    return Shot(paths, tuple(frame_id for frame_id, _ in rows))


def _as_video(shot: Shot, times_s: list[float | None], scene: str) -> Shot | Problem:
    """Give frames the times of a video; they must be at least two, later and later."""
    clip = clip_of(times_s)
    if clip is None:
        return Problem("no_video", f"scene {scene}: a video needs two frames or more, with growing time_s")
    return replace(shot, clip=clip)


def shown_frames(questions: pl.DataFrame, store: Path, *, shown: str) -> dict[str, Any]:
    """Describe the frames that the questions show: frame sets, frames per question, size in pixels, rate.

    Returns
    -------
    dict
        ``frame_sets`` and ``frames_per_question`` count questions, ``pixels`` counts images by width x height, and
        ``fps`` is the median over the frame sets of (frames - 1) / (last time - first time), None without times.
    """
    keys = ["scene_name", "frame_set_id"]
    sets = read_frame_sets(Path(store), questions)
    images = read_table(Path(store), "frames", FRAMES, columns=["scene_name", "frame_id", "time_s", "width", "height"])
    asked = questions.group_by(keys).len("questions").drop_nulls("frame_set_id")
    used = asked.join(sets, on=keys, how="inner")
    if shown == "middle":
        used = used.with_columns(frame_ids=pl.col("frame_ids").list.slice(pl.col("frame_ids").list.len() // 2, 1))
    used = used.with_columns(n=pl.col("frame_ids").list.len())
    listed = (
        used.select(*keys, "frame_ids")
        .explode("frame_ids", empty_as_null=True)
        .rename({"frame_ids": "frame_id"})
        .join(images, on=["scene_name", "frame_id"], how="inner")
    )
    spans = listed.group_by(keys).agg(pl.len(), span=pl.col("time_s").max() - pl.col("time_s").min())
    rate = spans.filter(pl.col("span") > 0).select(((pl.col("len") - 1) / pl.col("span")).median()).item()
    size = listed.group_by("width", "height").len().drop_nulls().sort("len", "width", descending=True)
    counts = used.group_by("n").agg(pl.col("questions").sum()).sort("n")
    sets_used = used.group_by("frame_set_id").agg(pl.col("questions").sum()).sort("frame_set_id")
    return {
        "input": "image list",
        "frame_sets": dict(sets_used.iter_rows()),
        "frames_per_question": {str(n): count for n, count in counts.iter_rows()},
        "pixels": {f"{width}x{height}": count for width, height, count in size.iter_rows()},
        "fps": None if rate is None else round(rate, 4),
    }


def depth_paths(store: Path) -> dict[Path, Path]:
    """Map image files of a store to their depth maps, where there are any."""
    columns = ["image_path", "depth_path"]
    table = read_table(Path(store), "frames", FRAMES, columns=columns).drop_nulls()
    return {Path(store) / image: path_inside(store, depth) for image, depth in table.iter_rows()}


def build_items(questions: pl.DataFrame, shots: Shots, *, shown: str = "all") -> list[Item]:
    """Turn questions into items; questions whose frames have a problem get no frames here and a reject row later.

    `shown` is all, middle (the frame in the middle alone) or none.
    """
    found = [shots.get(key, Shot()) if shown != "none" else Shot() for key in shot_keys(questions)]
    usable = [Shot() if isinstance(shot, Problem) else shot for shot in found]
    if shown == "middle":
        usable = [shot.middle() for shot in usable]
    return [_item(row, shot) for row, shot in zip(questions.to_dicts(), usable, strict=True)]


def _item(row: dict[str, Any], shot: Shot) -> Item:
    options: Sequence[str] = row["options"] or ()
    prompt = format_prompt(row["question"], options, row["prompt_id"])
    if shot.clip is not None or prompt.count(MARK) != len(shot.paths):
        prompt = prompt.replace(MARK, "")  # all frames stand before the text
    return Item(
        question_id=row["question_id"],
        question_type=row["question_type"],
        scene_name=row["scene_name"],
        prompt=prompt,
        ground_truth=row["ground_truth"],
        options=tuple(options),
        frames=shot.paths,
        frame_ids=shot.ids,
        clip=shot.clip,
        video=shot.video,
        features=shot.features,
    )
