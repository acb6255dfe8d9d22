"""From chosen candidates to rows of the table `questions`, column by column."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.tables import QUESTIONS

from qa_engine.arrays import Rows
from qa_engine.facts.batch import Batch
from qa_engine.tasks import Task, answer_texts
from qa_engine.tasks.base import LETTERS, PLACEHOLDER, Candidates, all_orders, fill
from qa_engine.tasks.columns import lists_of
from qa_engine.tasks.screening import evidence_frames

PROMPT_ID = "vsi-bench"
"""Prompt that the trainer and the evaluator put around these questions."""


class References:
    """Names and instances of the categories of a batch, as columns that category codes are looked up in.

    Parameters
    ----------
    batch : Batch

    Attributes
    ----------
    batch : Batch
    scene_name, dataset : Series
        One per scene.
    category, literal, key : Series
        One per category: the name, the name in quotes for programs, and the name as part of a signature.
    instance_ids, instance_id : Series
        All instances of the category, and the first of them.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.profile = batch.profile
        self.scene_name = pl.Series(batch.scene_name, dtype=pl.String)
        self.dataset = pl.Series([part.scene.dataset for part in batch.facts], dtype=pl.String)
        self.category = pl.Series(batch.categories, dtype=pl.String)
        self.literal = _mapped(self.category, lambda name: json.dumps(name, ensure_ascii=False))
        self.key = _mapped(self.category, signature_key)
        self.instance_ids = lists_of(pl.Series(batch.instance_id[batch.by_code]), batch.boxes)
        self.instance_id = self.instance_ids.list.first()

    @cached_property
    def seen_ids(self) -> pl.Series:
        """Instances of each category that the frame set shows well enough."""
        seen = self.batch.by_code[self.batch.best_place[self.batch.by_code] >= 0]
        return lists_of(pl.Series(self.batch.instance_id[seen]), self.batch.recognised)

    def operands(self, task: Task, roles: Rows) -> pl.Series:
        """List the operands with role, category and instances; `roles` (n, r) are rows of this table."""
        if not task.roles:
            return pl.Series([[]], dtype=QUESTIONS["operands"]).new_from_index(0, len(roles))
        instances = self.seen_ids if task.basis.shown == "seen" else self.instance_ids
        by_role = pl.DataFrame(
            {
                "role": pl.Series(task.roles).gather(np.repeat(np.arange(len(task.roles)), len(self.category))),
                "category": pl.concat([self.category] * len(task.roles)),
                "instance_ids": pl.concat([instances] * len(task.roles)),
            }
        )
        places = roles + np.arange(len(task.roles)) * len(self.category)
        return _lists(by_role.to_struct("operands"), places)


def signature_key(name: str) -> str:
    r"""Escape a category for a signature, whose parts stand between bars.

    Examples
    --------
    >>> signature_key("a|b")
    'a\\|b'
    """
    return name.replace("\\", "\\\\").replace("|", "\\|")


def _mapped(names: pl.Series, write: Callable[[str], str]) -> pl.Series:
    """Write each name in another form; the few different ones once."""
    written = {name: write(name) for name in names.unique().to_list()}
    return pl.Series([written[name] for name in names.to_list()], dtype=pl.String)


def signatures(task: Task, scene: Rows, roles: Rows, references: References) -> pl.Series:
    """Signature of each candidate: scene, question type and operands, in no particular order of options.

    Two questions that differ only in round, seed or the order of their options have the same signature.
    """
    keys = [references.key[roles[:, k]].alias(f"key_{k}") for k in range(len(task.roles))]
    parameters = [pl.lit(task.parameters)] if task.parameters else []
    parts = [pl.col("scene_name"), pl.lit(task.question_type), *(key.name for key in keys), *parameters]
    frame = pl.DataFrame([references.scene_name[scene].alias("scene_name"), *keys])
    return frame.select(pl.concat_str(parts, separator="|").alias("signature")).to_series()


