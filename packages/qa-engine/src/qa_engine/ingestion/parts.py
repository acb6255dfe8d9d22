"""Ingest some scenes at a time: each part is written whole or not at all, by whichever process, and taken up again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from qa_contract.tableio import write_frame
from qa_contract.tables import FRAMES, OBJECTS, REJECTS, SCENES, Schema

from qa_engine.datasets.base import Dataset, SceneSource
from qa_engine.errors import NOTES, IngestReason, SceneError
from qa_engine.ingestion.findings import Finding
from qa_engine.ingestion.frame_files import store_frames
from qa_engine.ingestion.sanity import check_scene
from qa_engine.scenes.clouds import floor_of, shows_floor, write_cloud
from qa_engine.scenes.clues import UNKNOWN_GRAVITY_DEG, UNKNOWN_SCALE
from qa_engine.scenes.meshes import mesh_path, write_mesh
from qa_engine.scenes.reviews import Reviews
from qa_engine.scenes.scene import SPLITS, Scene
from qa_engine.scenes.structure import STRUCTURE, floor_within_walls
from qa_engine.seeding import hashed_fraction

TABLES: dict[str, Schema] = {"scenes": SCENES, "objects": OBJECTS, "frames": FRAMES, "rejects": REJECTS}
"""The tables that ingest writes."""

FOLDERS = ("frames", "depth", "instances")
"""Folders of a store that hold one folder per scene."""

FLOORS = (*STRUCTURE, "rug", "carpet")
"""Objects that are part of the room, or lie flat on its floor."""

SCENES_PER_PART = 8
"""Scenes that a stopped run does again at most, per process."""


@dataclass(frozen=True)
class Reading:
    """How scenes are read.

    Attributes
    ----------
    dataset : Dataset
    split : mapping of str to float, optional
        Fraction of the groups per split; scenes keep theirs where it is not given.
    seed : int
    checks : bool
        Whether scenes that contradict themselves are refused.
    reviews : Reviews, optional
        Decisions of a person about the objects.
    unaligned : bool
        Scenes whose vertical or scale is doubted are taken, with that error stated.
    places : mapping of str to str
        Split of the groups that the store has already.
    collection : str, optional
        What the scenes are called together.
    """

    dataset: Dataset
    split: Mapping[str, float] | None
    seed: int
    checks: bool
    reviews: Reviews | None = None
    unaligned: bool = False
    places: Mapping[str, str] = field(default_factory=dict)
    collection: str | None = None


@dataclass(frozen=True)
class Part:
    """One part: its number, its scenes, and which of them are doubles of an earlier one."""

    number: int
    sources: tuple[SceneSource, ...]
    double: tuple[bool, ...]


def split_of(scene_group: str, fractions: Mapping[str, float], *, seed: int) -> str:
    """Assign a group to a split: its hash in [0, 1) is looked up on the cumulative fractions.

    The result depends on the group, the fractions and the seed alone, so more scenes never move others.

    Examples
    --------
    >>> split_of("visit_1", {"train": 1.0, "val": 0.0, "test": 0.0}, seed=0)
    'train'
    """
    position = hashed_fraction(seed, scene_group, "split")
    total = 0.0
    for name in SPLITS:
        total += fractions[name]
        if position < total:
            return name
    return next(name for name in reversed(SPLITS) if fractions[name] > 0)


def part_folder(staging: Path, number: int) -> Path:
    """Name the folder of a part."""
    return staging / ".parts" / f"{number:06d}"


def is_done(staging: Path, number: int) -> bool:
    """Tell whether a part is there and whole, and lost no scene, which may be mended meanwhile."""
    folder = part_folder(staging, number)
    try:
        tables = {name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    except (pl.exceptions.PolarsError, OSError):
        return False
    return (
        tables["rejects"].filter((pl.col("stage") == "ingest") & (pl.col("reason") != IngestReason.SKIPPED)).is_empty()
    )


@dataclass(frozen=True)
class Reader:
    """A worker that reads parts of a dataset into the folder of a run."""

    reading: Reading
    staging: Path

    def read(self, part: Part) -> int:
        """Read the scenes of a part and write what they become; return their number."""
        rows = _Rows()
        for source, double in zip(part.sources, part.double, strict=True):
            if double:
                problem = "a scene of this name came before"
                error = SceneError("scene_name", problem, reason=IngestReason.DUPLICATE_SCENE)
                rows.reject(source.item, source.scene_name, error)
            else:
                _ingest_scene(self.reading, source, rows, self.staging)
        folder = part_folder(self.staging, part.number)
        partial = folder.with_name(f"{folder.name}.partial")
        for stale in (folder, partial):
            shutil.rmtree(stale, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, table in rows.tables().items():
            write_frame(table, partial / f"{name}.parquet")
        partial.replace(folder)
        return len(part.sources)


def _ingest_scene(reading: Reading, source: SceneSource, rows: _Rows, staging: Path) -> None:
    """Read one scene and write its files, or note why not."""
    try:
        scene = reading.dataset.load(source)
        scene = scene if reading.reviews is None else reading.reviews.apply(scene)
        suspicions = check_scene(scene).findings if reading.checks and reading.dataset.needs_root else ()
        if reading.unaligned:
            scene, suspicions = _with_errors(scene, suspicions)
        severe = next((finding.error for finding in suspicions if finding.severe), None)
        if severe is not None:
            raise severe
    except SceneError as error:
        rows.reject(source.item, source.scene_name, error)
        return
    except OSError as error:  # `load` only reads, so this is about the source
        problem = error.strerror or str(error)
        unreadable = SceneError("source", problem, reason=IngestReason.UNREADABLE_FILE)
        rows.reject(source.item, source.scene_name, unreadable)
        return
    if reading.split is not None:
        split = reading.places.get(scene.scene_group) or split_of(scene.scene_group, reading.split, seed=reading.seed)
        scene = replace(scene, split=split)
    for error in scene.refused:
        stage = "check" if error.reason in NOTES else "ingest"
        rows.reject(source.item, scene.scene_name, error, stage=stage)
    for finding in suspicions:
        rows.reject(source.item, scene.scene_name, finding.error, stage="check")
    for name in FOLDERS:  # of a run that was stopped
        shutil.rmtree(staging / name / scene.scene_name, ignore_errors=True)
    mesh_path(staging, scene.scene_name).unlink(missing_ok=True)
    frames = store_frames(scene, staging, source.roots)
    for item, error in frames.refused:
        rows.reject(item, scene.scene_name, error)
    if scene.mesh is not None and len(scene.mesh):
        write_mesh(scene.mesh, staging, scene.scene_name)
    cloud_path = None
    if scene.cloud is not None and len(scene.cloud):
        cloud_path = write_cloud(scene.cloud, staging, scene.scene_name)
        furniture = scene.instance_id[~np.isin(scene.category, FLOORS)]
        known = scene.gravity_error_deg != UNKNOWN_GRAVITY_DEG and scene.scale_error != UNKNOWN_SCALE
        if scene.room_size_m2 is None and known and shows_floor(scene.cloud, furniture):
            area, outline = floor_of(scene.cloud)
            polygon = outline if scene.floor_polygon is None else scene.floor_polygon
            scene = replace(scene, room_size_m2=area, floor_polygon=polygon)
    if scene.room_size_m2 is None and scene.floor_polygon is None and (floor := floor_within_walls(scene)):
        scene = replace(scene, room_size_m2=floor[0], floor_polygon=floor[1])
    rows.add(scene, frames.rows, cloud_path, reading.collection)


def _with_errors(scene: Scene, found: Sequence[Finding]) -> tuple[Scene, Sequence[Finding]]:
    """State what is doubted of a scene as its error, which `align` makes smaller, in place of a refusal."""
    doubted = {finding.doubts for finding in found}
    scene = replace(
        scene,
        gravity_error_deg=UNKNOWN_GRAVITY_DEG if "gravity" in doubted else scene.gravity_error_deg,
        scale_error=UNKNOWN_SCALE if "scale" in doubted else scene.scale_error,
    )
    return scene, [replace(finding, severe=finding.severe and not finding.doubts) for finding in found]


class _Rows:
    """Rows so far, as small polars frames: Python objects of a scene are dropped with it."""

    def __init__(self) -> None:
        self._parts: dict[str, list[pl.DataFrame]] = {name: [_frame({}, schema)] for name, schema in TABLES.items()}

    def reject(self, item: str, scene_name: str, error: SceneError, *, stage: str = "ingest") -> None:
        """Note a refused scene, object or frame, or with stage `check` a suspicion."""
        row: dict[str, Any] = dict.fromkeys(REJECTS)
        row |= {"stage": stage, "item": _clean(item), "scene_name": _clean(scene_name)}
        row |= {"reason": error.reason.value, "detail": _clean(f"{item}: {error}. {error.reason.fix}")}
        self._parts["rejects"].append(_frame([row], REJECTS))

    def add(self, scene: Scene, frames: list[dict[str, Any]], cloud_path: str | None, collection: str | None) -> None:
        """Note a scene that is in the store."""
        row = {
            "scene_name": scene.scene_name,
            "dataset": scene.dataset,
            "scene_group": scene.scene_group,
            "split": scene.split,
            "room_size_m2": scene.room_size_m2,
            "room_center": None if scene.room_center is None else scene.room_center.tolist(),
            "floor_polygon": None if scene.floor_polygon is None else scene.floor_polygon.tolist(),
            "category_counts": [{"category": c, "count": n} for c, n in scene.category_counts.items()],
            "cloud_path": cloud_path,
            "canonical_from_source": scene.canonical_from_source.ravel().tolist(),
            "source_sha": scene.source_sha,
            "gravity_error_deg": scene.gravity_error_deg,
            "floor_error_m": scene.floor_error_m,
            "scale_error": scene.scale_error,
            "clues": [asdict(clue) for clue in scene.clues] or None,
            "collection": collection,
        }
        self._parts["scenes"].append(_frame([row], SCENES))
        n_points: Sequence[Any] | np.ndarray = [None] * len(scene)
        if scene.cloud is not None and (scene.cloud.instance_id >= 0).any():
            n_points = scene.cloud.count(scene.instance_id)
        objects = {
            "scene_name": [scene.scene_name] * len(scene),
            "instance_id": scene.instance_id,
            "category": scene.category.tolist(),
            "category_raw": scene.category_raw.tolist(),
            "center": scene.center.tolist(),
            "size": scene.size.tolist(),
            "rotation": scene.rotation.reshape(-1, 9).tolist(),
            "n_points": n_points,
            "face_error_m": [None] * len(scene) if scene.face_error_m is None else scene.face_error_m,
            "confidence": [None] * len(scene) if scene.confidence is None else scene.confidence,
        }
        self._parts["objects"].append(_frame(objects, OBJECTS))
        self._parts["frames"].append(_frame(frames, FRAMES))

    def tables(self) -> dict[str, pl.DataFrame]:
        """Join the rows of each table."""
        return {name: pl.concat(parts) for name, parts in self._parts.items()}


def _frame(rows: Any, schema: Schema) -> pl.DataFrame:
    """Build a table of exactly these columns and types."""
    return pl.DataFrame(rows, schema=dict(schema))


def _clean(text: str) -> str:
    """Make a text from a hostile source storable: escape what UTF-8 cannot hold, and control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)[:2000]
