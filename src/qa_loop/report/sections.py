"""Sections of a run's page: scores, confidence, questions, cards, facts."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from qa_contract.pages import (
    LABEL_TONES,
    RUN_TONES,
    Axis,
    Cell,
    Column,
    Columns,
    Details,
    Facts,
    Heading,
    Key,
    Level,
    Note,
    Pre,
    Section,
    Series,
    Table,
    histogram,
    line_chart,
    percent_axis,
    percent_cell,
    share_bars,
)
from qa_contract.pages.parts import Part
from qa_contract.pages.text import count

from qa_loop.report.cards import evaluated_cards, training_cards
from qa_loop.report.run import Run
from qa_loop.report.tables import BINS, LABELS, RunTables
from qa_loop.results import OVERALL, Row, Score
from qa_loop.stage import STORE

HARD_BELOW, EASY_ABOVE = 0.1, 0.9
"""Cuts of the published labels on the confidence in the ground truth."""


def scores_sections(run: Run) -> list[Section]:
    """Compare the latest model with what it is measured against, and draw scores over rounds."""
    table = run.comparison
    if table is None:
        return []
    heads = (f"model, round {table.last_round}", "model, round 0", f"blind, round {table.blind_round}", "majority")
    columns = [Column("question type", "text"), "n", *heads, Column("clear", "text")]
    rows = [_score_row(row) for row in table.rows if not row.is_overall]
    totals = [_score_row(row) for row in table.rows if row.is_overall]
    names = [OVERALL, *(row.name for row in table.rows if not row.is_overall)]
    note = (
        "Mean score in percent with 95% interval (bootstrap over scenes). Clear: above blind and above majority, and "
        "the intervals do not touch. Overall is the mean over tasks."
    )
    charts = [_over_rounds(run, name) for name in names]
    return [
        Section("Scores", [Note(note), Table(columns, rows, totals=totals), Heading("Over rounds"), Columns(charts)])
    ]


def _score_row(row: Row) -> list[Cell | str | int | float | None]:
    cells = [_score_cell(score) for score in (row.model, row.first, row.blind, row.majority)]
    clear = Cell("yes", tone="good") if row.clear else Cell("no")
    return [row.name, row.model.n if row.model else 0, *cells, clear]


def _score_cell(score: Score | None) -> Cell:
    return Cell(None) if score is None else percent_cell(score.mean, score.low, score.high)


def _over_rounds(run: Run, name: str) -> Part:
    """Draw one question type's scores; what was run in one round only is a level."""
    rounds = sorted({number for _, number in run.scores})
    series: list[Series] = []
    levels: list[Level] = []
    for kind, label in (("eval", "model"), ("blind", "blind"), ("majority", "majority"), ("oracle", "oracle")):
        found = sorted((n, scores[name]) for (k, n), scores in run.scores.items() if k == kind and name in scores)
        if not found:
            continue
        if kind in ("majority", "oracle"):
            score = found[0][1]
            levels.append(Level(label, score.mean, score.low, score.high, tone=RUN_TONES[label]))
            continue
        at, y = [n for n, _ in found], [score.mean for _, score in found]
        low, high = ([_nan(getattr(score, end)) for _, score in found] for end in ("low", "high"))
        series.append(Series(label, at, y, low, high, interval="whiskers", tone=RUN_TONES[label]))
    axis = Axis("round", low=rounds[0], high=max(rounds[-1], rounds[0] + 1), ticks=tuple(rounds))
    return line_chart(series, title=name, x=axis, y=percent_axis(), levels=levels).figure()


def confidence_sections(tables: RunTables) -> list[Section]:
    """Draw how sure the model was of the truth, round by round."""
    bins = tables.confidence_bins()
    if not bins:
        return []
    edges = [i / BINS for i in range(BINS + 1)]
    tones = [LABEL_TONES[_label((i + 0.5) / BINS)] for i in range(BINS)]
    cuts = [(HARD_BELOW, f"hard below {HARD_BELOW:g}"), (EASY_ABOVE, f"easy above {EASY_ABOVE:g}")]
    axis = Axis("confidence in the ground truth", ticks=(0, HARD_BELOW, 0.5, EASY_ABOVE, 1))
    charts = [
        histogram(n, edges, title=f"round {number}", x=axis, tones=tones, cuts=cuts).figure()
        for number, n in bins.items()
    ]
    key = {"hard": f"hard: below {HARD_BELOW:g}", "frontier": "frontier", "easy": f"easy: above {EASY_ABOVE:g}"}
    shares = share_bars(
        {f"round {number}": counts for number, counts in tables.label_counts().items()},
        tones={label: LABEL_TONES[label] for label in LABELS},
        title="share of hard, frontier and easy questions per round",
    )
    note = (
        "Geometric mean of the probabilities of the ground truth's tokens, read from the training forward pass: how "
        "well the model already knew each question when it was trained on."
    )
    parts = [Note(note), Key([(text, LABEL_TONES[label]) for label, text in key.items()]), Columns(charts)]
    return [Section("Confidence", [*parts, Heading("Share of frontier questions"), shares.figure()])]


