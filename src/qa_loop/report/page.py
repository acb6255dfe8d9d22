"""The page: sections in reading order, one self-contained HTML file."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path

from qa_contract.files import atomic_path

from qa_loop.report import data
from qa_loop.report.charts import Point, Series, histogram, line_chart, stacked_bars
from qa_loop.report.data import EASY_ABOVE, HARD_BELOW, LABELS, RunData
from qa_loop.report.gallery import evaluated_cards, render_cards, training_cards
from qa_loop.results import Row, Score, Scores

REPORT = "report.html"
IN_SAMPLE = "in-sample, plumbing only"


def write_report(folder: Path) -> Path:
    """Write `report.html` of a run, finished or not; gives its path."""
    folder = Path(folder)
    run = data.load_run(folder)
    path = folder / REPORT
    with atomic_path(path) as temporary:
        temporary.write_text(render(run), encoding="utf-8")
    return path


def render(run: RunData) -> str:
    """Build the page; every text from the data is escaped."""
    name = escape(run.config.run.name)
    style = (resources.files("qa_loop.report") / "style.css").read_text(encoding="utf-8")
    sections = [_head(run), _scores(run), _confidence(run), _questions(run), _gallery(run), _facts(run)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}: qa-loop report</title>\n<style>\n{style}</style></head>\n<body>\n"
        + "\n".join(section for section in sections if section)
        + "\n</body></html>\n"
    )


def _head(run: RunData) -> str:
    config = run.config
    banner = f'<p class="banner" role="note">{IN_SAMPLE}</p>' if config.eval.in_sample else ""
    return (
        f"{banner}<h1>{escape(config.run.name)}</h1>"
        f"<p>{escape(config.train.model)} on {escape(config.scenes.dataset)}: {config.run.rounds} rounds of "
        f"{config.questions_per_round:,} questions, seed {config.run.seed}.</p><p>{_verdict(run)}</p>"
    )


def _verdict(run: RunData) -> str:
    """Say in a sentence how far the model came."""
    table = run.comparison
    if table is None:
        return "Nothing has been evaluated yet."
    whole = next((row for row in table.rows if row.is_overall), None)
    if whole is None or whole.model is None:
        return "No answer could be scored."
    kind = "in-sample" if table.in_sample else "held-out"
    before = f" (round 0: {_said(whole.first)})" if whole.first and table.last_round else ""
    asked = f"{whole.model.n:,} {kind} questions{before}"
    text = f"After round {table.last_round} the model scores {_said(whole.model)} on {asked}."
    if table.last_round == 0 or table.blind_round != table.last_round:
        return text
    n_types = sum(not row.is_overall for row in table.rows)
    names = ": " + ", ".join(escape(name) for name in table.clear) if table.clear else ""
    return (
        f"{text} It is clearly above both blind and majority on {len(table.clear)} of {n_types} question types{names}."
    )


def _scores(run: RunData) -> str:
    table = run.comparison
    if table is None:
        return ""
    heads = (f"model, round {table.last_round}", "model, round 0", f"blind, round {table.blind_round}", "majority")
    head = "".join(f"<th>{escape(text)}</th>" for text in ("question type", "n", *heads, "clear"))
    body = "".join(_score_row(row) for row in table.rows)
    rounds = sorted({number for _, number in run.scores})
    names = [row.name for row in table.rows if row.is_overall] + [row.name for row in table.rows if not row.is_overall]
    charts = "".join(
        f"<figure><figcaption>{escape(name)}</figcaption>"
        f"{line_chart(_series(run, name), rounds=rounds, name=name)}</figure>"
        for name in names
    )
    key = _key(("model", "model"), ("blind", "blind: without frames"), ("majority", "majority: most frequent answer"))
    return (
        "<h2>Scores</h2><p class='note'>Mean score in percent with 95% interval (bootstrap over scenes). Clear: above "
        "blind and above majority, and the intervals do not touch. Overall is the mean over tasks.</p>"
        f'<div class="scroll"><table class="figures"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f"<h3>Over rounds</h3>{key}<div class='charts'>{charts}</div>"
    )


def _score_row(row: Row) -> str:
    cells = "".join(f"<td>{_cell(score)}</td>" for score in (row.model, row.first, row.blind, row.majority))
    clear = '<td class="clear">yes</td>' if row.clear else "<td>no</td>"
    n = f"{row.model.n:,}" if row.model else "0"
    style = ' class="total"' if row.is_overall else ""
    return f"<tr{style}><td>{escape(row.name)}</td><td>{n}</td>{cells}{clear}</tr>"


def _series(run: RunData, name: str) -> list[Series]:
    """Collect one question type's lines; what was run in one round only is a level."""
    found: list[Series] = []
    for kind, label in (("majority", "majority"), ("oracle", "oracle"), ("blind", "blind"), ("eval", "model")):
        points = [
            Point(number, scores[name].mean, scores[name].low, scores[name].high)
            for number, scores in _of_kind(run, kind)
            if name in scores
        ]
        if points:
            style = "model" if kind == "eval" else kind
            found.append(Series(label, style, points, level=kind in ("majority", "oracle")))
    return found


def _of_kind(run: RunData, kind: str) -> list[tuple[int, Scores]]:
    return sorted((number, scores) for (k, number), scores in run.scores.items() if k == kind)


