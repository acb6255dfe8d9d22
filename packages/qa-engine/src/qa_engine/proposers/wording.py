"""From chosen candidates to rows of the table `questions`, column by column."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import polars as pl

from qa_engine.facts import Facts
from qa_engine.tables import QUESTIONS
from qa_engine.tasks import Task, answer_texts
from qa_engine.tasks.base import LETTERS, PLACEHOLDER, Candidates, Rows, fill

PROMPT_ID = "vsi-bench"
"""Prompt that the trainer and the evaluator put around these questions."""


class References:
    """The categories of some scenes as one table, so that a category code of a scene becomes a row number.

    Parameters
    ----------
    facts : sequence of Facts
        The scenes.

    Attributes
    ----------
    offset : list of int
        Row of each scene's first category.
    scene_name, dataset : Series
        One per scene.
    category, literal, key : Series
        One per row: the name, the name in quotes for programs, and the name as part of a signature.
    instance_ids, instance_id : Series
        All instances of the category, and the first of them.
    """

    def __init__(self, facts: Sequence[Facts]) -> None:
        names = [name for part in facts for name in part.categories]
        ids = [part.scene.instance_id[rows].tolist() for part in facts for rows in part.members]
        sizes = np.array([len(part.categories) for part in facts], dtype=np.int64)
        self.offset = (np.cumsum(sizes) - sizes).tolist()
        self.profile = facts[0].profile if facts else "exact"
        self.scene_name = pl.Series([part.scene.scene_name for part in facts], dtype=pl.String)
        self.dataset = pl.Series([part.scene.dataset for part in facts], dtype=pl.String)
        self.category = pl.Series(names, dtype=pl.String)
        self.literal = pl.Series([json.dumps(name, ensure_ascii=False) for name in names], dtype=pl.String)
        self.key = pl.Series([signature_key(name) for name in names], dtype=pl.String)
        self.instance_ids = pl.Series(ids, dtype=pl.List(pl.Int64))
        self.instance_id = pl.Series([rows[0] if rows else None for rows in ids], dtype=pl.Int64)


def signature_key(name: str) -> str:
    r"""Escape a category for a signature, whose parts stand between bars.

    Examples
    --------
    >>> signature_key("a|b")
    'a\\|b'
    """
    return name.replace("\\", "\\\\").replace("|", "\\|")


def scene_signatures(task: Task, facts: Facts, candidates: Candidates) -> pl.Series:
    """Signature of each candidate of one scene: scene, question type and operands, in no particular order of options.

    Two questions that differ only in round, seed or the order of their options have the same signature.
    """
    references = References([facts])
    columns = {f"key_{k}": references.key[candidates.roles[:, k]] for k in range(len(task.roles))}
    frame = pl.DataFrame({"candidate": range(len(candidates)), **columns})
    return frame.with_columns(_signature(task, pl.lit(facts.scene.scene_name)))["signature"]


def _signature(task: Task, scene_name: pl.Expr) -> pl.Expr:
    keys = [f"key_{k}" for k in range(len(task.roles))]
    return pl.concat_str([scene_name, pl.lit(task.question_type), *keys], separator="|").alias("signature")


def word_questions(
    task: Task,
    parts: Sequence[Candidates],
    cells: Rows,
    order: Rows,
    references: References,
    *,
    seed: int,
    round: int,
) -> pl.DataFrame:
    """Write the questions of one task over some scenes.

    Parameters
    ----------
    task : Task
    parts : sequence of Candidates
        One per scene, as in `references`.
    cells : (n,) int64
        Cell of each candidate, over all parts.
    order : (n, task.n_shown) int64
        What stands in each place of the list of options or operands.
    references : References
    seed, round : int

    Returns
    -------
    DataFrame with the columns of `questions`; `frame_set_id` and `evidence_frames` are null.
    """
    sizes = [len(part) for part in parts]
    scene = np.repeat(np.arange(len(parts)), sizes)
    roles = np.concatenate([part.roles + start for part, start in zip(parts, references.offset, strict=True)])
    frame = pl.DataFrame({"scene_name": references.scene_name[scene], "dataset": references.dataset[scene]})
    frame = frame.with_columns(_operand_columns(task, roles, order, references))
    answer = _joined(parts, "answer").astype(np.int64)
    if task.answer_type == "choice":
        texts = [_option_text(task, roles, order[:, j], references) for j in range(task.n_shown)]
        options = pl.concat_list([LETTERS[j] + ". " + text for j, text in enumerate(texts)])
        truth = pl.Series(list(LETTERS[: task.n_shown]))[np.argmax(order == answer[:, None], axis=1)]
    else:
        options = pl.lit(None, dtype=QUESTIONS["options"])
        truth = pl.Series(answer_texts(_joined(parts, "value").tolist(), task.answer_type))
    margin = _joined(parts, "margin")
    frame = frame.with_columns(
        question_type=pl.lit(task.question_type),
        question=fill(task.question),
        options=options,
        ground_truth=truth,
        answer_type=pl.lit(task.answer_type),
        answer_value=_nullable(_joined(parts, "value")),
        answer_low=_nullable(_joined(parts, "low")),
        answer_high=_nullable(_joined(parts, "high")),
        unit=pl.lit(task.unit),
        program=fill(task.program),
        operands=_operands(task, roles, references),
        margin=_nullable(margin),
        margin_unit=pl.lit(task.margin_unit),
        cell=pl.Series(task.knob.cells)[cells],
        difficulty=_difficulty(parts),
        frame_set_id=pl.lit(None, dtype=pl.String),
        evidence_frames=pl.lit(None, dtype=QUESTIONS["evidence_frames"]),
        signature=_signature(task, pl.col("scene_name")),
        proposer=pl.lit("template"),
        prompt_id=pl.lit(PROMPT_ID),
        profile=pl.lit(references.profile),
        round=pl.lit(round, dtype=pl.Int32),
        seed=pl.lit(seed, dtype=pl.Int64),
    )
    ids = [question_id(text, round=round, seed=seed) for text in frame["signature"]]
    return frame.with_columns(question_id=pl.Series(ids, dtype=pl.String)).select(list(QUESTIONS))


def question_id(signature: str, *, round: int, seed: int) -> str:
    """Make the id of a question, unique over rounds and seeds.

    Examples
    --------
    >>> len(question_id("scene|object_counting|chair", round=0, seed=1))
    16
    """
    return hashlib.sha256(f"{signature}|{round}|{seed}".encode()).hexdigest()[:16]


def _joined(parts: Sequence[Candidates], name: str) -> np.ndarray:
    return np.concatenate([getattr(part.answers, name) for part in parts])


def _nullable(values: np.ndarray) -> pl.Series:
    """Turn NaN into null."""
    return pl.Series(values, dtype=pl.Float64, nan_to_null=True)


def _operand_columns(task: Task, roles: Rows, order: Rows, references: References) -> list[pl.Series]:
    """Gather the columns that the task's wording uses, and the keys of the signature."""
    rows = {name: roles[:, k] for k, name in enumerate(task.roles)}
    if task.listed:
        shown = np.take_along_axis(roles[:, task.listed], order, axis=1)
        rows |= {f"listed_{j}": shown[:, j] for j in range(shown.shape[1])}
    used = {*PLACEHOLDER.findall(task.question), *PLACEHOLDER.findall(task.program)}
    sources = {"": references.category, "_id": references.instance_id, "_literal": references.literal}
    columns = [
        source[places].alias(name + suffix)
        for name, places in rows.items()
        for suffix, source in sources.items()
        if name + suffix in used
    ]
    keys = [references.key[roles[:, k]].alias(f"key_{k}") for k in range(len(task.roles))]
    return columns + keys


