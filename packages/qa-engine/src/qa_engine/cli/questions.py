"""Commands that make questions and check them: tasks, generate, verify, answer."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(tasks)
    app.command()(generate)
    app.command()(verify)
    app.command()(answer)


def tasks(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the question types: answer, cells of their difficulty, and what a scene needs."""
    from qa_engine.tasks import FAMILIES, TASKS

    rows = [
        {
            "question_type": task.question_type,
            "answer_type": task.answer_type,
            "unit": task.unit,
            "margin_unit": task.margin_unit,
            "cells": list(task.knob.cells),
            "cell_unit": task.knob.unit,
            "needs": task.needs,
        }
        for task in TASKS.values()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    width = max(len(name) for name in TASKS)
    for row in rows:
        answer = f"{row['answer_type']}{', ' + row['unit'] if row['unit'] else ''}"
        typer.echo(f"{row['question_type']:{width}}  {answer:15}  {' '.join(row['cells'])} ({row['cell_unit']})")
        typer.echo(f"{'':{width}}  needs {row['needs']}")
    for family, names in FAMILIES.items():
        typer.echo(f"{family:{width}}  = {', '.join(names)}")


def generate(
    store: Annotated[Path, typer.Argument(help="Folder of the store.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for questions, rejects and manifest.")],
    tasks: Annotated[str | None, typer.Option(help="Question types, with commas; see 'qa-engine tasks'.")] = None,
    split: Annotated[str | None, typer.Option(help="Scenes of this split: train, val or test.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Questions in all.")] = None,
    per_scene: Annotated[int | None, typer.Option(min=1, help="At most so many questions per scene.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes; the result does not depend on it.")] = 1,
    round: Annotated[int, typer.Option(min=0, help="Number of the loop's round.")] = 0,
    feedback: Annotated[Path | None, typer.Option(help="Table 'feedback' that decides what to ask more of.")] = None,
    sampler: Annotated[
        str, typer.Option(help="How feedback decides: baseline, learning, predicted, or paper.")
    ] = "baseline",
    exclude: Annotated[list[Path] | None, typer.Option(help="Questions asked before; repeat for more.")] = None,
    frame_set: Annotated[str | None, typer.Option(help="Frame set of the questions, if there are several.")] = None,
    profile: Annotated[str, typer.Option(help="exact, or vsi-bench for the benchmark's own distances.")] = "exact",
    screen: Annotated[
        bool,
        typer.Option("--screen/--no-screen", help="Ask only what the frame set shows, where the store is observed."),
    ] = True,
    min_visible_px: Annotated[
        int, typer.Option(min=1, help="Order of appearance: pixels whose crossing is the first appearance.")
    ] = 100,
    min_time_gap_s: Annotated[
        float, typer.Option(min=0, help="Order of appearance: seconds between first appearances.")
    ] = 1.0,
    proposer: Annotated[str, typer.Option(help="Who writes the questions: template, or llm.")] = "template",
    base_url: Annotated[str | None, typer.Option(help="llm: an OpenAI-compatible server, up to /v1.")] = None,
    model: Annotated[str, typer.Option(help="llm: name of the model on that server.")] = "default",
    local_model: Annotated[
        str | None, typer.Option(help="llm: folder or hub id of a model to run here, in place of a server.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="llm: folder of replies; OUT.cache where not given.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="llm: scenes asked about at a time.")] = 4,
    timeout_s: Annotated[float, typer.Option(min=0.1, help="llm: seconds to wait for a reply.")] = 120.0,
    retries: Annotated[int, typer.Option(min=0, help="llm: attempts after the first.")] = 3,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="llm: rate limit.")] = None,
    temperature: Annotated[float, typer.Option(min=0, help="llm: of the model.")] = 0.7,
    max_tokens: Annotated[int, typer.Option(min=1, help="llm: longest reply.")] = 4096,
    max_frames: Annotated[int, typer.Option(min=0, help="llm: frames shown per scene.")] = 32,
    exemplars: Annotated[int, typer.Option(min=0, help="llm: earlier questions shown per scene and label.")] = 3,
    confidence: Annotated[
        list[Path] | None, typer.Option(help="llm, sampler predicted: labels of those in --exclude; repeat for more.")
    ] = None,
    recheck: Annotated[bool, typer.Option("--recheck", help="llm: let the model judge every question.")] = False,
    allow_benchmark_scenes: Annotated[
        bool, typer.Option("--allow-benchmark-scenes", help="llm: ask about scenes that benchmarks test on, too.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
) -> None:
    """Generate questions with computed answers; all that there are, or as many as asked for.

    Exit code 1: the output is there, but a scene was lost, or there are fewer questions than `--count`.
    """
    from qa_contract.files import check_output_folder

    from qa_engine.cli.propose import generate_by_model, warn_of_benchmarks
    from qa_engine.errors import QAEngineError
    from qa_engine.facts.profiles import get_profile
    from qa_engine.generate.files import write_generation
    from qa_engine.generate.proposers import get_proposer
    from qa_engine.generate.request import Request
    from qa_engine.scenes.store import Store
    from qa_engine.tasks import select_tasks
    from qa_engine.views.frame_sets import can_screen, choose_frame_set

    get_proposer(proposer)
    check_output_folder(out, force=force)
    get_profile(profile)
    if proposer == "llm":
        from qa_engine.generate.llm.client import Connection
        from qa_engine.generate.llm.files import LLMRequest
        from qa_engine.generate.llm.local import local_name

        if (base_url is None) == (local_model is None):
            raise QAEngineError(
                "--proposer llm needs --base-url, the address of a server, as http://127.0.0.1:8000/v1, or "
                "--local-model, a folder or hub id; one of them."
            )
        model = model if local_model is None else local_name(local_model)
        wanted = LLMRequest(
            model=model, split=split, count=count, per_scene=per_scene or 5, seed=seed, round=round, profile=profile,
            frame_set_id=choose_frame_set(Store(store), frame_set), max_frames=max_frames, exemplars=exemplars,
            temperature=temperature, allow_benchmark_scenes=allow_benchmark_scenes, recheck=recheck,
        )  # fmt: skip
        connection = Connection(
            base_url or "", model, cache or out.with_name(f"{out.name}.cache"), timeout_s=timeout_s, retries=retries,
            requests_per_minute=requests_per_minute, temperature=temperature, max_tokens=max_tokens,
            local_model=local_model,
        )  # fmt: skip
        generate_by_model(
            store, wanted, connection, out, exclude=exclude or (), confidence=confidence or (),
            concurrency=concurrency, workers=workers, force=force,
        )  # fmt: skip
        return
    if count is not None and per_scene is not None:
        raise QAEngineError("--count and --per-scene exclude each other; give one of them.")
    began = time.perf_counter()
    names = None if tasks is None else [name.strip() for name in tasks.split(",") if name.strip()]
    if names == []:
        raise QAEngineError("--tasks names no task. See 'qa-engine tasks'.")
    chosen_set = choose_frame_set(Store(store), frame_set)
    request = Request(
        tasks=tuple(task.question_type for task in select_tasks(names)),
        split=split,
        count=count,
        per_scene=per_scene,
        seed=seed,
        round=round,
        profile=profile,
        frame_set_id=chosen_set,
        sampler=sampler,
        min_visible_px=min_visible_px,
        min_time_gap_s=min_time_gap_s,
        screen=screen and can_screen(Store(store), chosen_set),
    )
    run = write_generation(
        store,
        request,
        out,
        feedback=feedback,
        exclude=exclude or (),
        confidence=confidence or (),
        workers=workers,
        force=force,
        progress=_Progress(),
        say=lambda message: typer.echo(message, err=True),
    )
    warn_of_benchmarks(Store(store).scene_names(split))
    if run.n_bad_scenes:
        typer.echo(f"{run.n_bad_scenes} of {run.n_scenes} scenes were lost; see {out / 'rejects.parquet'}.", err=True)
    missing = 0 if count is None else count - run.n_questions
    if missing:
        typer.echo(f"{missing} of {count} questions are missing: the scenes give no more.", err=True)
    checked = f"visible in the frames of {chosen_set!r}" if request.screen else "visibility not checked"
    typer.echo(
        f"Wrote {out}: {run.n_questions} questions from {run.n_scenes} scenes in {time.perf_counter() - began:.1f} s, "
        f"{checked}. Next: qa-engine verify {store} {out}",
        err=True,
    )
    if missing or run.n_bad_scenes:
        raise typer.Exit(1)


def verify(
    store: Annotated[Path, typer.Argument(help="Folder of the store.")],
    questions: Annotated[Path, typer.Argument(help="Table 'questions': a file, or its folder.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
) -> None:
    """Replay the program of every question and compare with the stored answer.

    Exit code 1: there are differences; they are listed.
    """
    from qa_contract.tableio import read_table
    from qa_contract.tables import QUESTIONS

    from qa_engine.replay.verify import COLUMNS, difference_rows
    from qa_engine.replay.verify import verify as run
    from qa_engine.scenes.store import Store

    began = time.perf_counter()
    table = read_table(questions, "questions", QUESTIONS, columns=COLUMNS)
    progress = _Progress()
    differences = run(Store(store), table, progress=lambda done, of: progress("verify", done, of))
    if as_json:
        typer.echo(json.dumps({"questions": len(table), "differences": difference_rows(differences)}, indent=1))
    else:
        for row in difference_rows(differences):
            typer.echo(
                f"{row['question_id']} {row['scene_name']} {row['question_type']}: {row['problem']} is "
                f"{row['stored']}, the program gives {row['replayed']}"
            )
    ending = "Next: train or evaluate on them." if not differences else "The store or the questions were changed."
    typer.echo(
        f"Replayed {len(table)} questions: {len(differences)} differences in {time.perf_counter() - began:.1f} s. "
        f"{ending}",
        err=True,
    )
    if differences:
        raise typer.Exit(1)


def answer(
    store: Annotated[Path, typer.Argument(help="Folder of the store.")],
    questions: Annotated[Path, typer.Argument(help="JSONL or Parquet in VSI-Bench's schema, or a table 'questions'.")],
    *,
    out: Annotated[Path, typer.Option(help="Parquet file of the answers.")],
    jsonl: Annotated[Path | None, typer.Option(help="Also write the answers as JSONL.")] = None,
    profile: Annotated[str, typer.Option(help="exact, or vsi-bench for the benchmark's own distances.")] = "exact",
    points: Annotated[
        bool, typer.Option("--points/--no-points", help="exact: distances between scanned points, where there are any.")
    ] = True,
    min_visible_px: Annotated[
        int, typer.Option(min=1, help="Order of appearance: pixels whose crossing is the first appearance.")
    ] = 100,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Answer questions that others wrote, from geometry alone.

    A question that cannot be answered keeps its row: status not_answerable and the reason.
    """
    from qa_contract.tableio import table_metadata, write_table

    from qa_engine.facts.profiles import get_profile
    from qa_engine.replay.answer import ANSWERS, answer_questions
    from qa_engine.replay.external import check_new_files, read_external_questions
    from qa_engine.scenes.store import Store

    get_profile(profile)
    check_new_files([out, *([jsonl] if jsonl else [])], force=force)
    began = time.perf_counter()
    table = read_external_questions(questions)
    progress = _Progress()
    answers = answer_questions(
        Store(store),
        table,
        profile=profile,
        points=points,
        min_visible_px=min_visible_px,
        progress=lambda done, of: progress("answer", done, of),
    )
    schema = {"id": table.schema["id"], **ANSWERS}
    write_table(
        answers,
        out,
        schema,
        table_metadata(
            "answers",
            "qa-engine answer",
            {"profile": profile, "points": points, "min_visible_px": min_visible_px},
            0,
        ),
    )
    if jsonl:
        answers.write_ndjson(jsonl)
    refused = answers["reason"].drop_nulls().value_counts(sort=True).iter_rows()
    reasons = "".join(f", {reason} {n}" for reason, n in refused)
    n = answers.filter(status="answered").height
    typer.echo(
        f"Wrote {out}: {n} of {len(answers)} questions answered{reasons} in {time.perf_counter() - began:.1f} s. "
        f"Next: qa-eval score {out} --questions {questions} --benchmark vsi-bench",
        err=True,
    )


class _Progress:
    """Progress on stderr, where that is a terminal."""

    def __init__(self) -> None:
        self.shown = 0.0

    def __call__(self, stage: str, done: int, of: int) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and (done == of or now - self.shown > 0.2):
            self.shown = now
            typer.echo(f"\r{stage} {done}/{of}" + ("\n" if done == of else ""), err=True, nl=False)
