"""Pools: useful questions of the generator, and useless ones beside them, each with its flag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from qa_contract.files import output_folder, write_json
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import OBJECTS, POOL_FLAGS, QUESTIONS

from qa_loop.experiment.noise import wrong_answers
from qa_loop.experiment.waste import WASTE, renamed, trivial

PRODUCER = "qa-loop experiment"
USEFUL, WRONG = "useful", "wrong"
"""Kinds of pool questions beside those of `WASTE`."""


@dataclass(frozen=True)
class PoolSize:
    """How large a pool is.

    Attributes
    ----------
    useful, panel : int
        Questions of the generator: offered, and kept apart.
    waste : float
        Share of the pool that is useless.
    kinds : mapping of str to float
        Proportions of the kinds of waste.
    """

    useful: int
    panel: int
    waste: float
    kinds: Mapping[str, float]

    @property
    def useless(self) -> int:
        """How many useless questions there are."""
        return round(self.useful * self.waste / (1 - self.waste))

    def of_kinds(self) -> dict[str, int]:
        """How many of each kind.

        Examples
        --------
        >>> PoolSize(100, 10, 0.5, {"duplicate": 1, "trivial": 3}).of_kinds()
        {'duplicate': 25, 'trivial': 75}
        """
        edges = np.rint(np.cumsum(list(self.kinds.values())) / sum(self.kinds.values()) * self.useless).astype(int)
        return dict(zip(self.kinds, np.diff(edges, prepend=0).tolist(), strict=True))

    @property
    def drawn(self) -> int:
        """Questions that the generator is asked for: those told by their text are searched among further ones."""
        return self.useful + self.panel + 2 * self.of_kinds().get("blind", 0)


def write_warmup(drawn: Path, out: Path, share: float, *, seed: int) -> None:
    """Make a share of drawn questions trivial; the model of every arm begins with these."""
    questions = read_table(drawn, "questions", QUESTIONS)
    rng = np.random.default_rng([seed, 2])
    n = round(share * len(questions))
    made = renamed(trivial(questions, n, rng), "trivial")
    kept = questions[np.sort(rng.permutation(len(questions))[n:]).tolist()]
    with output_folder(out, force=True) as folder:
        metadata = table_metadata("questions", PRODUCER, {"trivial": share}, seed)
        write_table(pl.concat([kept, made]), folder / "questions.parquet", QUESTIONS, metadata)


def write_pool(drawn: Path, truth: Path, store: Path, out: Path, size: PoolSize, *, seed: int) -> None:
    """Write a pool: `all` and `oracle` (questions), `panel` (questions), `pool_flags.parquet`, `pool.json`.

    Parameters
    ----------
    drawn : Path
        Questions of the generator, `size.drawn` of them or as many as there are.
    truth : Path
        All questions of the store without wrong boxes.
    store : Path
        The store that `drawn` is about; `wrong.parquet` there names its wrong boxes.
    out : Path
    size : PoolSize
    seed : int

    Notes
    -----
    Panel questions are drawn like the others, wrong boxes included, since nobody knows the flags. What a kind of waste
    lacks is made up by trivial questions.
    """
    rng = np.random.default_rng([seed, 3])
    given = read_table(drawn, "questions", QUESTIONS)
    rows = given[rng.permutation(len(given)).tolist()]
    panel, useful, spare = rows[: size.panel], rows[size.panel :][: size.useful], rows[size.panel + size.useful :]
    wanted, parts = size.of_kinds(), [(USEFUL, useful)]
    for kind, count in wanted.items():
        source = spare if kind == "blind" else useful
        parts.append((kind, renamed(WASTE[kind](source, count, rng), kind)))
    if missing := sum(wanted.values()) - sum(len(part) for _, part in parts[1:]):
        parts.append(("trivial", renamed(trivial(useful, missing, rng), "filling")))
    whole = pl.concat([part.with_columns(kind=pl.lit(kind)) for kind, part in parts])
    whole = whole[rng.permutation(len(whole)).tolist()]
    if (store / "wrong.parquet").is_file():
        wrong = read_table(store / "wrong.parquet", "objects", OBJECTS, columns=["scene_name", "instance_id"])
        bad = wrong_answers(whole.drop("kind"), read_table(truth, "questions", QUESTIONS), wrong)
        is_wrong = bad & (whole["kind"] == USEFUL)
        whole = whole.with_columns(kind=pl.when(is_wrong).then(pl.lit(WRONG)).otherwise("kind"))
    counts = dict(whole["kind"].value_counts().sort("kind").iter_rows())
    with output_folder(out, force=True) as folder:
        config = {"waste": size.waste, "kinds": dict(size.kinds), "useful": size.useful, "panel": size.panel}
        metadata = table_metadata("questions", PRODUCER, config, seed)
        oracle = whole.filter(kind=USEFUL)
        for name, table in (("all", whole), ("oracle", oracle), ("panel", panel)):
            write_table(table.select(list(QUESTIONS)), folder / name / "questions.parquet", QUESTIONS, metadata)
        flags = whole.select("question_id", "kind")
        about = table_metadata("pool_flags", PRODUCER, config, seed)
        write_table(flags, folder / "pool_flags.parquet", POOL_FLAGS, about)
        write_json(
            folder / "pool.json", {"kinds": counts, "panel": len(panel), "short": max(size.drawn - len(given), 0)}
        )
