"""Write a report folder: report.html, report.md, report.json, model_card.md, and tables for papers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from qa_contract.files import output_folder, write_json
from qa_contract.pages import Page, to_markdown

from qa_eval.errors import QAEvalError
from qa_eval.report.collect import RunReport, read_run
from qa_eval.report.page import build_page, scores, warnings
from qa_eval.report.tables import paper_tables


def write_report(folders: Sequence[Path], out: Path, *, title: str = "Spatial questions", force: bool = False) -> None:
    """Report on finished runs.

    Raises
    ------
    QAEvalError
        A folder holds no finished run.
    FileError
        `out` is not empty and `force` is false.
    """
    if not folders:
        raise QAEvalError("Name at least one run folder.")
    with output_folder(out, force=force) as folder, TemporaryDirectory() as scratch:
        runs = [read_run(path, name, Path(scratch)) for path, name in zip(folders, run_names(folders), strict=True)]
        (folder / "report.html").write_text(build_page(runs, title).html(), encoding="utf-8")
        short = Page(title, [scores(runs)], warnings=warnings(runs))
        (folder / "report.md").write_text(to_markdown(short), encoding="utf-8")
        (folder / "model_card.md").write_text("".join(model_card(run) for run in runs), encoding="utf-8")
        for name, text in paper_tables(runs).items():
            (folder / name).write_text(text, encoding="utf-8")
        write_json(folder / "report.json", {run.name: {"summary": run.summary, "curves": run.curves} for run in runs})


def model_card(run: RunReport) -> str:
    """Write one run as a section of a model card, with what is needed to repeat it."""
    s, manifest = run.summary, run.stored.manifest
    missing = "" if s["n_scored"] == s["n"] else f" ({s['n'] - s['n_scored']} of {s['n']} questions without a score)"
    lines = [
        f"## Evaluation: {_plain(run.name)}",
        "",
        f"- overall {_number(s['overall'])}, micro {_number(s['micro'])} on {s['n_scored']} questions{missing}",
        f"- benchmark `{s['benchmark']}`, parser `{s['parser']}`, {s['parse_failures']} parse failures",
        f"- model `{s['model_id']}`, runner `{s['runner']}`{_facts(run.stored.settings)}",
    ]
    if manifest:
        lines += [
            f"- frames{_facts(manifest.get('frames', {}))}",
            f"- questions `{manifest['config']['questions']}`, run `{manifest['run_id']}`",
            "- packages: " + ", ".join(f"{name} {version}" for name, version in manifest["packages"].items()),
        ]
    return "\n".join([*lines, ""]) + "\n"


def _facts(facts: dict[str, Any]) -> str:
    """Write facts behind a comma each."""
    return "".join(f", {name} {_plain(str(value))}" for name, value in facts.items())


def run_names(folders: Sequence[Path]) -> list[str]:
    """Name runs by their folders, with as many parents as it takes to tell them apart."""
    parts = [Path(folder).resolve().parts for folder in folders]
    for depth in range(1, max(len(p) for p in parts) + 1):
        names = ["/".join(p[-depth:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    raise QAEvalError("The same run folder is named twice.")


def _number(cell: dict[str, Any]) -> str:
    if cell["mean"] is None:
        return "-"
    limits = "" if cell["ci_low"] is None else f" ({100 * cell['ci_low']:.1f} to {100 * cell['ci_high']:.1f})"
    missing = f", {cell['n_unscored']} unscored" if cell.get("n_unscored") else ""
    return f"{100 * cell['mean']:.1f}{limits}{missing}"


def _plain(text: str) -> str:
    """Keep data from breaking out of a table cell or becoming HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
