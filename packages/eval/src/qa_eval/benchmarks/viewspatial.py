"""ViewSpatial-Bench: directions from the camera's and from a person's point of view."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from qa_eval.benchmarks.base import Benchmark
from qa_eval.benchmarks.figures import by_group
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval
from qa_eval.parsers.vlmevalkit import VLMEVALKIT

LETTER = re.compile(r"\b([A-D])\b", re.IGNORECASE)


def letter_of_last_line(completion: str) -> str | None:
    r"""Take the first letter A to D that stands alone in the last line, in either case; the word "a" is one.

    Examples
    --------
    >>> [letter_of_last_line(t) for t in ("B. left", "Maybe A\nc", "it is a D", "left")]
    ['B', 'C', 'A', None]
    """
    found = LETTER.search(completion.rpartition("\n")[2])
    return found.group(1).upper() if found else None


def read_viewspatial(path: Path) -> Columns:
    """Read ``ViewSpatial-Bench.json``, whose rows have no id: the position in the file, from 0, is the id."""
    names = ("question_type", "image_path", "question", "answer", "choices")
    rows = read_published(path, names, pictures=[("image_path",)])
    return {
        "id": list(range(len(rows["answer"]))),
        "question": rows["question"],
        "question_type": rows["question_type"],
        "ground_truth": [letter_of_last_line(str(text)) for text in rows["answer"]],
        "options": [str(text).split("\n") for text in rows["choices"]],
        "scene_name": [_scene(images) for images in rows["image_path"]],
        "pictures": rows["pictures"],
    }


def _scene(images: list[str]) -> str:
    """Scene of a ScanNet frame, else the photograph itself."""
    first = images[0] if images else ""
    return first.split("/original_images/")[0]


OFFICIAL = letters_only("official", letter_of_last_line, "ZJU-REAL/ViewSpatial-Bench, evaluate.py")


def perspectives(rows: pl.DataFrame) -> Mapping[str, float]:
    """Average the rows seen from the camera and those seen by a person, as the paper's two columns."""
    sides = rows.with_columns(group=pl.col("question_type").str.extract(r"^(\w+) perspective"))
    return by_group()(sides.with_columns(group=pl.col("group") + pl.lit(" perspective")))


VIEWSPATIAL = Benchmark(
    name="viewspatial",
    description="ViewSpatial-Bench: accuracy; overall = mean of all questions; 5 types, 2 perspectives beside it",
    source="arXiv 2505.21500; lidingm/ViewSpatial-Bench; evaluate.py of ZJU-REAL/ViewSpatial-Bench",
    overall="rows",
    columns={
        "Cam. Rel. Dir.": "Camera perspective - Relative Direction",
        "Cam. Obj. Ori.": "Camera perspective - Object View Orientation",
        "Camera": "Camera perspective",
        "Per. Obj. Ori.": "Person perspective - Object View Orientation",
        "Per. Rel. Dir.": "Person perspective - Relative Direction",
        "Per. Sce. Sim.": "Person perspective - Scene Simulation Relative Direction",
        "Person": "Person perspective",
    },
    every_type="choice",
    file="ViewSpatial-Bench.json: question_type, image_path, question, answer, choices; id = position from 0",
    read=read_viewspatial,
    official=OFFICIAL,
    harnesses={**lmms_eval(OFFICIAL), "vlmevalkit": VLMEVALKIT},
    figures=perspectives,
)
