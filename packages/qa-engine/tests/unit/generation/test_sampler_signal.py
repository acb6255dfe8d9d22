"""Samplers on the clean pass: what they weigh, what they explore, what travels, and the control."""

import numpy as np
import polars as pl
import pytest
from qa_contract.tableio import with_every_column
from qa_contract.tables import FEEDBACK
from qa_engine.errors import QAEngineError
from qa_engine.generation.samplers import Cells, Past, get_sampler
from qa_engine.generation.samplers.base import explain_cells
from qa_engine.generation.samplers.progress import SPREAD, expected_size
from qa_engine.tasks import select_tasks

TASKS = select_tasks(["object_counting", "room_size_estimation"])
CELLS = Cells.of(TASKS)
N = len(CELLS)


def feedback(values, *, number=1, scenes=2):
    """A row per cell of `values` (column lists by cell) and scene."""
    rows = [
        {"round": number, "scene_name": f"s{s}", "question_type": kind, "cell": cell, "n": 10, "n_frontier": 5}
        | {"n_clean": 10}
        | {name: column[k] for name, column in values.items() if column[k] is not None}
        for k, (kind, cell) in enumerate(CELLS.names)
        for s in range(scenes)
    ]
    return with_every_column(pl.DataFrame(rows, infer_schema_length=None), FEEDBACK)


def clean(p, blind=None):
    """The columns of a clean pass whose answers are all alike within a cell."""
    p = np.asarray(p, dtype=float)
    b = np.zeros(N) if blind is None else np.asarray(blind, dtype=float)
    return {
        "mean_corrected": p.tolist(),
        "mean_learnability": (p * (1 - p)).tolist(),
        "mean_blind": b.tolist(),
        "mean_headroom": (p - b).tolist(),
    }


def make(name, table, **more):
    state = more.pop("state", {})
    return get_sampler(name)(CELLS, Past(table, state=state), seed=more.pop("seed", 0), **more)


def by_type(weights):
    return np.bincount(CELLS.types, weights=weights)


def test_learnability_ranks_cells_and_never_types():
    p = np.array([0.5, 0.9, 0.02, 0.5, 0.99, 0.98, 0.97, 0.9])  # the second type is nearly mastered
    table = feedback(clean(p))
    sampler = make("learnability", table, explore=0.0)
    weights = sampler.weights()
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(by_type(weights), [0.5, 0.5])
    assert weights[0] == pytest.approx(weights[3])
    assert weights[0] > weights[1] > weights[2] > 0
    assert "learnability 0.250 (expected score 0.50 above chance" in sampler.why()[0]


@pytest.mark.parametrize("name", ["learnability", "headroom", "progress", "shuffled", "learning", "baseline"])
def test_exploration_share_is_spread_over_all_cells(name):
    table = feedback(clean(np.linspace(0.1, 0.9, N)))
    bare, half = make(name, table, explore=0.0), make(name, table, explore=0.5)
    np.testing.assert_allclose(half.weights(), 0.5 * bare.weights() + 0.5 * CELLS.even)
    assert "50% of all questions are asked evenly" in half.why()[0]
    np.testing.assert_allclose(make(name, table, explore=1.0).weights(), CELLS.even)


def test_headroom_asks_where_looking_helps_and_something_is_left_to_learn():
    p = np.array([0.6, 0.6, 0.3, 0.95, 0.5, 0.5, 0.5, 0.5])
    blind = np.array([0.1, 0.6, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0])
    sampler = make("headroom", feedback(clean(p, blind)), explore=0.0)
    weights = sampler.weights()
    assert weights[0] > 0.35
    np.testing.assert_allclose(weights[1:4], weights[1])  # guessable, worse with frames, easy: the floor
    assert "easy: nothing left to learn" in sampler.why()[3]


def test_cells_never_answered_are_expected_as_their_type():
    p = np.array([0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9, 0.9])
    table = feedback(clean(p)).filter(pl.col("cell") != CELLS.names[0][1])
    sampler = make("learnability", table, explore=0.0)
    assert sampler.weights()[0] == pytest.approx(sampler.weights()[1])
    assert sampler.why()[0].startswith("never answered")


def test_without_a_clean_pass_cells_share_alike_and_it_is_said():
    table = feedback({})
    bare = table.with_columns(n_clean=pl.lit(None, pl.Int64))
    for name in ("learnability", "headroom"):
        sampler = make(name, bare, explore=0.0)
        np.testing.assert_allclose(sampler.weights(), CELLS.even)
        assert "no clean pass" in sampler.notes[0]


