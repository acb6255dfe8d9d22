"""The page of every answer: filters, search, frames, what was said and how it was read; thousands of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.cli import shell
from qa_contract.pages import Fragment, Page, Section, href

from qa_eval.errors import QAEvalError
from qa_eval.report.facts import head, unlike_lines
from qa_eval.scoring.rows import EXPLAINED, Sources, answer_rows, read_sources, with_pictures
from qa_eval.scoring.stored import Stored, read_stored

FORM = """
<form class="filters browse-filters" hidden>
<label>type <select name="type"><option value="">all</option>
{%- for name, n in types %}<option value="={{ name }}">{{ name }} ({{ n }})</option>{% endfor %}</select></label>
<label>answer <select name="answer"><option value="">all</option><option value="right">right</option>
<option value="wrong">wrong</option><option value="unreadable">unreadable</option>
<option value="unscored">without a score</option></select></label>
{% if two %}
<label>{{ second }} is <select name="change"><option value="">any</option><option value="changed">changed</option>
<option value="better">better</option><option value="worse">worse</option><option value="words">said otherwise</option>
<option value="one">in one run alone</option></select></label>
{% endif %}
<label>order <select name="order"><option value="">as asked</option><option value="sure">most confident</option>
<option value="unsure">least confident</option><option value="worst">lowest score</option></select></label>
<label>search <input type="search" name="search" autocomplete="off"></label>
<output aria-live="polite"></output>
</form>
<noscript><p class="warn">The answers are shown by a script, which is switched off here.</p></noscript>
<div class="browse" hidden>
<div class="list" tabindex="0" role="listbox" aria-label="Answered questions"></div>
<div class="pane" role="region" aria-label="Question" aria-live="polite"></div>
</div>
"""
KEYS = "Here: j k or the arrow keys in the list for the next and the previous question, / to search, Esc to clear."
LABELS = {
    "answer_value": "value",
    "answer_low": "lower bound",
    "answer_high": "upper bound",
    "evidence_frames": "evidence in frames",
}
"""Names of columns on the page, where they differ."""


def write_view(
    paths: Sequence[Path],
    names: Sequence[str],
    out: Path,
    *,
    questions: Path | None = None,
    store: Path | None = None,
    title: str = "Every answer",
) -> int:
    """Write the page of one run, or of several on the same questions, as the file `out`.

    Parameters
    ----------
    paths : sequence of Path
        Run folders, scores tables, or rows of `score --out`; the first one foremost.
    names : sequence of str
        Of the runs.
    out : Path
        Frames are linked from their store, relative to this file; pictures that the questions' file or a zip file
        holds are written into a folder beside it.
    questions, store : Path, optional
        Where they are not where the run found them, or for scored files, which name none.

    Returns
    -------
    int
        Questions on the page.

    Raises
    ------
    QAEvalError
        A run holds no scored answers, or the runs share no question.
    """
    runs = [read_stored(path) for path in paths]
    page, n = build_view(runs, names, out, questions=questions, store=store, title=title)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page.html(), encoding="utf-8")
    return n


def build_view(
    runs: Sequence[Stored],
    names: Sequence[str],
    out: Path,
    *,
    questions: Path | None = None,
    store: Path | None = None,
    title: str = "Every answer",
) -> tuple[Page, int]:
    """Build the page as it lies at `out`; also the number of questions on it."""
    unpacked = out.with_name(f"{out.stem}-pictures")
    sources = [
        with_pictures(read_sources(run, questions, store), run, run.frame["question_id"], unpacked, questions)
        for run in runs
    ]
    tables = [answer_rows(run, source) for run, source in zip(runs, sources, strict=True)]
    if len(tables) > 1 and not set(tables[0]["question_id"]) & set(tables[1]["question_id"]):
        raise QAEvalError(f"{runs[0].path} and {runs[1].path} share no question.")
    rows, frames, facts = _rows(tables, sources, out.parent)
    types = pl.concat([table.select("question_id", "question_type") for table in tables]).unique()
    counts = types["question_type"].value_counts().sort("question_type")
    values = {"types": counts.rows(), "two": len(runs) > 1, "second": names[min(1, len(names) - 1)]}
    data = {"runs": [{"name": name} for name in names], "rows": rows, "frames": frames, "facts": facts}
    data["explain"] = _explain(runs[0].manifest.get("inputs", {}), questions, store) if facts else None
    page = Page(
        title,
        [Section("Answers", [Fragment(FORM, values)])],
        subtitle=", ".join(names),
        facts=head(runs),
        warnings=unlike_lines(runs, names),
        data={"answers": data},
        styles=[_static("view.css")],
        scripts=[_static("view.js")],
        footer=KEYS,
    )
    return page, len(rows)


def _explain(inputs: Mapping[str, Any], questions: Path | None, store: Path | None) -> str | None:
    """Write the command that draws an explanation, up to the question's id; None where its inputs are not known."""
    places = store or inputs.get("store"), questions or inputs.get("questions")
    return None if None in places else shell("qa-engine", "explain", *map(str, places))


def _rows(
    tables: Sequence[pl.DataFrame], sources: Sequence[Sources], folder: Path
) -> tuple[list[Any], list[Any], list[Any]]:
    """List the questions of all runs, with the frame sets and explanations that they point to."""
    frames: dict[tuple[Any, ...], int] = {}
    shown: list[dict[str, Any]] = []
    facts: list[list[tuple[str, str]]] = []
    rows: dict[str, list[Any]] = {}
    for place, (table, source) in enumerate(zip(tables, sources, strict=True)):
        for row in table.iter_rows(named=True):
            name = row["question_id"]
            if name not in rows:
                files = source.shown(row)
                # Frames that were decoded from videos have names alone.
                named = [n for n, _ in files] or row["frame_ids"] or []
                key = (*named, *(path for _, path in files))
                if key and key not in frames:
                    frames[key] = len(shown)
                    shown.append({"names": named, "paths": [href(path, folder) for _, path in files]})
                explained = explanation(row)
                if explained:
                    facts.append(explained)
                rows[name] = [
                    *(name, row["question_type"], row["scene_name"], row["question"] or "", row["options"]),
                    *(row["ground_truth"] or "", frames.get(key), len(facts) - 1 if explained else None),
                    *([None] * len(tables)),
                ]
            rows[name][8 + place] = [
                *(row["completion"], row["parsed"], row["score"], bool(row["parse_failed"])),
                *(_rounded(row["confidence"]), row["reason"]),
            ]
    return list(rows.values()), shown, facts


def explanation(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Write how the engine computed an answer, as names and texts.

    Examples
    --------
    >>> row = dict.fromkeys(EXPLAINED) | {"program": "count(chair)", "margin": 0.25, "margin_unit": "m"}
    >>> explanation(row)
    [('program', 'count(chair)'), ('margin', '0.25 m')]
    """
    found = []
    for name in EXPLAINED:
        value, unit = row[name], row.get(f"{name}_unit")
        if name in ("unit", "margin_unit") or value is None or value == []:
            continue
        if name == "operands":
            value = ", ".join(f"{one['role']}: {one['category']} {one['instance_ids']}" for one in value)
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        elif isinstance(value, float):
            unit = row["unit"] if name.startswith("answer") else unit
            value = f"{value:.4g}"
        found.append((LABELS.get(name, name), f"{value} {unit}" if unit else str(value)))
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _static(name: str) -> str:
    return (resources.files("qa_eval.report") / "static" / name).read_text(encoding="utf-8").strip()
