"""The command that lets a model write questions: propose."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from qa_contract.cli import (
    AllowBenchmarkScenes,
    App,
    AsJson,
    Force,
    Out,
    Progress,
    Seed,
    Store,
    Workers,
    Wrote,
    close,
    resumable,
    shell,
)

from qa_engine.cli.options import (
    NEXT_ROUND,
    Collections,
    Confidence,
    Exclude,
    FrameSet,
    MayFallShort,
    Profile,
    Round,
    Split,
)
from qa_engine.generation.llm.request import CONCURRENCY, Connection, ProposeRequest

MODEL, PROMPT = "Model", "Prompt"


def register(app: App) -> None:
    """Add the command of this module to the command line."""
    app.command(topic="Questions")(propose)


def propose(
    store: Store,
    *,
    out: Out,
    split: Split = None,
    collections: Collections = None,
    count: Annotated[int | None, typer.Option(min=1, help="Questions in all, at most.")] = None,
    per_scene: Annotated[int, typer.Option(min=1, help="Questions to ask for per scene.")] = ProposeRequest.per_scene,
    profile: Profile = "exact",
    recheck: Annotated[bool, typer.Option("--recheck", help="Let the model judge every question.")] = False,
    allow_benchmark_scenes: AllowBenchmarkScenes = False,
    base_url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server, up to /v1.", rich_help_panel=MODEL)
    ] = None,
    model: Annotated[str, typer.Option(help="Name of the model on that server.", rich_help_panel=MODEL)] = "default",
    local_model: Annotated[
        str | None,
        typer.Option(help="Folder or hub id of a model to run here, in place of a server.", rich_help_panel=MODEL),
    ] = None,
    guide: Annotated[
        Literal["none", "json-schema", "gbnf", "lark"],
        typer.Option(
            help="Hold replies to a JSON schema, or to a grammar: gbnf for llama.cpp, lark for vLLM.",
            rich_help_panel=MODEL,
        ),
    ] = "none",
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of replies.", show_default="OUT.cache", rich_help_panel=MODEL),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, help="Scenes asked about at a time.", rich_help_panel=MODEL)
    ] = CONCURRENCY,
    timeout_s: Annotated[
        float, typer.Option(min=0.1, help="Seconds to wait for a reply.", rich_help_panel=MODEL)
    ] = Connection.timeout_s,
    retries: Annotated[
        int, typer.Option(min=0, help="Attempts after the first.", rich_help_panel=MODEL)
    ] = Connection.retries,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Rate limit.", rich_help_panel=MODEL)] = None,
    temperature: Annotated[
        float, typer.Option(min=0, help="Of the model.", rich_help_panel=MODEL)
    ] = Connection.temperature,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Longest reply.", rich_help_panel=MODEL)
    ] = Connection.max_tokens,
    frame_set: FrameSet = None,
    max_frames: Annotated[
        int, typer.Option(min=0, help="Frames shown per scene.", rich_help_panel=PROMPT)
    ] = ProposeRequest.max_frames,
    exemplars: Annotated[
        int, typer.Option(min=0, help="Earlier questions shown per scene and label.", rich_help_panel=PROMPT)
    ] = ProposeRequest.exemplars,
    round: Round = 0,
    exclude: Exclude = None,
    confidence: Confidence = None,
    feedback: Annotated[
        Path | None,
        typer.Option(help="Table 'feedback': how the model does per type.", rich_help_panel=NEXT_ROUND),
    ] = None,
    may_fall_short: MayFallShort = False,
    seed: Seed = 0,
    workers: Workers = 1,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Let a model write questions and programs, and keep what passes every check; answers are computed.

    Exit code 1: the output is there, but scenes were lost to the server, or there are fewer questions than `--count`.
    A --model that is a folder here is recorded with a hash of its weights.
    """
    from qa_contract.files import check_output_folder

    from qa_engine.errors import QAEngineError
    from qa_engine.facts.profiles import get_profile
    from qa_engine.generation.llm.files import write_proposals
    from qa_engine.generation.llm.local import local_name
    from qa_engine.generation.shares import read_shares
    from qa_engine.scenes.store import Store as SceneStore
    from qa_engine.views.frame_sets import choose_frame_set

    check_output_folder(out, force=force)
    get_profile(profile)
    if (base_url is None) == (local_model is None):
        raise QAEngineError(
            "propose needs --base-url, the address of a server, as http://127.0.0.1:8000/v1, or --local-model, a "
            "folder or hub id; one of them."
        )
    if local_model is not None and guide != "none":
        raise QAEngineError("--guide is for servers, which hold replies to it; leave it out, or serve the model.")
    began = time.perf_counter()
    opened = SceneStore(store)
    served_as = model
    if local_model is not None:
        model = local_name(local_model)
    elif (Path(model) / "config.json").is_file():
        model = local_name(model)  # a folder that is served: other weights are another model, whose replies differ
    request = ProposeRequest(
        model=model,
        split=split,
        collections=read_shares(collections),
        count=count,
        per_scene=per_scene,
        seed=seed,
        round=round,
        profile=profile,
        frame_set_id=choose_frame_set(opened, frame_set),
        max_frames=max_frames,
        exemplars=exemplars,
        temperature=temperature,
        guide=guide,
        allow_benchmark_scenes=allow_benchmark_scenes,
        recheck=recheck,
    )
    connection = Connection(
        base_url or "",
        model,
        cache or out.with_name(f"{out.name}.cache"),
        timeout_s=timeout_s,
        retries=retries,
        requests_per_minute=requests_per_minute,
        temperature=temperature,
        max_tokens=max_tokens,
        local_model=local_model,
        served_as=served_as,
    )
    with (
        resumable(f"replies are in {connection.cache}; the same command goes on from there"),
        Progress("scenes") as progress,
    ):
        run = write_proposals(
            opened,
            request,
            connection,
            out,
            exclude=exclude or (),
            confidence=confidence or (),
            feedback=feedback,
            concurrency=concurrency,
            workers=workers,
            force=force,
            progress=progress.stage("propose"),
        )
    usage = run.usage
    typer.echo(
        f"Requests: {usage['requests']} sent ({usage['retries']} again, {usage['failed']} failed), {usage['cached']} "
        f"from the cache {connection.cache}; tokens: {usage['prompt_tokens']} in, {usage['completion_tokens']} out.",
        err=True,
    )
    if usage["unguided"]:
        typer.echo(
            f"{usage['unguided']} replies are no JSON, which --guide {guide} asked for: the server does not heed it.",
            err=True,
        )
    if run.n_lost:
        typer.echo(f"{run.n_lost} of {run.n_scenes} scenes were lost to the server; run again to go on.", err=True)
    missing = 0 if count is None else max(0, count - run.n_questions)
    if missing:
        typer.echo(f"{missing} of {count} questions are missing: the model gave no more.", err=True)
    close(
        Wrote(out, run.n_questions, "questions"),
        since=began,
        notes=[f"{run.n_scenes} scenes"],
        rejects=run.refused,
        lost=(0 if may_fall_short else missing) + run.n_lost,
        next=shell("qa-engine", "verify", store, out),
        summary={"scenes": run.n_scenes, "usage": usage},
        as_json=as_json,
    )
