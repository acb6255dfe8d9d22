"""The page of a report, built from parts of the common kit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qa_contract.pages import (
    Axis,
    BarSeries,
    Card,
    Cards,
    Cell,
    Column,
    Details,
    Facts,
    Heading,
    Image,
    Note,
    Page,
    Part,
    Pre,
    Section,
    Series,
    Strip,
    Table,
    bar_chart,
    data_url,
    line_chart,
    percent_axis,
    percent_cell,
    series_tone,
)

from qa_eval.report.collect import Example, RunReport
from qa_eval.report.facts import each_or_all, head, unlike_lines
from qa_eval.runners import RUNNERS

FRAME_PX = 320
"""Longest side of an embedded frame."""
ANSWER_CHARACTERS = 300
"""Of a long answer are shown."""


def build_page(runs: Sequence[RunReport], title: str) -> Page:
    """Build the page of one or more runs."""
    parts = (scores, _tags, _types, _confidence, _degraded, _letters, _examples)
    sections = [part(runs) for part in parts]
    how = [Details(run.name, [Facts(_facts(run))]) for run in runs]
    overall = [_score(run.summary["overall"]) for run in runs]
    totals = [f"{cell.text} ({cell.note})" if cell.note else str(cell.text) for cell in overall]
    return Page(
        title,
        [section for section in sections if section is not None] + [Section("How it was run", how)],
        subtitle=", ".join(run.name for run in runs),
        facts=[("overall", each_or_all(totals)), *head([run.stored for run in runs])],
        warnings=warnings(runs),
    )


def warnings(runs: Sequence[RunReport]) -> list[str]:
    """Say what keeps the scores from being whole, or from being compared."""
    lines = []
    for run in runs:
        n, scored = run.summary["n"], run.summary["n_scored"]
        if scored < n:
            why = ", ".join(f"{reason} {count}" for reason, count in run.summary["unscored"].items())
            lines.append(f"{run.name}: {n - scored} of {n} questions have no score ({why}); the scores leave them out.")
    if len({run.summary["benchmark"] for run in runs}) > 1:
        lines.append("The runs differ in the benchmark; their scores do not compare.")
    return lines + unlike_lines([run.stored for run in runs], [run.name for run in runs])


def scores(runs: Sequence[RunReport]) -> Section:
    """Lay the scores per question type out as a table, in percent."""
    names = _type_names(runs)
    chance = next((run.summary.get("diagnostics", {}).get("chance", {}) for run in runs), {})
    # The scores stand first: on a phone nothing else fits beside the type.
    columns = [Column("question type", "text"), *(Column(r.name, tone=series_tone(i)) for i, r in enumerate(runs))]
    columns += [Column("chance", help="a uniform guess among the options")] if chance else []
    columns += [Column("n")]

    def row(name: str, cells: Sequence[dict[str, Any] | None], guess: float | None = None) -> list[Cell]:
        n = next((cell["n"] for cell in cells if cell and "n" in cell), None)
        level = [percent_cell(guess)] if chance else []
        return [Cell(name), *map(_score, cells), *level, Cell(n, None if n is not None else "")]

    mean_of = "rows" if all(run.summary.get("overall_of") == "rows" for run in runs) else "tasks"
    table = Table(
        columns,
        [row(name, [run.summary["types"].get(name) for run in runs], chance.get(name)) for name in names],
        totals=[
            row(f"overall (mean of {mean_of})", [run.summary["overall"] for run in runs]),
            row("micro (mean of rows)", [run.summary["micro"] for run in runs]),
            *(row(name, cells) for name, cells in _further(runs).items()),
        ],
        caption="Scores in percent",
        id="scores-table",
    )
    guess = " Chance is a uniform guess among the options." if chance else ""
    return Section("Scores", [table, Note(f"95% intervals by a bootstrap over scenes.{guess}")], id="scores")


def _tags(runs: Sequence[RunReport]) -> Section | None:
    """Lay the scores by level, ability and frames out as a table, in percent."""
    cells = [run.summary.get("tags", {}) for run in runs]
    names = list(dict.fromkeys(name for own in cells for name in own))
    if not names:
        return None
    columns = [Column("asked for", "text"), *(Column(r.name, tone=series_tone(i)) for i, r in enumerate(runs))]
    rows = []
    for name in names:
        found = [own.get(name) for own in cells]
        first = next(cell for cell in found if cell)
        said = " ".join(name.split(":"))
        rows.append([Cell(said), *map(_score, found), Cell(first["types"]), Cell(first["n"])])
    columns += [Column("types"), Column("n")]
    table = Table(columns, rows, caption="Mean of the question types, in percent", id="tags-table")
    return Section("By what is asked for", [table], id="tags")


def _further(runs: Sequence[RunReport]) -> dict[str, list[dict[str, Any] | None]]:
    """Further figures of the benchmark's paper, and scores by other parsers, by name; without intervals."""
    found = [
        {name: {"mean": value} for name, value in run.summary.get("figures", {}).items()}
        | {name: {"mean": value / 100} for name, value in run.summary.get("text_metrics", {}).items()}
        | {f"read by {name}": {"mean": value} for name, value in run.summary.get("read_by", {}).items()}
        for run in runs
    ]
    names = dict.fromkeys(name for cells in found for name in cells)
    return {name: [cells.get(name) for cells in found] for name in names}