def word_questions(
    task: Task, found: Candidates, cells: Rows, references: References, *, seed: int, round: int
) -> pl.DataFrame:
    """Write the questions of one task.

    Parameters
    ----------
    task : Task
    found : Candidates
    cells : (n,) int64
        Cell of each candidate.
    references : References
        Of the batch of the candidates.
    seed, round : int

    Returns
    -------
    DataFrame with the columns of `questions`; `evidence_frames` is null where no frame set was looked at.
    """
    scene, roles, answers = found.scene, found.roles[:, : len(task.roles)], found.answers
    signature = signatures(task, scene, roles, references)
    digests = question_digests(signature, round=round, seed=seed)
    order = shown_order(digests[:, 1], len(task.listed))
    answer = answers.answer
    if task.answer_type == "choice":
        shown = _shown(task, digests, order, answer)
        options = _options(task, roles, shown, references)
        truth = pl.Series(list(LETTERS[: task.n_options]))[np.argmax(shown == answer[:, None], axis=1)]
    else:
        options = pl.lit(None, dtype=QUESTIONS["options"])
        truth = pl.Series(answer_texts(answers.value.tolist(), task.answer_type), dtype=pl.String)
    evidence = pl.lit(None, dtype=QUESTIONS["evidence_frames"])
    if references.batch.frame_set_id is not None:
        evidence = evidence_frames(task, references.batch, scene, roles)
    scene_name = references.scene_name[scene].alias("scene_name")
    frame = pl.DataFrame([scene_name, *_operand_columns(task, roles, order, references)])
    return frame.select(
        question_id=_hexadecimal(digests[:, 0]),
        dataset=references.dataset[scene],
        scene_name="scene_name",
        question_type=pl.lit(task.question_type),
        question=fill(task.question),
        options=options,
        ground_truth=truth,
        answer_type=pl.lit(task.answer_type),
        answer_value=_nullable(answers.value),
        answer_low=_nullable(answers.low),
        answer_high=_nullable(answers.high),
        unit=pl.lit(task.unit),
        program=fill(task.program),
        operands=references.operands(task, roles),
        margin=_nullable(answers.margin),
        margin_unit=pl.lit(task.margin_unit),
        cell=pl.Series(task.knob.cells)[cells],
        difficulty=_difficulty(found.difficulty),
        frame_set_id=pl.lit(references.batch.frame_set_id, dtype=pl.String),
        evidence_frames=evidence,
        signature=signature,
        proposer=pl.lit("template"),
        prompt_id=pl.lit(PROMPT_ID),
        profile=pl.lit(references.profile),
        round=pl.lit(round, dtype=pl.Int32),
        seed=pl.lit(seed, dtype=pl.Int64),
    )


def question_digests(signatures: pl.Series, *, round: int, seed: int) -> NDArray[np.uint64]:
    """Hash each question with round and seed: what its id and the order of its options are taken from.

    Returns
    -------
    (n, 4) uint64
        SHA-256 of "signature|round|seed", so that a question is the same whatever else is asked with it.
    """
    digest = hashlib.sha256
    texts = (signatures + f"|{round}|{seed}").cast(pl.Binary).to_list()
    return np.frombuffer(b"".join([digest(text).digest() for text in texts]), dtype=">u8").reshape(-1, 4)


def question_id(signature: str, *, round: int, seed: int) -> str:
    """Make the id of a question, unique over rounds and seeds.

    Examples
    --------
    >>> len(question_id("scene|object_counting|chair", round=0, seed=1))
    16
    """
    return _hexadecimal(question_digests(pl.Series([signature]), round=round, seed=seed)[:, 0])[0]


def shown_order(digests: NDArray[np.uint64], n_shown: int) -> Rows:
    """Draw a permutation for each question, all alike likely.

    Parameters
    ----------
    digests : (n,) uint64
    n_shown : int
        Length of the permutations.

    Returns
    -------
    (n, n_shown) int64

    Examples
    --------
    >>> shown_order(np.array([0, 1, 2], dtype=np.uint64), 2).tolist()
    [[0, 1], [1, 0], [0, 1]]
    """
    table = all_orders(n_shown)
    return table[(digests % np.uint64(len(table))).astype(np.int64)]


