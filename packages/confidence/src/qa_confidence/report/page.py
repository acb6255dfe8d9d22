"""The report as one HTML page that opens offline, and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import polars as pl

from qa_confidence.drift import GroupDrift, RefitVerdict
from qa_confidence.metrics import Estimate
from qa_confidence.report.analysis import Analysis
from qa_confidence.report.charts import line_chart, reliability_chart, share_bars

STYLE = """
:root{--ink:#1d2733;--soft:#5b6775;--rule:#dfe4ea;--blue:#1f6feb;--orange:#c2570c;--green:#1a7f4b;--red:#b42318}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);margin:0 auto;max-width:1180px;padding:20px 16px 60px}
h1{font-size:1.6rem;margin:0 0 4px}h2{font-size:1.15rem;margin:34px 0 6px}p{margin:6px 0;max-width:76ch}
.soft{color:var(--soft)}.warn{background:#fff4e5;border-left:4px solid var(--orange);padding:8px 12px}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:14px}
svg{width:100%;height:auto;background:#fff;border:1px solid var(--rule);border-radius:6px}
svg text{font:11px system-ui,sans-serif;fill:var(--soft)}svg .title{font-size:13px;font-weight:600;fill:var(--ink)}
svg .on{fill:#fff;text-anchor:middle}.grid{stroke:#eef1f4}.ideal{stroke:#98a3b0;stroke-dasharray:4 3}
.band{fill:var(--blue);opacity:.16}.curve{fill:none;stroke:var(--blue);stroke-width:2}
.bin{fill:var(--orange);fill-opacity:.75}.rug{fill:#98a3b0}
.before{stroke:var(--orange)}.after{stroke:var(--blue)}.oracle{stroke:#98a3b0;stroke-dasharray:4 3}
.easy{fill:var(--green)}.frontier{fill:var(--blue)}.hard{fill:var(--red)}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.87rem;margin:8px 0}
th,td{padding:4px 8px;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}th.text{text-align:left}td.text{text-align:left;white-space:normal}
@media(max-width:600px){table{font-size:.82rem}th,td{padding:4px 5px}}
"""

METRIC_NOTES = {
    "ece": "10 equal-width bins, last one closed",
    "debiased_ece": "ece less what noise adds",
    "adaptive_ece": "10 equal-mass bins, ties together",
    "smooth_ece": "reflected Gaussian kernel",
    "mce": "largest bin gap",
    "brier": "mean squared error",
    "cross_entropy": "nats",
    "auroc": "of score >= 0.5; higher is better",
    "aurc": "area under risk-coverage",
    "e_aurc": "aurc less the best order's",
    "augrc": "generalised risk",
    "coverage_at_risk_0.05": "share kept at mean loss 0.05; higher is better",
    "coverage_at_risk_0.1": "share kept at mean loss 0.1; higher is better",
    "coverage_at_risk_0.2": "share kept at mean loss 0.2; higher is better",
}


OFFENDER_TEXTS = {"question": ("question", 30), "ground_truth": ("truth", 5), "completion": ("answer", 5)}
"""Columns that word the worst offenders: heading and least width in characters."""


@dataclass(frozen=True)
class Table:
    """Header and rows of text.

    Attributes
    ----------
    text_columns : dict of int to int
        Columns that hold prose, which may wrap, with their least width in characters.
    """

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    text_columns: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """One part of the page."""

    title: str
    paragraphs: list[str]
    tables: list[Table]
    charts: list[str]


def sections(analysis: Analysis, *, notes: Sequence[str]) -> list[Section]:
    """Lay the figures out in order of importance."""
    parts = [_summary(analysis, notes), _reliability(analysis)]
    if analysis.methods:
        parts.append(_methods(analysis))
    parts += [_groups(analysis), _risk(analysis), _labels(analysis)]
    if analysis.drift:
        parts.append(_drift(analysis))
    parts.append(_offenders(analysis.offenders))
    return parts


def to_html(title: str, subtitle: str, parts: Sequence[Section], *, warning: str | None) -> str:
    """Write the page; every text from data is escaped."""
    body = [f"<h1>{escape(title)}</h1>", f'<p class="soft">{escape(subtitle)}</p>']
    if warning:
        body.append(f'<p class="warn">{escape(warning)}</p>')
    for part in parts:
        body.append(f"<h2>{escape(part.title)}</h2>")
        body += [f"<p>{escape(text)}</p>" for text in part.paragraphs]
        if part.charts:
            body.append(f'<div class="charts">{"".join(part.charts)}</div>')
        body += [_html_table(table) for table in part.tables]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    return (
        f'<!doctype html><html lang="en"><head>{head}<title>{escape(title)}</title><style>{STYLE}</style></head>'
        f"<body>{''.join(body)}</body></html>\n"
    )


def to_markdown(title: str, subtitle: str, parts: Sequence[Section], *, warning: str | None) -> str:
    """Write the tables and texts; the charts are in the HTML page."""
    lines = [f"# {title}", "", _cell(subtitle), ""]
    if warning:
        lines += [f"> {_cell(warning)}", ""]
    for part in parts:
        lines += [f"## {part.title}", ""]
        for text in part.paragraphs:
            lines += [_cell(text), ""]
        for table in part.tables:
            lines.append("| " + " | ".join(map(_cell, table.header)) + " |")
            lines.append("|" + "---|" * len(table.header))
            lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in table.rows]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def estimate_text(estimate: Estimate) -> str:
    """Write a value with its interval.

    Examples
    --------
    >>> estimate_text(Estimate(0.1234, 0.1, 0.15, 10, 2))
    '0.123 [0.100, 0.150]'
    """
    if math.isnan(estimate.low):
        return number_text(estimate.value)
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def number_text(value: float) -> str:
    """Write a number, or a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def _summary(analysis: Analysis, notes: Sequence[str]) -> Section:
    header = ["metric", "before", *(["after"] if analysis.after else []), "constant", "meaning"]
    rows = []
    for name, before in analysis.before.items():
        after = [] if analysis.after is None else [estimate_text(analysis.after[name])]
        cells = [name, estimate_text(before), *after, number_text(analysis.constant[name]), METRIC_NOTES[name]]
        rows.append(tuple(cells))
    text = (
        f"{analysis.n} answers about {analysis.n_scenes} scenes. Brackets: 95% percentile interval over resampled "
        "scenes. 'before' is the identity, 'constant' gives every answer the mean score: it is calibrated and "
        "useless, so read calibration together with AUROC."
    )
    return Section("Before and after", [text, *notes], [Table(tuple(header), rows, {len(header) - 1: 42})], [])


def _reliability(analysis: Analysis) -> Section:
    charts = [reliability_chart(chart, title=name) for name, chart in analysis.reliability]
    text = (
        "Line: kernel estimate of the mean score with its pointwise 95% band over scenes. Circles: ten bins, area by "
        "rows. Grey bars: how many answers have which confidence. Dashes: perfect calibration."
    )
    return Section("Reliability", [text], [], charts)


def _methods(analysis: Analysis) -> Section:
    names = list(next(iter(analysis.methods.values())))
    rows = [(method, *(estimate_text(values[name]) for name in names)) for method, values in analysis.methods.items()]
    text = "Every method fitted on this table's fit scenes with the calibrator's grouping, measured on the rows above."
    return Section("Calibration methods", [text], [Table(("method", *names), rows)], [])


def _groups(analysis: Analysis) -> Section:
    header = ("question type", "answers", "scenes", "mean score", "ece before", "ece after", "auroc")
    rows = [
        (
            group.name,
            str(group.n),
            str(group.n_scenes),
            number_text(group.mean_score),
            estimate_text(group.before),
            estimate_text(group.after),
            number_text(group.auroc),
        )
        for group in analysis.groups
    ]
    charts = [reliability_chart(group.chart, title=f"{group.name} (n = {group.n})") for group in analysis.groups]
    if analysis.after is None:
        header = (*header[:4], "ece", header[-1])
        rows = [(*row[:4], row[4], row[6]) for row in rows]
    text = "The charts show the confidence after calibration." if analysis.after else "The charts show the confidence."
    return Section("Question types", [text], [Table(header, rows)], charts)


def _risk(analysis: Analysis) -> Section:
    highest = max(float(line.y.max(initial=0.0)) for line in analysis.risk)
    top = max(math.ceil(highest * 10) / 10, 0.1)
    chart = line_chart(
        analysis.risk, title="risk by coverage", x_label="share of answers kept", y_label="mean loss", y_max=top
    )
    text = "Keeping only the most confident answers: mean loss (1 - score) of what is kept."
    return Section("Risk and coverage", [text], [], [chart])


def _labels(analysis: Analysis) -> Section:
    kinds = ("easy", "frontier", "hard")
    rows = []
    bars = []
    for figures in analysis.labels:
        cells = [f"{figures.n[kind]} ({number_text(figures.mean_score[kind])})" for kind in kinds]
        rows.append((figures.profile, *cells))
        bars.append((figures.profile, [figures.n[kind] / max(analysis.n, 1) for kind in kinds]))
    texts = ["Answers per label and, in brackets, their mean score."]
    if analysis.certificate is not None:
        texts.append(f"risk-control: {analysis.certificate.describe()}.")
    chart = share_bars(bars, classes=kinds, title="labels by profile")
    return Section("Difficulty labels", texts, [Table(("profile", *kinds), rows)], [chart])


def _drift(analysis: Analysis) -> Section:
    texts = [] if analysis.verdict is None else [verdict_text(analysis.verdict)]
    return Section("Drift since the round before", texts, [drift_table(analysis.drift)], [])


def verdict_text(verdict: RefitVerdict) -> str:
    """Say whether to fit again."""
    advice = {True: "Refit.", False: "Keep the calibrator.", None: "Too few scenes to say."}[verdict.refit]
    gain = estimate_text(verdict.gain)
    return f"{advice} Cross-entropy of the old map less that of a refitted one on held-out scenes: {gain}."


def drift_table(groups: Sequence[GroupDrift]) -> Table:
    """Lay out the comparison of two rounds."""
    header = ("group", "answers", "confidence", "score", "gap before", "gap after", "ece", "anchors", "PSI", "KS")
    rows = [
        (
            group.group,
            _change(group.n[0], group.n[1], digits=0),
            _change(*group.mean_confidence),
            _change(*group.mean_score),
            estimate_text(group.gap[0]),
            estimate_text(group.gap[1]),
            _change(*group.ece),
            str(group.anchors),
            number_text(group.psi),
            number_text(group.ks),
        )
        for group in groups
    ]
    return Table(header, rows)


def _offenders(rows: pl.DataFrame) -> Section:
    optional = [name for name in OFFENDER_TEXTS if name in rows.columns]
    texts = [OFFENDER_TEXTS[name] for name in optional]
    header = ("question id", "scene", "type", "confidence", "score", *(name for name, _ in texts))
    table = [
        (
            row["question_id"],
            row["scene_name"],
            row["question_type"],
            number_text(row["confidence"]),
            number_text(row["score"]),
            *("" if row[name] is None else str(row[name]) for name in optional),
        )
        for row in rows.iter_rows(named=True)
    ]
    return Section(
        "Worst offenders",
        ["Answers whose confidence exceeds their score the most."],
        [Table(header, table, {1: 8, 2: 12} | {5 + i: width for i, (_, width) in enumerate(texts)})],
        [],
    )


def _change(before: float, after: float, *, digits: int = 3) -> str:
    return f"{before:.{digits}f} → {after:.{digits}f}"


def _html_table(table: Table) -> str:
    def cells(row: Sequence[str], tag: str) -> str:
        parts = []
        for i, value in enumerate(row):
            width = table.text_columns.get(i)
            css = "" if width is None else f' class="text" style="min-width:{width}ch"'
            parts.append(f"<{tag}{css}>{escape(value)}</{tag}>")
        return f"<tr>{''.join(parts)}</tr>"

    body = "".join(cells(row, "td") for row in table.rows)
    return f'<div class="scroll"><table><thead>{cells(table.header, "th")}</thead><tbody>{body}</tbody></table></div>'


def _cell(text: str) -> str:
    """Keep text from breaking a Markdown table or starting markup."""
    flat = " ".join(text.split())
    for mark in "\\`*_[]<>|#":
        flat = flat.replace(mark, "\\" + mark)
    return flat
