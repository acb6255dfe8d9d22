"""The HTML page of a report: one file, no network, all text from data escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from qa_eval.report.collect import Example, RunReport
from qa_eval.report.svg import COLOURS, Bar, bar_chart, line_chart
from qa_eval.runners import RUNNERS

THUMBNAIL_PX = 160

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1f24; background: #fff; margin: 0 auto; max-width: 1080px;
  padding: 16px; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; border-bottom: 1px solid #d9dde2; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
th button { font: inherit; font-weight: 600; background: none; border: 0; padding: 0; cursor: pointer; }
.ci { color: #5c6470; font-size: .85em; }
.warn { background: #fff4d6; border-left: 4px solid #c98a00; padding: 8px 12px; }
svg { display: block; width: 100%; max-width: 520px; height: auto; font: 12px system-ui, sans-serif; }
svg .n { font-size: 11px; fill: #444; }
.key { display: inline-block; width: .8em; height: .8em; margin-right: .35em; }
.item { white-space: nowrap; margin-right: .8em; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 14px; }
.card { border: 1px solid #d9dde2; border-radius: 6px; padding: 10px; overflow-wrap: anywhere; }
.card img { width: 23%; margin-right: 1.5%; border-radius: 3px; }
.card p { margin: 6px 0; white-space: pre-line; } .card code { font-size: .82em; }
.right { color: #2c6a35; } .wrong { color: #a32f2f; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; } dt { color: #5c6470; } dd { margin: 0;
  overflow-wrap: anywhere; }
"""

SCRIPT = """
document.querySelectorAll('table.sortable th button').forEach(function (button) {
  button.addEventListener('click', function () {
    var cell = button.closest('th'), table = cell.closest('table'), body = table.tBodies[0];
    var column = Array.prototype.indexOf.call(cell.parentNode.children, cell);
    var up = cell.getAttribute('aria-sort') !== 'ascending';
    var key = function (row) { return row.children[column].dataset.v || row.children[column].textContent; };
    Array.from(body.rows).sort(function (a, b) {
      var x = key(a), y = key(b), d = parseFloat(x) - parseFloat(y);
      return (isNaN(d) ? x.localeCompare(y) : d) * (up ? 1 : -1);
    }).forEach(function (row) { body.appendChild(row); });
    table.querySelectorAll('th').forEach(function (th) { th.removeAttribute('aria-sort'); });
    cell.setAttribute('aria-sort', up ? 'ascending' : 'descending');
  });
});
"""


def build_page(runs: Sequence[RunReport], title: str) -> str:
    """Build the page of one or more runs."""
    sections = [_warnings(runs), _table(runs), _bars(runs), _confidence(runs), _curves(runs), _bias(runs)]
    sections += [_gallery(run) for run in runs]
    sections += [_facts(run) for run in runs]
    body = "\n".join(section for section in sections if section)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1>{body}<script>{SCRIPT}</script></body></html>\n"
    )


def _warnings(runs: Sequence[RunReport]) -> str:
    lines = []
    for run in runs:
        n, scored = run.summary["n"], run.summary["n_scored"]
        if scored < n:
            why = ", ".join(f"{reason} {count}" for reason, count in run.summary["unscored"].items())
            lines.append(f"{run.name}: {n - scored} of {n} questions have no score ({why}); the scores leave them out.")
    for what in ("parser", "benchmark"):
        if len({run.summary[what] for run in runs}) > 1:
            lines.append(f"The runs differ in the {what}; their scores do not compare.")
    return "".join(f'<p class="warn">{escape(line)}</p>' for line in lines)


def _table(runs: Sequence[RunReport]) -> str:
    head = "".join(f"<th><button>{_key(i)}{escape(run.name)}</button></th>" for i, run in enumerate(runs))
    names = list(dict.fromkeys(name for run in runs for name in run.summary["types"]))
    chance = next((run.summary.get("diagnostics", {}).get("chance", {}) for run in runs), {})
    level = {name: f"{100 * chance[name]:.1f}" if name in chance else "" for name in names} if chance else {}
    body = "".join(_row(name, [run.summary["types"].get(name) for run in runs], level.get(name)) for name in names)
    foot = "".join(
        _row(label, [run.summary[key] for run in runs], "" if chance else None)
        for label, key in ((f"overall (mean of {_mean_of(runs)})", "overall"), ("micro (mean of rows)", "micro"))
    )
    columns = "<th><button>question type</button></th><th><button>n</button></th>"
    columns += "<th><button>chance</button></th>" if chance else ""
    note = " Chance is a uniform guess among the options." if chance else ""
    return (
        '<h2>Scores in percent</h2><div class="scroll"><table class="sortable">'
        f"<thead><tr>{columns}{head}</tr></thead><tbody>{body}</tbody><tfoot>{foot}</tfoot></table></div>"
        f'<p class="ci">95% intervals by a bootstrap over scenes.{note}</p>'
    )


def _mean_of(runs: Sequence[RunReport]) -> str:
    return "rows" if all(run.summary.get("overall_of") == "rows" for run in runs) else "tasks"


def _row(name: str, cells: Sequence[dict[str, Any] | None], chance: str | None) -> str:
    n = next((cell["n"] for cell in cells if cell and "n" in cell), "")
    columns = "".join(_cell(cell) for cell in cells)
    level = "" if chance is None else f"<td>{chance}</td>"
    return f"<tr><td>{escape(name)}</td><td>{n}</td>{level}{columns}</tr>"


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None or cell["mean"] is None:
        return "<td>&ndash;</td>"
    limits = "" if cell["ci_low"] is None else f"{100 * cell['ci_low']:.1f}&ndash;{100 * cell['ci_high']:.1f}"
    missing = f' <b class="wrong">{cell["n_unscored"]} unscored</b>' if cell.get("n_unscored") else ""
    return f'<td data-v="{cell["mean"]:.6f}">{100 * cell["mean"]:.1f} <span class="ci">{limits}</span>{missing}</td>'


