"""Turn a dataset into a store, one scene at a time; what cannot be used becomes a row of `rejects`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from qa_engine.datasets.base import Dataset, IngestOptions, SceneSource, flag
from qa_engine.errors import IngestReason, QAEngineError, SceneError, unknown_name
from qa_engine.frame_files import store_frames
from qa_engine.scene import SPLITS, Scene
from qa_engine.seeding import hashed_fraction
from qa_engine.tableio import Schema, check_output_folder, output_folder, table_metadata, write_json, write_table
from qa_engine.tables import FRAMES, OBJECTS, REJECTS, SCENES

DEFAULT_SPLIT = {"train": 0.8, "val": 0.1, "test": 0.1}

Progress = Callable[[Sequence[SceneSource]], Iterable[SceneSource]]


@dataclass(frozen=True)
class IngestReport:
    """What an ingest wrote: numbers of rows, rejects by reason, seconds."""

    n_scenes: int
    n_objects: int
    n_frames: int
    n_scenes_with_frames: int
    rejects: dict[str, int]
    seconds: float

    @property
    def lost(self) -> int:
        """Rejects that are a loss; a scene that the source itself marks as skipped is none."""
        return sum(n for reason, n in self.rejects.items() if reason != IngestReason.SKIPPED)


def parse_split(text: str) -> dict[str, float]:
    """Read fractions from the command line: `train=0.8,val=0.1,test=0.1`; a split not named gets nothing.

    Raises
    ------
    QAEngineError
        An unknown split, no number, or a sum other than 1.

    Examples
    --------
    >>> parse_split("train=0.6,val=0.1,test=0.3")
    {'train': 0.6, 'val': 0.1, 'test': 0.3}
    >>> parse_split("test=1")
    {'train': 0.0, 'val': 0.0, 'test': 1.0}
    """
    fractions: dict[str, float] = dict.fromkeys(SPLITS, 0.0)
    for part in text.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in SPLITS:
            raise unknown_name("split", name, SPLITS, "Write --split train=0.8,val=0.1,test=0.1.")
        try:
            fractions[name] = float(value)
        except ValueError:
            raise QAEngineError(f"--split {text}: '{part}' lacks a number; write {name}=0.1.") from None
        if not 0 <= fractions[name] <= 1:
            raise QAEngineError(f"--split {text}: {name} must lie between 0 and 1.")
    if abs(sum(fractions.values()) - 1) > 1e-9:
        raise QAEngineError(f"--split {text}: the fractions sum to {sum(fractions.values()):g}, not to 1.")
    return fractions


def parse_settings(texts: Sequence[str]) -> dict[str, str]:
    """Read switches of a dataset from the command line: `axes=columns`.

    Raises
    ------
    QAEngineError
        A text has no `=`, or a name comes twice.

    Examples
    --------
    >>> parse_settings(["axes=columns"])
    {'axes': 'columns'}
    """
    settings: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or name in settings:
            raise QAEngineError(f"--set {text}: write NAME=VALUE, each name once. See 'qa-engine datasets'.")
        settings[name] = value
    return settings


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


def ingest(
    dataset: Dataset,
    root: Path | None,
    *,
    out: Path,
    options: IngestOptions,
    split: Mapping[str, float] = DEFAULT_SPLIT,
    only: Sequence[str] = (),
    force: bool = False,
    progress: Progress = iter,
) -> IngestReport:
    """Write a store with the tables scenes, objects, frames, rejects and the images below it.

    Parameters
    ----------
    dataset : Dataset
        What to read.
    root : Path, optional
        Where it lies; None for a generated dataset.
    out : Path
        The store; it appears whole or not at all.
    options : IngestOptions
        Those that the dataset understands, and the seed.
    split : mapping of str to float
        Fraction of the groups per split, sum 1.
    only : sequence of str
        Names of the scenes to take; empty = all.
    force : bool
        Replace an existing store.
    progress : callable
        Wraps the list of scenes to show how far the work is.

    Raises
    ------
    QAEngineError
        An option that does not fit the dataset, an unknown scene name, or not one scene that can be used.
    TableError
        `out` exists and `force` is false.
    """
    started = time.perf_counter()
    _check_options(dataset, root, options)
    _check_out(out, [root, options.annotations, options.frames_dir], force=force)
    sources = _selected(dataset.discover(root, options), only, root)
    tables = _Tables()
    with output_folder(out, force=force) as folder:
        for source in progress(sources):
            _ingest_scene(dataset, source, tables, folder, split=split, seed=options.seed)
        if not tables.names:
            raise QAEngineError(_nothing_read(dataset, tables.rejects))
        given = {name: getattr(options, name) for name in options.given() if name not in ("annotations", "frames_dir")}
        if options.settings:
            given["settings"] = dict(options.settings)
        config = {"dataset": dataset.name, "split": dict(split), "only": sorted(only), **given}
        report = tables.write(folder, config, options.seed, started)
        write_json(
            folder / "manifest.json",
            {
                "command": "qa-engine ingest",
                "config": config,
                "root": None if root is None else str(root),
                "seed": options.seed,
                "seconds": round(report.seconds, 3),
            },
        )
    return report


def _ingest_scene(
    dataset: Dataset, source: SceneSource, tables: _Tables, folder: Path, *, split: Mapping[str, float], seed: int
) -> None:
    """Read one scene and write it, or note why not."""
    try:
        scene = dataset.load(source)
        if scene.scene_name in tables.names:
            raise SceneError("scene_name", "a scene of this name came before", reason=IngestReason.DUPLICATE_SCENE)
    except SceneError as error:
        tables.reject(source.item, source.scene_name, error)
        return
    except OSError as error:  # `load` only reads, so this is about the source
        problem = error.strerror or str(error)
        unreadable = SceneError("source", problem, reason=IngestReason.UNREADABLE_FILE)
        tables.reject(source.item, source.scene_name, unreadable)
        return
    scene = replace(scene, split=split_of(scene.scene_group, split, seed=seed))
    for error in scene.refused:
        tables.reject(source.item, scene.scene_name, error)
    frames = store_frames(scene, folder, source.roots)
    for item, error in frames.refused:
        tables.reject(item, scene.scene_name, error)
    tables.add(scene, frames.rows)


class _Tables:
    """Rows so far, as small polars frames: Python objects of a scene are dropped with it."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.rejects: list[dict[str, Any]] = []
        self._with_frames = 0
        self._parts: dict[str, list[pl.DataFrame]] = {"scenes": [], "objects": [], "frames": []}

    def reject(self, item: str, scene_name: str, error: SceneError) -> None:
        """Note a refused scene or frame."""
        row: dict[str, Any] = dict.fromkeys(REJECTS)
        row |= {"stage": "ingest", "item": _clean(item), "scene_name": _clean(scene_name)}
        row |= {"reason": error.reason.value, "detail": _clean(f"{item}: {error}. {error.reason.fix}")}
        self.rejects.append(row)

    def add(self, scene: Scene, frames: list[dict[str, Any]]) -> None:
        """Note a scene that is in the store."""
        self.names.add(scene.scene_name)
        self._with_frames += bool(frames)
        row = {
            "scene_name": scene.scene_name,
            "dataset": scene.dataset,
            "scene_group": scene.scene_group,
            "split": scene.split,
            "room_size_m2": scene.room_size_m2,
            "room_center": None if scene.room_center is None else scene.room_center.tolist(),
            "floor_polygon": None if scene.floor_polygon is None else scene.floor_polygon.tolist(),
            "category_counts": [{"category": c, "count": n} for c, n in scene.category_counts.items()],
            "cloud_path": None,
            "canonical_from_source": scene.canonical_from_source.ravel().tolist(),
            "source_sha": scene.source_sha,
        }
        self._parts["scenes"].append(_frame([row], SCENES))
        objects = {
            "scene_name": [scene.scene_name] * len(scene),
            "instance_id": scene.instance_id,
            "category": scene.category.tolist(),
            "category_raw": scene.category_raw.tolist(),
            "center": scene.center.tolist(),
            "size": scene.size.tolist(),
            "rotation": scene.rotation.reshape(-1, 9).tolist(),
            "n_points": [None] * len(scene),
        }
        self._parts["objects"].append(_frame(objects, OBJECTS))
        self._parts["frames"].append(_frame(frames, FRAMES))

    def write(self, folder: Path, config: Mapping[str, object], seed: int, started: float) -> IngestReport:
        """Write the tables."""
        schemas: dict[str, Schema] = {"scenes": SCENES, "objects": OBJECTS, "frames": FRAMES, "rejects": REJECTS}
        tables = {name: pl.concat(parts) for name, parts in self._parts.items()}
        tables["rejects"] = _frame(self.rejects, REJECTS)
        for name, table in tables.items():
            metadata = table_metadata(name, producer="qa-engine ingest", config=config, seed=seed)
            write_table(table, folder / f"{name}.parquet", schemas[name], metadata)
        return IngestReport(
            n_scenes=len(self.names),
            n_objects=tables["objects"].height,
            n_frames=tables["frames"].height,
            n_scenes_with_frames=self._with_frames,
            rejects=dict(Counter(row["reason"] for row in self.rejects)),
            seconds=time.perf_counter() - started,
        )


