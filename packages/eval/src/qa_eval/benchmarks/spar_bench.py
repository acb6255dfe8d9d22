"""SPAR-Bench: 20 tasks of depth, distance, relation and imagination, from one and from several images."""

from __future__ import annotations

import re
from pathlib import Path

from qa_contract.answers import mean_relative_accuracy

from qa_eval.benchmarks.base import Benchmark, Metric, unique_ids
from qa_eval.benchmarks.figures import by_types
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import Parser
from qa_eval.parsers.vlmevalkit import VLMEVALKIT

DEPTH = tuple(f"{what}_prediction_{pair}" for what in ("depth", "distance") for pair in ("oc", "oo"))
NUMBER_TASKS = (*DEPTH, *(f"{name}_mv" for name in DEPTH))
CHOICE_TASKS = (
    *("camera_motion_infer", "position_matching", "distance_infer_center_oo", "distance_infer_center_oo_mv"),
    *("obj_spatial_relation_oo", "obj_spatial_relation_oc_mv", "obj_spatial_relation_oo_mv"),
    *("spatial_imagination_oc", "spatial_imagination_oo", "spatial_imagination_oc_mv", "spatial_imagination_oo_mv"),
)
VIEW_CHANGE = "view_change_infer"
TASKS = tuple(sorted((*NUMBER_TASKS, *CHOICE_TASKS, VIEW_CHANGE)))
AXES = (
    *(("move_right", "move_left"), ("move_up", "move_down"), ("move_forward", "move_backward")),
    *(("rotate_right", "rotate_left"), ("rotate_up", "rotate_down")),
)
NUMBER = re.compile(r"(?<!\^)\d+\.\d+|(?<!\^)\d+")


def first_character(completion: str) -> str | None:
    """Take the first character as the letter.

    Notes
    -----
    The public code also accepts an empty answer (it asks whether the answer is part of the ground truth); here it is no
    answer and scores 0.

    Examples
    --------
    >>> first_character("b. left"), first_character("")
    ('b', None)
    """
    return completion[:1] or None


def first_digits(completion: str) -> float | None:
    """Take the first unsigned number.

    Examples
    --------
    >>> first_digits("1.5 m, not 2"), first_digits("far")
    (1.5, None)
    """
    found = NUMBER.findall(completion)
    return float(found[0]) if found else None


def last_digits(completion: str) -> float | None:
    """Take the last unsigned number, as for the questions over several images.

    Examples
    --------
    >>> last_digits("in image 2 it is 1.5 m")
    1.5
    """
    found = NUMBER.findall(completion)
    return float(found[-1]) if found else None


def view_change(completion: str, ground_truth: str) -> float | None:
    """Mean relative accuracy over three moves and two turns, for ``move_right:0.5,rotate_left:30``.

    Notes
    -----
    As in the public code the error is divided by the *answer*, and is absolute where the answer is 0. A name that is
    unknown, or has a blank before it, counts as 0.

    Examples
    --------
    >>> view_change("move_left:1,rotate_up:10", "move_left:1,rotate_down:10"), view_change("left", "move_left:1")
    (0.8, None)
    """
    given, truth = _moves(completion), _moves(ground_truth)
    if given is None or truth is None:
        return None
    return float(mean_relative_accuracy(_along_axes(truth), _along_axes(given), zero_is_absolute=True).mean())


def loose_view_change(completion: str, ground_truth: str) -> float:
    """Score a change of view as VLMEvalKit does: parts that are no move are left out, an axis without one is 0.

    The error is divided by the ground truth.

    Examples
    --------
    >>> loose_view_change("move_left:1, and rotate_up", "move_left:1,rotate_down:10")
    0.8
    """
    given, truth = _along_axes(_readable_moves(completion)), _along_axes(_readable_moves(ground_truth))
    return float(mean_relative_accuracy(given, truth, zero_is_absolute=True).mean())


def _along_axes(moves: dict[str, float]) -> list[float]:
    return [moves.get(plus, 0.0) - moves.get(minus, 0.0) for plus, minus in AXES]


def _readable_moves(text: str) -> dict[str, float]:
    found = {}
    for part in text.split(","):
        name, mark, value = part.partition(":")
        try:
            found |= {name.strip(): float(value)} if mark else {}
        except ValueError:
            continue
    return found


def _moves(text: str) -> dict[str, float] | None:
    try:
        return {name: float(value) for name, value in (part.split(":") for part in text.split(","))}
    except ValueError:
        return None


def read_spar(path: Path) -> Columns:
    """Read the Parquet shards of `SPAR-Bench` or its tiny variant."""
    rows = read_published(path, ("id", "task", "question", "answer"), pictures=[("image",), ("images",)])
    return {
        "id": unique_ids(rows["id"], path),
        "question": rows["question"],
        "question_type": rows["task"],
        "ground_truth": rows["answer"],
        "pictures": rows["pictures"],
    }


SOURCE = "fudan-zvg/spar; lmms-eval, lmms_eval/tasks/sparbench/utils.py"
SINGLE = Parser("official", first_character, first_digits, SOURCE, zero_is_absolute=True)
MULTI = Parser("official", first_character, last_digits, SOURCE, zero_is_absolute=True)
READERS = {name: MULTI if name in NUMBER_TASKS and name.endswith("_mv") else SINGLE for name in TASKS}
METRICS: dict[str, Metric] = {
    **dict.fromkeys(NUMBER_TASKS, "mra"),
    **dict.fromkeys(CHOICE_TASKS, "choice"),
    VIEW_CHANGE: "special",
}

LEVELS = {
    "low": NUMBER_TASKS,
    "middle": (VIEW_CHANGE, "position_matching", "camera_motion_infer"),
    # lmms-eval loses the view change by its name when it averages the level.
    "middle, lmms-eval": ("position_matching", "camera_motion_infer"),
    "high": tuple(name for name in CHOICE_TASKS if name not in ("position_matching", "camera_motion_infer")),
}

SPAR_BENCH = Benchmark(
    name="spar-bench",
    description="SPAR-Bench: accuracy and mean relative accuracy; overall = mean of the 20 tasks; 3 levels beside it",
    source="arXiv 2503.22976; jasonzhango/SPAR-Bench; metrics as lmms-eval sparbench",
    metrics=METRICS,
    tasks={name: (name,) for name in TASKS},
    columns={"Low": "low", "Middle": "middle", "High": "high"},
    file="data/test-*.parquet (the folder): id, task, question, answer",
    read=read_spar,
    official=SINGLE,
    harnesses={
        "lmms-eval": READERS,
        "lmms-eval-cli": {name: reader.stripped("lmms-eval-cli") for name, reader in READERS.items()},
        "vlmevalkit": VLMEVALKIT,
    },
    official_by_type=READERS,
    figures=by_types(LEVELS, macro=True),
    special={VIEW_CHANGE: view_change},
    special_by_harness={"vlmevalkit": {VIEW_CHANGE: loose_view_change}},
)
