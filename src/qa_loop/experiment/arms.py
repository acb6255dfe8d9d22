"""The protocol's arms: one line each. A file names them, changes keys of them, or adds its own."""

from __future__ import annotations

from typing import Any

SPATIAL_MLLM = {
    **dict.fromkeys(
        ("object_rel_direction_easy", "object_rel_direction_medium", "object_rel_direction_hard"), 31.6 / 3
    ),
    **dict.fromkeys(("object_abs_distance", "object_rel_distance"), 31.0 / 2),
    "obj_appearance_order": 15.8,
    **dict.fromkeys(("object_size_estimation", "room_size_estimation"), 16.1 / 2),
    "object_counting": 5.5,
}
"""Shares of the self-made part of Spatial-MLLM-120k (arXiv 2505.23747), percent; a group's types share alike."""

SIMS_V = [
    "object_abs_distance",
    *("object_rel_direction_easy", "object_rel_direction_medium", "object_rel_direction_hard"),
    "obj_appearance_order",
]
"""The three types of SIMS-V (arXiv 2511.04668): metric measurement, perspective, tracking over time."""

ARMS: dict[str, dict[str, Any]] = {
    "static": {"about": "the pool as it is"},
    "mix": {"about": "shares of types as published", "mix": SPATIAL_MLLM},
    "three": {"about": "three kinds of questions only", "tasks": SIMS_V},
    "gates": {"about": "what the gates let through, as it is", "pool": "gated"},
    "fresh": {"about": "types and cells alike, drawn anew every round", "sampler": "paper"},
    "paper": {"about": "more of what is between 0.1 and 0.9", "sampler": "baseline", "told": "training"},
    "learnability": {"about": "p'(1 - p') per cell", "sampler": "learnability"},
    "headroom": {"about": "p' less p' without frames, per cell", "sampler": "headroom"},
    "progress": {"about": "cells whose score moves", "sampler": "progress"},
    "shuffled": {"about": "feedback of other cells", "sampler": "shuffled", "of": "learnability"},
    "oracle": {"about": "no waste and no wrong answer, by the flags", "pool": "oracle"},
    "gates_fresh": {"about": "gates; types and cells alike", "pool": "gated", "sampler": "paper"},
    "gates_learnability": {"about": "gates, p'(1 - p') per cell", "pool": "gated", "sampler": "learnability"},
    "gates_headroom": {"about": "gates, headroom per cell", "pool": "gated", "sampler": "headroom"},
    "gates_progress": {"about": "gates, learning progress", "pool": "gated", "sampler": "progress"},
    "gates_shuffled": {
        "about": "gates, feedback of other cells",
        "pool": "gated",
        "sampler": "shuffled",
        "of": "learnability",
    },
}
"""Name to the keys of an `Arm`."""
