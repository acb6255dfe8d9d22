"""A made-up program that uses every part of `qa_contract.cli`."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from qa_contract.cli import (
    COMMON,
    AsJson,
    Force,
    Out,
    Progress,
    Questions,
    RunOut,
    Wrote,
    close,
    make_app,
    resumable,
    run,
    shell,
)
from qa_contract.errors import UserError

if TYPE_CHECKING:
    from toy_settings import Training

app = make_app("qa-contract", "A made-up program that shows every kind of option, help and ending there is in here.")


@app.command(topic="Questions")
def label(
    questions: Questions,
    out: Out,
    more: Annotated[list[Path] | None, typer.Argument(help="Further tables.")] = None,
    score: Annotated[
        Literal["geometric_mean", "first_token", "min_token"], typer.Option(help="Score of an answer.", metavar="SCORE")
    ] = "geometric_mean",
    exclude: Annotated[list[Path] | None, typer.Option(help="Questions asked before.")] = None,
    minimum_number_of_visible_pixels: Annotated[
        int, typer.Option(min=1, max=10_000, help="An option with a very long name indeed.")
    ] = 100,
    screen: Annotated[bool, typer.Option("--screen/--no-screen", help="Ask what the frames show.")] = True,
    round_number: Annotated[int | None, typer.Option("--round", help="Round.", show_default="the questions'")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Threads.", rich_help_panel=COMMON)] = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Label every answer, with a first sentence that is longer than what one line of a summary of commands can hold.

    A second paragraph says more.
    """
    began = time.perf_counter()
    rows = questions.read_text(encoding="utf-8").splitlines()
    bad = [row for row in rows if not row]
    close(
        Wrote(out / "confidence.parquet", len(rows) - len(bad)),
        since=began,
        notes=["easy 1"],
        rejects={"no_logprob": len(bad)},
        lost=len(bad),
        next=shell("qa-confidence", "feedback", out),
        summary={"score": score, "screen": screen, "round": round_number},
        as_json=as_json,
    )


@app.command(settings="toy_settings:Training", topic="Training")
def sft(
    settings: Training,
    model: Annotated[str, typer.Option(help="Folder of a model, or a hub id.", metavar="MODEL")],
    out: RunOut,
    as_json: AsJson = False,
) -> None:
    """Train."""
    typer.echo(settings.to_toml(), nl=False)


@app.command(settings="toy_settings:Training", fields=("batch_size", "precision"), topic="Training")
def estimate(*, settings: Training) -> None:
    """Estimate the memory of a run."""
    typer.echo(f"{settings.batch_size} {settings.precision}")


@app.command("fail")
def fail_(
    how: Annotated[str, typer.Argument(help="What goes wrong.")],
    path: Annotated[Path, typer.Option(help="A path.")] = Path("x"),
) -> None:
    """Fail in one of many ways."""
    if how == "user":
        raise UserError("--how user: asked for an error. Choose another.")
    if how == "bug":
        raise RuntimeError("a bug")
    if how == "named":
        path.read_text(encoding="utf-8")
    if how == "own":
        Path("/no/such/file/of/the/program").read_text(encoding="utf-8")
    if how == "inside":
        (path / "forgotten.json").read_text(encoding="utf-8")
    if how == "full":
        raise OSError(28, os.strerror(28))
    if how == "memory":
        raise MemoryError
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "leave":
        os._exit(1)
    if how == "wrapped":
        raise RuntimeError("an import failed") from KeyboardInterrupt()
    if how == "query":
        raise RuntimeError("Query interrupted")
    if how == "interrupt":
        with resumable(f"the same command goes on in {path}"):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)


@app.command()
def work(
    seconds: Annotated[float, typer.Option(help="Time it takes.")] = 0.5,
    interrupt: Annotated[bool, typer.Option("--interrupt", help="Stop in the middle.")] = False,
) -> None:
    """Do two stages of work, and say so."""
    progress = Progress("rows")
    for stage, of in (("read", 50), ("write", 200)):
        for done in range(of + 1):
            progress(stage, done, of, note="loss 0.5")
            time.sleep(seconds / 2 / of)
            if interrupt and stage == "write" and done == 100:
                os.kill(os.getpid(), signal.SIGINT)
    progress.say("a line")
    sys.stdout.write("data\n")


if __name__ == "__main__":
    run(app)
