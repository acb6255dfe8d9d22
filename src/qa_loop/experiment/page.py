"""The page of an experiment: one file that opens offline, made from the tables alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from qa_contract.files import atomic_path
from qa_contract.pages import (
    Axis,
    Cell,
    Column,
    Columns,
    Details,
    Facts,
    Heading,
    Level,
    Note,
    Page,
    Pre,
    Section,
    Series,
    Table,
    line_chart,
    percent_axis,
    percent_cell,
)
from qa_contract.pages.parts import Part

from qa_loop.experiment.plan import BLIND, CONSTANT, DECAYED, MAJORITY, WARMUP, cells
from qa_loop.experiment.plan import Cell as Pool
from qa_loop.experiment.run import Results
from qa_loop.experiment.savings import Curve, curves
from qa_loop.experiment.verdict import judged, verdict

PAGE = "experiment.html"


def write_page(results: Results, out: Path) -> Path:
    """Write `experiment.html` of results, as `read_experiment` gives them, into the experiment's folder."""
    path = Path(out) / PAGE
    with atomic_path(path) as temporary:
        temporary.write_text(experiment_page(results).html(), encoding="utf-8")
    return path


def experiment_page(results: Results) -> Page:
    """Lay the page out."""
    config = results.config
    drawn = {pool: curves(results.tables, config, pool, config.test[0].name) for pool in cells(config)}
    drawn = {pool: found for pool, found in drawn.items() if found}
    warnings = ["Tuning seeds: choices were made on these, so that no result may be read here."] * (
        results.seeds == "tuning"
    )
    if results.units < results.of:
        warnings.append(
            f"{results.units} of {results.of} units are finished; only seeds with every arm and budget count."
        )
    warnings += _nothing_learned(results, drawn)
    sections = [
        Section("Result", [verdict(results), *_saving_against_waste(results)]),
        *(Section(f"Pool: {_pool_text(pool)}", _of_pool(results, pool, found)) for pool, found in drawn.items()),
        *_types(results, drawn),
        *_counts(results, drawn),
        *_costs(results),
        *_schedules(results),
        _rules(results),
    ]
    about = f"{config.train.model} on {config.scenes.dataset}: how many samples does an arm need to the same score?"
    return Page(config.run.name, sections, about, warnings=warnings)


def _nothing_learned(results: Results, drawn: dict[Pool, dict[str, Curve]]) -> list[str]:
    """Warn where S* is no more than one gets without looking: on such a score nothing can be saved."""
    target, found = results.config.rules.target, []
    majority = _mean(results, results.tables.scores.filter(arm=MAJORITY))
    for pool, curve in ((pool, own[target]) for pool, own in drawn.items() if target in own):
        goal = float(curve.score[-1])
        if majority is not None and goal <= majority:
            found.append(
                f"Pool with {_pool_text(pool)}: S* = {100 * goal:.1f}% is no more than the most frequent answers score "
                f"({100 * majority:.1f}%). The student has learned too little for arms to differ by what they choose."
            )
    return found


def _pool_text(pool: Pool) -> str:
    return f"{100 * pool.waste:g}% waste, {100 * pool.noise:g}% wrong boxes"


def _saving_against_waste(results: Results) -> list[Part]:
    """Draw the ratio of every arm against the target over the waste of the pool, a chart per share of wrong boxes."""
    table = results.savings.filter(axis="samples", reference=results.config.rules.target)
    charts = []
    for noise in sorted(table["noise"].unique()):
        here = table.filter(noise=noise).sort("waste")
        series = [
            Series(arm, 100 * rows["waste"], rows["ratio"], rows["low"], rows["high"], interval="whiskers")
            for arm in results.config.arms
            if len(rows := here.filter(arm=arm))
        ]
        title = f"samples of '{results.config.rules.target}' over samples of the arm, {100 * noise:g}% wrong boxes"
        levels = [Level("no saving", 1.0)]
        axis = Axis("waste of the pool, %", ticks=tuple(100 * share for share in results.config.pool.waste))
        charts.append(line_chart(series, title=title, x=axis, y=Axis("times fewer"), levels=levels).figure())
    note = "0: the arm does not reach the score. Whiskers: 95%, bootstrap over seeds and scenes."
    return [Heading("Saving against waste"), Note(note), Columns(charts)] if charts else []


