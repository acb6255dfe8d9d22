"""SITE-Bench: six abilities over images and videos, with a score that guessing does not raise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from qa_eval.benchmarks.base import Benchmark, lettered
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.benchmarks.figures import chance_adjusted
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval
from qa_eval.parsers.vlmevalkit import VLMEVALKIT
from qa_eval.pictures import flat

CHOICES = "ABCDEF"
FORMS = (("({})",), (" {} ",), ("{}.",), ("{}:", ":{}", ": {}"))
"""Forms of a letter, the stronger ones first."""


def formed_letter(completion: str) -> str | None:
    """Take a letter in the strongest form that occurs; of several the last that stands between blanks.

    Notes
    -----
    Letters A to F are looked for; the public code takes those of the question's own options. It draws a letter at
    random where none occurs; here that is an answer that cannot be read.

    Examples
    --------
    >>> [formed_letter(text) for text in ("(B)", "it is C or D today", "A. left", "x:B", "left")]
    ['B', 'D', 'A', 'B', None]
    """
    text = f" {completion.strip()} "
    for forms in FORMS:
        if found := [letter for letter in CHOICES if any(form.format(letter) in text for form in forms)]:
            return max(found, key=lambda letter: text.rfind(f" {letter} "))
    return None


def read_site(path: Path) -> Columns:
    """Read the rows of the image or of the video part; the id is the position from 0 where there is none."""
    names = ("question", "options", "answer", "category")
    rows = read_published(path, names, optional=("id", "index", "dataset", "visual"), pictures=[("visual",)])
    n = len(rows["answer"])
    return {
        "id": rows.get("id") or rows.get("index") or list(range(n)),
        "question": rows["question"],
        "question_type": rows["category"],
        "ground_truth": rows["answer"],
        "options": [lettered(options) for options in rows["options"]],
        "group": rows.get("dataset") or [None] * n,
        "video": [next(flat(visual), None) for visual in rows.get("visual") or [None] * n],
        "pictures": rows["pictures"],
    }


def adjusted(rows: pl.DataFrame) -> Mapping[str, float]:
    """Chance-adjusted accuracy of all rows and of each category, where every row has its options."""
    if rows["options"].list.len().fill_null(0).min() in (None, 0):
        return {}
    names = rows["question_type"].unique(maintain_order=True).to_list()
    parts = {f"CAA {name}": rows.filter(pl.col("question_type") == name) for name in names}
    return {name: chance_adjusted(part) for name, part in {"CAA": rows, **parts}.items()}


OFFICIAL = letters_only("official", formed_letter, "wenqi-wang20/SITE-Bench, eval_scripts/sitebench/utils.py")

SITE_BENCH = Benchmark(
    name="site",
    description="SITE-Bench: accuracy; overall = mean of all questions; chance-adjusted accuracy (CAA) beside it",
    source="arXiv 2505.05456; franky-veteran/SITE-Bench; wenqi-wang20/SITE-Bench; CAA as VLMEvalKit",
    overall="rows",
    every_type="choice",
    file="rows with question, options, answer, category (dataset, id where they have them)",
    read=read_site,
    official=OFFICIAL,
    harnesses={**lmms_eval(OFFICIAL), "vlmevalkit": VLMEVALKIT},
    figures=adjusted,
    aliases=("sitebench",),
    log=LogColumns(question_type=("category",), group=("dataset",)),
)
