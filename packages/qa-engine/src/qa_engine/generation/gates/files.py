"""Files of a pass through gates: questions that passed, why they were asked, rejects, manifest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import polars as pl
from qa_contract.files import output_folder, write_json
from qa_contract.tableio import read_table, table_files, table_metadata, write_table
from qa_contract.tables import BIAS, CHOICES, CONFIDENCE, QUESTIONS, REJECTS

from qa_engine.generation.gates import Known, select_gates
from qa_engine.generation.gates.base import BIAS_COLUMNS, EVIDENCE
from qa_engine.generation.gates.run import Passed, pass_gates
from qa_engine.generation.inputs import table_digest
from qa_engine.scenes.store import Store

PRODUCER = "qa-engine gate"
MANIFEST = "manifest.json"


def write_passed(
    candidates: Path,
    out: Path,
    *,
    names: Sequence[str] | None = None,
    store: Path | None = None,
    evidence: Sequence[Path] = (),
    exclude: Sequence[Path] = (),
    about: Sequence[Path] = (),
    audit: Sequence[Path] = (),
    count: int | None = None,
    force: bool = False,
) -> Passed:
    """Pass a table of questions through gates into a folder: `questions`, `choices`, `rejects`, `manifest.json`.

    Parameters
    ----------
    candidates : Path
        Table `questions`; `choices` beside it are kept for what passes.
    out : Path
    names : sequence of str, optional
        Gates; default all.
    store : Path, optional
        Tells what frames show.
    evidence : sequence of Path
        Tables `confidence` of signals; of a question that is in several the newest round counts, but for suspects,
        which stay so.
    exclude, about : sequence of Path
        Questions asked before, and further ones that the evidence is about.
    audit : sequence of Path
        Tables `bias` of audits with `--prune`.
    count : int, optional
        Questions to keep of those that pass, the first ones; the others are left over, not refused.
    force : bool
    """
    began = time.perf_counter()
    gates = select_gates(names)
    questions = read_table(candidates, "questions", QUESTIONS)
    opened = None if store is None else Store(store)
    known = Known(_evidence(evidence), _read(exclude), _read(about), _bias(audit), opened)
    passed = pass_gates(questions, gates, known)
    kept = passed.questions if count is None else passed.questions.head(count)
    config = {"gates": list(gates), "count": count, "candidates": table_digest(questions)}
    config |= {"evidence": table_digest(known.evidence), "earlier": table_digest(known.earlier)}
    config |= {"about": table_digest(known.asked_about)}
    config |= {"audit": table_digest(known.bias)} if audit else {}
    with output_folder(out, force=force) as folder:
        metadata = table_metadata("questions", PRODUCER, config, 0)
        write_table(kept, folder / "questions.parquet", QUESTIONS, metadata)
        write_table(passed.rejects, folder / "rejects.parquet", REJECTS, metadata | {"table": "rejects"})
        choices = _choices(candidates)
        if choices is not None:
            of_kept = kept.select("question_id").join(choices, on="question_id", maintain_order="left")
            write_table(
                of_kept.select(list(CHOICES)), folder / "choices.parquet", CHOICES, metadata | {"table": "choices"}
            )
        write_json(
            folder / MANIFEST,
            {
                "command": PRODUCER,
                "run_id": metadata["run_id"],
                "config": config,
                "candidates": len(questions),
                "passed": len(passed.questions),
                "questions": len(kept),
                "gates": [asdict(one) for one in passed.yields],
                "seconds": round(time.perf_counter() - began, 3),
            },
        )
    return Passed(kept, passed.rejects, passed.yields)


def _read(sources: Sequence[Path]) -> pl.DataFrame:
    tables = [pl.DataFrame(schema=dict(QUESTIONS)), *(read_table(path, "questions", QUESTIONS) for path in sources)]
    return pl.concat(tables).unique("question_id", keep="first", maintain_order=True)


def _bias(sources: Sequence[Path]) -> pl.DataFrame:
    tables = [pl.DataFrame(schema={name: BIAS[name] for name in BIAS_COLUMNS})]
    tables += [read_table(path, "bias", BIAS, columns=BIAS_COLUMNS) for path in sources]
    return pl.concat(tables).unique("question_id", keep="last", maintain_order=True)


def _evidence(sources: Sequence[Path]) -> pl.DataFrame:
    """Read what signals say: the newest row of every question; once suspect, always suspect."""
    tables = [read_table(path, "confidence", CONFIDENCE, columns=EVIDENCE) for path in sources]
    rows = pl.concat([pl.DataFrame(schema={name: CONFIDENCE[name] for name in EVIDENCE}), *tables])
    ever = pl.when((pl.col("label") == "suspect").any().over("question_id")).then(pl.lit("suspect"))
    return (
        rows.with_columns(label=ever.otherwise("label"))
        .sort("round", maintain_order=True)
        .unique("question_id", keep="last", maintain_order=True)
    )


def _choices(candidates: Path) -> pl.DataFrame | None:
    """Read why the candidates were asked; None where that is not known."""
    if not Path(candidates).is_dir() or not list(Path(candidates).glob("choices*.parquet")):
        return None
    table_files(candidates, "choices")
    return read_table(candidates, "choices", CHOICES)
