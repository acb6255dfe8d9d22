r"""Command lines: the one dialect of all programs.

A program is made by `make_app` and started by `run`. A command is a function: Typer's annotations name its arguments
and options, or a `Settings` model does, whose fields are options, keys of a TOML file and help at once.

- Help is grouped by topic, fits 80 columns and cuts nothing. It imports neither rich nor, without settings, pydantic.
- Errors are one line, `error: WHAT. WHAT TO DO.`; `--debug`, anywhere on the line, adds the traceback.
- Exit codes: 0 done; 1 done, but rows were lost; 2 the user's error; 70 a fault of the program; 130 stopped by Ctrl-C.
- Progress and the closing line go to stderr, data and `--json` summaries to stdout.

Typer carries it because it starts quicker than cyclopts 5.5, which reads pydantic models by itself: 0.08 s of processor
time against 0.38 s for the help of a command, 0.16 s against 0.65 s with a model of settings (medians of 15 runs).

Examples
--------
A complete program, with the model in a module of its own so that help of other commands does not import it:

>>> import sys, time, types
>>> from pathlib import Path
>>> from qa_contract.cli import Out, Progress, Wrote, close, make_app, shell
>>> from qa_contract.cli.settings import Settings, setting
>>> class Training(Settings):
...     steps: int = setting(100, topic="Optimisation", ge=1)
...     learning_rate: float = setting(1e-6, topic="Optimisation", gt=0)
>>> sys.modules["training"] = types.ModuleType("training")
>>> sys.modules["training"].Training = Training
>>> app = make_app("qa-example", "Train a little.")
>>> @app.command(settings="training:Training")
... def train(out: Out, settings: Training) -> None:
...     "Train, and write the model."
...     started = time.perf_counter()
...     with Progress("steps") as progress:
...         for step in range(settings.steps):
...             progress("train", step + 1, settings.steps)
...     close(Wrote(out, settings.steps, "steps"), since=started, next=shell("qa-eval", "run", out))

Its command line, as a test calls it:

>>> from typer.testing import CliRunner
>>> result = CliRunner().invoke(app, ["train", "--out", "model", "--steps", "2"])
>>> print(result.stderr, end="")  # doctest: +ELLIPSIS
train: 2 of 2 steps in 0:00
Wrote model: 2 steps in 0.0 s. Next: qa-eval run model
>>> result = CliRunner().invoke(app, ["train", "--out", "model", "--steps", "0"])
>>> result.exit_code, result.stderr
(2, "error: --steps needs a whole number, at least 1; found '0'. See 'qa-example train --help'.\n")
>>> print(CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "80"}).stdout, end="")
Usage: qa-example train --out PATH [options]
<BLANKLINE>
Train, and write the model.
<BLANKLINE>
Options
  --out PATH         Folder to write; refused when it holds something.
                     [required]
<BLANKLINE>
Optimisation
  --steps N          [default: 100; at least 1]
  --learning-rate X  [default: 1e-06; above 0]
<BLANKLINE>
Common
  --config PATH      TOML file with the settings of this page, as keys.
  --debug            Show the traceback of an error.
  --version          Print the version and exit.
  --help             Show this page and exit.
"""

from qa_contract.cli.app import App, make_app, resumable, run
from qa_contract.cli.closing import Wrote, close, closing_line, shell
from qa_contract.cli.help import COMMON
from qa_contract.cli.options import (
    AllowBenchmarkScenes,
    AsJson,
    Config,
    DryRun,
    Force,
    FrameStore,
    Out,
    Questions,
    RunOut,
    Seed,
    Store,
    Workers,
)
from qa_contract.cli.progress import Progress

__all__ = [
    "COMMON",
    "AllowBenchmarkScenes",
    "App",
    "AsJson",
    "Config",
    "DryRun",
    "Force",
    "FrameStore",
    "Out",
    "Progress",
    "Questions",
    "RunOut",
    "Seed",
    "Store",
    "Workers",
    "Wrote",
    "close",
    "closing_line",
    "make_app",
    "resumable",
    "run",
    "shell",
]
