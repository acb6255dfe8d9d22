"""Runner over stored answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from qa_eval.errors import QAEvalError
from qa_eval.files import read_columns
from qa_eval.models.base import Answer, Item, RunnerConfig

TEXT_COLUMNS = ("completion", "prediction", "answer", "response")


class ReplayRunner:
    """Repeats answers read from a file: JSONL, JSON or Parquet with `id` or `question_id` and the text.

    Raises
    ------
    QAEvalError
        The file lacks the columns, or holds several answers to one question.
    """

    facts: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, config: RunnerConfig) -> None:
        if config.answers is None:
            raise QAEvalError("Runner 'replay' needs --answers (predictions that carry ids and completions).")
        columns = read_columns(config.answers, "predictions")
        key = next((name for name in ("question_id", "id") if name in columns), None)
        text = next((name for name in TEXT_COLUMNS if name in columns), None)
        if key is None or text is None:
            raise QAEvalError(
                f"{config.answers}: expected id or question_id, and one of {', '.join(TEXT_COLUMNS)}; "
                f"found {', '.join(columns)}."
            )
        phases = columns.get("phase", [None] * len(columns[key]))
        rows = zip(columns[key], columns[text], phases, strict=True)
        pairs = [(str(name), value) for name, value, phase in rows if value is not None and phase != "train"]
        self.answers = {name: str(value) for name, value in pairs}
        if len(self.answers) < len(pairs):
            raise QAEvalError(f"{config.answers}: {len(pairs) - len(self.answers)} questions have several answers.")

    def batch_key(self, item: Item) -> tuple[int, int, str, int]:
        """All items are alike."""
        return (0, 0, "", 0)

    def answer(self, items: Sequence[Item]) -> list[Answer]:
        """Look the answers up; a question without one has the error `missing_answer`."""
        return [
            Answer(self.answers[item.question_id])
            if item.question_id in self.answers
            else Answer(error="missing_answer", detail=f"no answer to {item.question_id}")
            for item in items
        ]