def _confidence(run: RunData) -> str:
    if run.confidence.is_empty():
        return ""
    cuts = (HARD_BELOW, EASY_ABOVE)
    charts = "".join(
        f"<figure><figcaption>round {number}</figcaption>"
        f"{histogram(counts, cuts=cuts, name=f'round {number}')}</figure>"
        for number, counts in data.confidence_bins(run.confidence).items()
    )
    labels = {f"round {number}": counts for number, counts in data.label_counts(run.confidence).items()}
    key = _key(
        ("hard", f"hard: below {HARD_BELOW:g}"),
        ("frontier", "frontier"),
        ("easy", f"easy: above {EASY_ABOVE:g}"),
        ("suspect", "suspect: label noise"),
    )
    return (
        "<h2>Confidence</h2><p class='note'>Geometric mean of the probabilities of the ground truth's tokens, read "
        "from the training forward pass: how well the model already knew each question when it was trained on.</p>"
        f"{key}<div class='charts'>{charts}</div><h3>Share of frontier questions</h3>"
        f"{stacked_bars(labels, styles=LABELS, name='share of hard, frontier and easy questions per round')}"
    )


def _questions(run: RunData) -> str:
    if run.questions.is_empty():
        return ""
    rounds = run.questions["round"].unique().sort().to_list()
    types = data.question_counts(run.questions, ["question_type"])
    cells = data.question_counts(run.questions, ["question_type", "cell"])
    return (
        "<h2>Questions</h2><p class='note'>Training questions per round. The feedback of a round moves the next one "
        "towards question types and cells with many frontier questions.</p>"
        f"{_heat(types, rounds, ['question type'])}"
        f"<details><summary>per cell of difficulty</summary>{_heat(cells, rounds, ['question type', 'cell'])}</details>"
    )


def _heat(rows: Sequence[tuple[tuple[str, ...], dict[int, int]]], rounds: Sequence[int], heads: Sequence[str]) -> str:
    """Write counts as a table whose cells are tinted by their share of the round's largest count."""
    highest = {number: max((counts.get(number, 0) for _, counts in rows), default=0) or 1 for number in rounds}
    head = "".join(f"<th>{escape(text)}</th>" for text in (*heads, *(f"round {number}" for number in rounds)))
    body = "".join(
        "<tr>"
        + "".join(f"<th>{escape(part)}</th>" for part in group)
        + "".join(
            f'<td style="--v:{counts.get(number, 0) / highest[number]:.3f}">{counts.get(number, 0):,}</td>'
            for number in rounds
        )
        + "</tr>"
        for group, counts in rows
    )
    table = f'<table class="figures heat"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _gallery(run: RunData) -> str:
    evaluated = render_cards(evaluated_cards(run), run.folder)
    trained = render_cards(training_cards(run), run.folder)
    kind = "In-sample" if run.config.eval.in_sample else "Held-out"
    parts = ""
    if evaluated:
        parts += f"<h2>{kind} questions: wins and losses</h2><p class='note'>Up to two of each per question type.</p>"
        parts += evaluated
    if trained:
        parts += f"<h2>Training questions by label</h2><p class='note'>From the last round.</p>{trained}"
    return parts


def _facts(run: RunData) -> str:
    manifest = run.manifest
    facts = {**manifest.versions, **{name: _plain(value) for name, value in manifest.host.items()}}
    table = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in facts.items())
    stages = "".join(
        f"<tr><td>{escape(r.name)}</td><td>{'' if r.rows is None else f'{r.rows:,}'}</td>"
        f"<td>{'' if r.seconds is None else f'{r.seconds:,.1f}'}</td><td>{r.exit_code}</td></tr>"
        for r in manifest.stages.values()
    )
    commands = "\n".join(shlex.join(record.command) for record in manifest.stages.values())
    config = json.dumps(run.config.model_dump(mode="json"), indent=1)
    total = sum(record.seconds or 0 for record in manifest.stages.values())
    head = "<tr><th>stage</th><th>rows</th><th>seconds</th><th>exit code</th></tr>"
    return (
        f"<h2>Run</h2><p>All stages together took {total:,.0f} s.</p>"
        f"<details><summary>stages</summary><div class='scroll'><table class='figures'><thead>{head}</thead>"
        f"<tbody>{stages}</tbody></table></div></details>"
        f"<details><summary>commands, started in the run's folder</summary><pre>{escape(commands)}</pre></details>"
        f"<details><summary>configuration</summary><pre>{escape(config)}</pre></details>"
        f"<details><summary>versions and machine</summary><table>{table}</table></details>"
    )


def _key(*items: tuple[str, str]) -> str:
    entries = "".join(f'<li><span class="swatch {style}"></span>{escape(text)}</li>' for style, text in items)
    return f'<ul class="key">{entries}</ul>'


def _cell(score: Score | None) -> str:
    if score is None:
        return "-"
    limits = (
        "no interval" if score.low is None or score.high is None else f"{100 * score.low:.1f} to {100 * score.high:.1f}"
    )
    return f'{100 * score.mean:.1f}<span class="range">{limits}</span>'


def _said(score: Score) -> str:
    return f"{100 * score.mean:.1f}%"


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