def _score(cell: dict[str, Any] | None) -> Cell:
    if cell is None or cell["mean"] is None:
        return Cell(None)
    if "ci_low" not in cell:
        return percent_cell(cell["mean"])
    shown = percent_cell(cell["mean"], cell["ci_low"], cell["ci_high"])
    if not cell.get("n_unscored"):
        return shown
    return Cell(shown.value, shown.text, f"{shown.note} {cell['n_unscored']} unscored".strip(), "bad")


def _types(runs: Sequence[RunReport]) -> Section:
    names = [*_type_names(runs), "overall"]
    series = []
    for run in runs:
        cells = [run.summary["overall"] if name == "overall" else run.summary["types"].get(name) for name in names]
        columns = {key: [_or_nan(cell, key) for cell in cells] for key in ("mean", "ci_low", "ci_high")}
        series.append(BarSeries(run.name, columns["mean"], columns["ci_low"], columns["ci_high"]))
    chart = bar_chart(names, series, title="Score per question type", x=percent_axis("score"))
    return Section("Per question type", [chart.figure()])


def _confidence(runs: Sequence[RunReport]) -> Section | None:
    series = [
        Series(run.name, [bin[3] for bin in run.confidence], [bin[4] for bin in run.confidence], tone=series_tone(i))
        for i, run in enumerate(runs)
        if run.confidence
    ]
    if not series:
        return None
    x, y = percent_axis("confidence in the own answer"), percent_axis("mean score")
    chart = line_chart(series, title="Score over confidence", x=x, y=y, diagonal=True)
    note = (
        "Mean score per tenth of confidence, the geometric mean probability of the answer's tokens. On the dashed line "
        "confidence equals score."
    )
    return Section("Confidence and score", [chart.figure(note=note)])


def _degraded(runs: Sequence[RunReport]) -> Section | None:
    parts: list[Part | str] = []
    for run in runs:
        if run.curves is None:
            continue
        clean = run.curves["clean"]["mean"]
        series = []
        for kind, curve in run.curves["curves"].items():
            found = {int(level): cell for level, cell in curve["levels"].items() if cell["mean"] is not None}
            levels = sorted(found)
            area = f" ({100 * curve['area']:.1f})" if curve["area"] is not None else ""
            means = [clean if clean is not None else np.nan, *(found[level]["mean"] for level in levels)]
            series.append(Series(f"{kind}{area}", [0, *levels], means))
        axis = Axis("level of damage", 0, 5, ticks=(0, 1, 2, 3, 4, 5))
        chart = line_chart(series, title=f"Score over damage, {run.name}", x=axis, y=percent_axis("overall score"))
        parts.append(chart.figure(note="In brackets the area under the curve: the mean score along the way."))
    return Section("Degraded frames", parts) if parts else None