def _frame(rows: Any, schema: Schema) -> pl.DataFrame:
    """Build a table of exactly these columns and types."""
    return pl.DataFrame(rows, schema=dict(schema))


def _check_options(dataset: Dataset, root: Path | None, options: IngestOptions) -> None:
    """Refuse options that the dataset would ignore."""
    if dataset.needs_root and root is None:
        raise QAEngineError(f"Dataset '{dataset.name}' needs ROOT: {dataset.needs}.")
    if not dataset.needs_root and root is not None:
        raise QAEngineError(f"Dataset '{dataset.name}' is generated and takes no ROOT (found {root}).")
    dataset.chosen(options)
    unused = [name for name in options.given() if name not in dataset.options]
    if unused:
        flags = ", ".join(flag(name) for name in unused)
        valid = ", ".join(flag(name) for name in sorted(dataset.options)) or "none of its own"
        raise QAEngineError(f"Dataset '{dataset.name}' takes no {flags}; its options: {valid}.")


def _check_out(out: Path, inputs: Sequence[Path | None], *, force: bool) -> None:
    """Refuse to replace anything but a store, or a folder that holds the input."""
    check_output_folder(out, force=force)
    real = out.resolve()
    for folder in inputs:
        if folder is not None and folder.resolve().is_relative_to(real):
            raise QAEngineError(f"--out {out} holds the input {folder}; choose another folder.")
    if out.is_dir() and any(out.iterdir()) and not (out / "scenes.parquet").is_file():
        raise QAEngineError(
            f"--out {out} is no store (it has no scenes.parquet); --force would delete it. Choose another."
        )


def _selected(sources: Sequence[SceneSource], only: Sequence[str], root: Path | None) -> Sequence[SceneSource]:
    """Keep the scenes named by --only."""
    if not only:
        return sources
    names = {source.scene_name for source in sources}
    for name in only:
        if name not in names:
            raise unknown_name("scene", name, names, f"ROOT is {root}.")
    return [source for source in sources if source.scene_name in set(only)]


def _nothing_read(dataset: Dataset, rejects: list[dict[str, Any]]) -> str:
    """Say why no scene could be used."""
    shown = "".join(f"\n  {row['reason']}: {row['detail']}" for row in rejects[:5])
    more = f"\n  and {len(rejects) - 5} more" if len(rejects) > 5 else ""
    return f"None of the {len(rejects)} scenes of '{dataset.name}' could be used, so nothing was written.{shown}{more}"


def _clean(text: str) -> str:
    """Make a text from a hostile source storable: escape what UTF-8 cannot hold, and control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)[:2000]
