"""BLINK: 14 tasks of visual perception that people solve within a blink."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qa_eval.benchmarks.base import Benchmark, lettered, unique_ids
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.benchmarks.embspatial import first_letter
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval

TASKS = (
    *("Visual_Similarity", "Counting", "Relative_Depth", "Jigsaw", "Art_Style", "Functional_Correspondence"),
    *("Semantic_Correspondence", "Spatial_Relation", "Object_Localization", "Visual_Correspondence"),
    *("Multi-view_Reasoning", "Relative_Reflectance", "Forensic_Detection", "IQ_Test"),
)
PICTURES = tuple(f"image_{n}" for n in range(1, 5))
IN_BRACKETS = re.compile(r"\(([A-Z])\)")
IDX = re.compile(r"(?:val|test)_(.+)_\d+")


def bracketed_letter(completion: str) -> str | None:
    """Take a letter in brackets that is the whole answer; the authors have a language model write it so.

    Examples
    --------
    >>> [bracketed_letter(text) for text in ("(B)", "B", "(B) left")]
    ['B', None, None]
    """
    found = IN_BRACKETS.fullmatch(completion)
    return found[1] if found else None


def read_blink(path: Path) -> Columns:
    """Read the Parquet files of one task or of the folder that holds all; the answers to the test are not published.

    Of a folder with both splits the rows of the validation split are read.
    """
    rows = read_published(path, ("idx", "question", "sub_task", "choices", "answer"), pictures=[PICTURES])
    if any(name.startswith("val_") for name in map(str, rows["idx"])):
        kept = [str(name).startswith("val_") for name in rows["idx"]]
        rows = {name: list(itertools.compress(values, kept)) for name, values in rows.items()}
    return {
        "id": unique_ids(rows["idx"], path),
        "question": rows["question"],
        "question_type": rows["sub_task"],
        "ground_truth": [str(text or "").strip("()") for text in rows["answer"]],
        "options": [lettered(choices) for choices in rows["choices"]],
        "pictures": rows["pictures"],
    }


def _task(record: Mapping[str, Any]) -> str | None:
    found = IDX.fullmatch(str(record.get("idx") or record.get("id") or ""))
    return found[1] if found else None


HARNESS = letters_only("lmms-eval", first_letter, "lmms-eval, lmms_eval/tasks/blink/utils.py")

BLINK = Benchmark(
    name="blink",
    description="BLINK: accuracy; overall = mean of 14 tasks",
    source="arXiv 2404.12390; BLINK-Benchmark/BLINK; zeyofu/BLINK_Benchmark, eval/evaluate.py",
    every_type="choice",
    tasks={name: (name,) for name in TASKS},
    file="val-*.parquet (file or folder): idx, question, sub_task, choices, answer",
    read=read_blink,
    official=letters_only("official", bracketed_letter, "zeyofu/BLINK_Benchmark, eval/evaluate.py"),
    harnesses=lmms_eval(HARNESS),
    micro_by="lmms-eval",
    beside=("lmms-eval", "lenient"),
    hint="the authors have a language model turn every answer into a letter in brackets; harnesses read the answer",
    log=LogColumns(derive_type=_task),
    results=LogColumns(id=("idx",), question_type=(), prediction=("prediction",), derive_type=_task),
)
