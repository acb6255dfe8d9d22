"""The page and the verdict, from made tables."""

from __future__ import annotations

import polars as pl
import pytest
from made_experiment import CONFIG, changed, score_tables

from qa_loop.experiment.collect import write_tables
from qa_loop.experiment.config import parse_experiment
from qa_loop.experiment.page import experiment_page
from qa_loop.experiment.run import Results
from qa_loop.experiment.savings import savings
from qa_loop.experiment.verdict import verdict


@pytest.fixture(scope="module")
def results() -> Results:
    config = parse_experiment(CONFIG, source="made")
    tables = score_tables({"static": 1.0, "gates": 2.0, "best": 4.0, "shuffled": 4.0})
    return Results(config, "abc", tables, savings(tables, config), 48, 48, "final")


def test_the_verdict_is_one_sentence_made_from_the_numbers(results):
    said = verdict(results)
    assert said.count(". ") == 0
    assert said.startswith(
        "On a pool of 60.0% waste and 0.0% wrong boxes, measured by the score of 512 samples of arm 'static'"
    )
    gates = results.savings.filter(axis="samples", arm="gates").row(0, named=True)
    assert f"gates: {gates['ratio']:.1f}x fewer samples ({gates['low']:.1f} to {gates['high']:.1f}), a gain" in said
    assert "feedback (the best arm against its shuffled control): 1.0x" in said
    assert said.endswith("no clear difference.")
    empty = Results(results.config, "abc", results.tables, results.savings.clear(), 0, 48, "final")
    assert "Too few units are finished" in verdict(empty)


def test_the_page_tells_saving_curves_types_counts_costs_and_rules(results):
    text = experiment_page(results).html()
    for said in ("Saving against waste", "score over samples", "Per question type", "Counts: true and given", "Costs"):
        assert said in text
    assert "abc" in text  # digest of the rules
    assert "Tuning seeds" not in text
    tuned = Results(results.config, "abc", results.tables, results.savings, 40, 48, "tuning")
    page = experiment_page(tuned)
    assert any("Tuning seeds" in warning for warning in page.warnings)
    assert any("40 of 48" in warning for warning in page.warnings)


def test_a_score_that_guessing_reaches_is_no_goal(results):
    key = {"arm": "majority", "budget": 0, "seed": 0, "waste": 0.0, "score": 0.95}
    guessed = results.tables.scores.head(2).with_columns(pl.lit(value).alias(name) for name, value in key.items())
    scores = pl.concat([results.tables.scores, guessed.cast(results.tables.scores.schema)])
    tables = type(results.tables)(scores, results.tables.costs, results.tables.counts)
    page = experiment_page(Results(results.config, "abc", tables, results.savings, 48, 48, "final"))
    assert ["no more than the most frequent answers" in warning for warning in page.warnings] == [True]
    assert not experiment_page(results).warnings


def test_tables_hold_the_digest_of_the_rules(results, tmp_path):
    write_tables(results.tables, tmp_path, "one")
    write_tables(results.tables, tmp_path / "other", "two")
    files = [path / "unit_scores.parquet" for path in (tmp_path, tmp_path / "other")]
    one, two = (pl.read_parquet_metadata(path)["config_hash"] for path in files)
    assert one != two
    assert parse_experiment(changed(), source="made") == results.config