def _label(confidence: float) -> str:
    return "hard" if confidence < HARD_BELOW else "easy" if confidence > EASY_ABOVE else "frontier"


def questions_sections(tables: RunTables) -> list[Section]:
    """Count what each round asked."""
    types = tables.question_counts(["question_type"])
    if not types:
        return []
    cells = tables.question_counts(["question_type", "cell"])
    note = (
        "Training questions per round. The feedback of a round moves the next one towards question types and cells "
        "that the sampler weighs more, as far as the scenes hold questions of them."
    )
    parts: list[Part] = [Note(note), heat_table(types, ["question type"])]
    if weights := tables.cell_weights():
        parts += [Heading("Weights of the cells over rounds"), *_weights(weights)]
    return [
        Section(
            "Questions", [*parts, Details("per cell of difficulty", [heat_table(cells, ["question type", "cell"])])]
        )
    ]


def _weights(rows: Sequence[tuple[str, str, dict[int, float]]]) -> list[Part]:
    """Draw how the sampler moves between the cells of each question type."""
    rounds = sorted({number for *_, weights in rows for number in weights})
    axis = Axis("round", low=rounds[0], high=max(rounds[-1], rounds[0] + 1), ticks=tuple(rounds))
    highest = max(weight for *_, weights in rows for weight in weights.values())
    share = percent_axis(high=highest)
    charts = []
    for kind in dict.fromkeys(kind for kind, *_ in rows):
        series = [Series(cell, list(weights), list(weights.values())) for name, cell, weights in rows if name == kind]
        charts.append(line_chart(series, title=kind, x=axis, y=share).figure())
    note = "Share of a round's questions that the sampler meant each cell of difficulty to have."
    return [Note(note), Columns(charts)]


def heat_table(rows: Sequence[tuple[tuple[str, ...], dict[int, int]]], heads: Sequence[str]) -> Table:
    """Lay counts out, tinted by their share of the round's largest count."""
    rounds = sorted({number for _, counts in rows for number in counts})
    highest = {number: max(counts.get(number, 0) for _, counts in rows) or 1 for number in rounds}
    columns = [*(Column(head, "text") for head in heads), *(f"round {number}" for number in rounds)]
    body = [
        [*group, *(Cell(counts.get(number, 0), heat=counts.get(number, 0) / highest[number]) for number in rounds)]
        for group, counts in rows
    ]
    return Table(columns, body)


def cards_sections(run: Run, tables: RunTables) -> list[Section]:
    """Show single questions."""
    sections = []
    store = run.folder / STORE
    if run.comparison is not None:
        last, blind = run.comparison.last_round, run.comparison.blind_round
        if rows := tables.evaluated(last=last, blind=blind):
            kind = "In-sample" if run.config.main_eval.in_sample else "Held-out"
            note = Note("Up to two wins and two losses per question type.")
            cards = evaluated_cards(rows, tables, store, last=last, blind=blind)
            sections.append(Section(f"{kind} questions: wins and losses", [note, cards], id="answers"))
    if trained := tables.trained():
        note = Note("From the last round, up to two of each label.")
        cards = training_cards(trained, tables, store)
        sections.append(Section("Training questions by label", [note, cards], id="trained"))
    return sections


def facts_section(run: Run) -> Section:
    """List stages, commands, configuration and machine."""
    records = list(run.manifest.stages.values())
    one_digit = "{:,.1f}".format
    stages = Table(
        [
            Column("stage", "text"),
            "rows",
            *(Column(name, format=one_digit) for name in ("seconds", "CPU seconds", "peak MB", "rows/s")),
            "exit code",
        ],
        [[r.name, r.rows, r.seconds, r.cpu_s, r.peak_mb, r.rows_per_s, r.exit_code] for r in records],
    )
    commands = "\n".join(shlex.join(record.command) for record in records)
    config = json.dumps(run.config.model_dump(mode="json"), indent=1)
    versions = [(name, _plain(value)) for name, value in {**run.manifest.versions, **run.manifest.host}.items()]
    total = count(round(sum(record.seconds or 0 for record in records)))
    return Section(
        "Run",
        [
            f"All stages together took {total} s.",
            Details("stages", [stages]),
            Details("commands, started in the run's folder", [Pre(commands)]),
            Details("configuration", [Pre(config)]),
            Details("versions and machine", [Facts(versions)]),
        ],
    )


def _nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