def _of_pool(results: Results, pool: Pool, found: dict[str, Curve]) -> list[Part]:
    """Draw the curves of all arms, and tell what each needs."""
    levels = [
        Level(name, score)
        for name in (MAJORITY, WARMUP)
        if (score := _mean(results, results.tables.scores.filter(arm=name))) is not None
    ]
    charts = []
    for label, of in (("samples after the warm-up", "budgets"), ("FLOPs, passes counted", "flops")):
        series = []
        for arm, curve in found.items():
            low, high = curve.interval()
            x = getattr(curve, of)
            if np.isfinite(x).all():
                series.append(Series(arm, x, curve.score, low, high, interval="whiskers"))
        if series:
            axis = percent_axis("score", low=None, high=None)
            x_axis = Axis(label, log=True, ticks=tuple(found[next(iter(found))].budgets) if of == "budgets" else None)
            charts.append(line_chart(series, title=f"score over {label}", x=x_axis, y=axis, levels=levels).figure())
    return [Columns(charts), *_savings_tables(results, pool)]


def _savings_tables(results: Results, pool: Pool) -> list[Part]:
    table = results.savings.filter(waste=pool.waste, noise=pool.noise)
    if table.is_empty():
        return []
    goal = table["goal"][0]
    rows = []
    for row in table.iter_rows(named=True):
        ratio = Cell(
            row["ratio"], f"{'at least ' * row['at_least']}{row['ratio']:.2f}", f"{row['low']:.2f} to {row['high']:.2f}"
        )
        rows.append(
            [
                row["arm"],
                row["reference"],
                row["axis"],
                None
                if row["needed"] is None
                else (round(row["needed"]) if row["axis"] == "samples" else f"{row['needed']:.2e}"),
                ratio,
                Cell(judged(row), tone="good" if row["low"] > 1 else ""),
                Cell(row["reached"], f"{100 * row['reached']:.0f}%"),
                percent_cell(row["difference"], row["difference_low"], row["difference_high"]),
            ]
        )
    columns = [Column("arm", "text"), Column("against", "text"), Column("axis", "text"), "needed to S*"]
    columns += [Column("times fewer", "number"), Column("", "text"), "resamples that reach it"]
    columns += [Column("score at the largest budget less the other's", "number")]
    note = (
        f"S* = {100 * goal:.1f}%, the score of arm '{results.config.rules.target}' with "
        f"{results.config.rules.budgets[-1]:,} samples. Without a value: not reached with the largest budget."
    )
    return [Note(note), Table(columns, rows)]


def _mean(results: Results, rows: pl.DataFrame, kind: str | None = None, *, test: str | None = None) -> float | None:
    """Average over seeds, types and questions of a held-out set, by default the first; None where there are no rows."""
    rows = rows.filter(test=test or results.config.test[0].name)
    rows = rows if kind is None else rows.filter(question_type=kind)
    if rows.is_empty():
        return None
    per_type = rows.group_by("seed", "question_type", maintain_order=True).agg(
        score=(pl.col("n") * pl.col("score")).sum() / pl.col("n").sum()
    )
    return float(per_type.group_by("seed", maintain_order=True).agg(pl.col("score").mean())["score"].mean())  # type: ignore[arg-type]


def _types(results: Results, drawn: dict[Pool, dict[str, Curve]]) -> list[Section]:
    """Tell the score of every type with the largest budget, beside the majority and the model without frames."""
    parts: list[Part] = []
    for pool, found in drawn.items():
        budget = int(next(iter(found.values())).budgets[-1])
        here = (pl.col("waste") == pool.waste) & (pl.col("noise") == pool.noise)
        rows = results.tables.scores.filter(here & (pl.col("budget") == budget) & (pl.col("schedule") == DECAYED))
        common = {name: results.tables.scores.filter(arm=name) for name in (MAJORITY, WARMUP)}
        columns = {**common, BLIND: rows.filter(arm=BLIND), **{arm: rows.filter(arm=arm) for arm in found}}
        kinds = sorted(rows["question_type"].unique())
        body = [[kind, *(percent_cell(_mean(results, part, kind)) for part in columns.values())] for kind in kinds]
        totals = [["mean", *(percent_cell(_mean(results, part)) for part in columns.values())]]
        heads = [Column("question type", "text"), *columns]
        parts += [Heading(_pool_text(pool)), Table(heads, body, totals=totals)]
        others = [entry.name for entry in results.config.test[1:]]
        for name in others:
            scores = {arm: _mean(results, rows.filter(arm=arm), test=name) for arm in found}
            said = ", ".join(f"{arm} {100 * score:.1f}%" for arm, score in scores.items() if score is not None)
            parts.append(Note(f"{name}: {said}"))
    note = (
        "With the largest budget, mean over seeds. "
        f"Blind: the model of arm '{results.config.rules.target}' without frames."
    )
    return [Section("Per question type", [Note(note), *parts])] if parts else []


