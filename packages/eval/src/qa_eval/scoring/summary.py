"""Summaries of scored answers, as figures: what is printed is written in `formats`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from qa_contract.options import option_letter, option_text

from qa_eval.benchmarks.base import Benchmark
from qa_eval.metrics.aggregate import Aggregate, aggregate
from qa_eval.metrics.bootstrap import Intervals, cluster_bootstrap
from qa_eval.metrics.diagnostics import chance_level, position_bias, yes_bias
from qa_eval.parsers import find_parser
from qa_eval.parsers.free_text import LEO
from qa_eval.parsers.lenient import LENIENT
from qa_eval.scoring.answers import Answers, Scored
from qa_eval.scoring.score import score_answers

CLEANED = replace(LEO, name="cleaned", is_harness=False)
"""For the free text of any benchmark."""

RESAMPLES = 2000
"""Of the bootstrap."""


@dataclass(frozen=True)
class Summary:
    """What scored answers come to.

    Attributes
    ----------
    n, n_scored, parse_failures : int
        Rows, rows with a score, rows whose completion held no answer.
    unscored : dict of str to int
        Rows without a score by reason.
    means : Aggregate
        As fractions of 1.
    failures : dict of str to int
        Parse failures by question type, types without one left out.
    frame_budgets : dict of str to (dict of str to float)
        `overall`, `micro` and `n` of each frame budget; empty where the rows do not name several.
    text_metrics : dict of str to float
        Percent; empty for benchmarks without free text.
    beside : dict of str to float
        Parser to overall score, for those that the benchmark names.
    figures : dict of str to float
        The benchmark's further figures, by name.
    """

    n: int
    n_scored: int
    parse_failures: int
    unscored: dict[str, int]
    means: Aggregate
    failures: dict[str, int]
    frame_budgets: dict[str, dict[str, Any]]
    text_metrics: dict[str, float]
    beside: dict[str, float]
    figures: dict[str, float]


def summarise(scored: Scored, benchmark: Benchmark) -> Summary:
    """Aggregate the scores by question type, task and frame budget, and count what is missing."""
    frame = scored.frame
    failed = frame.filter("parse_failed")["question_type"].value_counts(sort=True)
    missing = frame["reason"].drop_nulls().value_counts().sort("reason")
    return Summary(
        n=frame.height,
        n_scored=frame.height - frame["score"].null_count(),
        parse_failures=int(frame["parse_failed"].sum()),
        unscored=dict(missing.iter_rows()),
        means=aggregate(scored.score, scored.question_type, benchmark.tasks, overall=benchmark.overall),
        failures=dict(failed.iter_rows()),
        frame_budgets=frame_budgets(scored, benchmark),
        text_metrics=text_metrics(scored, benchmark),
        beside=read_otherwise(scored, benchmark),
        figures=further_figures(scored, benchmark),
    )


def clusters(scored: Scored) -> list[str]:
    """Name the scene of every row; rows without scene names are clusters of their own."""
    scenes = scored.frame["scene_name"]
    return scenes.to_list() if scenes.null_count() == 0 else [str(i) for i in range(len(scenes))]


def intervals(scored: Scored, benchmark: Benchmark, *, seed: int, n_resamples: int = RESAMPLES) -> Intervals:
    """Compute the 95% intervals of the means by a bootstrap over scenes."""
    return cluster_bootstrap(
        scored.score,
        scored.question_type,
        clusters(scored),
        benchmark.tasks,
        rng=np.random.default_rng(seed),
        overall=benchmark.overall,
        n_resamples=n_resamples,
    )


def diagnostics(scored: Scored) -> dict[str, Any]:
    """Compute the chance level per type, and the letter and yes biases of the scored choices."""
    counts = scored.frame["options"].list.len().fill_null(0).to_list()
    choices = scored.frame.filter(pl.col("options").list.len() > 0, pl.col("reason").is_null())
    options, truth = choices["options"].to_list(), choices["ground_truth"].fill_null("").to_list()
    given = choices["parsed"].str.to_uppercase().to_list()
    texts = [{option_letter(option): option_text(option) for option in listed} for listed in options]
    bias = position_bias(truth, given)
    return {
        "chance": chance_level(scored.question_type, counts),
        "position_bias": None if bias is None else asdict(bias),
        "yes_bias": yes_bias(
            [str(table.get(letter, letter)) for table, letter in zip(texts, truth, strict=True)],
            [table.get(letter or "", letter) for table, letter in zip(texts, given, strict=True)],
        ),
    }


def frame_budgets(scored: Scored, benchmark: Benchmark) -> dict[str, dict[str, Any]]:
    """Score each frame budget on its own, fractions of 1; empty where the rows do not name several.

    Frames that a question lists itself, as those about single images do, are no budget.
    """
    named = scored.frame.drop_nulls("frames")
    if named["frames"].n_unique() < 2:
        return {}
    from qa_contract.frame_lists import PREFIX  # opens a database, which most files do not need

    named = named.filter(~pl.col("frames").str.starts_with(PREFIX))
    if named["frames"].n_unique() < 2:
        return {}
    found = {}
    for (name,), rows in named.group_by("frames", maintain_order=True):
        score = rows["score"].fill_null(np.nan).to_numpy()
        types = rows["question_type"].to_list()
        means = aggregate(score, types, benchmark.tasks, overall=benchmark.overall)
        if means.overall is not None:
            found[str(name)] = {"overall": means.overall, "micro": means.micro, "n": rows.height}
    return found


def text_metrics(scored: Scored, benchmark: Benchmark) -> dict[str, float]:
    """Score free-text answers by what the field reports beside the benchmark's own metric, in percent.

    ``EM`` is the benchmark's exact match, ``EM cleaned`` that of texts cleaned first, ``EM-R`` the refined one,
    whatever parser was chosen; the caption metrics read the completions as they are. Rows without a score are left out.
    Empty for other benchmarks.
    """
    if benchmark.every_type != "text":
        return {}
    rows = scored.frame.filter(pl.col("reason").is_null())
    if rows.is_empty():
        return {}
    found = {}
    for name, parser in (("EM", benchmark.official), ("EM cleaned", CLEANED), ("EM-R", LENIENT)):
        found[name] = 100 * float(score_answers(Answers.of(rows), benchmark, parser).score.mean())
    if "predictions" in rows.columns:
        found["EM@10"] = 100 * _any_of_ten(rows, benchmark)
    if benchmark.captions:
        from qa_eval.metrics.captions import caption_scores  # its patterns cost more than scoring a benchmark

        alone = pl.concat_list(pl.col("ground_truth").fill_null(""))
        given = pl.when(pl.col("references").list.len() > 0).then("references").otherwise(alone)
        texts, references = rows.select(pl.col("prediction").fill_null(""), given.alias("references"))
        found |= caption_scores(texts.to_list(), references.to_list())
    return found


def further_figures(scored: Scored, benchmark: Benchmark) -> dict[str, float]:
    """Compute what a benchmark's papers print beside its overall score, as fractions of 1."""
    rows = scored.frame.drop_nulls("score")
    return {} if benchmark.figures is None or rows.is_empty() else dict(benchmark.figures(rows))


def read_otherwise(scored: Scored, benchmark: Benchmark) -> dict[str, float]:
    """Score the answers by the further parsers that a benchmark names, as fractions of 1."""
    found = {}
    for name in benchmark.beside:
        again = score_answers(Answers.of(scored.frame), benchmark, find_parser(name))
        overall = aggregate(again.score, again.question_type, benchmark.tasks, overall=benchmark.overall).overall
        if overall is not None:
            found[name] = overall
    return found


def _any_of_ten(rows: pl.DataFrame, benchmark: Benchmark) -> float:
    """Share of the rows of which one of the first ten answers is right."""
    each = rows.with_row_index("row").with_columns(
        prediction=pl.coalesce(pl.col("predictions").list.head(10), pl.concat_list("prediction"))
    )
    each = each.explode("prediction", empty_as_null=True).with_columns(pl.col("prediction").fill_null(""))
    score = score_answers(Answers.of(each), benchmark, benchmark.official).score
    best = each.select("row", pl.Series("hit", score)).group_by("row").agg(pl.col("hit").max())
    return float(best["hit"].to_numpy().mean())
