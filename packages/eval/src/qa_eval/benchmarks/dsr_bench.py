"""3DSRBench: height, location, orientation and several objects, also with flipped pictures and turned options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from qa_eval.benchmarks.base import Benchmark, unique_ids
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.benchmarks.figures import all_right, by_types
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval

TYPES = {
    "height": ("height_higher",),
    "location": ("location_above", "location_closer_to_camera", "location_next_to"),
    "orientation": ("orientation_in_front_of", "orientation_on_the_left", "orientation_viewpoint"),
    "multi_object": (
        *("multi_object_closer_to", "multi_object_facing", "multi_object_viewpoint_towards_object"),
        *("multi_object_parallel", "multi_object_same_direction"),
    ),
}
PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        *(r"^([A-D])[\.\s\)]", r"^([A-D])$", r"[Aa]nswer[:\s]+([A-D])", r"[Tt]he answer is[:\s]+([A-D])"),
        *(r"[Mm]y answer is[:\s]+([A-D])", r"\(([A-D])\)", r"([A-D])\.", r"\b([A-D])\b"),
    )
)
BASE = 8
"""Characters of a question's id before its variant: ``VIN6MS3J-flip-1``."""
FLIP = "-flip"


def ordered_letter(completion: str) -> str | None:
    """Take the letter of the first of eight patterns that occurs.

    Examples
    --------
    >>> [ordered_letter(text) for text in ("B. left", "The answer is C", "so (D)", "A or B", "left")]
    ['B', 'C', 'D', 'A', None]
    """
    text = completion.strip()
    return next((found[1] for pattern in PATTERNS if (found := pattern.search(text))), None)


def read_3dsr(path: Path) -> Columns:
    """Read the rows of `3dsr` or of `3dsr_circular`; options stand in columns A to D."""
    names = ("index", "question", "answer", "category")
    rows = read_published(path, names, optional=("qid", *"ABCD"), pictures=[("image",), ("image_url",)])
    n = len(rows["index"])
    texts = [[(letter, rows[letter][i]) for letter in "ABCD" if letter in rows] for i in range(n)]
    return {
        "id": unique_ids(rows["index"], path),
        "question": rows["question"],
        "question_type": rows["category"],
        "ground_truth": rows["answer"],
        "options": [[f"{a}. {t}" for a, t in pairs if t is not None and str(t).lower() != "nan"] for pairs in texts],
        "group": rows.get("qid") or [str(value) for value in rows["index"]],
        "pictures": rows["pictures"],
    }


def strict(rows: pl.DataFrame) -> Mapping[str, float]:
    """Four abilities, and the shares of questions of which all variants are right, where rows name their question."""
    found = dict(by_types(TYPES)(rows))
    named = rows.drop_nulls("group")
    if named.is_empty():
        return found
    question, flipped = pl.col("group"), pl.col("group").str.contains(FLIP, literal=True)
    turned = question.str.head(pl.when(flipped).then(BASE + len(FLIP)).otherwise(BASE))
    return found | {
        "flip": all_right(named, question.str.replace_all(FLIP, "", literal=True)),
        "circular": all_right(named, turned),
        "flip and circular": all_right(named, question.str.head(BASE)),
    }


OFFICIAL = letters_only("official", ordered_letter, "lmms-eval, lmms_eval/tasks/3dsrbench/utils.py")

DSR_BENCH = Benchmark(
    name="3dsrbench",
    description="3DSRBench: accuracy; overall = mean of all rows; flip, circular and both, 4 abilities beside it",
    source="arXiv 2412.07825; ccvl/3DSRBench; lmms-eval, lmms_eval/tasks/3dsrbench",
    overall="rows",
    columns={"Height": "height", "Loc.": "location", "Orient.": "orientation", "Multi.": "multi_object"},
    every_type="choice",
    file="rows with index, qid, question, A to D, answer, category",
    read=read_3dsr,
    official=OFFICIAL,
    harnesses=lmms_eval(OFFICIAL),
    figures=strict,
    aliases=("3dsr",),
    log=LogColumns(id=("index", "id", "doc_id"), question_type=("category",), group=("qid",)),
)