def _letters(runs: Sequence[RunReport]) -> Section | None:
    known = [(run, run.summary.get("diagnostics", {})) for run in runs]
    biased = [
        (run, found["position_bias"], found.get("yes_bias")) for run, found in known if found.get("position_bias")
    ]
    if not biased:
        return None
    letters = sorted({letter for _, bias, _ in biased for letter in bias["letters"]})
    columns = [Column("run", "text"), *(Column(letter) for letter in letters)]
    columns += [Column("distance", help="total variation distance of answers and ground truths")]
    columns += [Column("yes bias", help="share of yes among the answers minus that among the ground truths")]
    rows = [
        [
            Cell(run.name),
            *(_share(bias, letter) for letter in letters),
            Cell(bias["distance"], f"{bias['distance']:.2f}"),
            Cell(yes, None if yes is None else f"{100 * yes:+.1f}"),
        ]
        for run, bias, yes in biased
    ]
    note = "Share of the answers in percent; below it that of the ground truths."
    return Section("Option letters", [Table(columns, rows, caption="How often each letter is given"), Note(note)])


def _share(bias: dict[str, Any], letter: str) -> Cell:
    given, truth = bias["given"].get(letter), bias["truth"].get(letter)
    return Cell(None) if given is None else Cell(given, f"{100 * given:.0f}", f"truth {100 * truth:.0f}")


def _examples(runs: Sequence[RunReport]) -> Section | None:
    parts: list[Part | str] = []
    for run in runs:
        cards = [_card(example) for example in [*run.losses, *run.wins]]
        if not cards:
            continue
        parts += [Heading(run.name)] if len(runs) > 1 else []
        kind = RUNNERS.get(run.summary["runner"])
        parts += [Note("The runner was shown no frames.")] if kind is not None and kind.frames == "none" else []
        parts.append(Cards(cards, filters=["answer", "question type"], search=True))
    return Section("Examples", parts) if parts else None


def _card(example: Example) -> Card:
    images = [
        Image(data_url(path, side_px=FRAME_PX, small_bytes=0), f"frame {i + 1} of {example.scene_name}")
        for i, path in enumerate(example.frames)
    ]
    right = example.score >= 0.5
    answer = example.completion[:ANSWER_CHARACTERS] + ("…" if len(example.completion) > ANSWER_CHARACTERS else "")
    facts = [("truth", example.ground_truth), ("answer", answer or "(empty)"), ("score", f"{example.score:.1f}")]
    facts += [("confidence", f"{100 * example.confidence:.0f}%")] if example.confidence is not None else []
    parts: list[Part | str] = [Strip(images, "small")] if images else []
    parts += [example.question]
    parts += [Pre("\n".join(example.options))] if example.options else []
    parts += [Facts(facts)]
    parts += [Details("Program", [Pre(example.program)])] if example.program else []
    return Card(
        example.question_type,
        parts,
        mark="right" if right else "wrong",
        tone="good" if right else "bad",
        note=example.scene_name,
        tags={"answer": "right" if right else "wrong", "question type": example.question_type},
    )


def _facts(run: RunReport) -> list[tuple[str, str]]:
    manifest = run.stored.manifest
    facts = {
        **manifest.get("config", {}),
        "run_id": run.summary["run_id"],
        **{f"frames: {name}": value for name, value in manifest.get("frames", {}).items()},
        **run.stored.settings,
        **manifest.get("model", {}),
        **manifest.get("packages", {}),
    }
    return [(str(name), str(value)) for name, value in facts.items() if value is not None]


def _type_names(runs: Sequence[RunReport]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.summary["types"]))


def _or_nan(cell: dict[str, Any] | None, key: str) -> float:
    return np.nan if cell is None or cell[key] is None else cell[key]
