"""`qa-confidence signal`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.cli import AsJson, Force, Out, Seed, Wrote, close, shell

from qa_confidence.cli.shared import by_reason, input_ids, read_confidence, write, write_manifest
from qa_confidence.errors import QAConfidenceError

if TYPE_CHECKING:
    from qa_confidence.labelling import Labelled


def signal(
    clean: Annotated[
        list[Path], typer.Argument(help="Folders of clean passes of one model: tables 'predictions' and 'scores'.")
    ],
    questions: Annotated[list[Path], typer.Option(help="Tables 'questions' that were asked.")],
    out: Out,
    blind: Annotated[list[Path] | None, typer.Option(help="The same passes without frames.")] = None,
    panel: Annotated[
        Path | None, typer.Option(help="Table 'questions' of the panel, which every round answers and none trains on.")
    ] = None,
    previous: Annotated[
        list[Path] | None,
        typer.Option(help="Signals of earlier rounds, the newest last: with them suspects are found, and drift."),
    ] = None,
    seed: Seed = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Turn what one frozen model answers into expected scores, chance-corrected, with headroom over no frames.

    Writes 'confidence', the calibrator, and signal.json with calibration errors, suspects and drift. --seed is of the
    parts of the scenes that are fitted apart.
    """
    import polars as pl
    from qa_contract.files import atomic_path, check_output_folder, output_folder, write_json
    from qa_contract.tableio import read_table
    from qa_contract.tables import QUESTIONS

    from qa_confidence.calibrators import Calibrator
    from qa_confidence.signal.facts import signal_facts
    from qa_confidence.signal.rows import ABOUT, signal_rows

    started = time.perf_counter()
    check_output_folder(out, force=force)
    asked = pl.concat([read_table(path, "questions", QUESTIONS, columns=ABOUT) for path in questions])
    ids = None if panel is None else read_table(panel, "questions", QUESTIONS, columns=["question_id"])["question_id"]
    seen = [_labelled(folder) for folder in clean]
    unseen = [_labelled(folder) for folder in blind or ()]
    _check_told(seen, clean)
    earlier = read_confidence(previous) if previous else None
    result = signal_rows(
        pl.concat([one.confidence for one in seen]),
        asked,
        blind=pl.concat([one.confidence for one in unseen]) if unseen else None,
        panel=ids,
        previous=earlier,
        seed=seed,
    )
    before = Calibrator.load(previous[-1]) if previous else None
    facts = signal_facts(result, previous=earlier, calibrator=before, seed=seed)
    rejects = pl.concat([*(one.rejects for one in [*seen, *unseen]), result.rejects])
    inputs = [(panel, "questions"), *((path, "questions") for path in questions)]
    inputs += [(path, "confidence") for path in previous or ()]
    runs = [(path, "predictions") for path in [*clean, *(blind or ())]]
    config = {"inputs": [input_ids([one]) for one in [*inputs, *runs]], "seed": seed}
    with output_folder(out, force=force) as folder:
        write(result.confidence, folder, "confidence", "qa-confidence signal", config)
        write(rejects, folder, "rejects", "qa-confidence signal", config)
        with atomic_path(folder / "calibrator.json") as path:
            path.write_text(result.calibrator.to_json(), encoding="utf-8")
        write_json(folder / "signal.json", facts)
        write_manifest(folder, "signal", config, started)
    error = facts["calibration"]["all"]
    close(
        Wrote(out / "confidence.parquet", len(result.confidence)),
        since=started,
        notes=[
            f"ECE {error['ece_before']:.3f} before, {error['ece_after']:.3f} after calibration",
            f"{facts['suspects']:,} suspects, {len(facts['suspect_scenes']):,} suspect scenes",
        ],
        rejects=by_reason(rejects),
        lost=len(rejects),
        next=shell("qa-confidence", "feedback", out, "--questions", questions[0], "--out", "DIR"),
        summary=facts,
        as_json=as_json,
    )


def _check_told(seen: Sequence[Labelled], clean: Sequence[Path]) -> None:
    """Refuse passes of which no answer says how sure the model was, as of a server without log-probabilities."""
    refused = Counter(reason for one in seen for reason in one.rejects["reason"])
    if any(len(one.confidence) for one in seen) or not refused:
        return
    counts = ", ".join(f"{reason} {n}" for reason, n in refused.most_common())
    hint = (
        " The answers carry no log-probabilities: let a server answer that gives them, such as vLLM or llama.cpp, or "
        "the runner 'transformers'; in a loop leave 'passes' out of [serve] use."
        if refused["no_tokens"]
        else ""
    )
    raise QAConfidenceError(f"{', '.join(map(str, clean))}: no answer to learn from ({counts}).{hint}")


def _labelled(folder: Path) -> Labelled:
    """Read a pass: its answers with their scores."""
    from qa_contract.tableio import read_table
    from qa_contract.tables import PREDICTIONS, SCORES

    from qa_confidence.labelling import LATER, READ, label_predictions

    predictions = read_table(folder, "predictions", PREDICTIONS, columns=READ, optional=LATER)
    return label_predictions(predictions, scores=read_table(folder, "scores", SCORES))
