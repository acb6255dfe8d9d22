import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from qa_engine.sampler import FLOOR, cell_names, cell_types, cell_weights, plan, share_out
from qa_engine.tables import FEEDBACK
from qa_engine.tasks import TASKS, select_tasks


def feedback_table(rows):
    """Rows of (scene, question type, cell, n, n_frontier)."""
    names = ("scene_name", "question_type", "cell", "n", "n_frontier")
    table = pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows])
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in FEEDBACK.items() if name not in names]
    return table.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in FEEDBACK.items())


def test_without_feedback_types_share_alike_then_cells():
    tasks = list(TASKS.values())
    weights = cell_weights(tasks)
    assert weights.sum() == pytest.approx(1)
    per_type = {}
    for (name, _), weight in zip(cell_names(tasks), weights, strict=True):
        per_type[name] = per_type.get(name, 0) + weight
    assert list(per_type.values()) == pytest.approx([1 / len(tasks)] * len(tasks))


def test_weights_of_the_baseline_rule():
    tasks = select_tasks(["object_counting"])
    table = feedback_table(
        [
            ("s1", "object_counting", "count:2", 10, 0),
            ("s2", "object_counting", "count:2", 88, 0),  # pooled over scenes: 1 / 100, below the floor
            ("s1", "object_counting", "count:3", 8, 4),  # 5 / 10
            ("s1", "object_counting", "count:4", 8, 8),  # 9 / 10
            ("s1", "object_size_estimation", "size:1-2", 100, 100),  # another type, not asked for now
        ]
    )
    raw = np.array([FLOOR, 0.5, 0.9, FLOOR])  # count:5+ was never asked
    np.testing.assert_allclose(cell_weights(tasks, table), raw / raw.sum())


def test_shares_move_to_the_frontier():
    tasks = select_tasks(["object_counting", "room_size_estimation"])
    available = np.full((20, 8), 50)
    before = plan(available, cell_weights(tasks), cell_types(tasks), 800, np.random.default_rng(0)).sum(axis=0)
    table = feedback_table(
        [("s", *name, 100, 90 if k == 2 else 5) for k, name in enumerate(cell_names(tasks)) if k != 7]
    )
    after = plan(available, cell_weights(tasks, table), cell_types(tasks), 800, np.random.default_rng(0)).sum(axis=0)
    assert before.tolist() == [100] * 8
    assert after.sum() == 800
    assert after[2] > 500  # 91/102 against six cells of 6/102 and one at the floor
    assert after[[0, 1, 3, 4, 5, 6]].min() >= 25
    assert after[7] >= 25  # never asked, still asked


@settings(max_examples=200, deadline=None)
@given(
    hnp.arrays(np.int64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(0, 30)),
    st.integers(0, 400),
    st.integers(0, 2**32 - 1),
)
def test_plan_takes_what_there_is_and_never_more(available, total, seed):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(available.shape[1]))
    quotas = plan(available, weights, rng.permutation(available.shape[1]) % 3, total, rng)
    assert (quotas >= 0).all()
    assert (quotas <= available).all()
    assert quotas.sum() == min(total, available.sum())
    for k in range(available.shape[1]):
        short = quotas[:, k] < available[:, k]  # scenes that could give more give as much as any other, or one less
        if short.any():
            assert quotas[short, k].min() >= quotas[:, k].max() - 1


def test_leftovers_pass_on_by_weight():
    assert share_out(np.array([0, 100, 100]), np.array([0.8, 0.15, 0.05]), 100).tolist() == [0, 75, 25]
    assert share_out(np.array([5, 5]), np.array([1.0, 0.0]), 8).tolist() == [5, 3]
    assert share_out(np.array([5, 5]), np.array([0.5, 0.5]), 100).tolist() == [5, 5]
    assert share_out(np.array([9, 9, 9]), np.array([1, 1, 1]) / 3, 2).sum() == 2
