"""Write an export: some questions at a time, by whoever is free, put together in the order of the table."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.tableio import read_table, table_files
from qa_contract.tables import QUESTIONS
from qa_contract.tablestream import TableStream

from qa_engine.errors import QAEngineError
from qa_engine.executor import HERE, Executor
from qa_engine.exports.lines import IMAGES
from qa_engine.exports.registry import FORMATS
from qa_engine.exports.selecting import read_asked, select
from qa_engine.exports.tracing import ROWS_PER_TRACING, TraceFiles
from qa_engine.facts.scene import Facts
from qa_engine.scenes.store import Store
from qa_engine.views.evidence import FrameEvidence
from qa_engine.views.recording import RecordingIndex
from qa_engine.views.sightings import SightingIndex


@dataclass(frozen=True)
class Asked:
    """The files of a table of questions.

    Attributes
    ----------
    source : Path
    files : dict of Path to int
        Rows of each file.
    scene_names : set of str
    """

    source: Path
    files: dict[Path, int]
    scene_names: set[str]


@dataclass
class Exported:
    """How many questions were written, and how many were not, by reason; the detail of the first of these."""

    n_questions: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    first: str = ""


@dataclass(frozen=True)
class Piece:
    """Some rows: number of the piece, number of the file, first row in the file and in the table, how many."""

    number: int
    file: int
    start: int
    index: int
    n: int


@dataclass(frozen=True)
class Written:
    """What a worker returns for a piece: how many questions it wrote to which file, and rows of `rejects`."""

    n_questions: int
    part: Path
    rejects: pl.DataFrame


def read_files(questions: Path) -> Asked:
    """Look which files a table of questions has, and which scenes it asks about.

    Raises
    ------
    TableError
        The table is missing, lacks a column, or has an id twice.
    """
    files: dict[Path, int] = {}
    names: set[str] = set()
    hashes: list[pl.Series] = []  # ids of all files would be most of what this process holds
    for file in table_files(questions, "questions"):
        read = read_table(file, "questions", QUESTIONS, columns=["question_id", "scene_name"])
        files[file] = len(read)
        names.update(read["scene_name"].drop_nulls().unique())
        hashes.append(read["question_id"].hash())
    if len(files) > 1 and pl.concat(hashes).is_duplicated().any():
        read_table(questions, "questions", QUESTIONS, columns=["question_id"])  # names the id
    return Asked(questions, files, names)


def export(
    asked: Asked,
    store: Path,
    name: str,
    folder: Path,
    out: Path,
    rejects: TableStream,
    *,
    trace: str | None = None,
    executor: Executor = HERE,
    progress: Callable[[str, int, int], None] = lambda stage, done, of: None,
) -> Exported:
    """Write questions, and their frames, with what questions say is marked drawn on them.

    Parameters
    ----------
    asked : Asked
    store : Path
        With the scenes and frames of the questions.
    name : str
        A name in `FORMATS`.
    folder : Path
        Is written to.
    out : Path
        Where the folder will stand in the end.
    rejects : TableStream
        Gets the questions that cannot be exported.
    trace : str, optional
        A name in `TRACES`: answer with the steps before the answer.
    executor : Executor
        Where the work is done, which changes nothing in the output.
    progress : callable
        Called with a stage, and questions done and to do.

    Raises
    ------
    QAEngineError
        A frame cannot be read, or no question is left.
    """
    parts = folder / ".parts"
    parts.mkdir()
    pieces = _pieces(asked, FORMATS[name].rows_per_part)
    found, of = Exported(), sum(asked.files.values())

    with executor.crew(Exporter, list(asked.files), store, name, folder, trace) as crew:
        if trace is not None:
            done = 0
            for piece in crew.map("trace", _pieces(asked, ROWS_PER_TRACING)):
                progress("trace", done := done + piece.n, of)

        def written() -> Iterator[Path]:
            done = 0
            for piece, result in zip(pieces, crew.map("write", pieces), strict=True):
                if len(result.rejects):
                    found.first = found.first or result.rejects["detail"][0]
                    found.refused.update(result.rejects["reason"].to_list())
                    rejects.write(result.rejects)
                found.n_questions += result.n_questions
                done += piece.n
                progress("export", done, of)
                if result.n_questions:
                    yield result.part

        FORMATS[name].join(written(), folder, out)
    if not found.n_questions:
        counts = ", ".join(f"{reason} {n}" for reason, n in found.refused.most_common()) or "the table has no row"
        first = f"; the first says: {found.first}" if trace and found.first else ""
        raise QAEngineError(f"{asked.source}: no question to export ({counts}{first}).")
    shutil.rmtree(parts)
    return found


def _pieces(asked: Asked, step: int) -> list[Piece]:
    """Cut the files into pieces."""
    pieces: list[Piece] = []
    before = 0
    for file, n in enumerate(asked.files.values()):
        for start in range(0, n, step):
            pieces.append(Piece(len(pieces), file, start, before + start, min(step, n - start)))
        before += n
    return pieces


class Exporter:
    """A worker that writes some questions of a file to a part, and puts their frames where they belong."""

    def __init__(self, files: list[Path], store: Path, name: str, folder: Path, trace: str | None) -> None:
        self.store, self.format, self.folder, self.steps = store, FORMATS[name], folder, trace
        self.parts = folder / ".parts"
        self._asked = lru_cache(1)(lambda file: read_asked(files[file], store))
        self._traces = lru_cache(1)(lambda file: TraceFiles(self.parts, file, self._asked(file)))

    def trace(self, piece: Piece) -> Piece:
        """Make the traces of so many questions."""
        assert self.steps is not None
        self._traces(piece.file).make(piece.start, self.steps, self._scenes, self._facts_of)
        return piece

    def write(self, piece: Piece) -> Written:
        """Write a part."""
        rows = self._asked(piece.file)[piece.start : piece.start + piece.n]
        selection = select(rows.with_row_index("index", piece.index), self.store)
        if self.steps is not None:
            traces, problems = self._traces(piece.file).read(piece.start, piece.n)
            selection = selection.with_traces(traces, problems)
        if self.format.rewards:
            selection = selection.with_scores()
        part = self.parts / f"{piece.number:07d}"
        try:
            with tempfile.TemporaryDirectory(dir=self.parts) as drawn:
                if selection.table["marks"].is_not_null().any():
                    selection = selection.with_marks(Path(drawn))
                if not self.format.embeds:
                    for path in selection.images():
                        self._place(selection.file(path), self.folder / IMAGES / path)
                if len(selection):
                    self.format.write(selection, part)
        except OSError as error:
            raise QAEngineError(f"{error.filename}: cannot be read or copied ({error.strerror}).") from error
        return Written(len(selection), part, selection.rejects)

    @cached_property
    def _scenes(self) -> Store:
        """The store of the scenes, which only traces need."""
        return Store(self.store)

    @cached_property
    def _looks(self) -> tuple[Any, ...]:
        return SightingIndex(self._scenes).of, FrameEvidence(self._scenes).of, RecordingIndex(self._scenes).of

    def _facts_of(self, scene_name: str, profile: str) -> Facts:
        return Facts(self._scenes.load_scene(scene_name), profile, *self._looks)

    def _place(self, source: Path, target: Path) -> None:
        """Put a file at a second place, without copying its bytes where the file system can share them."""
        if target.exists():  # other questions show it, too
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        source = source.resolve()
        try:
            os.link(source, target)
        except FileExistsError:  # another worker was faster
            return
        except OSError:
            handle, copy = tempfile.mkstemp(dir=self.parts)
            os.close(handle)
            shutil.copyfile(source, copy)
            os.chmod(copy, 0o644)
            os.replace(copy, target)
