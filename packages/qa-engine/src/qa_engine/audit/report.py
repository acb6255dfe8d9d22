"""The audit as a folder: scores per question, a report for people and one for programs, and what pruning left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from qa_contract.files import output_folder, write_json
from qa_contract.tableio import read_metadata, table_files, table_metadata, write_table
from qa_contract.tables import BIAS, QUESTIONS

from qa_engine.audit.artefacts import NOTABLE, Artefact, find_artefacts
from qa_engine.audit.blind import BlindScores, blind_scores
from qa_engine.audit.prune import Pruning, prune
from qa_engine.audit.questions import AuditItem, has_structure, read_items, read_table_of

PRODUCER = "qa-engine audit"


def write_audit(
    source: Path,
    out: Path,
    *,
    folds: int = 5,
    target: float | None = None,
    seed: int = 0,
    force: bool = False,
    progress: Callable[[str, int, int], None] = lambda stage, done, of: None,
) -> dict[str, Any]:
    """Audit a file of questions; returns what `report.json` holds.

    The folder gets `bias.parquet`, `report.md`, `report.json`, and with a target the questions that are left, in the
    form in which they came.
    """
    with output_folder(out, force=force) as folder:
        table = read_table_of(source)
        structured = has_structure(table)
        items = read_items(table.filter(~structured))
        scores = blind_scores(
            items, folds=folds, seed=seed, progress=lambda done, of: progress("answer blind", done, of)
        )
        pruning = None
        if target is not None:
            pruning = prune(
                items,
                scores,
                target=target,
                folds=folds,
                seed=seed,
                progress=lambda iteration, kept: progress("prune", len(items) - kept, len(items)),
            )
        report = _summary(items, scores, pruning, {"folds": folds, "target": target, "seed": seed})
        report["not_audited"] = int(structured.sum())
        config = {"folds": folds, "target": target}
        bias = _bias_table(items, scores, pruning)
        write_table(bias, folder / "bias.parquet", BIAS, table_metadata("bias", PRODUCER, config, seed))
        write_json(folder / "report.json", report)
        (folder / "report.md").write_text(markdown(report), encoding="utf-8")
        if pruning is not None:
            kept = structured.clone()
            kept[np.flatnonzero(~structured.to_numpy())] = pruning.kept
            _write_kept(source, table.filter(kept), folder)
    return report


def _bias_table(items: list[AuditItem], scores: BlindScores, pruning: Pruning | None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "question_id": [item.id for item in items],
            "scene_name": [item.scene_name for item in items],
            "question_type": [item.question_type for item in items],
            "blind_score": scores.forest,
            "bias": scores.bias,
            "chance": scores.chance,
            "dropped_in": np.zeros(len(items), dtype=np.int64) if pruning is None else pruning.dropped_in,
        }
    )


def _write_kept(source: Path, kept: pl.DataFrame, folder: Path) -> None:
    """Write the questions that are left."""
    path = table_files(source, "questions")[0]
    if path.suffix != ".parquet":
        kept.write_ndjson(folder / "questions.jsonl")
    elif set(QUESTIONS) <= set(kept.columns):
        write_table(kept.select(list(QUESTIONS)), folder / "questions.parquet", QUESTIONS, read_metadata(path))
    else:
        kept.write_parquet(folder / "questions.parquet")


def _summary(
    items: list[AuditItem], scores: BlindScores, pruning: Pruning | None, settings: dict[str, Any]
) -> dict[str, Any]:
    kinds = np.array([item.question_type for item in items])
    kept = None if pruning is None else pruning.kept
    types = [_type_row(str(kind), kinds == kind, scores, kept) for kind in np.unique(kinds)]
    overall = {
        name: float(np.mean([row[name] for row in types])) if types else 0.0
        for name in ("forest", "majority", "category", "chance")
    }
    after = None
    if pruning is not None:
        left = [item for item, keep in zip(items, pruning.kept, strict=True) if keep]
        again = blind_scores(left, folds=settings["folds"], seed=settings["seed"])
        names = np.array([item.question_type for item in left])
        after = [_type_row(str(kind), names == kind, again, None) for kind in np.unique(names)]
    return {
        "questions": len(items),
        "settings": settings,
        "overall": overall,
        "types": types,
        "artefacts": [asdict(row) for row in find_artefacts(items) if _notable(row)],
        "pruning": None
        if pruning is None
        else {
            "kept": int(pruning.kept.sum()),
            "iterations": pruning.iterations,
            "unfinished": list(pruning.unfinished),
            "types": after,
        },
    }


def _notable(row: Artefact) -> bool:
    return abs(row.z) >= NOTABLE


def _type_row(kind: str, rows: np.ndarray, scores: BlindScores, kept: np.ndarray | None) -> dict[str, Any]:
    means = {name: float(getattr(scores, name)[rows].mean()) for name in ("forest", "majority", "category", "chance")}
    return {
        "question_type": kind,
        "n": int(rows.sum()),
        "kept": int((rows if kept is None else rows & kept).sum()),
    } | means


def markdown(report: dict[str, Any]) -> str:
    """Write the report for people."""
    lines = [
        "# Shortcut audit",
        "",
        f"{report['questions']} questions, {report['settings']['folds']} folds of scenes, seed "
        f"{report['settings']['seed']}. Scores in percent: accuracy of choices, MRA of numbers.",
        "",
        "| question type | n | chance | majority | category | forest |",
        "|---|---|---|---|---|---|",
        *(_line(row) for row in report["types"]),
        _line({"question_type": "mean of types", "n": report["questions"]} | report["overall"]),
        "",
        "The forest sees question and options only. What it scores above chance needs no frames.",
        *([f"{n} questions that are answered by JSON were not looked at."] if (n := report["not_audited"]) else []),
        "",
        "## Artefacts",
        "",
    ]
    if report["artefacts"]:
        lines += ["| question type | option chosen | questions | right | by chance | z |", "|---|---|---|---|---|---|"]
        lines += [
            f"| {row['question_type']} | {row['rule']} | {row['n']} | {row['right']} | {row['expected']:.0f} | "
            f"{row['z']:+.1f} |"
            for row in report["artefacts"]
        ]
    else:
        lines.append("No rule of choosing options is right clearly more or less often than chance.")
    if report["pruning"] is not None:
        pruning = report["pruning"]
        lines += [
            "",
            "## Pruning",
            "",
            f"{pruning['kept']} of {report['questions']} questions are left after {pruning['iterations']} iterations; "
            f"target: chance plus {100 * report['settings']['target']:g} points.",
            "",
            "| question type | n | chance | majority | category | forest |",
            "|---|---|---|---|---|---|",
            *(_line(row) for row in pruning["types"]),
        ]
        if pruning["unfinished"]:
            lines += ["", f"Not reached, too few questions are left: {', '.join(pruning['unfinished'])}."]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any]) -> str:
    figures = " | ".join(f"{100 * row[name]:.1f}" for name in ("chance", "majority", "category", "forest"))
    return f"| {row['question_type']} | {row['n']} | {figures} |"
