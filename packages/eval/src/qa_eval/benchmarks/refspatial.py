"""RefSpatial-Bench: point at what, or at the free place, that a phrase refers to over several steps."""

from __future__ import annotations

from pathlib import Path

from qa_eval.benchmarks.base import Benchmark, unique_ids
from qa_eval.benchmarks.points import REQUEST, mask_text, tuples_score
from qa_eval.files import Columns, read_published
from qa_eval.parsers.lmms_eval import lmms_eval
from qa_eval.parsers.official import OFFICIAL

PARTS = ("location", "placement", "unseen")


def read_refspatial(path: Path) -> Columns:
    """Read the Parquet file of one part, or the folder of all; the part stands in the file's name."""
    files = sorted(path.glob("**/*.parquet")) if path.is_dir() else [path]
    found: Columns = {name: [] for name in ("id", "question", "question_type", "ground_truth", "pictures")}
    for file in files:
        rows = read_published(file, ("id", "prompt", "mask"), pictures=[("image",), ("rgb",)])
        part = next((name for name in PARTS if name in str(file.relative_to(path.parent)).lower()), "all")
        found["id"] += [f"{part}/{name}" if len(files) > 1 else name for name in rows["id"]]
        found["question"] += rows["prompt"]
        found["question_type"] += [part] * len(rows["id"])
        found["ground_truth"] += [mask_text(mask) for mask in rows["mask"]]
        found["pictures"] += rows["pictures"]
    return found | {"id": unique_ids(found["id"], path)}


REFSPATIAL = Benchmark(
    name="refspatial",
    description="RefSpatial-Bench: share of the points inside the mask; overall = mean of the parts that are there",
    source="arXiv 2506.04308; BAAI/RefSpatial-Bench; Zhoues/RoboRefer, Evaluation/summarize_acc.py",
    metrics=dict.fromkeys((*PARTS, "all"), "special"),
    tasks={name: (name,) for name in PARTS},
    file="Parquet of a part (location, placement, unseen), or the folder: id, prompt, mask",
    read=read_refspatial,
    request=REQUEST,
    official=OFFICIAL,
    harnesses=lmms_eval(OFFICIAL),
    special=dict.fromkeys((*PARTS, "all"), tuples_score),
)
