"""Run the steps one after the other, stop where nothing can follow, and write the page in any case."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from qa_contract.errors import UserError
from qa_contract.files import check_output_folder, output_folder, write_json

from qa_engine.datasets.base import IngestOptions
from qa_engine.scan.page import scan_page
from qa_engine.scan.steps import STEPS, Outcome, Progress, Work

NEEDED = ("look", "read", "lift", "align", "generate")
"""Steps without which the later ones have nothing to work on."""


@dataclass(frozen=True)
class Scan:
    """What `scan` did.

    Attributes
    ----------
    outcomes : tuple of Outcome
    page : Path
    n_questions : int
    """

    outcomes: tuple[Outcome, ...]
    page: Path
    n_questions: int

    @property
    def failed(self) -> list[Outcome]:
        """Steps that did not end well, the first one first."""
        return [outcome for outcome in self.outcomes if outcome.state == "failed"]

    @property
    def lost(self) -> int:
        """Steps in which something was lost."""
        return sum(outcome.state == "lost" for outcome in self.outcomes)


def scan(
    root: Path,
    out: Path,
    *,
    dataset: str | None = None,
    options: IngestOptions | None = None,
    masks: Path | None = None,
    frames: int = 16,
    per_scene: int = 50,
    seed: int = 0,
    workers: int = 1,
    force: bool = False,
    progress: Progress = lambda stage, done, of: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Scan:
    """Turn a folder of scans into checked questions.

    Parameters
    ----------
    root : Path
        Scans of any data set that `ingest` reads.
    out : Path
        Gets `index.html`, `scan.json`, and what the steps write: `store`, `questions`, `audit`, `pages`.
    dataset : str, optional
        What the scans are; found out where not given.
    options : IngestOptions, optional
        As for `ingest`.
    masks : Path, optional
        Masks of frames as `lift` reads them, for scans without boxes.
    frames, per_scene : int
        Frames that a model sees of each scene, and questions about it.
    force : bool
        Replace what `out` holds.

    Raises
    ------
    FileError
        `out` holds something and `force` is false.
    QAEngineError
        `root` is missing.
    """
    check_output_folder(out, force=force)
    with output_folder(out, force=force) as folder:
        work = Work(
            root,
            folder,
            options or IngestOptions(seed=seed),
            dataset,
            masks,
            frames,
            per_scene,
            seed,
            workers,
            progress,
        )
        outcomes = _run(work, clock)
        (folder / "index.html").write_text(scan_page(work, outcomes).html(), encoding="utf-8")
        write_json(folder / "scan.json", {"root": str(root), "steps": [asdict(outcome) for outcome in outcomes]})
    return Scan(tuple(outcomes), out / "index.html", work.n_questions)


def _run(work: Work, clock: Callable[[], float]) -> Sequence[Outcome]:
    outcomes: list[Outcome] = []
    stopped = ""
    for name, step in STEPS.items():
        if stopped:
            outcomes.append(Outcome(name, "left out", f"'{stopped}' gave nothing to go on with"))
            continue
        began = clock()
        try:
            outcome = step(work)
        except UserError as error:
            outcome = Outcome(name, "failed", str(error).replace(f"{work.out}/", ""))
        outcomes.append(Outcome(name, outcome.state, outcome.told, round(clock() - began, 1)))
        if outcome.state == "failed" and name in NEEDED:
            stopped = name
    return outcomes