def _bars(runs: Sequence[RunReport]) -> str:
    names = list(dict.fromkeys(name for run in runs for name in run.summary["types"]))
    bars = [
        Bar(name, i, cell["mean"], cell["ci_low"], cell["ci_high"])
        for name, key in [*((name, "types") for name in names), ("overall", "overall")]
        for i, run in enumerate(runs)
        if (cell := run.summary[key].get(name) if key == "types" else run.summary[key]) and cell["mean"] is not None
    ]
    legend = " ".join(f'<span class="item">{_key(i)}{escape(run.name)}</span>' for i, run in enumerate(runs))
    chart = bar_chart(bars, title="score per question type")
    return f"<h2>Per question type</h2><p>{legend}</p>{chart}"


def _confidence(runs: Sequence[RunReport]) -> str:
    series = [
        (run.name, [(100 * confidence, score) for _, _, _, confidence, score in run.confidence])
        for run in runs
        if run.confidence
    ]
    if not series:
        return ""
    chart = line_chart(
        series, title="score over confidence", x_label="confidence in the own answer, %", x_max=100, diagonal=True
    )
    return (
        "<h2>Confidence and score</h2><p>Mean score per tenth of confidence, the geometric mean probability of the "
        "answer's tokens. "
        f"On the dashed line confidence equals score.</p>{chart}"
    )


def _curves(runs: Sequence[RunReport]) -> str:
    parts = []
    for run in runs:
        if run.curves is None:
            continue
        clean = run.curves["clean"]["mean"] or 0.0
        series = []
        for kind, curve in run.curves["curves"].items():
            points = [
                (float(level), cell["mean"]) for level, cell in curve["levels"].items() if cell["mean"] is not None
            ]
            area = f" ({100 * curve['area']:.1f})" if curve["area"] is not None else ""
            series.append((kind + area, [(0.0, clean), *sorted(points)]))
        chart = line_chart(series, title="score over degradation level", x_label="level", x_max=5)
        parts.append(f"<h3>{escape(run.name)}</h3>{chart}")
    head = (
        "<h2>Degraded frames</h2><p>Overall score over the level of damage; the area under each curve in brackets.</p>"
    )
    return head + "".join(parts) if parts else ""


def _bias(runs: Sequence[RunReport]) -> str:
    rows = []
    for run in runs:
        bias = run.summary.get("diagnostics", {}).get("position_bias")
        if bias:
            shares = ", ".join(
                f"{k} {100 * bias['given'][k]:.0f} ({100 * bias['truth'][k]:.0f})" for k in bias["letters"]
            )
            yes = run.summary.get("diagnostics", {}).get("yes_bias")
            extra = "" if yes is None else f"; yes bias {100 * yes:+.1f} points"
            rows.append(f"<li>{escape(run.name)}: {escape(shares)}; distance {bias['distance']:.2f}{extra}</li>")
    if not rows:
        return ""
    head = "<h2>Option letters</h2><p>Share of answers in percent, of ground truths in brackets.</p>"
    return f"{head}<ul>{''.join(rows)}</ul>"


def _gallery(run: RunReport) -> str:
    if not run.wins and not run.losses:
        return ""
    cards = "".join(_card(example) for example in [*run.losses, *run.wins])
    kind = RUNNERS.get(run.summary["runner"])
    note = "<p>The runner was shown no frames.</p>" if kind is not None and kind.frames == "none" else ""
    return f'<h2>Examples: {escape(run.name)}</h2>{note}<div class="gallery">{cards}</div>'


def _card(example: Example) -> str:
    images = "".join(f'<img alt="frame" src="{data}">' for p in example.frames if (data := thumbnail(p)) is not None)
    options = "".join(f"\n{escape(option)}" for option in example.options)
    mark = "right" if example.score >= 0.5 else "wrong"
    sure = "" if example.confidence is None else f", confidence {100 * example.confidence:.0f}%"
    program = f"<p><code>{escape(example.program)}</code></p>" if example.program else ""
    return (
        f'<div class="card">{images}<p class="ci">{escape(example.question_type)}, {escape(example.scene_name)}</p>'
        f"<p>{escape(example.question)}{options}</p>"
        f"<p>truth <b>{escape(example.ground_truth)}</b>, "
        f'answer <b class="{mark}">{escape(example.completion[:300])}</b> (score {example.score:.1f}{sure})</p>'
        f"{program}</div>"
    )


def thumbnail(path: Path) -> str | None:
    """Shrink an image to a data URL, or None where it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
            small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    except (OSError, ValueError):
        return None
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _facts(run: RunReport) -> str:
    config = {k: v for k, v in run.manifest["config"].items() if v is not None}
    shown = {f"frames: {name}": value for name, value in run.manifest.get("frames", {}).items()}
    facts = {
        **config,
        "run_id": run.manifest["run_id"],
        **shown,
        **run.manifest.get("model", {}),
        **run.manifest["packages"],
    }
    rows = "".join(f"<dt>{escape(str(k))}</dt><dd>{escape(str(v))}</dd>" for k, v in facts.items())
    return f"<h2>How it was run: {escape(run.name)}</h2><dl>{rows}</dl>"


def _key(i: int) -> str:
    return f'<span class="key" style="background:{COLOURS[i % len(COLOURS)]}"></span>'
