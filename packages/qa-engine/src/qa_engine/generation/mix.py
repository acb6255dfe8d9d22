"""Questions of several proposers put together: each gives its share, and what one lacks the others fill up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import polars as pl
from qa_contract.files import output_folder, write_json
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import CHOICES, QUESTIONS, REJECTS

from qa_engine.generation.inputs import table_digest
from qa_engine.generation.llm.checks import stored_key
from qa_engine.seeding import scene_rng

PRODUCER = "qa-engine mix"


class MixReason(StrEnum):
    """Why a question of a proposer is refused: the closed list of stage `mix`."""

    ASKED_BEFORE = "asked_before"
    DUPLICATE = "duplicate"


@dataclass(frozen=True)
class Share:
    """What came of one source: questions wanted of it, offered by it, refused, and taken."""

    source: str
    share: int
    offered: int
    refused: int
    taken: int


@dataclass(frozen=True)
class Mixed:
    """Questions taken, rejects, and what came of each source in the order given."""

    questions: pl.DataFrame
    rejects: pl.DataFrame
    shares: list[Share]


def mix(
    sources: Sequence[tuple[str, pl.DataFrame]],
    take: Sequence[int],
    *,
    earlier: pl.DataFrame | None = None,
    seed: int = 0,
    round: int = 0,
) -> Mixed:
    """Take the first questions of every source, shuffled into one table.

    Two questions about a scene whose programs mean the same are one. Of those the source keeps it that has the least to
    spare; what all sources lack in total is filled up by the one that has the most.

    Parameters
    ----------
    sources : sequence of (name, DataFrame)
        Columns of `questions`.
    take : sequence of int
        Questions wanted of each.
    earlier : DataFrame, optional
        scene_name, program of questions that are not asked again.
    seed, round : int
        Of the order.

    Examples
    --------
    >>> table = pl.DataFrame([{"question_id": str(i), "scene_name": "s", "program": f"count('{i}')"} for i in range(4)])
    >>> empty = pl.DataFrame(schema=table.schema)
    >>> [(share.source, share.taken) for share in mix([("llm", empty), ("template", table)], [2, 1]).shares]
    [('llm', 0), ('template', 3)]
    """
    spare = [len(table) - n for (_, table), n in zip(sources, take, strict=True)]
    order = sorted(range(len(sources)), key=lambda k: (spare[k], k))
    known = {} if earlier is None else dict.fromkeys(_keys(earlier), "")
    kept: dict[int, pl.DataFrame] = {}
    rejects: list[tuple[str, ...]] = []
    for k in order:
        table, keep = sources[k][1], []
        named = table.select("question_id", "scene_name").iter_rows()
        for (question_id, scene_name), key in zip(named, _keys(table), strict=True):
            first = known.setdefault(key, question_id)
            keep.append(first == question_id)
            if not keep[-1]:
                reason = MixReason.DUPLICATE if first else MixReason.ASKED_BEFORE
                detail = f"its program means the same as that of question {first}" if first else "an earlier round's"
                rejects.append((question_id, scene_name, str(reason), detail))
        kept[k] = table.filter(pl.Series(keep, dtype=pl.Boolean))
    taken = {k: min(n, len(kept[k])) for k, n in enumerate(take)}
    lacking = sum(take) - sum(taken.values())
    for k in reversed(order):
        more = min(lacking, len(kept[k]) - taken[k])
        taken[k] += more
        lacking -= more
    table = pl.concat([kept[k].head(taken[k]) for k in range(len(sources))])
    shuffled = table[scene_rng(seed, "", "mix/shuffle", round).permutation(len(table))]
    shares = [
        Share(name, take[k], len(rows), len(rows) - len(kept[k]), taken[k]) for k, (name, rows) in enumerate(sources)
    ]
    refused = pl.DataFrame(rejects, schema=["item", "scene_name", "reason", "detail"], orient="row")
    return Mixed(shuffled, refused, shares)


def _keys(questions: pl.DataFrame) -> list[str]:
    """Name what each question computes about which scene; a program that is not in the language is itself."""
    return [
        f"{scene}|{stored_key(program)}" for scene, program in questions.select("scene_name", "program").iter_rows()
    ]


def write_mixed(
    sources: Sequence[Path],
    take: Sequence[int],
    out: Path,
    *,
    exclude: Sequence[Path] = (),
    seed: int = 0,
    round: int = 0,
    force: bool = False,
) -> Mixed:
    """Put tables of questions together into a folder: `questions`, `choices`, `rejects`, `manifest.json`."""
    tables = [(path.name, read_table(path, "questions", QUESTIONS)) for path in sources]
    earlier = [read_table(path, "questions", QUESTIONS, columns=["scene_name", "program"]) for path in exclude]
    mixed = mix(tables, take, earlier=pl.concat(earlier) if earlier else None, seed=seed, round=round)
    config = {"take": list(take), "round": round, "sources": [table_digest(table) for _, table in tables]}
    config |= {"exclude": [table_digest(table) for table in earlier]}
    rejects = mixed.rejects.with_columns(
        stage=pl.lit("mix"), question_type=pl.lit(None, pl.String), signature=pl.lit(None, pl.String)
    ).select(pl.col(name).cast(kind) for name, kind in REJECTS.items())
    whys = [read_table(path, "choices", CHOICES) for path in sources if list(path.glob("choices*.parquet"))]
    choices = pl.concat([pl.DataFrame(schema=dict(CHOICES)), *whys])
    with output_folder(out, force=force) as folder:
        metadata = table_metadata("questions", PRODUCER, config, seed)
        write_table(mixed.questions, folder / "questions.parquet", QUESTIONS, metadata)
        write_table(rejects, folder / "rejects.parquet", REJECTS, metadata | {"table": "rejects"})
        of_kept = mixed.questions.select("question_id").join(choices, on="question_id", maintain_order="left")
        write_table(of_kept.select(list(CHOICES)), folder / "choices.parquet", CHOICES, metadata | {"table": "choices"})
        write_json(
            folder / "manifest.json",
            {
                "command": PRODUCER,
                "run_id": metadata["run_id"],
                "config": config,
                "questions": len(mixed.questions),
                "sources": [vars(share) for share in mixed.shares],
            },
        )
    return mixed
