"""What the training scenes hold against what a run asks: before it starts, and where it runs dry."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qa_loop.errors import QALoopError
from qa_loop.manifest import Manifest
from qa_loop.process import find_program
from qa_loop.sections import DataSet, LoopConfig
from qa_loop.stage import STORE, Stage, flags, round_folder

if TYPE_CHECKING:
    import polars as pl

GENERATED = "rooms"
"""Data set whose scenes can be made beforehand."""

SAMPLE_SCENES = 24
"""Generated scenes that are made to estimate what all of them hold."""

SURELY = 2.0
"""A panel this many times as large as the estimate is too large, however the other scenes turn out."""

FEW = 4
"""Questions that nearly every scene holds: a panel of so many per scene is not worth counting beforehand."""


@dataclass(frozen=True)
class Pool:
    """Questions that the training scenes of a data set hold.

    Attributes
    ----------
    name : str
        Of the data set in the configuration.
    share : float or None
        Of what panel and rounds ask; None where scenes are asked alike.
    counts : dict of (str, str) to int
        Question type and cell to questions; an estimate where `seen` is less than `scenes`.
    seen, scenes : int
        Training scenes that were looked at, and that there are.
    """

    name: str
    share: float | None
    counts: dict[tuple[str, str], int]
    seen: int
    scenes: int

    @property
    def available(self) -> int:
        """Questions in all."""
        return sum(self.counts.values())


def pools(config: LoopConfig, stages: Sequence[Stage], *, store: Path | None = None) -> list[Pool]:
    """Count what templates can ask about the training scenes, per data set.

    Parameters
    ----------
    config : LoopConfig
    stages : sequence of Stage
        Its plan.
    store : Path, optional
        A store of all its scenes. Default: of generated scenes a few are made; nothing is said of the others.

    Raises
    ------
    QALoopError
        The store holds other data sets.
    """
    if not config.generate.by_template:
        return []
    with tempfile.TemporaryDirectory() as folder:
        if store is not None:
            return _of_store(config, store.resolve(), Path(folder))
        filling = [stage for stage in stages if stage.kind == "ingest"]
        return [
            _made(
                config, scenes, [ingest, *(s for s in stages if s.kind in ("observe", "sample-frames"))], Path(folder)
            )
            for scenes, ingest in zip(config.scenes, filling, strict=True)
            if scenes.dataset == GENERATED
        ]


def check_panel(config: LoopConfig, found: Iterable[Pool]) -> None:
    """Refuse a panel that the training scenes cannot fill.

    Raises
    ------
    QALoopError
        Naming what is wanted and what there is; estimates are refused only by a factor of `SURELY`.
    """
    panel = config.confidence.n_panel if config.confidence.calibrated else 0
    by_name = {pool.name: pool for pool in found}
    if not panel or len(by_name) < len(config.scenes):
        return
    shared = config.shares is not None
    groups = [[pool] for pool in by_name.values()] if shared else [[*by_name.values()]]
    for group in groups:
        wanted = round(panel * (group[0].share or 0)) if shared else panel
        held = sum(pool.available for pool in group)
        exact = all(pool.seen == pool.scenes for pool in group)
        if wanted > held * (1 if exact else SURELY):
            where = f"of '{group[0].name}' " if shared else ""
            raise QALoopError(_too_small(wanted, f"{'' if exact else 'about '}{held:,}", where))


def check_panel_beforehand(config: LoopConfig, stages: Sequence[Stage]) -> None:
    """Refuse a panel that is too large before anything is started, where generated scenes tell.

    Of scans nothing is known before they are read; the panel is then drawn, and refused, before a model answers it.
    """
    if not config.confidence.calibrated or any(one.dataset != GENERATED for one in config.scenes):
        return
    scenes = sum((one.scenes or 0) * _share_of(one, config.generate.split) for one in config.scenes)
    if config.confidence.n_panel > FEW * scenes:
        check_panel(config, pools(config, stages))


def shortage(config: LoopConfig, stage: Stage, rows: int | None) -> str:
    """Say why a run cannot go on with what a stage asked; empty where it can."""
    if stage.kind == "panel" and rows is not None and rows < config.confidence.n_panel:
        return _too_small(config.confidence.n_panel, f"{rows:,}")
    if stage.kind in ("candidates", "questions") and rows == 0 and stage.round is not None:
        gated = stage.kind == "questions" and config.gating is not None
        why = "no candidate passes the gates" if gated else "the scenes hold no question that was not asked before"
        ended = f"set run.rounds = {stage.round - 1} and start with --force to end with what there is, or " * (
            stage.round > 1
        )
        return f"Round {stage.round} has no questions: {why}. The rounds before are kept: {ended}add scenes."
    return ""


def short_rounds(config: LoopConfig, manifest: Manifest) -> list[tuple[int, int]]:
    """List the rounds that train on fewer questions than was said, with how many there are."""
    found = []
    for number in range(1, config.run.rounds + 1):
        record = manifest.stages.get(f"{round_folder(number)}-questions")
        if record is not None and record.state == "done" and (record.rows or 0) < config.questions_per_round:
            found.append((number, record.rows or 0))
    return found


def _too_small(wanted: int, held: str, where: str = "") -> str:
    return (
        f"The panel wants {wanted:,} questions {where}that are never trained on, and the training scenes {where}hold "
        f"{held}. Set confidence.panel to fewer, and leave some for the rounds, or add scenes."
    )


def _of_store(config: LoopConfig, store: Path, folder: Path) -> list[Pool]:
    """Count in a store, by what its scenes are called."""
    import polars as pl
    from qa_contract.tableio import read_table
    from qa_contract.tables import SCENES

    columns = ["scene_name", "split", "collection"]
    scenes = read_table(store, "scenes", SCENES, columns=columns).filter(split=config.generate.split)
    if len(config.scenes) == 1:
        scenes = scenes.with_columns(collection=pl.lit(config.scenes[0].called))
    there = set(scenes["collection"].drop_nulls())
    if missing := [one.called for one in config.scenes if one.called not in there]:
        raise QALoopError(
            f"--store {store}: has no training scenes of {', '.join(missing)}; it holds "
            f"{', '.join(sorted(there)) or 'scenes without a name'}. Pass the store of a run of this configuration."
        )
    asked = _ask_all(config, store, folder, split=config.generate.split)
    counted = asked.join(scenes, on="scene_name").group_by("collection", "question_type", "cell").agg(pl.col("n").sum())
    counted = counted.sort("question_type", "cell")
    found = []
    for one in config.scenes:
        rows = counted.filter(collection=one.called).select("question_type", "cell", "n").iter_rows()
        n = scenes.filter(collection=one.called).height
        found.append(Pool(one.called, one.share, {(kind, cell): n for kind, cell, n in rows}, n, n))
    return found


def _made(config: LoopConfig, scenes: DataSet, stages: Sequence[Stage], folder: Path) -> Pool:
    """Make some of the generated scenes of a data set and count in them."""
    import polars as pl

    here, total = folder / scenes.called, scenes.scenes or SAMPLE_SCENES
    here.mkdir()
    n = min(SAMPLE_SCENES, total)
    for stage in stages:
        words = [word for word in stage.command if word != "--add"]
        if "--scenes" in words:
            words[words.index("--scenes") + 1] = str(n)
        _run(words, here)
    whole = n == total
    rows = _ask_all(config, here / STORE, here, split=config.generate.split if whole else None)
    counted = rows.group_by("question_type", "cell").agg(pl.col("n").sum()).sort("question_type", "cell")
    counts = {(kind, cell): n for kind, cell, n in counted.select("question_type", "cell", "n").iter_rows()}
    of = round(total * _share_of(scenes, config.generate.split))
    if not whole:
        counts = {key: round(count * of / n) for key, count in counts.items()}
    return Pool(scenes.called, scenes.share, counts, of if whole else n, of)


def _ask_all(config: LoopConfig, store: Path, folder: Path, *, split: str | None) -> pl.DataFrame:
    """Generate everything; give how many questions of a type and cell there are per scene."""
    import polars as pl

    wanted = config.generate
    options = {"tasks": ",".join(wanted.tasks) or None, "seed": config.run.seed, "workers": wanted.workers}
    options |= {"split": split, **wanted.evaluation_options}
    _run(["qa-engine", "generate", str(store), "--out", "all", *flags(options)], folder)
    questions = pl.scan_parquet(str(folder / "all" / "questions*.parquet"))
    by = ["scene_name", "question_type", pl.col("cell").fill_null("-")]
    return questions.group_by(by).agg(n=pl.len().cast(pl.Int64)).collect()


def _run(words: Sequence[str], folder: Path) -> None:
    done = subprocess.run(
        [str(find_program(words[0])), *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode not in (0, 1):
        raise QALoopError(f"'{' '.join(words)}' failed: {done.stderr.strip().splitlines()[-1:] or done.returncode}")


def _share_of(scenes: DataSet, split: str) -> float:
    """Share of the scenes of a data set that a split gets."""
    if scenes.split is None:
        return {"train": 0.8}.get(split, 0.1)
    parts = dict(part.split("=") for part in scenes.split.replace(" ", "").split(","))
    return float(parts.get(split, 0))
