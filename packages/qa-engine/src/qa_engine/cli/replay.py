"""Commands that compute answers again: verify, answer."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import App, AsJson, Force, Progress, Questions, Store, Workers, Wrote, close, shell

from qa_engine.cli.options import AnyQuestions, MinVisiblePx, Points, Profile, RayAddress, open_executor
from qa_engine.views.thresholds import FIRST_SEEN_PX


def register(app: App) -> None:
    """Add the commands of this module to the command line."""
    app.command(topic="Answers")(verify)
    app.command(topic="Answers")(answer)


def verify(
    store: Store,
    questions: Questions,
    *,
    workers: Workers = 1,
    ray_address: RayAddress = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
) -> None:
    """Replay the program of every question and compare with the stored answer.

    Exit code 1: there are differences; they are listed.
    """
    from qa_contract.tableio import read_table
    from qa_contract.tables import QUESTIONS

    from qa_engine.replay.verify import BOUNDS, COLUMNS, difference_rows
    from qa_engine.replay.verify import verify as run
    from qa_engine.scenes.store import Store as SceneStore

    began = time.perf_counter()
    table = read_table(questions, "questions", QUESTIONS, columns=[*COLUMNS, *BOUNDS])
    with Progress("questions") as progress:
        executor = open_executor(workers, ray_address)
        differences = run(SceneStore(store), table, executor=executor, progress=progress.stage("verify"))
    if as_json:
        typer.echo(json.dumps({"questions": len(table), "differences": difference_rows(differences)}, indent=1))
    else:
        for row in difference_rows(differences):
            typer.echo(
                f"{row['question_id']} {row['scene_name']} {row['question_type']}: {row['problem']} is "
                f"{row['stored']}, the program gives {row['replayed']}"
            )
    train = shell("qa-trainer", "sft", questions, "--store", store, "--out", "RUN")
    close(
        since=began,
        headline=f"Replayed {len(table):,} questions: {len(differences)} differences",
        next=shell("qa-engine", "generate", store, "--out", "QUESTIONS") if differences else train,
        lost=len(differences),
    )


def answer(
    store: Store,
    questions: AnyQuestions,
    *,
    out: Annotated[Path, typer.Option(help="Parquet file of the answers.")],
    jsonl: Annotated[Path | None, typer.Option(help="Also write the answers as JSONL.")] = None,
    profile: Profile = "exact",
    points: Points = True,
    min_visible_px: MinVisiblePx = FIRST_SEEN_PX,
    workers: Workers = 1,
    ray_address: RayAddress = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Answer questions that others wrote, from geometry alone.

    A question that cannot be answered keeps its row: status not_answerable and the reason.
    """
    from qa_contract.files import atomic_path, check_output_file
    from qa_contract.tableio import table_metadata, write_table

    from qa_engine.facts.profiles import get_profile
    from qa_engine.replay.answer import ANSWERS, answer_questions
    from qa_engine.replay.external import read_external_questions
    from qa_engine.scenes.store import Store as SceneStore

    get_profile(profile)
    for path in filter(None, (out, jsonl)):
        check_output_file(path, force=force)
    began = time.perf_counter()
    table = read_external_questions(questions)
    how = {"profile": profile, "points": points, "min_visible_px": min_visible_px}
    with Progress("questions") as progress:
        executor = open_executor(workers, ray_address)
        answers = answer_questions(
            SceneStore(store), table, **how, executor=executor, progress=progress.stage("answer")
        )
    schema = {"id": table.schema["id"], **ANSWERS}
    write_table(answers, out, schema, table_metadata("answers", "qa-engine answer", how, 0))
    if jsonl:
        with atomic_path(jsonl) as temporary:
            answers.write_ndjson(temporary)
    refused = dict(answers["reason"].drop_nulls().value_counts(sort=True).iter_rows())
    answered = answers.filter(status="answered").height
    close(
        Wrote(out, len(answers), "questions"),
        since=began,
        notes=[f"{answered} answered", *(f"{reason} {n}" for reason, n in refused.items())],
        next=shell("qa-eval", "score", out, "--questions", questions, "--benchmark", "vsi-bench"),
        summary={"answered": answered, "not_answered": refused},
        as_json=as_json,
    )
