"""A made experiment: scores that follow a power law, with what that says of every arm known."""

from __future__ import annotations

import copy

import numpy as np
import polars as pl
from qa_contract.tables import UNIT_COSTS, UNIT_COUNTS, UNIT_SCORES

from qa_loop.experiment.collect import Tables

BUDGETS, SEEDS, SCENES = (64, 128, 256, 512), (11, 12, 13), 40
CONFIG = {
    "run": {"name": "made"},
    "scenes": {"dataset": "rooms", "scenes": 4},
    "frames": {"frames": 2},
    "train": {"model": "tiny", "batch_size": 16, "learning_rate": 1e-3},
    "warmup": {"samples": 16},
    "pool": {"useful": 32, "waste": [0.6], "noise": [0.0]},
    "test": [{"per_scene": 2}],
    "rules": {
        "budgets": list(BUDGETS),
        "gates": "gates",
        "best": "best",
        "shuffled": "shuffled",
        "tuning": [1, 2],
        "final": list(SEEDS),
        "resamples": 200,
    },
    "arms": {
        "static": {},
        "gates": {},
        "best": {"pool": "gated", "sampler": "headroom"},
        "shuffled": {"pool": "gated", "of": "headroom"},
    },
}


def changed(**sections: dict) -> dict:
    """The configuration with other keys."""
    found = copy.deepcopy(CONFIG)
    for name, values in sections.items():
        if isinstance(found[name], list):
            found[name][0] |= values
        else:
            found[name] |= values
    return found


def score_tables(speed: dict[str, float], *, extra: dict[str, float] | None = None) -> Tables:
    """Errors of 0.9 (budget x speed / 64) ^ -0.3, per scene with some noise; `extra` operations per one of training."""
    scores, costs, counts = [], [], []
    for arm, times in speed.items():
        for budget in BUDGETS:
            for seed in SEEDS:
                key = {"arm": arm, "schedule": "decayed", "budget": budget, "seed": seed, "waste": 0.6, "noise": 0.0}
                error = 0.9 * (budget * times / 64) ** -0.3
                noise = np.random.default_rng([budget, seed]).normal(0, 0.03, (2, SCENES))
                for kind in range(2):
                    for scene in range(SCENES):
                        score = float(np.clip(1 - error + noise[kind, scene], 0, 1))
                        row = {"test": "test", "question_type": f"type_{kind}", "scene_name": f"s{scene}", "n": 4}
                        scores.append({**key, **row, "score": score})
                work = 3e9 * budget
                spent = {"flops_train": work, "flops_gates": 0.0, "flops_passes": work * (extra or {}).get(arm, 0.0)}
                made_of = {"rounds": 1, "rows": budget, "n_useful": budget, "n_wrong": 0, "n_waste": 0}
                costs.append({**key, **made_of, **spent})
                counts.append({**key, "test": "test", "question_type": "type_0", "truth": 2, "answer": 3, "n": 5})
    return Tables(
        *(
            pl.DataFrame(rows, schema=dict(schema))
            for rows, schema in ((scores, UNIT_SCORES), (costs, UNIT_COSTS), (counts, UNIT_COUNTS))
        )
    )