def _hexadecimal(digests: NDArray[np.uint64]) -> pl.Series:
    """Write 64-bit numbers as 16 hexadecimal digits."""
    text = np.ascontiguousarray(digests, dtype=">u8").tobytes().hex()
    return pl.Series([text[i : i + 16] for i in range(0, len(text), 16)], dtype=pl.String)


def _lists(values: pl.Series, places: Rows) -> pl.Series:
    """Gather `values` at `places` (n, k) into n lists of length k."""
    return values.gather(places.ravel()).reshape(places.shape).arr.to_list()


def _nullable(values: np.ndarray) -> pl.Series:
    """Turn NaN into null."""
    return pl.Series(values, dtype=pl.Float64, nan_to_null=True)


def _operand_columns(task: Task, roles: Rows, order: Rows, references: References) -> list[pl.Series]:
    """Gather the columns that the task's wordings use."""
    rows = {name: roles[:, k] for k, name in enumerate(task.roles)}
    if task.listed:
        shown = np.take_along_axis(roles[:, task.listed], order, axis=1)
        rows |= {f"listed_{j}": shown[:, j] for j in range(shown.shape[1])}
    used = {*PLACEHOLDER.findall(task.question), *PLACEHOLDER.findall(task.program)}
    sources = {"": references.category, "_id": references.instance_id, "_literal": references.literal}
    return [
        source[places].alias(name + suffix)
        for name, places in rows.items()
        for suffix, source in sources.items()
        if name + suffix in used
    ]


def _shown(task: Task, digests: NDArray[np.uint64], order: Rows, answer: Rows) -> Rows:
    """Choose which answers the options are, in the order shown, (n, n_options)."""
    if not task.options.offered:
        return shown_order(digests[:, 1], len(task.options.fixed)) if task.options.fixed else order
    pool = len(all_orders(len(task.listed))) if task.options.orders else len(task.options.fixed)
    others = (answer[:, None] + 1 + _draw(digests[:, 2], task.options.offered - 1, pool - 1)) % pool
    shown = np.concatenate([answer[:, None], others], axis=1)
    return np.take_along_axis(shown, shown_order(digests[:, 3], task.options.offered), axis=1)


def _draw(digests: NDArray[np.uint64], k: int, n: int) -> Rows:
    """Draw `k` different numbers below `n` for each digest, (len(digests), k)."""
    drawn = np.zeros((len(digests), 0), dtype=np.int64)
    for i in range(k):
        number = (digests % np.uint64(n - i)).astype(np.int64)
        digests = digests // np.uint64(n - i)
        for earlier in np.sort(drawn, axis=1).T:  # the number counts what is not drawn yet
            number = number + (number >= earlier)
        drawn = np.concatenate([drawn, number[:, None]], axis=1)
    return drawn


def _options(task: Task, roles: Rows, shown: Rows, references: References) -> pl.Series:
    """List the options of each question, in the order shown."""
    if task.options.orders:
        listed = roles[:, None, task.listed]
        words = np.take_along_axis(
            np.repeat(listed, task.n_options, axis=1), all_orders(len(task.listed))[shown], axis=2
        )
        texts = references.category.gather(words.ravel()).reshape((words.size // words.shape[2], words.shape[2]))
        texts, places = texts.arr.join(", "), np.arange(shown.size).reshape(shown.shape)
    elif task.options.fixed:
        texts, places = pl.Series(task.options.fixed), shown
    else:
        texts, places = references.category, np.take_along_axis(roles[:, task.listed], shown, axis=1)
    lettered = pl.concat([LETTERS[j] + ". " + texts for j in range(task.n_options)])
    return _lists(lettered, places + np.arange(task.n_options) * len(texts))


def _difficulty(known: Mapping[str, np.ndarray]) -> pl.Expr:
    """Pack the knobs; those that the task does not have are null."""
    dtype = QUESTIONS["difficulty"]
    fields = []
    for field in dtype.fields:
        if field.name in known:
            fields.append(pl.Series(field.name, known[field.name]).cast(field.dtype))
        else:
            fields.append(pl.lit(None, dtype=field.dtype).alias(field.name))
    return pl.struct(fields)
