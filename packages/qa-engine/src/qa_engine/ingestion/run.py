"""Turn a dataset into a store, one scene at a time; what cannot be used becomes a row of `rejects`."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from qa_contract.files import check_output_folder, lock_folder, output_folder, write_json
from qa_contract.identity import config_hash
from qa_contract.tableio import ADDED, table_metadata, write_table
from qa_contract.tables import DECLARATIONS

from qa_engine.datasets.base import Dataset, IngestOptions, SceneSource, flag
from qa_engine.errors import IngestReason, QAEngineError, unknown_name
from qa_engine.executor import HERE, Executor
from qa_engine.ingestion.adding import Known, add_to, check_collection, known_scenes
from qa_engine.ingestion.parts import SCENES_PER_PART, TABLES, Part, Reader, Reading, is_done, part_folder, split_of
from qa_engine.scenes.reviews import read_reviews
from qa_engine.scenes.scene import SPLITS
from qa_engine.scenes.store import ROWS_PER_GROUP

__all__ = ["DEFAULT_SPLIT", "IngestReport", "ingest", "parse_settings", "parse_split", "split_of"]

DEFAULT_SPLIT = {"train": 0.8, "val": 0.1, "test": 0.1}

Progress = Callable[[int, int], None]
"""Called with the scenes that are done and the scenes to do."""


@dataclass(frozen=True)
class IngestReport:
    """What an ingest wrote.

    Attributes
    ----------
    n_scenes, n_objects, n_frames, n_scenes_with_frames : int
    rejects, warnings : dict of str to int
        What was refused, and what is suspicious but was taken, by reason.
    seconds : float
    n_resumed : int
        Scenes that an earlier run had done before it was stopped.
    """

    n_scenes: int
    n_objects: int
    n_frames: int
    n_scenes_with_frames: int
    rejects: dict[str, int]
    seconds: float
    warnings: dict[str, int] = field(default_factory=dict)
    n_resumed: int = 0

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


def ingest(
    dataset: Dataset,
    root: Path | None,
    *,
    out: Path,
    options: IngestOptions,
    split: Mapping[str, float] | None = DEFAULT_SPLIT,
    only: Sequence[str] = (),
    checks: bool = True,
    reviews: Path | None = None,
    unaligned: bool = False,
    executor: Executor = HERE,
    add: bool = False,
    collection: str | None = None,
    force: bool = False,
    progress: Progress = lambda done, of: None,
) -> IngestReport:
    """Write a store with the tables scenes, objects, frames, rejects, and images and clouds below it.

    Parameters
    ----------
    dataset : Dataset
        What to read.
    root : Path, optional
        Where it lies; None for a generated dataset.
    out : Path
        The store; it appears whole or not at all. What a stopped run has done is kept beside it and taken up again.
    options : IngestOptions
        Those that the dataset understands, and the seed.
    split : mapping of str to float, optional
        Fraction of the groups per split, sum 1; None keeps those that scenes have. A rescan of a place that the store
        has, to which scenes are added, comes to the split of that place.
    only : sequence of str
        Names of the scenes to take; empty = all.
    checks : bool
        Refuse scenes whose units, axes or poses contradict what they hold; see `qa_engine.ingestion.sanity`.
    reviews : Path, optional
        Table `reviews`: rejected objects are left out, corrected ones change.
    unaligned : bool
        Take scenes whose vertical or scale the checks doubt, with that error stated, for `align`.
    executor : Executor
        Where the work is done, which changes nothing in the store.
    add : bool
        Add the scenes to the store that is there; one whose name it has is refused.
    collection : str, optional
        What the scenes are called together, so that questions can be shared out by it.
    force : bool
        Replace an existing store.
    progress : callable
        Called with the scenes that are done and the scenes to do.

    Raises
    ------
    QAEngineError
        An option that does not fit the dataset, an unknown scene name, or not one scene that can be used.
    TableError
        `out` exists and neither `add` nor `force` is true, or there is no store to add to.
    """
    started = time.perf_counter()
    _check_options(dataset, root, options)
    if add and force:
        raise QAEngineError("--add and --force contradict each other: one keeps the store, the other replaces it.")
    known = known_scenes(out) if add else Known()
    _check_out(out, [root, options.annotations, options.frames_dir], force=force or add)
    sources = _selected(dataset.discover(root, options), only, root)
    if collection is not None:
        check_collection(collection, known, dataset.name, (source.scene_name for source in sources))
    decided = None if reviews is None else read_reviews(reviews)
    config = _config(dataset, options, split, only, checks) | ({"reviews": decided.digest} if decided else {})
    config |= {"unaligned": True} if unaligned else {}
    config |= {"collection": collection} if collection is not None else {}
    parts = _parts(sources, known.scenes.keys())
    what = {"config": config, "seed": options.seed, "sources": _digest(root, sources)}
    fingerprint = config_hash(what | ({"known": sorted(known.scenes), "places": dict(known.places)} if add else {}))
    with _staging(out, fingerprint) as staging:
        done = [part for part in parts if is_done(staging, part.number)]
        finished = {part.number for part in done}
        n_resumed = n_done = sum(len(part.sources) for part in done)
        reading = Reading(
            dataset,
            None if split is None else dict(split),
            options.seed,
            checks,
            decided,
            unaligned=unaligned,
            places=known.places,
            collection=collection,
        )
        left = [part for part in parts if part.number not in finished]
        with executor.crew(Reader, reading, staging) as crew:
            for n in crew.map("read", left):
                n_done += n
                progress(n_done, len(sources))
        tables = {
            name: pl.concat([pl.read_parquet(part_folder(staging, part.number) / f"{name}.parquet") for part in parts])
            for name in TABLES
        }
        if tables["scenes"].is_empty():
            shutil.rmtree(staging)
            raise QAEngineError(_nothing_read(dataset, tables["rejects"]))
        place = staging / ADDED if add else staging
        for name, table in tables.items():
            held = DECLARATIONS[name].lowest([column for column in table.columns if table[column].is_null().all()])
            metadata = table_metadata(name, producer="qa-engine ingest", config=config, seed=options.seed)
            metadata |= {"version": held.version}
            table = table.select(list(held.schema))
            table = table if name == "rejects" else table.sort("scene_name", maintain_order=True)
            write_table(table, place / f"{name}.parquet", held.schema, metadata, rows_per_group=ROWS_PER_GROUP)
        seconds = time.perf_counter() - started
        manifest = {"command": "qa-engine ingest", "config": config, "root": None if root is None else str(root)}
        write_json(place / "manifest.json", manifest | {"seed": options.seed, "seconds": round(seconds, 3)})
        if add:
            add_to(out, staging, collection)
            shutil.rmtree(staging)
            return _report(tables, seconds, n_resumed)
        with output_folder(out, force=force) as folder:
            shutil.rmtree(staging / ".parts")
            (staging / "fingerprint").unlink()
            folder.rmdir()
            staging.replace(folder)
    return _report(tables, seconds, n_resumed)


def _report(tables: Mapping[str, pl.DataFrame], seconds: float, n_resumed: int) -> IngestReport:
    """Count what is in the store."""
    refused = {
        stage: dict(Counter(tables["rejects"].filter(pl.col("stage") == stage)["reason"].to_list()))
        for stage in ("ingest", "check")
    }
    return IngestReport(
        n_scenes=tables["scenes"].height,
        n_objects=tables["objects"].height,
        n_frames=tables["frames"].height,
        n_scenes_with_frames=tables["frames"]["scene_name"].n_unique(),
        rejects=refused["ingest"],
        seconds=seconds,
        warnings=refused["check"],
        n_resumed=n_resumed,
    )


def _config(
    dataset: Dataset, options: IngestOptions, split: Mapping[str, float] | None, only: Sequence[str], checks: bool
) -> dict[str, object]:
    """Collect what decides the content of a store."""
    given = {name: getattr(options, name) for name in options.given() if name not in ("annotations", "frames_dir")}
    if options.settings:
        given["settings"] = dict(options.settings)
    if not checks:
        given["checks"] = False
    return {"dataset": dataset.name, "split": None if split is None else dict(split), "only": sorted(only), **given}


def _parts(sources: Sequence[SceneSource], known: Iterable[str]) -> list[Part]:
    """Cut the scenes into parts; those whose name is known, or came before, are doubles."""
    seen = set(known)
    double = [source.scene_name in seen or seen.add(source.scene_name) is not None for source in sources]
    starts = range(0, len(sources), SCENES_PER_PART)
    return [
        Part(number, tuple(sources[i : i + SCENES_PER_PART]), tuple(double[i : i + SCENES_PER_PART]))
        for number, i in enumerate(starts)
    ]


def _digest(root: Path | None, sources: Sequence[SceneSource]) -> str:
    """Hash which scenes are read from where."""
    names = "\x1f".join(f"{source.scene_name}\x1f{source.item}" for source in sources)
    place = "" if root is None else str(root.resolve())
    return hashlib.sha256(f"{place}\x1f{names}".encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def _staging(out: Path, fingerprint: str) -> Iterator[Path]:
    """Open the folder of a stopped run, or a new one where that was for something else, for this process alone."""
    staging = out.parent / f".{out.name}.ingest"
    staging.mkdir(parents=True, exist_ok=True)
    with lock_folder(staging, f"another ingest writes {out}; wait for it, or choose another --out"):
        note = staging / "fingerprint"
        if not note.is_file() or note.read_text() != fingerprint:
            for path in staging.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            note.write_text(fingerprint)
        yield staging


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


def _nothing_read(dataset: Dataset, rejects: pl.DataFrame) -> str:
    """Say why no scene could be used."""
    shown = "".join(f"\n  {reason}: {detail}" for reason, detail in rejects.select("reason", "detail").head(5).rows())
    more = f"\n  and {len(rejects) - 5} more" if len(rejects) > 5 else ""
    return f"None of the {len(rejects)} scenes of '{dataset.name}' could be used, so nothing was written.{shown}{more}"
