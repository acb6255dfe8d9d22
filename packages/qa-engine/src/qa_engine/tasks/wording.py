"""From chosen candidates to rows of the table `questions`, column by column."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.frame_lists import listed_frames
from qa_contract.tables import QUESTIONS

from qa_engine.arrays import Rows
from qa_engine.tasks import Task, answer_texts
from qa_engine.tasks.base import LETTERS, PLACEHOLDER, Candidates, all_orders, fill
from qa_engine.tasks.columns import gathered
from qa_engine.tasks.references import References
from qa_engine.tasks.screening import evidence_frames

PROMPT_ID = "vsi-bench"
"""Prompt that the trainer and the evaluator put around these questions."""


def signatures(task: Task, scene: Rows, roles: Rows, references: References) -> pl.Series:
    """Signature of each candidate: scene, question type and operands, in no particular order of options.

    Two questions that differ only in round, seed or the order of their options have the same signature.
    """
    keys = [_key(task, references, roles, k).alias(f"key_{k}") for k in range(len(task.roles))]
    parameters = [pl.lit(task.parameters)] if task.parameters else []
    parts = [pl.col("scene_name"), pl.lit(task.question_type), *(key.name for key in keys), *parameters]
    frame = pl.DataFrame([references.scene_name[scene].alias("scene_name"), *keys])
    return frame.select(pl.concat_str(parts, separator="|").alias("signature")).to_series()


def _key(task: Task, references: References, roles: Rows, k: int) -> pl.Series:
    """Write one role as part of a signature."""
    if k in task.roles_of_kind("frame"):
        return pl.Series(references.batch.frames.frame_id, dtype=pl.String)[roles[:, k]]
    if k in task.roles_of_kind("number"):
        return pl.Series(roles[:, k]).cast(pl.String)
    return references.column("key", roles[:, k])[roles[:, k]]


def word_questions(
    task: Task,
    found: Candidates,
    cells: Rows,
    references: References,
    *,
    seed: int,
    round: int,
    paraphrase: bool = False,
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
    paraphrase : bool
        Draw among all wordings of the task, in place of its own.

    Returns
    -------
    DataFrame with the columns of `questions`, and those of `details` that it lacks; `evidence_frames` is null where no
    frame set was looked at.
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
    elif task.text is not None:
        options = pl.lit(None, dtype=QUESTIONS["options"])
        truth = pl.Series(task.text(references.batch, scene, _in_shown_order(task, roles, order)), dtype=pl.String)
    else:
        options = pl.lit(None, dtype=QUESTIONS["options"])
        truth = pl.Series(answer_texts(answers.value.tolist(), task.answer_type), dtype=pl.String)
    evidence = pl.lit(None, dtype=QUESTIONS["evidence_frames"])
    if references.batch.frame_set_id is not None:
        evidence = evidence_frames(task, references.batch, scene, roles)
    scene_name = references.scene_name[scene].alias("scene_name")
    texts = (task.question, *task.wordings) if paraphrase else (task.question,)
    wording = (digests[:, 0] % np.uint64(len(texts))).astype(np.int64)
    columns = _operand_columns(task, roles, order, references, texts)
    frame = pl.DataFrame([scene_name, pl.Series("wording", wording), *columns])
    return frame.select(
        question_id=_hexadecimal(digests[:, 0]),
        dataset=references.dataset[scene],
        scene_name="scene_name",
        question_type=pl.lit(task.question_type),
        question=_worded(texts),
        options=options,
        ground_truth=truth,
        answer_type=pl.lit(task.answer_type),
        answer_value=_nullable(answers.value),
        answer_low=_nullable(answers.low),
        answer_high=_nullable(answers.high),
        unit=pl.lit(task.unit),
        program=fill(task.program),
        operands=references.operands(task, roles),
        margin=_nullable(answers.margin if task.text is None else np.full(len(found), np.nan)),
        margin_unit=pl.lit(task.margin_unit),
        cell=pl.Series(task.knob.cells)[cells],
        difficulty=_difficulty(found.difficulty),
        frame_set_id=_frame_sets(task, roles, references),
        evidence_frames=evidence,
        signature=signature,
        proposer=pl.lit("template"),
        prompt_id=pl.lit(prompt_of(task)),
        profile=pl.lit(references.profile),
        round=pl.lit(round, dtype=pl.Int32),
        seed=pl.lit(seed, dtype=pl.Int64),
        reference=pl.lit(references.batch.reference),
        wording=pl.col("wording").cast(pl.Int32),
        marks=references.marks(task, roles),
    )


def prompt_of(task: Task) -> str:
    """Name the prompt that goes around the questions of a type: by what is shown with them."""
    if task.answer_type == "json":
        return "video-json" if task.shows == "video" else "image-json"
    if task.shows == "video":
        return PROMPT_ID
    return "image" if len(task.roles_of_kind("frame")) == 1 else "images"


def _worded(texts: Sequence[str]) -> pl.Expr:
    """Fill the wording that the column `wording` names."""
    worded = fill(texts[-1])
    for k in range(len(texts) - 2, -1, -1):
        worded = pl.when(pl.col("wording") == k).then(fill(texts[k])).otherwise(worded)
    return worded


def _frame_sets(task: Task, roles: Rows, references: References) -> pl.Series | pl.Expr:
    """Name what is shown with each question: the frame set of the batch, or the frames of the roles themselves."""
    if task.shows == "video":
        return pl.lit(references.batch.frame_set_id, dtype=pl.String)
    ids = pl.Series(references.batch.frames.frame_id, dtype=pl.String)
    named = [ids[roles[:, k]].alias(f"frame_{k}") for k in task.roles_of_kind("frame")]
    return pl.select(listed_frames(named)).to_series()


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


def _nullable(values: np.ndarray) -> pl.Series:
    """Turn NaN into null."""
    return pl.Series(values, dtype=pl.Float64, nan_to_null=True)


def _operand_columns(
    task: Task, roles: Rows, order: Rows, references: References, texts: Sequence[str]
) -> list[pl.Series]:
    """Gather the columns that the task's wordings and its program use."""
    used = {name for text in (*texts, task.program) for name in PLACEHOLDER.findall(text)}
    columns = {name: (k, roles[:, k]) for k, name in enumerate(task.roles)}
    if task.listed:
        shown = np.take_along_axis(roles[:, task.listed], order, axis=1)
        columns |= {f"listed_{j}": (task.listed[j], shown[:, j]) for j in range(shown.shape[1])}
    return [
        references.written(task, roles, k, values, suffix).alias(name + suffix)
        for name, (k, values) in columns.items()
        for suffix in ("", "_id", "_literal")
        if name + suffix in used
    ]


def _in_shown_order(task: Task, roles: Rows, order: Rows) -> Rows:
    """Put the listed roles in the order in which the question lists them."""
    shown = roles.copy()
    shown[:, task.listed] = np.take_along_axis(roles[:, task.listed], order, axis=1)
    return shown


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
        flat = words.reshape(len(words), -1)
        texts, places = references.texts(task, task.listed[0], flat, roles)
        texts = texts.gather(places.ravel()).reshape((words.size // words.shape[2], words.shape[2]))
        texts, places = texts.arr.join(", "), np.arange(shown.size).reshape(shown.shape)
    elif task.options.fixed:
        texts, places = pl.Series(task.options.fixed), shown
    else:
        codes = np.take_along_axis(roles[:, task.listed], shown, axis=1)
        texts, places = references.texts(task, task.listed[0], codes, roles)
    lettered = pl.concat([LETTERS[j] + ". " + texts for j in range(task.n_options)])
    return gathered(lettered, places + np.arange(task.n_options) * len(texts))


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
