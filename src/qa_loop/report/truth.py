"""How many suspects are wrong indeed: for runs on scenes that were spoilt on purpose, whose true answers are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl
from qa_contract.answers import mean_relative_accuracy
from qa_contract.tableio import read_table
from qa_contract.tables import CONFIDENCE, QUESTIONS

from qa_loop.answers import WRONG_BELOW, in_words
from qa_loop.stage import round_folder
from qa_loop.stages import PANEL

_COLUMNS = ("question_id", "signature", "ground_truth", "options")


@dataclass(frozen=True)
class Found:
    """Suspects of a round beside the questions of its clean pass whose ground truth is wrong."""

    wrong: int
    suspects: int
    hits: int

    @property
    def precision(self) -> float | None:
        """Share of the suspects that are wrong; None without suspects."""
        return self.hits / self.suspects if self.suspects else None

    @property
    def recall(self) -> float | None:
        """Share of the wrong that are suspects; None where nothing is wrong."""
        return self.hits / self.wrong if self.wrong else None


def suspects_found(folder: Path, number: int, truth: Path) -> Found | None:
    """Compare the suspects of a round with true answers; None where the round has no signal yet.

    Parameters
    ----------
    folder : Path
        Of the run.
    number : int
        Round.
    truth : Path
        Table `questions` of the scenes as they are; a question is found there by its signature, and what is not there
        counts as right.
    """
    here = Path(folder) / round_folder(number)
    if not (here / "signal/confidence.parquet").exists():
        return None
    rows = read_table(here / "signal", "confidence", CONFIDENCE, columns=["question_id", "label"])
    tables = (Path(folder) / PANEL, here / "drawn")
    asked = pl.concat([read_table(path, "questions", QUESTIONS, columns=_COLUMNS) for path in tables])
    known = read_table(truth, "questions", QUESTIONS, columns=_COLUMNS).unique("signature", keep="first")
    wrong = wrong_questions(asked.unique("question_id", keep="first", maintain_order=True), known)
    told = rows.filter(pl.col("question_id").is_in(wrong.implode()))
    return Found(len(told), len(rows.filter(label="suspect")), len(told.filter(label="suspect")))


def wrong_questions(asked: pl.DataFrame, truth: pl.DataFrame) -> pl.Series:
    """Give the ids of questions whose ground truth the true answer contradicts.

    Numbers are compared by mean relative accuracy, choices by the words of the option.

    Examples
    --------
    >>> def rows(*truths):
    ...     options = [["A. left", "B. right"], None]
    ...     return pl.DataFrame({"question_id": ["q1", "q2"], "signature": ["s1", "s2"], "ground_truth": truths,
    ...                          "options": options})
    >>> wrong_questions(rows("A", "2.0"), rows("B", "2.1")).to_list()
    ['q1']
    """
    both = asked.join(truth.select("signature", true="ground_truth", others="options"), on="signature")
    both = both.with_columns(
        said=in_words("ground_truth", "options"),
        meant=in_words("true", "others"),
        choice=pl.col("options").list.len() > 0,
    )
    numbers = [both[name].cast(pl.Float64, strict=False).to_numpy() for name in ("meant", "said")]
    score = pl.Series(mean_relative_accuracy(*numbers, zero_is_absolute=True))
    chosen = both["choice"].fill_null(False)
    wrong = (chosen & (both["said"] != both["meant"])) | (~chosen & (score < WRONG_BELOW))
    return both.filter(wrong)["question_id"]
