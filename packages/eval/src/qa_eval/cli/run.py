"""The command `run`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import AsJson, Force, Progress, RunOut, Seed, Wrote, close, resumable, shell

from qa_eval.cli.options import SCORING, Benchmark, Parser

FRAMES, ANSWERING, SERVER = "Frames", "What answers", "Server (--runner openai)"


def run_questions(
    questions: Annotated[
        Path, typer.Argument(help="Table 'questions' (file or folder), or rows as a benchmark publishes them.")
    ],
    out: RunOut,
    runner: Annotated[
        str, typer.Option(help="What answers: see 'qa-eval runners'.", rich_help_panel=ANSWERING)
    ] = "transformers",
    model: Annotated[
        str | None,
        typer.Option(
            help="Model folder, hub id, 'tiny' or 'small' (of qa-trainer), or name at the server.",
            metavar="MODEL",
            rich_help_panel=ANSWERING,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.", rich_help_panel=ANSWERING)] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Questions answered together.", rich_help_panel=ANSWERING)] = 8,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, help="Tokens of an answer; VSI-Bench takes 16.", rich_help_panel=ANSWERING)
    ] = 16,
    attention: Annotated[
        str | None,
        typer.Option(
            help="eager, sdpa, flash_attention_2: moves scores.",
            show_default="the model's",
            metavar="NAME",
            rich_help_panel=ANSWERING,
        ),
    ] = None,
    dtype: Annotated[
        str,
        typer.Option(
            help="float32, bfloat16, float16; auto: float32 on a CPU, else the model's.", rich_help_panel=ANSWERING
        ),
    ] = "auto",
    system_prompt: Annotated[
        str | None,
        typer.Option(help="Text.", show_default="the model's", metavar="TEXT", rich_help_panel=ANSWERING),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Ask the first N questions.", show_default="all", rich_help_panel=ANSWERING),
    ] = None,
    trust_remote_code: Annotated[
        bool,
        typer.Option(
            "--trust-remote-code",
            help="Run the Python code that a model's folder brings along.",
            rich_help_panel=ANSWERING,
        ),
    ] = False,
    majority_from: Annotated[
        Path | None,
        typer.Option(
            help="Questions that baselines are fitted on.", show_default="the same", rich_help_panel=ANSWERING
        ),
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Stored answers, for replay and oracle.", rich_help_panel=ANSWERING)
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Store with the frames that the questions are about.", rich_help_panel=FRAMES)
    ] = None,
    frame_set: Annotated[
        str | None,
        typer.Option(help="Show this frame set of the store to all questions.", rich_help_panel=FRAMES),
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(help="Folder with a video per scene (SCENE.mp4), instead of a store.", rich_help_panel=FRAMES),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(min=1, help="With --videos: frames per video, uniform in time.", rich_help_panel=FRAMES),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder or zip with the pictures that published questions name.", rich_help_panel=FRAMES),
    ] = None,
    frame_input: Annotated[
        str,
        typer.Option(
            help="images: one by one; video: as one video with its times (transformers).", rich_help_panel=FRAMES
        ),
    ] = "images",
    min_pixels: Annotated[
        int | None,
        typer.Option(
            min=1, help="Of an image in the model (Qwen-VL).", show_default="the model's", rich_help_panel=FRAMES
        ),
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, help="The same, at most.", show_default="the model's", rich_help_panel=FRAMES)
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            help="Folder 'features' of 'qa-trainer sample-frames': read by a dual encoder, not computed again.",
            rich_help_panel=FRAMES,
        ),
    ] = None,
    degrade: Annotated[
        str | None,
        typer.Option(
            help="Also run over damaged frames, kinds:levels such as blur,fog:1,3,5.",
            metavar="KINDS:LEVELS",
            rich_help_panel=FRAMES,
        ),
    ] = None,
    benchmark: Benchmark = "questions",
    parser: Parser = "official",
    round_: Annotated[
        int | None, typer.Option("--round", help="Round of the loop, stored in every row.", rich_help_panel=SCORING)
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Its address, up to /v1.", metavar="URL", rich_help_panel=SERVER)
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight.", rich_help_panel=SERVER)] = 8,
    retries: Annotated[int, typer.Option(min=0, help="Further attempts per request.", rich_help_panel=SERVER)] = 4,
    timeout: Annotated[float, typer.Option(help="Seconds per request.", rich_help_panel=SERVER)] = 120.0,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps the responses.", rich_help_panel=SERVER)] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Answer questions with a model or a baseline, and score the answers.

    A stopped run goes on where it was. With --json summary.json is printed instead of the table.
    """
    from dataclasses import replace

    from qa_eval.runners import Connection
    from qa_eval.runs.degrade import parse_damages
    from qa_eval.runs.inputs import RunOptions, RunResult
    from qa_eval.runs.outputs import degradation_curves
    from qa_eval.runs.run import run
    from qa_eval.scoring.formats import summary_table

    started = time.perf_counter()
    damages = [str(damage) for damage in parse_damages(degrade)] if degrade else []
    chosen = RunOptions(runner, model, batch_size, max_new_tokens, round_, seed, device, benchmark, parser)
    chosen = replace(chosen, frame_set=frame_set, frame_input=frame_input, n_frames=frames)
    chosen = replace(chosen, trust_remote_code=trust_remote_code, limit=limit)
    chosen = replace(chosen, attention=attention, dtype=dtype, system_prompt=system_prompt)
    chosen = replace(chosen, min_pixels=min_pixels, max_pixels=max_pixels)

    def start(folder: Path, what: RunOptions) -> RunResult:
        return run(
            questions,
            store,
            folder,
            what,
            videos=videos,
            images=images,
            features=features,
            majority_from=majority_from,
            answers=answers,
            connection=Connection(base_url, concurrency, retries, timeout, cache),
            force=force,
            progress=lambda done, of, share: progress(what.degrade or "answer", done, of, share=share),
        )

    with Progress("questions") as progress, resumable(f"the same command goes on in {out}"):
        result = start(out, chosen)
        folders = {name: out / "degrade" / name.replace(":", "-") for name in damages}
        damaged = {name: start(folder, replace(chosen, degrade=name)) for name, folder in folders.items()}
    summary = result.summary
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
    else:
        typer.echo(f"runner {summary['runner']}, model {summary['model_id']}, parser {summary['parser']}")
        typer.echo(summary_table(summary))
    if damaged:
        for kind, curve in degradation_curves(out, damaged, result)["curves"].items():
            levels = "  ".join(f"{level}: {100 * cell['mean']:.1f}" for level, cell in curve["levels"].items())
            typer.echo(f"{kind:<14} area {100 * curve['area']:5.1f}   {levels}", err=as_json)
    lost = summary["n"] - summary["n_scored"]
    if result.already:
        again = f"; --force asks again for {lost:,} rows without an answer" if lost else ""
        close(since=started, headline=f"{out}: this run is finished, nothing to do{again}", lost=lost)
        return
    close(
        Wrote(out, result.n_questions),
        since=started,
        notes=[f"{result.n_resumed:,} of them from the interrupted run"] if result.n_resumed else [],
        rejects=summary["unscored"],
        lost=lost,
        next=shell("qa-eval", "report", out, "--out", out.with_name(f"{out.name}-report")),
    )
