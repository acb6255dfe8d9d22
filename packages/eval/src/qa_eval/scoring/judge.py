"""A language model that reads answers which a parser cannot read; never the default, because it is no fixed rule."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from qa_eval.benchmarks.base import Benchmark
from qa_eval.parsers.base import Parser
from qa_eval.runners import Connection, Item, RunnerConfig
from qa_eval.runners.openai_compatible import OpenAIRunner
from qa_eval.scoring.answers import Answers, Scored
from qa_eval.scoring.score import score_answers

PROMPT_ID = "judge-1"
"""Name of the texts below; another wording gets another name."""

CHOICE = """\
Here are the options of a question, and the answer that somebody gave.

Options:
{options}

Answer:
{answer}

Which option does the answer choose? Write the letter of that option and nothing else. Write NONE if the answer
chooses no option, or more than one. Do not solve the question yourself."""
NUMBER = """\
Here is the answer that somebody gave to a question about a number.

Answer:
{answer}

Which number does the answer give? Write the number in digits and nothing else. Write NONE if the answer gives no
number, or more than one that could be meant. Do not convert units."""
LONGEST = 20_000
"""Characters of an answer that are shown; the last ones, where answers stand."""
MAX_NEW_TOKENS = 16


@dataclass(frozen=True)
class Judged:
    """What a judge changed.

    Attributes
    ----------
    scored : Scored
        With the judge's reading where the parser had none; the completion is as it was.
    name : str
        What stands in the place of the parser's name: parser, model, wording.
    asked, read, lost : int
        Answers that were put to the judge, that it read, and to which the server gave no reply.
    """

    scored: Scored
    name: str
    asked: int
    read: int
    lost: int


def judge_answers(scored: Scored, benchmark: Benchmark, parser: Parser, model: str, connection: Connection) -> Judged:
    """Put the answers that could not be read to a judge, and score what it says by the same rule.

    Parameters
    ----------
    scored : Scored
        Empty answers are not put to it: there is nothing to read.
    benchmark, parser
        As `scored` was scored.
    model : str
        Name at the server.
    connection : Connection
        To any server that speaks OpenAI's chat completions; its cache makes a second pass ask nothing.
    """
    frame = scored.frame
    has_text = pl.col("prediction").str.strip_chars().str.len_chars() > 0
    rows = frame.with_row_index("row").filter("parse_failed", has_text)["row"].to_list()
    name = f"{parser.name}, judge {model} ({PROMPT_ID})"
    if not rows:
        return Judged(scored, name, 0, 0, 0)
    items = [_item(str(i), row) for i, row in zip(rows, frame[rows].iter_rows(named=True), strict=True)]
    runner = OpenAIRunner(RunnerConfig(model=model, max_new_tokens=MAX_NEW_TOKENS, connection=connection))
    replies = runner.answer(items)
    said = [None if reply.error else _plain(reply.completion) for reply in replies]
    again = frame[rows].with_columns(pl.Series("prediction", [text or "" for text in said], dtype=pl.String))
    judged = score_answers(Answers.of(again.drop("score", "parsed", "parse_failed", "reason")), benchmark, parser).frame
    columns = {name: frame[name].to_list() for name in ("score", "parsed", "parse_failed")}
    for i, row in zip(rows, judged.iter_rows(named=True), strict=True):
        for column, values in columns.items():
            values[i] = row[column]
    replaced = [pl.Series(column, values, dtype=frame[column].dtype) for column, values in columns.items()]
    read = int((~judged["parse_failed"]).sum())
    return Judged(Scored(frame.with_columns(replaced)), name, len(rows), read, sum(text is None for text in said))


def default_cache() -> Path:
    """Folder in which replies are kept where none is named."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qa-eval" / "judge"


def _item(name: str, row: dict[str, object]) -> Item:
    options = row["options"]
    answer = str(row["prediction"])[-LONGEST:]
    if isinstance(options, Sequence) and options:
        return Item(name, "", CHOICE.format(options="\n".join(map(str, options)), answer=answer))
    return Item(name, "", NUMBER.format(answer=answer))


def _plain(text: str) -> str:
    """Take the reply as an answer; NONE is one that nobody can read.

    Examples
    --------
    >>> [_plain(text) for text in (" B.", "none", "**4.2**")]
    ['B', '', '4.2']
    """
    bare = text.strip().strip("*`.'\"()[]").strip()
    return "" if bare.upper() == "NONE" else bare
