import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from qa_contract.tables import FEEDBACK
from qa_engine.errors import QAEngineError
from qa_engine.generation.samplers import SAMPLERS, Cells, Past, get_sampler
from qa_engine.generation.samplers.base import FLOOR, explain_cells
from qa_engine.generation.samplers.quota import allot, share_out
from qa_engine.tasks import DEFAULT, select_tasks


def feedback_table(rows):
    """Rows of (scene, question type, cell, n, n_frontier)."""
    names = ("scene_name", "question_type", "cell", "n", "n_frontier")
    table = pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows])
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in FEEDBACK.items() if name not in names]
    return table.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in FEEDBACK.items())


def sampler_of(tasks, feedback=None, sampler="baseline"):
    return get_sampler(sampler)(Cells.of(tasks), Past(feedback), seed=0)


def cell_weights(tasks, feedback=None, *, sampler="baseline"):
    return sampler_of(tasks, feedback, sampler).weights()


def cell_names(tasks):
    return Cells.of(tasks).names


def test_without_feedback_types_share_alike_then_cells():
    tasks = select_tasks()
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
    before = allot(available, cell_weights(tasks), Cells.of(tasks).types, 800, np.random.default_rng(0)).sum(axis=0)
    table = feedback_table(
        [("s", *name, 100, 90 if k == 2 else 5) for k, name in enumerate(cell_names(tasks)) if k != 7]
    )
    after = allot(available, cell_weights(tasks, table), Cells.of(tasks).types, 800, np.random.default_rng(0)).sum(
        axis=0
    )
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
def test_quotas_take_what_there_is_and_never_more(available, total, seed):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(available.shape[1]))
    quotas = allot(available, weights, rng.permutation(available.shape[1]) % 3, total, rng)
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


def counted(rows):
    """Rows of (round, cell of counting, n, n_frontier, n_suspect)."""
    names = ("round", "cell", "n", "n_frontier", "n_suspect")
    table = pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows]).with_columns(
        scene_name=pl.lit("s"), question_type=pl.lit("object_counting")
    )
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in FEEDBACK.items() if name not in table.columns]
    return table.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in FEEDBACK.items())


def test_learning_expects_something_of_cells_never_asked_and_trusts_newer_rounds():
    tasks = select_tasks(["object_counting"])
    table = counted(
        [
            (1, "count:2", 100, 100, 0),  # frontier once,
            (3, "count:2", 100, 0, 0),  # no longer
            (3, "count:3", 100, 60, 0),
            (3, "count:4", 100, 60, 100),  # the same, but suspect
        ]
    )
    choices = explain_cells(sampler_of(tasks, table, "learning"))
    weight = {choice.cell: choice.weight for choice in choices}
    assert sum(weight.values()) == pytest.approx(1)
    prior = 0.7
    raw = [(25 + prior) / 127, (60 + prior) / 102, (60 + prior) / 102 / 2, 0.35]
    np.testing.assert_allclose(list(weight.values()), np.array(raw) / sum(raw))
    why = {choice.cell: choice.why for choice in choices}
    assert "newer rounds" in why["count:2"]
    assert "100% are suspect" in why["count:4"]
    assert "never asked" in why["count:5+"]
    assert [(choice.n, choice.n_frontier) for choice in choices] == [(200, 100), (100, 60), (100, 60), (0, 0)]


def test_learning_keeps_every_type_within_bounds():
    tasks = select_tasks(list(DEFAULT)[:8])
    rows = [("s", name, cell, 1000, 1000 if name == "object_counting" else 0) for name, cell in cell_names(tasks)]
    choices = explain_cells(sampler_of(tasks, feedback_table(rows), "learning"))
    share = {}
    for choice in choices:
        share[choice.question_type] = share.get(choice.question_type, 0) + choice.weight
    assert sum(share.values()) == pytest.approx(1)
    assert share["object_counting"] == pytest.approx(3 / 8)
    assert min(share.values()) >= 0.25 / 8 - 1e-12
    assert "largest share" in choices[0].why


def test_paper_leaves_the_weights_alone():
    tasks = select_tasks(["object_counting", "room_size_estimation"])
    table = feedback_table([("s", "object_counting", "count:2", 100, 100)])
    np.testing.assert_array_equal(cell_weights(tasks, table, sampler="paper"), cell_weights(tasks))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(SAMPLERS)), st.integers(0, 2**32 - 1))
def test_every_sampler_gives_every_cell_a_share(sampler, seed):
    rng = np.random.default_rng(seed)
    tasks = select_tasks()
    names = [name for name in cell_names(tasks) if rng.random() < 0.7]
    rows = [("s", *name, int(n := rng.integers(0, 200)), int(rng.integers(0, n + 1))) for name in names]
    choices = explain_cells(sampler_of(tasks, feedback_table(rows) if rows else None, sampler))
    weights = np.array([choice.weight for choice in choices])
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0).all()
    assert all(choice.why for choice in choices)


def test_an_unknown_sampler_is_named():
    with pytest.raises(QAEngineError, match="Did you mean 'learning'"):
        cell_weights(select_tasks(), sampler="learn")
