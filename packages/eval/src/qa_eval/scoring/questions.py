"""Questions to score against: our table, or a published file."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from qa_contract.frame_lists import read_marks
from qa_contract.options import option_text
from qa_contract.prompts import PROMPTS
from qa_contract.tableio import read_metadata, read_table, table_files
from qa_contract.tables import QUESTIONS

from qa_eval.benchmarks.base import Benchmark
from qa_eval.benchmarks.vsi_bench import subset
from qa_eval.errors import QAEvalError
from qa_eval.files import parquet_files, read_published
from qa_eval.pictures import Held
from qa_eval.scoring.normalise import answer_text

QUESTION_COLUMNS = (
    *("question_id", "scene_name", "question_type", "question", "options", "ground_truth"),
    *("frame_set_id", "prompt_id", "signature"),
)


def read_questions(source: Path, benchmark: Benchmark | None = None) -> pl.DataFrame:
    """Read the columns of a questions table that a run needs, or a published file.

    Rows in VSI-Bench's names (JSONL, JSON or Parquet) get no frames and the prompt ``vsi-bench``; a column `video` is
    kept.
    The file of another benchmark is read by its own reader and gets the prompt ``as-published``, or ``verbatim`` where
    the benchmark has a request of its own.

    Raises
    ------
    QAEvalError
        The table is empty, ids repeat, or a prompt_id is unknown.
    TableError
        The table is missing or lacks columns.
    """
    source = Path(source)
    if benchmark is not None and benchmark.read is not None and not _is_table(source):
        frame = _published(source, benchmark)
    elif source.suffix in (".jsonl", ".ndjson", ".json") or _is_published(source):
        frame = _interchange(source)
    else:
        frame = read_table(source, "questions", QUESTIONS, columns=QUESTION_COLUMNS)
        if marked := read_marks(source).height:
            raise QAEvalError(
                f"{source}: {marked} questions name marks that are not drawn on the store's frames. Draw them by "
                "'qa-engine export', or generate with another --reference."
            )
    if frame.is_empty():
        raise QAEvalError(f"{source}: the questions table has no rows.")
    repeated = frame.filter(pl.col("question_id").is_duplicated())["question_id"]
    if len(repeated):
        raise QAEvalError(f"{source}: question_id {repeated[0]} occurs more than once; ids must be unique.")
    unknown = set(frame["prompt_id"].unique().to_list()) - set(PROMPTS)
    if unknown:
        raise QAEvalError(f"{source}: unknown prompt_id {sorted(map(str, unknown))}. Valid: {', '.join(PROMPTS)}.")
    return frame


def _is_table(source: Path) -> bool:
    """Whether a file or folder is a questions table of the workspace."""
    path = next(iter(sorted(source.glob("questions*.parquet"))), source) if source.is_dir() else source
    if path.suffix != ".parquet" or not path.is_file():
        return False
    try:
        return {"question_id", "signature", "prompt_id"} <= set(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise QAEvalError(f"{path}: not a readable Parquet file ({error}).") from error


def _published(source: Path, benchmark: Benchmark) -> pl.DataFrame:
    """Read a benchmark's own file; the text of a question gets the options that it does not hold itself."""
    rows = benchmark.published(source)
    if "question" not in rows:
        raise QAEvalError(f"{source}: {benchmark.name} publishes answers without the text of their questions.")
    n = len(rows["id"])
    budgets = rows.get("num_frames")
    if budgets is not None and len(set(budgets)) > 1:
        raise QAEvalError(f"{source}: holds several frame budgets; pass the file of one.")
    ids = [str(value) for value in rows["id"]]
    options = rows.get("options") or [None] * n
    own = benchmark.request or ""
    requests = [own if isinstance(own, str) else own.get(str(kind), "") for kind in rows["question_type"]]
    columns = {
        "question_id": ids,
        "scene_name": [str(name or key) for name, key in zip(rows.get("scene_name") or ids, ids, strict=True)],
        "question_type": [str(value) for value in rows["question_type"]],
        "question": [
            "\n".join(filter(None, (with_options(str(text), listed), request)))
            for text, listed, request in zip(rows["question"], options, requests, strict=True)
        ],
        "options": options,
        "ground_truth": [answer_text(value) for value in rows["ground_truth"]],
        "frame_set_id": [None] * n,
        "prompt_id": ["as-published" if benchmark.request is None else "verbatim"] * n,
        "signature": ids,
    }
    frame = pl.DataFrame(columns, schema={name: QUESTIONS[name] for name in QUESTION_COLUMNS})
    more = {"references": pl.List(pl.String), "group": pl.String, "video": pl.String}
    return frame.with_columns(
        pl.Series(name, rows[name], dtype=kind, strict=False) for name, kind in more.items() if name in rows
    )


