"""All-Angles Bench: questions over several cameras, most of them in pairs that ask the same in other words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from qa_eval.benchmarks.base import Benchmark, unique_ids
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only

CHOICES = "ABC"
NOISE = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
REFUSALS = (
    *("Sorry, I can't help with images of people yet.", "I can't process this file."),
    *("I'm sorry, but without the image provided", "Cannot determine the answer"),
    "Failed to obtain answer via API",
)


def lone_letter(completion: str) -> str | None:
    """Take the one letter that is a word of its own; the harness then looks for the text of an option, too.

    Examples
    --------
    >>> [lone_letter(text) for text in ("(B)", "The answer is **C**.", "A or B", "left")]
    ['B', 'C', None, None]
    """
    if any(text in completion for text in REFUSALS):
        return None
    words = completion.translate(NOISE).split()
    found = [letter for letter in CHOICES if letter in words]
    return found[0] if len(found) == 1 else None


def read_all_angles(path: Path) -> Columns:
    """Read ``data.json`` or the TSV of VLMEvalKit; `pair_idx` names the other question of a pair."""
    names = ("index", "question", "A", "B", "C", "answer", "category")
    rows = read_published(path, names, optional=("pair_idx", "folder"), pictures=[("image_path",), ("image",)])
    ids = [str(value) for value in unique_ids(rows["index"], path)]
    others = ["" if other is None else str(other) for other in rows.get("pair_idx") or [None] * len(ids)]
    known = set(ids)
    texts = [[(letter, rows[letter][i]) for letter in CHOICES] for i in range(len(ids))]
    found: Columns = {
        "id": ids,
        "question": rows["question"],
        "question_type": rows["category"],
        "ground_truth": rows["answer"],
        "options": [[f"{a}. {t}" for a, t in listed if t not in (None, "")] for listed in texts],
        "group": [
            "|".join(sorted((own, other))) if other in known and other != own else None
            for own, other in zip(ids, others, strict=True)
        ],
        "pictures": rows["pictures"],
    }
    return found | ({"scene_name": rows["folder"]} if "folder" in rows else {})


def pairs(rows: pl.DataFrame) -> Mapping[str, float]:
    """Shares of the pairs of which both, one or none is right; pairs with one row alone are left out."""
    right = rows.drop_nulls("group").group_by("group").agg(pl.len(), pl.col("score").sum().alias("right"))
    counts = right.filter(pl.col("len") == 2)["right"].to_numpy()
    names = {"pairs, both right": 2, "pairs, one right": 1, "pairs, both wrong": 0}
    return {name: float((counts == n).mean()) for name, n in names.items()} if len(counts) else {}


ALL_ANGLES = Benchmark(
    name="all-angles",
    description="All-Angles Bench: accuracy; overall = mean of all questions; 6 categories, and the pairs of which "
    "both, one or none is right, beside it",
    source="arXiv 2504.15280; ch-chenyu/All-Angles-Bench; Chenyu-Wang567/All-Angles-Bench, VLMEvalkit "
    "(can_infer_option)",
    overall="rows",
    columns={"CC": "pairs, both right", "IC": "pairs, one right", "WW": "pairs, both wrong"},
    every_type="choice",
    file="data.json or TSV: index, question, A, B, C, answer, category, pair_idx, image_path (folder)",
    read=read_all_angles,
    official=letters_only("official", lone_letter, "Chenyu-Wang567/All-Angles-Bench, vlmeval/utils/matching_util.py"),
    figures=pairs,
    aliases=("allanglesbench",),
    log=LogColumns(question_type=("category",)),
)
