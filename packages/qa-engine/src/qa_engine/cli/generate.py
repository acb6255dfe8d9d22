"""The command that makes questions from templates: generate."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import App, AsJson, Force, Out, Progress, Seed, Store, Workers, Wrote, close, shell

from qa_engine.cli.moved import without
from qa_engine.cli.options import (
    NEXT_ROUND,
    Collections,
    Confidence,
    Exclude,
    Explore,
    FrameSet,
    MayFallShort,
    MinVisiblePx,
    Profile,
    RayAddress,
    Reviews,
    Round,
    SamplerState,
    ShuffledOf,
    Split,
    open_executor,
    warn_of_benchmarks,
)
from qa_engine.views.thresholds import FIRST_SEEN_PX, MIN_TIME_GAP_S

BY_MODEL = "Questions that a model writes have a command: 'qa-engine propose STORE --base-url URL --out DIR'."
MOVED = (
    "--proposer",
    "--base-url",
    "--model",
    "--local-model",
    "--cache",
    "--concurrency",
    "--timeout-s",
    "--retries",
    "--requests-per-minute",
    "--temperature",
    "--max-tokens",
    "--max-frames",
    "--exemplars",
    "--recheck",
    "--allow-benchmark-scenes",
)


def register(app: App) -> None:
    """Add the command of this module to the command line."""
    app.command(topic="Questions", cls=without(dict.fromkeys(MOVED, BY_MODEL)))(generate)


def generate(
    store: Store,
    *,
    out: Out,
    tasks: Annotated[str | None, typer.Option(help="Question types, with commas; see 'qa-engine tasks'.")] = None,
    split: Split = None,
    collections: Collections = None,
    count: Annotated[int | None, typer.Option(min=1, help="Questions in all.")] = None,
    per_scene: Annotated[int | None, typer.Option(min=1, help="At most so many questions per scene.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Stop, and write nothing, above so many questions.")] = 1_000_000,
    frame_set: FrameSet = None,
    profile: Profile = "exact",
    screen: Annotated[
        bool,
        typer.Option("--screen/--no-screen", help="Ask only what the frame set shows, where the store is observed."),
    ] = True,
    reference: Annotated[
        str, typer.Option(help="What questions call an object: name, description, mark or coordinate.")
    ] = "name",
    paraphrase: Annotated[
        bool, typer.Option("--paraphrase/--no-paraphrase", help="Draw among the wordings of each question type.")
    ] = False,
    min_visible_px: MinVisiblePx = FIRST_SEEN_PX,
    min_time_gap_s: Annotated[
        float, typer.Option(min=0, help="Order of appearance: seconds between first appearances.")
    ] = MIN_TIME_GAP_S,
    round: Round = 0,
    feedback: Annotated[
        Path | None,
        typer.Option(help="Table 'feedback' that decides what to ask more of.", rich_help_panel=NEXT_ROUND),
    ] = None,
    sampler: Annotated[
        str, typer.Option(help="How feedback decides; see 'qa-engine samplers'.", rich_help_panel=NEXT_ROUND)
    ] = "baseline",
    explore: Explore = None,
    shuffled_of: ShuffledOf = None,
    sampler_state: SamplerState = None,
    exclude: Exclude = None,
    reviews: Reviews = None,
    confidence: Confidence = None,
    may_fall_short: MayFallShort = False,
    seed: Seed = 0,
    all_rejects: Annotated[
        bool,
        typer.Option(
            "--all-rejects",
            help="Write all rows of 'rejects', not up to 20 refusals per type and reason.",
        ),
    ] = False,
    workers: Workers = 1,
    ray_address: RayAddress = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Generate questions with computed answers; all that there are, or as many as asked for.

    Exit code 1: the output is there, but a scene was lost, or there are fewer questions than `--count`.
    """
    from qa_contract.files import check_output_folder

    from qa_engine.api import make_request
    from qa_engine.errors import QAEngineError
    from qa_engine.generation.files import write_generation
    from qa_engine.generation.inputs import read_past
    from qa_engine.generation.shares import read_shares
    from qa_engine.scenes.store import Store as SceneStore

    check_output_folder(out, force=force)
    began = time.perf_counter()
    names = None if tasks is None else [name.strip() for name in tasks.split(",") if name.strip()]
    if names == []:
        raise QAEngineError("--tasks names no task. See 'qa-engine tasks'.")
    opened = SceneStore(store)
    request = make_request(
        opened,
        names,
        frame_set=frame_set,
        screen=screen,
        split=split,
        collections=read_shares(collections),
        count=count,
        per_scene=per_scene,
        seed=seed,
        round=round,
        profile=profile,
        sampler=sampler,
        reference=reference,
        paraphrase=paraphrase,
        explore=explore,
        shuffled_of=shuffled_of,
        min_visible_px=min_visible_px,
        min_time_gap_s=min_time_gap_s,
    )
    if shuffled_of is not None and sampler != "shuffled":
        raise QAEngineError(f"--shuffled-of {shuffled_of}: is for --sampler shuffled, not for '{sampler}'.")
    past = read_past(
        sampler,
        feedback=feedback,
        exclude=exclude or (),
        confidence=confidence or (),
        state=sampler_state,
        reviews=reviews,
    )
    with Progress("scenes") as progress:
        run = write_generation(
            opened,
            request,
            out,
            past,
            executor=open_executor(workers, ray_address),
            all_rejects=all_rejects,
            force=force,
            limit=limit,
            progress=progress,
            say=progress.say,
        )
    warn_of_benchmarks(opened.scene_names(split))
    if run.n_bad_scenes:
        typer.echo(f"{run.n_bad_scenes} of {run.n_scenes} scenes were lost; see {out / 'rejects.parquet'}.", err=True)
    missing = 0 if count is None else count - run.n_questions
    if missing:
        typer.echo(f"{missing} of {count} questions are missing: the scenes give no more.", err=True)
    for name, (wanted, found) in run.of_collections.items():
        if found < wanted:
            typer.echo(f"{wanted - found} of {wanted} are missing of collection '{name}'.", err=True)
    checked = f"visible in the frames of '{request.frame_set_id}'" if request.screen else "visibility not checked"
    close(
        Wrote(out, run.n_questions, "questions"),
        since=began,
        notes=[f"{run.n_scenes} scenes", checked],
        lost=(0 if may_fall_short else missing) + run.n_bad_scenes,
        next=shell("qa-engine", "verify", store, out),
        summary={"scenes": run.n_scenes, "candidates": run.n_available},
        as_json=as_json,
    )