def read_pictures(source: Path, benchmark: Benchmark) -> dict[str, Held]:
    """Map the questions of a published file to their pictures, unread; empty for a questions table of the workspace.

    Rows in VSI-Bench's names have them in a column `images` or `image`.
    """
    if _is_table(source):
        return {}
    if benchmark.read is None:
        rows = read_published(source, ("id",), pictures=[("images",), ("image",)])
    else:
        rows = benchmark.published(source)
    pictures = rows.get("pictures") or [None] * len(rows["id"])
    return {str(name): value for name, value in zip(rows["id"], pictures, strict=True)}


def with_options(question: str, options: list[str] | None) -> str:
    r"""Write options under a question whose text does not list them.

    Examples
    --------
    >>> with_options("Which way?", ["A. left", "B. right"])
    'Which way?\nA. left\nB. right'
    >>> with_options("Which way? A. left B. right", ["A. left", "B. right"])
    'Which way? A. left B. right'
    """
    texts = [option_text(option) for option in options or ()]
    return question if all(text in question for text in texts) else "\n".join([question, *(options or ())])


def _is_published(source: Path) -> bool:
    """Whether a file is Parquet with rows named `id`, as benchmarks publish them."""
    if source.suffix != ".parquet" or not source.is_file():
        return False
    try:
        names = pl.read_parquet_schema(source)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise QAEvalError(f"{source}: not a readable Parquet file ({error}).") from error
    return "id" in names and "question_id" not in names


def _interchange(source: Path) -> pl.DataFrame:
    """Read rows with id, scene_name, question_type, question, ground_truth and, for choices, options."""
    names = ("id", "scene_name", "question_type", "question", "ground_truth")
    rows = read_published(source, names, optional=("options", "frame_set_id", "prompt_id", "video", "pruned"))
    n = len(rows["id"])
    ids = [str(value) for value in rows["id"]]
    columns = {
        "question_id": ids,
        **{name: [str(value) for value in rows[name]] for name in ("scene_name", "question_type", "question")},
        "options": rows.get("options") or [None] * n,
        "ground_truth": [str(value) for value in rows["ground_truth"]],
        "frame_set_id": rows.get("frame_set_id") or [None] * n,
        "prompt_id": rows.get("prompt_id") or ["vsi-bench"] * n,
        "signature": ids,
    }
    schema = {name: QUESTIONS[name] for name in QUESTION_COLUMNS}
    if "video" in rows:
        columns["video"], schema["video"] = rows["video"], pl.String
    if "pruned" in rows:
        columns["group"], schema["group"] = [subset(value) for value in rows["pruned"]], pl.String
    try:
        return pl.DataFrame(columns, schema=schema)
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise QAEvalError(f"{source}: the rows do not fit a questions table ({error}).") from error


def question_files(source: Path) -> list[Path]:
    """List the files that hold questions: of a folder the table, or all Parquet shards of a benchmark."""
    source = Path(source)
    own = list(source.glob("questions*.parquet"))
    return parquet_files(source) if source.is_dir() and not own else table_files(source, "questions")


def questions_revision(source: Path) -> dict[str, str]:
    """Name the producer and the run of a questions table; empty for other files."""
    source = Path(source)
    path = source if source.is_file() else source / "questions.parquet"
    if path.suffix != ".parquet" or not path.is_file():
        return {}
    stored = read_metadata(path)
    return {name: stored[name] for name in ("producer", "run_id", "seed") if name in stored}