def _option_text(task: Task, roles: Rows, place: Rows, references: References) -> pl.Series:
    """Text of the option in one place of the list."""
    if task.choices:
        return pl.Series(list(task.choices))[place]
    return references.category.gather(roles[np.arange(len(roles)), np.array(task.listed)[place]])


def _operands(task: Task, roles: Rows, references: References) -> pl.Expr:
    """List the operands with role, category and instances."""
    if not task.roles:
        return pl.lit([], dtype=QUESTIONS["operands"])
    structs = [
        pl.struct(
            pl.lit(name).alias("role"),
            references.category[roles[:, k]].alias("category"),
            references.instance_ids[roles[:, k]].alias("instance_ids"),
        )
        for k, name in enumerate(task.roles)
    ]
    return pl.concat_list(structs)


def _difficulty(parts: Sequence[Candidates]) -> pl.Expr:
    """Pack the knobs; those that the task does not have are null."""
    known = parts[0].difficulty
    dtype = QUESTIONS["difficulty"]
    fields = []
    for field in dtype.fields:
        if field.name in known:
            values = np.concatenate([part.difficulty[field.name] for part in parts])
            fields.append(pl.Series(field.name, values).cast(field.dtype))
        else:
            fields.append(pl.lit(None, dtype=field.dtype).alias(field.name))
    return pl.struct(fields)