def test_progress_moves_to_what_is_being_learned_and_carries_its_posterior():
    moved = {
        "n_panel": [100] * N,
        "progress": [0.3, 0.0, -0.3, 0.0, 0.0, 0.0, 0.0, None],
        "progress_se": [0.02] * N,
    }
    table = feedback(clean([0.5] * N) | moved)
    first = make("progress", table, explore=0.0)
    weights = first.weights()
    assert weights[0] == pytest.approx(weights[2])  # unlearning counts as learning does
    assert weights[0] > 3 * weights[1]
    assert weights[7] > weights[6]  # of which nothing is known, against one that stands still
    posterior = first.state()["posterior"]
    mean, spread = posterior[" ".join(CELLS.names[0])]
    assert 0.28 < mean < 0.3
    assert spread < SPREAD
    still = feedback(clean([0.5] * N) | moved | {"progress": [0.0] * N}, number=2)
    with_state = make("progress", still, explore=0.0, state=first.state())
    forgetful = make("progress", still, explore=0.0)
    assert with_state.weights()[0] > forgetful.weights()[0]
    assert "posterior" in first.why()[0]


def test_few_equal_changes_are_no_certainty():
    few = {"n_panel": [1] * N, "progress": [1.0] + [0.0] * (N - 1), "progress_se": [None] * N}
    many = few | {"n_panel": [400] * N}
    mean = [make("progress", feedback(clean([0.5] * N) | m)).state()["posterior"] for m in (few, many)]
    name = " ".join(CELLS.names[0])
    assert mean[0][name][0] < 0.3 < mean[1][name][0]
    assert expected_size(np.array([0.0]), np.array([1.0]))[0] == pytest.approx(np.sqrt(2 / np.pi))


def test_shuffled_has_the_same_weights_on_other_cells():
    p = np.linspace(0.05, 0.95, N)
    table = feedback(clean(p))
    values = [make("shuffled", table, explore=0.0, seed=seed, of="learning").weights() for seed in range(20)]
    for weights in values:
        assert weights.sum() == pytest.approx(1)
        assert weights.min() > 0
    assert len({tuple(np.round(weights, 9)) for weights in values}) == 1  # all cells have the same counts
    moved = {tuple(np.round(make("shuffled", table, seed=seed).weights(), 9)) for seed in range(20)}
    assert len(moved) > 10
    one = make("shuffled", table, seed=3)
    assert one.weights().tolist() == make("shuffled", table, seed=3).weights().tolist()
    assert one.why()[0].startswith("shuffled, as ")
    assert one.explore == get_sampler("learnability").exploration


def test_a_control_of_a_control_is_refused():
    with pytest.raises(QAEngineError, match="control of a control"):
        make("shuffled", feedback(clean([0.5] * N)), of="shuffled")


def test_newest_round_counts_most_and_tells_the_progress():
    old, new = clean([0.9] * N), clean([0.5] * N)
    panel = {"n_panel": [5] * N, "progress_se": [0.1] * N}
    table = pl.concat(
        [
            feedback(old | panel | {"progress": [0.4] * N}, number=1),
            feedback(new | panel | {"progress": [0.1] * N}, number=2),
        ]
    )
    means = Past(table).clean(CELLS)
    np.testing.assert_allclose(means.corrected, (0.9 + 2 * 0.5) / 3)
    np.testing.assert_allclose(means.progress, 0.1)
    np.testing.assert_allclose(means.n, 30)


def test_accuracy_weighs_types_by_their_smoothed_score():
    table = feedback({"mean_score": [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, None]})
    weights = make("accuracy", table).weights()
    right, half = 1 - (80 + 0.7) / 82, 1 - (30 + 0.7) / 62
    np.testing.assert_allclose(by_type(weights), np.array([max(0.05, right), half]) / (max(0.05, right) + half))
    np.testing.assert_allclose(weights[:4], weights[0])
    nothing = make("accuracy", feedback({}))
    np.testing.assert_allclose(nothing.weights(), CELLS.even)


def test_reasons_stand_beside_every_cell():
    for name in ("learnability", "headroom", "progress", "shuffled"):
        choices = explain_cells(make(name, feedback(clean(np.linspace(0, 1, N)))))
        assert all(choice.why for choice in choices)
        assert sum(choice.weight for choice in choices) == pytest.approx(1)
