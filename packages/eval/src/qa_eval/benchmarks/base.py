"""What a benchmark is, and what its file readers share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa_eval.benchmarks.columns import PLAIN, LogColumns
from qa_eval.errors import QAEvalError
from qa_eval.files import Columns
from qa_eval.metrics.aggregate import Overall
from qa_eval.parsers.base import Parser
from qa_eval.parsers.official import OFFICIAL
from qa_eval.parsers.yes_no import LENIENT_YES_NO

if TYPE_CHECKING:
    import polars as pl

Metric = str
"""A key of `qa_eval.scoring.scorers.SCORERS`: relative accuracy of a number (`mra`), an option (`choice`), free text
against references (`text`), or a function of the benchmark's own (`special`)."""

Special = Mapping[str, Callable[[str, str], float | None]]
"""Question type to a function of (completion, ground truth): a score from 0 to 1, or None without an answer."""

LETTERS = "ABCDEFGHIJ"


@dataclass(frozen=True)
class Benchmark:
    """The metric of every question type and the rule of the overall score.

    Attributes
    ----------
    name, description, source : str
        The description names metric and aggregation; the source, where both are taken from.
    metrics : mapping of question type to metric
    tasks : mapping of task to question types
        In the order in which their means are added up.
    overall : str
        ``tasks`` = plain mean of the tasks; ``rows`` = mean of all rows.
    columns : mapping of str to str
        Heads of the paper's table, in its order, to a task, question type, further figure or caption metric; what is
        not listed follows as it is.
    every_type : metric, optional
        Metric of the question types that `metrics` does not list; None = they are not scored.
    open_types : bool
        Whether other question types are scored as a choice where the row has options or a letter as ground truth,
        else as a number.
    file : str
        The published file and its columns.
    read : callable, optional
        Path of the published file to columns `id`, `question_type`, `ground_truth` and, where the file has them,
        `options`, `references`, `scene_name`, `num_frames`.
    official : Parser
        How the benchmark's own code reads answers: what ``--parser official`` means here.
    official_by_type : mapping of question type to Parser
        Question types that the benchmark's code reads differently.
    harnesses : mapping of parser name to Parser, or to a mapping of question type to Parser
        How the code of other harnesses reads answers to this benchmark; a harness that is not listed does not have the
        benchmark, and its parser is refused.
    special : mapping of question type to callable
        (completion, ground truth) to a score from 0 to 1, or None where the completion holds no answer.
    special_by_harness : mapping of parser name to a mapping as `special`
        Where a harness has functions of its own.
    captions : bool
        Whether answers are scored as captions of their references too: BLEU, ROUGE-L, CIDEr.
    aliases : tuple of str
        Other names under which logs know the benchmark.
    log, results : LogColumns
        Names of the columns in the logs of harnesses, and in the result files of the authors' own code.
    beside : tuple of str
        Parsers whose overall scores are shown beside that of the chosen one, because papers report them as well.
    request : str, or mapping of question type to str, optional
        What follows a question that a model is asked, in place of the usual request for a letter, a word or a number;
        empty where the published text says itself in which form it wants its answer.
    asks_yes_no : callable
        Whether the questions of a type ask for yes or no, which ``lenient`` then looks for in place of letters.
    lists_are_answers : bool
        Whether a list in place of a text is one answer, such as boxes; elsewhere the first of several answers counts.
    absent : str, optional
        What a question without a prediction counts as; None = it has no score.
    hint : str
        Said where the parser reads fewer than half of the answers.
    micro_by : str
        Who prints the mean of the rows where `overall` is that of tasks.
    figures : callable, optional
        Rows with a score (question_type, group, options, score) to further figures that papers print, fractions of 1.
    """

    name: str
    description: str
    source: str
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    tasks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    overall: Overall = "tasks"
    columns: Mapping[str, str] = field(default_factory=dict)
    every_type: Metric | None = None
    open_types: bool = False
    file: str = "rows with id, question_type, ground_truth"
    read: Callable[[Path], Columns] | None = None
    official: Parser = OFFICIAL
    official_by_type: Mapping[str, Parser] = field(default_factory=dict)
    harnesses: Mapping[str, Parser | Mapping[str, Parser]] = field(default_factory=dict)
    special: Special = field(default_factory=dict)
    special_by_harness: Mapping[str, Special] = field(default_factory=dict)
    captions: bool = False
    aliases: tuple[str, ...] = ()
    log: LogColumns = PLAIN
    results: LogColumns = PLAIN
    beside: tuple[str, ...] = ()
    request: str | Mapping[str, str] | None = None
    asks_yes_no: Callable[[str], bool] = lambda _: False
    lists_are_answers: bool = False
    absent: str | None = None
    hint: str = ""
    micro_by: str = ""
    figures: Callable[[pl.DataFrame], Mapping[str, float]] | None = None

    def published(self, path: Path) -> Columns:
        """Read the published file by `read`, which the benchmark has to have.

        Raises
        ------
        QAEvalError
            There is no such file, it lacks columns, or holds a value that the reader cannot take.
        """
        assert self.read is not None
        try:
            rows = self.read(path)
            for name, options in zip(rows["id"], rows.get("options") or (), strict=False):
                if not isinstance(options, list | str | None):
                    raise TypeError(f"the options of {name} are {options!r}, not a list")
            return rows
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise QAEvalError(
                f"{path}: not readable as {self.name}: a value is of another kind than its reader expects "
                f"({type(error).__name__}: {error}). Expected {self.file}."
            ) from error

    def reader(self, parser: Parser, question_type: str) -> Parser:
        """Choose what reads the answers of a question type.

        ``official`` is the benchmark's own code, the name of a harness that harness's code for this benchmark, and any
        other parser itself.

        Raises
        ------
        QAEvalError
            The harness does not have this benchmark.
        """
        if parser.name == OFFICIAL.name:
            return self.official_by_type.get(question_type, self.official)
        if parser.name == LENIENT_YES_NO.name and self.asks_yes_no(question_type):
            return LENIENT_YES_NO
        if not parser.is_harness:
            return parser
        if parser.name not in self.harnesses:
            valid = ", ".join(["official", "lenient", *self.harnesses])
            raise QAEvalError(
                f"{parser.name} has no code that scores {self.name}; its rules for other benchmarks would give another "
                f"number. Parsers for {self.name}: {valid}."
            )
        found = self.harnesses[parser.name]
        return found if isinstance(found, Parser) else found.get(question_type, self.official)

    def own_score(self, parser: Parser, question_type: str) -> Callable[[str, str], float | None]:
        """Choose the function of a question type of the metric `special`."""
        return self.special_by_harness.get(parser.name, self.special).get(question_type, self.special[question_type])


