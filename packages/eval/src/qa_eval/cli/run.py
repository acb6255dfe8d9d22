"""The command `run`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer


def run(
    questions: Annotated[Path, typer.Argument(help="Questions table (folder or file).")],
    out: Annotated[Path, typer.Option(help="Folder of the run; the same call continues a killed run.")],
    store: Annotated[Path | None, typer.Option(help="Store with the frames that the questions refer to.")] = None,
    videos: Annotated[
        Path | None,
        typer.Option(help="Folder with a video per scene (SCENE.mp4), instead of a store."),
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="With --videos: frames per video, uniform in time.")] = None,
    model: Annotated[str | None, typer.Option(help="Model folder or hub id.")] = None,
    runner: Annotated[str, typer.Option(help="What answers: see 'qa-eval runners'.")] = "transformers",
    batch_size: Annotated[int, typer.Option(min=1)] = 8,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="As VSI-Bench: 16.")] = 16,
    round_: Annotated[int | None, typer.Option("--round", help="Round of the loop, stored in every row.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of random runners and intervals.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    benchmark: Annotated[str, typer.Option(help="Metrics and averages: see 'qa-eval benchmarks'.")] = "questions",
    parser: Annotated[str, typer.Option(help="How answers are read: see 'qa-eval parsers'.")] = "official",
    majority_from: Annotated[
        Path | None, typer.Option(help="Questions that baselines are fitted on (default: the same).")
    ] = None,
    frame_input: Annotated[
        str, typer.Option(help="images: one by one; video: as one video with its times (transformers).")
    ] = "images",
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run the Python code that a model's folder brings along.")
    ] = False,
    frame_set: Annotated[str | None, typer.Option(help="Show this frame set of the store to all questions.")] = None,
    answers: Annotated[Path | None, typer.Option(help="Stored answers, for replay and oracle.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Server of the openai runner, up to /v1.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight (openai).")] = 8,
    retries: Annotated[int, typer.Option(min=0, help="Further attempts per request (openai).")] = 4,
    timeout: Annotated[float, typer.Option(help="Seconds per request (openai).")] = 120.0,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps server responses (openai).")] = None,
    degrade: Annotated[
        str | None, typer.Option(help="Also run over damaged frames: kinds:levels, e.g. blur,fog:1,3,5.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json instead of the table.")] = False,
    force: Annotated[bool, typer.Option(help="Replace a run of another configuration in --out.")] = False,
) -> None:
    """Answer a questions table with a model or a baseline, and score the answers."""
    from dataclasses import replace

    from qa_eval.runners import Connection
    from qa_eval.runs.degrade import parse_damages
    from qa_eval.runs.inputs import RunOptions
    from qa_eval.runs.outputs import degradation_curves
    from qa_eval.runs.run import run as run_questions
    from qa_eval.scoring.formats import summary_table

    started = time.perf_counter()
    damages = [str(damage) for damage in parse_damages(degrade)] if degrade else []
    chosen = RunOptions(runner, model, batch_size, max_new_tokens, round_, seed, device, benchmark, parser)
    chosen = replace(chosen, frame_set=frame_set, frame_input=frame_input, n_frames=frames)
    chosen = replace(chosen, trust_remote_code=trust_remote_code)

    def start(folder: Path, what: RunOptions):
        return run_questions(
            questions,
            store,
            folder,
            what,
            videos=videos,
            majority_from=majority_from,
            answers=answers,
            connection=Connection(base_url, concurrency, retries, timeout, cache),
            force=force,
            progress=_Progress(),
        )

    result = start(out, chosen)
    damaged = {name: start(out / "degrade" / name.replace(":", "-"), replace(chosen, degrade=name)) for name in damages}
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
    if result.already:
        again = f" --force asks again; {result.n_rejected} rows have no answer." if result.n_rejected else ""
        typer.echo(f"{out}: this run is already finished; nothing to do.{again}", err=True)
    else:
        resumed = f", {result.n_resumed} of them from the interrupted run" if result.n_resumed else ""
        rejected = f", {result.n_rejected} without an answer (rejects.parquet)" if result.n_rejected else ""
        typer.echo(
            f"{out}: {result.n_questions} rows{resumed}{rejected}, {time.perf_counter() - started:.1f} s. "
            f"Next: qa-eval score {out} --questions {questions} --json",
            err=True,
        )
    if summary["n_scored"] < summary["n"]:
        raise typer.Exit(1)


class _Progress:
    """Write rows done and time left to stderr, at most every few seconds."""

    def __init__(self) -> None:
        self.started = self.last = time.monotonic()
        self.first: int | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        self.first = done if self.first is None else self.first
        if now - self.last > 5 and done < total:
            self.last = now
            rate = (done - self.first) / (now - self.started)
            left = f", about {(total - done) / rate:.0f} s left" if rate else ""
            typer.echo(f"{done} of {total} rows{left}", err=True)
