"""Read the per-sample logs of other tools as rows that `qa-eval score` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa_eval.benchmarks import BENCHMARKS, Benchmark, find_benchmark
from qa_eval.benchmarks.columns import PLAIN, UNTOLD, LogColumns
from qa_eval.bridges.records import Record, lmms_eval_records, table_records
from qa_eval.errors import QAEvalError, unknown_name
from qa_eval.scoring.normalise import answer_text, array_text, option_list

Row = dict[str, Any]
LETTERS = "ABCDEFGHIJ"


@dataclass(frozen=True)
class LogKind:
    """A tool whose logs are read.

    Attributes
    ----------
    records : callable
        Path to flat records.
    parser : str
        The parser that reads answers as the tool does.
    """

    records: Callable[[Path], list[Record]]
    parser: str


LOGS: dict[str, LogKind] = {
    "lmms-eval": LogKind(lmms_eval_records, "lmms-eval-cli"),
    "thinking-in-space": LogKind(lmms_eval_records, "official"),
    "vlmevalkit": LogKind(table_records, "vlmevalkit"),
    "authors": LogKind(table_records, "official"),
}
"""Tool to how its logs are read; `authors` stands for the result files of a benchmark's own code."""


def read_log(path: Path, tool: str, benchmark: str | None = None) -> list[Row]:
    """Read a log as rows of id, question_type, ground_truth, prediction, and what else it has of a row.

    Parameters
    ----------
    path : Path
        lmms-eval: ``*_samples_<task>.jsonl`` of ``--log_samples``. thinking-in-space: ``<task>.json``. VLMEvalKit: the
        prediction or score file as XLSX, TSV, CSV or JSON. Authors: JSON, JSONL or a table.
    tool : str
        A key of `LOGS`.
    benchmark : str, optional
        Knows its own column names; by default the one that the file's name names.

    Returns
    -------
    list of dict
        With `log_score` where the log scored the row, `options`, `scene_name`, and, for several answers to one
        question, `predictions`.

    Raises
    ------
    QAEvalError
        The tool is unknown, or the file is not such a log.
    """
    if tool not in LOGS:
        raise unknown_name("log format", tool, LOGS)
    path = Path(path)
    name = benchmark or log_benchmark(path)
    chosen = None if name is None else find_benchmark(name)
    columns = PLAIN if chosen is None else chosen.results if tool == "authors" else chosen.log
    try:
        records = LOGS[tool].records(path)
        kind = None if chosen is None or chosen.every_type is None else "all"
        text = answer_text if chosen is None or not chosen.lists_are_answers else array_text
        rows = [_row(record, columns, number, kind, text) for number, record in enumerate(records, start=1)]
    except KeyError as error:
        raise QAEvalError(f"{path}: not readable as a log of {tool} (a row names no {error}).") from error
    except (OSError, ValueError, TypeError) as error:
        raise QAEvalError(f"{path}: not readable as a log of {tool} ({error}).") from error
    if not rows:
        raise QAEvalError(f"{path}: the log has no rows.")
    return rows


def log_parser(path: Path, tool: str) -> str:
    """Name the parser that reads answers as the writer of the log does.

    Examples
    --------
    >>> log_parser(Path("vsibench.json"), "lmms-eval"), log_parser(Path("20260801_samples_vsibench.jsonl"), "lmms-eval")
    ('official', 'lmms-eval-cli')
    """
    # One object per log is the layout of thinking-in-space, whose code reads VSI-Bench as its authors do.
    return "official" if tool == "lmms-eval" and Path(path).suffix == ".json" else LOGS[tool].parser


def log_benchmark(path: Path) -> str | None:
    """Guess the benchmark from the name of a log, which holds that of the task; None where it says nothing.

    Examples
    --------
    >>> log_benchmark(Path("20260801_samples_mindcube_tiny.jsonl")), log_benchmark(Path("Qwen_ERQA.xlsx"))
    ('mindcube', 'erqa')
    """
    name = _bare(Path(path).stem)
    known = {_bare(alias): item.name for item in BENCHMARKS.values() for alias in (item.name, *item.aliases)}
    known |= {key.removesuffix("bench"): value for key, value in known.items() if len(key) > len("bench") + 3}
    return next((known[key] for key in sorted(known, key=len, reverse=True) if key in name), None)


def with_questions(rows: list[Row], benchmark: Benchmark, questions: Path) -> list[Row]:
    """Give rows that name their question by its position the id, type and ground truth of the published file.

    Rows that name an id of the file keep it.

    Raises
    ------
    QAEvalError
        A row names neither an id nor a position of the file.
    """
    if benchmark.read is None:
        return rows
    table = benchmark.published(Path(questions))
    places = {str(name): place for place, name in enumerate(table["id"])}
    by_id = all(str(row["id"]) in places for row in rows)
    found = []
    for row in rows:
        place = places[str(row["id"])] if by_id else row["id"]
        if not isinstance(place, int) or not 0 <= place < len(places):
            raise QAEvalError(f"{questions}: has no question {row['id']}, by id or by position, of {len(places):,}.")
        known = ("id", "question_type", "ground_truth", "options", "references", "scene_name", "group")
        own = {name: table[name][place] for name in known if name in table}
        # A file that does not tell the type of its questions leaves it to the log.
        found.append(row | own | ({"question_type": row["question_type"]} if own["question_type"] == UNTOLD else {}))
    return found


def _bare(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _row(
    record: Mapping[str, Any], columns: LogColumns, number: int, kind: str | None, text: Callable[[object], str]
) -> Row:
    """Pick the columns of a row; the benchmark's own id comes before the position in the file."""
    found = {name: columns.find(record, name) for name in ("id", "question_type", "ground_truth", "scene_name")}
    answers = columns.find(record, "prediction")
    if answers is None and not any(name in record for name in columns.prediction):
        raise ValueError(f"sample {number}: expected prediction, found {', '.join(map(str, record))}")
    question_type = found["question_type"] or columns.derive_type(record) or kind
    if question_type is None:
        raise ValueError(f"sample {number}: expected question_type, found {', '.join(map(str, record))}")
    own = columns.derive_id(record) if found["id"] is None else found["id"]
    row: Row = {
        "id": number - 1 if own is None else own,
        "question_type": answer_text(question_type),
        "prediction": text(answers),
    }
    if any(name in record for name in columns.ground_truth):
        row["ground_truth"] = answer_text(found["ground_truth"])
    if text is answer_text and isinstance(answers, list) and len(answers) > 1:
        row["predictions"] = [answer_text(answer) for answer in answers]
    if (score := _number(columns.find(record, "log_score"))) is not None:
        row["log_score"] = score
    if (group := columns.find(record, "group")) is not None:
        row["pruned" if columns.group == ("pruned",) else "group"] = group
    options = option_list(columns.find(record, "options")) or _lettered_columns(record)
    return row | ({"options": options} if options else {}) | ({"scene_name": s} if (s := found["scene_name"]) else {})


def _lettered_columns(record: Mapping[str, Any]) -> list[str] | None:
    """Options that stand in a column each, as VLMEvalKit writes them."""
    texts = [(letter, record.get(letter)) for letter in LETTERS]
    return [f"{letter}. {text}" for letter, text in texts if text not in (None, "")] or None


def _number(value: object) -> float | None:
    """Read a score: a number, a truth value, or either as text."""
    if isinstance(value, str):
        value = {"true": 1.0, "false": 0.0}.get(value.strip().lower(), value)
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
