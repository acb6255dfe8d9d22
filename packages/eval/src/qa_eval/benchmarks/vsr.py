"""VSR: whether a caption about where two things are is true of a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qa_eval.benchmarks.base import Benchmark
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.yes_no import MEANING, yes_or_no

RELATIONS = {
    "adjacency": (
        *("adjacent to", "alongside", "at the side of", "at the right side of", "at the left side of", "attached to"),
        *("at the back of", "ahead of", "against", "at the edge of"),
    ),
    "directional": (
        *("off", "past", "toward", "down", "deep down", "up", "away from", "along", "around", "from", "into", "to"),
        *("across", "across from", "through", "down from"),
    ),
    "orientation": ("facing", "facing away from", "parallel to", "perpendicular to"),
    "projective": (
        *("on top of", "beneath", "beside", "behind", "left of", "right of", "under", "in front of", "below", "above"),
        *("over", "in the middle of"),
    ),
    "proximity": ("by", "close to", "near", "far from", "far away from"),
    "topological": (
        *("connected to", "detached from", "has as a part", "part of", "contains", "within", "at", "on", "in", "with"),
        *("surrounding", "among", "consists of", "out of", "between", "inside", "outside", "touching"),
    ),
    "unallocated": ("beyond", "next to", "opposite to", "after", "enclosed by"),
}
"""Kind of a relation, as the authors' table sorts them; "among", which it lists twice, counts as unallocated there."""
KINDS = {name: kind for kind, names in RELATIONS.items() for name in names} | {"among": "unallocated"}


def _truth(label: Any) -> str | None:
    """Yes for 1 and no for 0; a row with another label has no score."""
    return MEANING.get(str(label).lower().removesuffix(".0"))


def read_vsr(path: Path) -> Columns:
    """Read a split (``random`` or ``zeroshot``), whose id is the position from 0."""
    rows = read_published(path, ("image", "caption", "label", "relation"), pictures=[("image",)])
    return {
        "id": list(range(len(rows["label"]))),
        "question": [f'Is it true of this picture? "{text}"' for text in rows["caption"]],
        "question_type": [KINDS.get(str(relation), "unallocated") for relation in rows["relation"]],
        "ground_truth": [_truth(label) for label in rows["label"]],
        "scene_name": rows["image"],
        "pictures": rows["pictures"],
    }


VSR = Benchmark(
    name="vsr",
    description="VSR: accuracy; overall = mean of all captions of a split (random or zeroshot); 7 kinds of relations "
    "beside it",
    source="arXiv 2205.00363; cambridgeltl/visual-spatial-reasoning, analysis_scripts",
    overall="rows",
    every_type="choice",
    file="test.jsonl of a split: image, caption, label, relation; id = position from 0",
    read=read_vsr,
    request="Answer with yes or no.",
    asks_yes_no=lambda _: True,
    official=letters_only("official", yes_or_no, "accuracy of labels as cambridgeltl/visual-spatial-reasoning"),
    aliases=("visual-spatial-reasoning",),
)