def _counts(results: Results, drawn: dict[Pool, dict[str, Curve]]) -> list[Section]:
    """Lay true against given whole numbers out, of the target and the best arm with the largest budget."""
    rules, parts = results.config.rules, []
    for pool, found in drawn.items():
        for arm in dict.fromkeys(name for name in (rules.target, rules.best) if name in found):
            rows = results.tables.counts.filter(
                (pl.col("waste") == pool.waste) & (pl.col("noise") == pool.noise) & (pl.col("arm") == arm),
                pl.col("budget") == int(found[arm].budgets[-1]),
                pl.col("test") == results.config.test[0].name,
                pl.col("schedule") == DECAYED,
            )
            for kind in sorted(rows["question_type"].unique()):
                table = rows.filter(question_type=kind).group_by("truth", "answer").agg(pl.col("n").sum())
                n = {(truth, answer): count for truth, answer, count in table.iter_rows()}
                truths, answers = sorted({t for t, _ in n}), sorted({a for _, a in n})
                most = max(n.values())
                heads = [Column("true", "text"), *("other" if a < 0 else str(a) for a in answers)]
                body = [
                    [str(t), *(Cell(n.get((t, a), 0), heat=n.get((t, a), 0) / most) for a in answers)] for t in truths
                ]
                parts.append(Table(heads, body, caption=f"{kind}, arm '{arm}', {_pool_text(pool)}"))
    return [Section("Counts: true and given", parts)] if parts else []


def _costs(results: Results) -> list[Section]:
    """Tell what the largest budget was made of and what it took."""
    table = results.tables.costs.filter(schedule=DECAYED)
    if table.is_empty():
        return []
    largest = table.filter(pl.col("budget") == pl.col("budget").max())
    mean = largest.group_by("waste", "noise", "arm", maintain_order=True).agg(
        pl.col("rows", "n_useful", "n_wrong", "n_waste", "flops_train", "flops_gates", "flops_passes").mean()
    )
    columns = [Column("pool", "text"), Column("arm", "text"), "questions", "useful", "wrong", "useless"]
    columns += [Column(name, "number") for name in ("training, FLOPs", "gates, FLOPs", "passes, FLOPs")]
    rows = [
        [
            _pool_text(Pool(row["waste"], row["noise"])),
            row["arm"],
            *(round(row[name]) for name in ("rows", "n_useful", "n_wrong", "n_waste")),
            *(_flops(row[name]) for name in ("flops_train", "flops_gates", "flops_passes")),
        ]
        for row in mean.iter_rows(named=True)
    ]
    note = (
        "With the largest budget, mean over seeds. Fewer questions than the budget: the pool ran out, and they were "
        "repeated."
    )
    return [Section("Costs", [Note(note), Table(columns, rows)])]


def _flops(value: float | None) -> Cell:
    return Cell(None) if value is None else Cell(value, f"{value:.2e}")


def _schedules(results: Results) -> list[Section]:
    """Put what is read off one long run beside runs of their own."""
    table = results.tables.scores.filter(pl.col("arm").is_in(results.config.rules.constant))
    if table.filter(schedule=CONSTANT).is_empty():
        return []
    keys = table.select("waste", "noise", "arm").unique().sort("waste", "noise", "arm")
    budgets, rows = results.config.rules.budgets, []
    for waste, noise, arm in keys.iter_rows():
        for schedule in (DECAYED, CONSTANT):
            own = table.filter(waste=waste, noise=noise, arm=arm, schedule=schedule)
            cells = [percent_cell(_mean(results, own.filter(budget=budget))) for budget in budgets]
            rows.append([_pool_text(Pool(waste, noise)), arm, schedule, *cells])
    heads = [Column("pool", "text"), Column("arm", "text"), Column("learning rate", "text"), *map(str, budgets)]
    note = (
        "Decayed: a run of its own per budget. Constant: one long run, read at every budget. Gains may vanish between "
        "them."
    )
    return [Section("Decayed and constant learning rate", [Note(note), Table(heads, rows)])]


def _rules(results: Results) -> Section:
    rules = results.config.rules
    facts = [
        ("digest of the rules", results.digest),
        ("seeds", f"{results.seeds}: {', '.join(map(str, rules.final if results.seeds == 'final' else rules.tuning))}"),
        ("budgets", ", ".join(f"{budget:,}" for budget in rules.budgets)),
        ("arms", "; ".join(f"{name}: {arm.about or '-'}" for name, arm in results.config.arms.items())),
        ("again", "qa-loop experiment --report DIR makes tables and page of a folder again"),
    ]
    text = json.dumps(results.config.model_dump(mode="json"), indent=1)
    return Section("Rules", [Facts(facts), Details("the whole file, with defaults", [Pre(text)])])
