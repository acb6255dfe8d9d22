"""The end of a command: one line on stderr, a summary on stdout where asked for, the exit code."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from qa_contract.errors import ExitCode


@dataclass(frozen=True)
class Wrote:
    """A file or folder that a command wrote.

    Attributes
    ----------
    path : Path
    count : int
        How many things it holds.
    what : str
        Name of the things.

    Examples
    --------
    >>> print(Wrote(Path("out/confidence.parquet"), 1200))
    out/confidence.parquet: 1,200 rows
    """

    path: Path
    count: int
    what: str = "rows"

    def __str__(self) -> str:
        return f"{self.path}: {self.count:,} {self.what}"


def close(
    *wrote: Wrote,
    since: float,
    headline: str = "",
    notes: Sequence[str] = (),
    rejects: Mapping[str, int] | None = None,
    lost: int = 0,
    next: str = "",
    summary: Mapping[str, object] | None = None,
    as_json: bool = False,
) -> None:
    """Say what was done and what comes next; leave with exit code 1 where rows were lost.

    Parameters
    ----------
    *wrote : Wrote
        What was written, the most important first.
    since : float
        `time.perf_counter()` at the start.
    headline : str
        For a command that writes nothing: what it did.
    notes : sequence of str
        Further figures.
    rejects : mapping of str to int, optional
        Rejected rows by reason.
    lost : int
        Rows that the user asked for and does not get. Rejects are counted in where they are such rows, which the
        caller knows: a refused input row is lost, a candidate that was not good enough is not.
    next : str
        The command to run now.
    summary : mapping, optional
        Figures of the command for `--json`; they replace common ones of the same name.
    as_json : bool
        Print the summary on stdout.

    Raises
    ------
    typer.Exit
        With code 1, if something was lost.

    Examples
    --------
    >>> close(Wrote(Path("out"), 3), since=0, as_json=True, summary={"seconds": 0.5})
    {"lost": 0, "next": "", "rejects": {}, "seconds": 0.5, "wrote": {"out": 3}}
    """
    seconds = time.perf_counter() - since
    rejects = {reason: n for reason, n in (rejects or {}).items() if n}
    typer.echo(closing_line(wrote, seconds, headline, notes, rejects, lost, next), err=True)
    if as_json:
        common = {
            "wrote": {str(item.path): item.count for item in wrote},
            "seconds": round(seconds, 3),
            "rejects": rejects,
            "lost": lost,
            "next": next,
        }
        typer.echo(json.dumps(common | dict(summary or {}), sort_keys=True, default=str))
    if lost:
        raise typer.Exit(ExitCode.LOST)


def closing_line(
    wrote: Sequence[Wrote],
    seconds: float,
    headline: str = "",
    notes: Sequence[str] = (),
    rejects: Mapping[str, int] | None = None,
    lost: int = 0,
    next: str = "",
) -> str:
    """Write the closing line; the parameters are those of `close`.

    Examples
    --------
    >>> closing_line([Wrote(Path("out"), 3)], 0.52, next="qa-eval score out")
    'Wrote out: 3 rows in 0.5 s. Next: qa-eval score out'
    >>> closing_line([Wrote(Path("a"), 3), Wrote(Path("b"), 1, "scenes")], 2, "", ["easy 2"], {"no_logprob": 1}, 1)
    'Wrote a: 3 rows, b: 1 scenes (easy 2; rejects: no_logprob 1; lost: 1) in 2.0 s.'
    >>> closing_line([], 1.25, "Replayed 12 questions: 0 differences")
    'Replayed 12 questions: 0 differences in 1.2 s.'
    """
    details = list(notes)
    if rejects:
        details.append("rejects: " + ", ".join(f"{reason} {n:,}" for reason, n in sorted(rejects.items())))
    details += [f"lost: {lost:,}"] if lost else []
    text = headline or "Wrote " + ", ".join(map(str, wrote))
    text += f" ({'; '.join(details)})" if details else ""
    return f"{text} in {seconds:.1f} s." + (f" Next: {next}" if next else "")


def shell(*words: object) -> str:
    """Join words to a command that can be pasted.

    Examples
    --------
    >>> shell("qa-engine", "verify", Path("my store"), "QUESTIONS")
    "qa-engine verify 'my store' QUESTIONS"
    """
    return shlex.join(map(str, words))
