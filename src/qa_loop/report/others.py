"""Pages of the other packages about a run, made into its folder when its report is written."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from qa_loop.errors import QALoopError
from qa_loop.process import find_program
from qa_loop.progress import last_lines
from qa_loop.stage import Stage
from qa_loop.stages import EVAL_QUESTIONS

PAGES = "pages"
TIMEOUT_S = 600


@dataclass(frozen=True)
class OtherPage:
    """A page that another package makes of a run.

    Attributes
    ----------
    title, about : str
    command : tuple of str
        Started in the run's folder.
    path : str
        Of the page, relative to the run's folder.
    """

    title: str
    about: str
    command: tuple[str, ...]
    path: str

    def make(self, folder: Path) -> str:
        """Make the page; give what went wrong, or nothing."""
        log = folder / "logs" / f"{Path(self.path).parent.name}-page.log"
        try:
            program = find_program(self.command[0])
            with log.open("wb") as output:
                done = subprocess.run(
                    [str(program), *self.command[1:]],
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=TIMEOUT_S,
                )
        except (QALoopError, OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        return "" if done.returncode == 0 else " ".join(last_lines(log, 1)) or f"exit code {done.returncode}"


def other_pages(stages: list[Stage]) -> list[OtherPage]:
    """List the pages that the finished stages allow.

    Parameters
    ----------
    stages : list of Stage
        Those that are finished.
    """
    of = {(stage.kind, stage.round): stage.out for stage in stages}
    rounds = sorted(number for kind, number in of if kind == "eval" and number is not None)
    if not rounds:
        return []
    last = rounds[-1]
    wanted = [("eval", last), ("eval", 0), ("blind", last), ("blind", 0), ("majority", 0), ("oracle", 0)]
    runs = list(dict.fromkeys(of[key] for key in wanted if key in of))
    found = [
        OtherPage(
            "Scores in full",
            "Every question type with intervals, parsing, examples (qa-eval report).",
            ("qa-eval", "report", *runs, "--out", f"{PAGES}/scores", "--force"),
            f"{PAGES}/scores/report.html",
        )
    ]
    own, earlier = of.get(("eval-confidence", last)), of.get(("eval-confidence", last - 1))
    if own is not None:
        more = ["--questions", EVAL_QUESTIONS, "--predictions", of["eval", last]]
        more += ["--previous", earlier] if earlier is not None else []
        found.append(
            OtherPage(
                "Calibration",
                "How far the model's confidence in its own answers can be trusted (qa-confidence report).",
                ("qa-confidence", "report", own, *more, "--out", f"{PAGES}/confidence", "--force"),
                f"{PAGES}/confidence/report.html",
            )
        )
    return found
