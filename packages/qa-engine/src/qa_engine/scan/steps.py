"""The steps from a folder of scans to pages with questions; each runs alone, as its own command does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
from qa_contract.tableio import read_table
from qa_contract.tables import QUESTIONS

from qa_engine.alignment.run import align
from qa_engine.api import make_request
from qa_engine.audit.report import write_audit
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.generic import GENERIC
from qa_engine.errors import QAEngineError
from qa_engine.executor import LocalExecutor
from qa_engine.generation.files import write_generation
from qa_engine.ingestion.doctor import Diagnosis, diagnose
from qa_engine.ingestion.run import DEFAULT_SPLIT, ingest
from qa_engine.lifting.run import lift
from qa_engine.replay.verify import BOUNDS, COLUMNS, difference_rows, verify
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.store import Store
from qa_engine.scenes.worlds import errors_in_words
from qa_engine.show.gallery import write_gallery
from qa_engine.show.selection import Shown
from qa_engine.views.frame_sets import choose_frame_set, sample_frames
from qa_engine.views.observations import can_observe, observe

AUDIT_SCENES = 5
"""Scenes from which on it can be told what is answered without looking: the audit leaves a fifth of them out."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a step.

    Attributes
    ----------
    step : str
    state : str
        `done`; `lost`: done, but something is missing; `left out`: there is nothing for it to do; `failed`.
    told : str
        Figures, or why not.
    seconds : float
    """

    step: str
    state: str
    told: str
    seconds: float = 0.0


@dataclass
class Work:
    """What the steps share.

    Attributes
    ----------
    root, out : Path
        The scans, and the folder that everything goes to.
    options : IngestOptions
    dataset : str or None
        What the scans are; found out by `look` where not given.
    masks : Path or None
        Masks of frames, for scans without boxes.
    frames, per_scene, seed, workers : int
    progress : callable
        Called with the step, and things done and to do.
    diagnosis : Diagnosis or None
    differences : list of dict
        Questions whose replay gives another answer.
    n_questions : int
    """

    root: Path
    out: Path
    options: IngestOptions
    dataset: str | None = None
    masks: Path | None = None
    frames: int = 16
    per_scene: int = 50
    seed: int = 0
    workers: int = 1
    progress: Progress = lambda stage, done, of: None
    diagnosis: Diagnosis | None = None
    differences: list[dict[str, str]] = field(default_factory=list)
    n_questions: int = 0

    @property
    def store(self) -> Path:
        """The store that questions are asked about."""
        return self.out / "store"

    @property
    def scans(self) -> Path:
        """The store of the scans as they lie; it becomes `store` where nobody doubts that they are upright."""
        return self.out / "scans"

    @property
    def frames_only(self) -> Path:
        """The store of scans without objects, which masks are to find."""
        return self.out / "frames_only"

    @property
    def questions(self) -> Path:
        """Folder of the questions."""
        return self.out / "questions"

    def of(self, step: str) -> Callable[[int, int], None]:
        """Tell how far a step is."""
        return lambda done, of: self.progress(step, done, of)


def look(work: Work) -> Outcome:
    """Find out what the folder is."""
    if work.masks is not None and work.dataset in (None, GENERIC.name):  # what has no boxes is no scan otherwise
        work.dataset = GENERIC.name
        work.options = replace(work.options, settings={"boxes_from": "none", **work.options.settings})
    found = diagnose(work.root, dataset=work.dataset, options=work.options)
    work.diagnosis, work.dataset = found, found.dataset
    severe = sum(problem.severe for problem in found.problems)
    told = f"{found.dataset}, {found.n_scenes} scenes"
    return Outcome("look", "done", told + (f", {severe} of the first {len(found.scenes)} refused" if severe else ""))


def read(work: Work) -> Outcome:
    """Read the scans into a store."""
    assert work.dataset is not None
    target = work.scans if work.masks is None else work.frames_only
    report = ingest(
        get_dataset(work.dataset),
        work.root,
        out=target,
        options=work.options,
        split=DEFAULT_SPLIT,
        unaligned=True,
        executor=LocalExecutor(work.workers),
        progress=work.of("read"),
    )
    told = f"{report.n_scenes} scenes, {report.n_objects} objects, {report.n_frames} frames"
    return Outcome("read", "lost" if report.lost else "done", told + _refused(report.rejects))


def find_objects(work: Work) -> Outcome:
    """Find objects by masks, for scans without boxes."""
    if work.masks is None:
        return Outcome("lift", "left out", "the scans have boxes; --masks finds objects by masks of the frames")
    report = lift(work.frames_only, work.masks, out=work.scans, workers=work.workers, progress=work.of("lift"))
    told = f"{report.n_objects} objects in {report.n_scenes} scenes"
    return Outcome("lift", "lost" if report.lost else "done", told + _refused(report.rejects))


def turn_upright(work: Work) -> Outcome:
    """Find gravity and scale of scans for which the checks doubt them."""
    doubted = {scene.scene_name for scene in Store(work.scans).iter_scenes() if errors_in_words(scene)}
    if not doubted:
        work.scans.rename(work.store)
        return Outcome("align", "left out", "no check doubts that the scans are upright and in metres")
    report = align(work.scans, out=work.store, workers=work.workers, progress=work.of("align"))
    told = [f"{scene.scene_name}: {errors_in_words(scene)}" for scene in aligned_scenes(work)]
    n = len(doubted.intersection(Store(work.store).scene_names()))  # others may be lost too
    words = f"{n} of {len(doubted)} doubtful scans turned or scaled; {'; '.join(told[:3])}"
    return Outcome("align", "lost" if report.lost else "done", words + _refused(report.rejects))


def aligned_scenes(work: Work) -> list[Scene]:
    """Load the scenes that `align` turned or scaled."""
    if not (work.store / "scenes.parquet").is_file():
        return []
    return [scene for scene in Store(work.store).iter_scenes() if scene.clues and errors_in_words(scene)]


def see(work: Work) -> Outcome:
    """Find out what each frame shows."""
    store = Store(work.store)
    if not any(can_observe(frame) for name in store.scene_names() for frame in store.frames(name)):
        return Outcome("observe", "left out", "no frame has a pose, so questions are not checked against frames")
    report = observe(store, executor=LocalExecutor(work.workers), progress=work.of("observe"))
    told = f"{report.n_frames} frames of {report.n_scenes} scenes"
    return Outcome("observe", "done", told + (f"; {report.n_unknown} frames without pose" if report.n_unknown else ""))


def choose_frames(work: Work) -> Outcome:
    """Choose the frames that a model sees."""
    if not Store(work.store).frame_ids():
        return Outcome("sample-frames", "left out", "there are no frames")
    executor = LocalExecutor(work.workers)
    report = sample_frames(Store(work.store), n=work.frames, method="coverage", executor=executor)
    return Outcome("sample-frames", "done", f"{report.frame_set_id} for {report.n_scenes} scenes")


def ask(work: Work) -> Outcome:
    """Generate questions."""
    store = Store(work.store)
    request = make_request(store, per_scene=work.per_scene, seed=work.seed)
    executor = LocalExecutor(work.workers)
    run = write_generation(store, request, work.questions, executor=executor, progress=work.progress)
    work.n_questions = run.n_questions
    checked = f"visible in the frames of {request.frame_set_id}" if request.screen else "not checked against frames"
    told = f"{run.n_questions} questions about {run.n_scenes} scenes, {checked}"
    if run.n_questions == 0:
        return Outcome("generate", "lost", "no question can be asked: see the reasons below")
    return Outcome("generate", "lost" if run.n_bad_scenes else "done", told)


def replay(work: Work) -> Outcome:
    """Compute every answer again."""
    table = read_table(work.questions, "questions", QUESTIONS, columns=[*COLUMNS, *BOUNDS])
    differences = verify(Store(work.store), table, progress=work.of("verify"))
    work.differences = difference_rows(differences)
    told = f"{len(table)} programs replayed, {len(differences)} differences"
    return Outcome("verify", "lost" if differences else "done", told)


def answer_blind(work: Work) -> Outcome:
    """Find out what is answered without looking."""
    n = read_table(work.questions, "questions", QUESTIONS, columns=["scene_name"])["scene_name"].n_unique()
    if n < AUDIT_SCENES:
        told = f"needs {AUDIT_SCENES} scenes with questions, there are {n}"
        return Outcome("audit", "left out", told)
    try:
        report = write_audit(work.questions, work.out / "audit", seed=work.seed, progress=work.progress)
    except QAEngineError as error:  # the extra may be missing; nothing else needs it
        return Outcome("audit", "left out", str(error))
    overall = report["overall"]
    told = f"{overall['forest']:.0%} of the score without looking, chance {overall['chance']:.0%}"
    return Outcome("audit", "done", told)


def show(work: Work) -> Outcome:
    """Write a page per scene."""
    store = Store(work.store)
    n = len(store.scene_names())
    shown = Shown(store, questions=work.questions, frame_set=choose_frame_set(store, None), limit=n)
    report = write_gallery(shown, work.out / "pages")
    return Outcome("view", "done", f"{report.n_scenes} scenes, {report.n_frames} frames")


STEPS: dict[str, Callable[[Work], Outcome]] = {
    "look": look,
    "read": read,
    "lift": find_objects,
    "align": turn_upright,
    "observe": see,
    "sample-frames": choose_frames,
    "generate": ask,
    "verify": replay,
    "audit": answer_blind,
    "view": show,
}
"""Name to function, in their order."""


def rejected(folders: Sequence[Path], stage: str) -> list[tuple[str, int, str]]:
    """Count what was refused by reason, the most frequent first, with one example each."""
    paths = [path for folder in folders if (path := folder / "rejects.parquet").is_file()]
    if not paths:
        return []
    table = pl.concat([pl.read_parquet(path) for path in paths]).filter(pl.col("stage") == stage)
    counted = table.group_by("reason").agg(pl.len().alias("n"), pl.col("detail").first())
    rows = counted.sort("n", "reason", descending=[True, False])
    return [(reason, n, detail or "") for reason, n, detail in rows.select("reason", "n", "detail").iter_rows()]


def _refused(rejects: Counter[str] | dict[str, int]) -> str:
    return "".join(f"; {reason} {n}" for reason, n in sorted(rejects.items()))
