"""Curves, crossings and ratios on scores whose answer is known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from made_experiment import CONFIG, score_tables

from qa_loop.experiment.config import parse_experiment
from qa_loop.experiment.plan import Cell
from qa_loop.experiment.savings import curves, needed, rising, savings


def test_rising_is_the_nearest_curve_that_never_falls():
    rng = np.random.default_rng(0)
    for row in rng.random((20, 6)):
        fitted = rising(row[None, :])[0]
        assert (np.diff(fitted) >= -1e-12).all()
        others = np.sort(rng.random((200, 6)), axis=1)
        assert ((row - fitted) ** 2).sum() <= ((row - others) ** 2).sum(axis=1).min() + 1e-12
        assert fitted.mean() == pytest.approx(row.mean())


def test_needed_is_a_straight_line_between_log_budget_and_log_error():
    x = np.array([64.0, 256.0, 1024.0])
    error = 2 * x**-0.5
    goal = 1 - 2 * np.array([128.0, 64.0, 900.0, 32.0]) ** -0.5
    assert needed(x, np.tile(1 - error, (4, 1)), goal) == pytest.approx([128, 64, 900, 64])
    assert needed(x, (1 - error)[None, :], np.array([0.99])).tolist() == [np.inf]
    assert needed(x, np.array([[0.5, 0.5, 0.5]]), np.array([0.5])) == pytest.approx([64])


def test_an_arm_that_learns_twice_as_fast_saves_half():
    config = parse_experiment(CONFIG, source="made")
    tables = score_tables({"static": 1.0, "gates": 2.0, "best": 4.0, "shuffled": 1.0})
    found = savings(tables, config).filter(axis="samples")
    of = {(row["arm"], row["reference"]): row for row in found.iter_rows(named=True)}
    assert of["gates", "static"]["ratio"] == pytest.approx(2, rel=0.1)
    assert of["gates", "static"]["low"] <= of["gates", "static"]["ratio"] <= of["gates", "static"]["high"]
    assert of["best", "shuffled"]["ratio"] == pytest.approx(4, rel=0.1)
    assert of["best", "shuffled"]["low"] > 1
    assert of["shuffled", "static"]["low"] <= 1 <= of["shuffled", "static"]["high"]
    assert {row["reached"] for row in of.values()} == {1.0}
    assert of["gates", "static"]["seeds"] == 3


def test_operations_count_what_gates_and_passes_take():
    config = parse_experiment(CONFIG, source="made")
    tables = score_tables({"static": 1.0, "gates": 2.0, "best": 2.0, "shuffled": 1.0}, extra={"best": 1.0})
    found = savings(tables, config).filter(axis="flops", reference="static")
    ratio = dict(found.select("arm", "ratio").iter_rows())
    assert ratio["gates"] == pytest.approx(2, rel=0.1)
    assert ratio["best"] == pytest.approx(1, rel=0.1)  # as much for passes as for training


def test_what_does_not_get_there_is_censored_and_not_dropped():
    config = parse_experiment(CONFIG, source="made")
    found = savings(score_tables({"static": 1.0, "gates": 0.25, "best": 64.0, "shuffled": 0.1}), config)
    of = {(row["arm"], row["reference"]): row for row in found.filter(axis="samples").iter_rows(named=True)}
    slow, fast = of["gates", "static"], of["best", "static"]
    assert (slow["ratio"], slow["needed"], slow["at_least"]) == (0.0, None, False)
    assert slow["high"] < 1
    assert slow["difference_high"] < 0
    assert fast["at_least"]  # the smallest budget is enough
    assert fast["ratio"] >= 7.5
    assert of["best", "shuffled"]["at_least"]  # its control never gets there


def test_only_seeds_that_every_arm_has_run_count():
    config = parse_experiment(CONFIG, source="made")
    tables = score_tables({"static": 1.0, "gates": 2.0, "best": 2.0, "shuffled": 1.0})
    part = tables.scores.filter(~((pl.col("arm") == "gates") & (pl.col("seed") == 13) & (pl.col("budget") == 64)))
    other = type(tables)(part, tables.costs, tables.counts)
    without = tables.scores.filter(pl.col("seed") != 13)
    same = type(tables)(without, tables.costs, tables.counts)
    cell = Cell(0.6, 0.0)
    for arm, curve in curves(other, config, cell, "test").items():
        assert curve.score.tolist() == curves(same, config, cell, "test")[arm].score.tolist()
    assert savings(other, config)["seeds"].unique().to_list() == [2]
