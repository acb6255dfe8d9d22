"""The guard's questions before anything starts: a conversational file in the evaluator's form, and a trial reading."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from qa_loop.errors import QALoopError
from qa_loop.process import find_program
from qa_loop.sections import GuardSection, LoopConfig
from qa_loop.stage import flags
from qa_loop.stages import GUARD_QUESTIONS

CHECK_TIMEOUT_S = 600
_OPTION = re.compile(r"^\s*\(?([A-Z])[.):]\s+(\S.*)$")


def guard_questions(config: LoopConfig) -> dict[str, str]:
    """Write a guard in TRL's form as the evaluator's rows: path in the run's folder to text; nothing for other forms.

    Raises
    ------
    QALoopError
        The file cannot be read, or a row is not one question with its answer; every row is named, up to five.
    """
    guard = config.guard
    if guard is None or guard.form != "trl":
        return {}
    rows, problems = [], []
    for number, row in enumerate(_rows(Path(guard.questions)), 1):
        try:
            question, answer = _turns(row)
        except (ValueError, KeyError, TypeError) as error:
            problems.append(f"row {number}: {error}")
            continue
        text, options = _with_options(question)
        named = {"id": f"row_{number}", "scene_name": f"row_{number}", "question_type": "general"}
        rows.append({**named, "question": text, "options": options, "ground_truth": answer})
    if not rows or problems:
        found = "\n  ".join(problems[:5]) or "it has no rows"
        more = f"\n  and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise QALoopError(
            f"guard.questions: {guard.questions} is not in TRL's form, `messages`, or `prompt` and `completion`:\n"
            f"  {found}{more}"
        )
    return {GUARD_QUESTIONS: "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)}


def check_guard(config: LoopConfig) -> None:
    """Let the evaluator read the guard's questions, without a model: form, rows, answers, pictures.

    Raises
    ------
    QALoopError
        It cannot read them, or not score every answer.
    """
    guard = config.guard
    if guard is None:
        return
    with tempfile.TemporaryDirectory() as name:
        source, folder = Path(guard.questions), Path(name)
        for text in guard_questions(config).values():
            source = folder / "questions.jsonl"
            source.write_text(text, encoding="utf-8")
        about = {"benchmark": guard.benchmark, "parser": guard.parser, "runner": "majority", "out": folder / "read"}
        try:
            done = subprocess.run(
                [str(find_program("qa-eval")), "run", str(source), *flags(about)],
                capture_output=True,
                text=True,
                timeout=CHECK_TIMEOUT_S,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise QALoopError(
                f"guard.questions: {guard.questions} was not read within {CHECK_TIMEOUT_S} s. A guard is a few hundred "
                "questions; name a smaller file."
            ) from None
    said = [line for line in done.stderr.splitlines() + done.stdout.splitlines() if line.strip()]
    if done.returncode == 1:
        lost = next((line for line in said if line.startswith("UNSCORED")), said[-1] if said else "")
        raise QALoopError(
            f"guard.questions: {guard.questions}: answers that cannot be scored: {lost}. The guard's answers are "
            "numbers, or letters of options."
        )
    if done.returncode:
        raise QALoopError(f"guard.questions: {_last(said)}{_hint(guard, said)}")


def _last(said: list[str]) -> str:
    return next((line.removeprefix("error: ") for line in said if line.startswith("error: ")), said[-1] if said else "")


def _hint(guard: GuardSection, said: list[str]) -> str:
    """Say which key is missing where the file is in TRL's form."""
    trl = guard.form == "questions" and any(re.search(r"found .*\b(messages|prompt|completion)\b", s) for s in said)
    return " It looks like TRL's form: set form = 'trl' in [guard]." if trl else ""


def _rows(path: Path) -> list[Any]:
    """Read the rows of a JSONL or Parquet file."""
    try:
        if path.suffix == ".parquet":
            import polars as pl

            return pl.read_parquet(path).to_dicts()
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise QALoopError(f"guard.questions: {path} cannot be read as JSONL or Parquet ({error}).") from None
    except Exception as error:  # polars raises its own
        raise QALoopError(f"guard.questions: {path} cannot be read ({error}).") from None


def _turns(row: Any) -> tuple[str, str]:
    """Give question and answer of a row."""
    if not isinstance(row, dict):
        raise TypeError("is no object")
    if "messages" in row:
        turns = row["messages"]
    elif "prompt" in row and "completion" in row:
        turns = [
            *([{"role": "user", "content": row["prompt"]}] if isinstance(row["prompt"], str) else row["prompt"]),
            *(
                [{"role": "assistant", "content": row["completion"]}]
                if isinstance(row["completion"], str)
                else row["completion"]
            ),
        ]
    else:
        raise KeyError(f"has {', '.join(map(str, row)) or 'nothing'}")
    said = [turn for turn in turns if turn["role"] != "system"]
    if [turn["role"] for turn in said] != ["user", "assistant"]:
        raise ValueError(f"has the turns {', '.join(turn['role'] for turn in said)}; expected user, assistant")
    if row.get("images") or row.get("image"):
        raise ValueError("has images, which this form does not show; write the evaluator's form")
    question, answer = (_text(turn["content"]) for turn in said)
    if not question or not answer:
        raise ValueError("has an empty question or answer")
    return question, answer


def _text(content: Any) -> str:
    """Give the text of a turn."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if other := {part["type"] for part in parts} - {"text"}:
        raise ValueError(f"has parts of type {', '.join(sorted(other))}; only text is asked")
    return "\n".join(part["text"] for part in parts).strip()


def _with_options(question: str) -> tuple[str, list[str] | None]:
    r"""Take options from the end of a question, lines with letters from A on.

    Examples
    --------
    >>> _with_options("Which one?\nA. left\nB) right")
    ('Which one?', ['A. left', 'B. right'])
    >>> _with_options("How many?")
    ('How many?', None)
    """
    lines, found = question.splitlines(), []
    while lines and (match := _OPTION.match(lines[-1])):
        found.insert(0, match)
        lines.pop()
    letters = "".join(match[1] for match in found)
    if len(found) < 2 or not ascii_uppercase.startswith(letters) or not lines:
        return question, None
    return "\n".join(lines).strip(), [f"{match[1]}. {match[2].strip()}" for match in found]