def unique_ids(values: Sequence[Any], path: Path) -> list[Any]:
    """Return ids, which predictions are joined by.

    Raises
    ------
    QAEvalError
        An id is missing or occurs more than once.
    """
    if None in values or len(set(values)) < len(values):
        seen: set[Any] = set()
        first = next(value for value in values if value is None or value in seen or seen.add(value))
        raise QAEvalError(f"{path}: the id {first} is missing or occurs more than once; predictions need unique ids.")
    return list(values)


def options_in_text(question: str, mark: str) -> list[str] | None:
    """Find the options that a question's own text lists, as ``"A. text"``; None where it lists fewer than two.

    Parameters
    ----------
    question : str
    mark : str
        The character behind a letter.

    Examples
    --------
    >>> options_in_text("Where is it? A. left B. right", ".")
    ['A. left', 'B. right']
    >>> options_in_text("Which way? Options: A: to the left, B: to the right", ":")
    ['A. to the left', 'B. to the right']
    """
    starts: list[tuple[int, int]] = []
    for letter in LETTERS:
        found = re.compile(rf"(?<!\w){letter}{re.escape(mark)}\s*").search(question, starts[-1][1] if starts else 0)
        if found is None:
            break
        starts.append(found.span())
    if len(starts) < 2:
        return None
    ends = [begin for begin, _ in starts[1:]] + [len(question)]
    texts = [question[begin:end].strip().rstrip(",;") for (_, begin), end in zip(starts, ends, strict=True)]
    return [f"{letter}. {text}" for letter, text in zip(LETTERS, texts, strict=False)]


def lettered(options: Sequence[str]) -> list[str]:
    """Put letters before options.

    Examples
    --------
    >>> lettered(["left", "right"])
    ['A. left', 'B. right']
    """
    return [f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False)]
