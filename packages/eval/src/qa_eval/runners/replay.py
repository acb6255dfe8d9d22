"""Runner over stored answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from qa_eval.errors import QAEvalError
from qa_eval.files import Columns, read_columns
from qa_eval.runners.base import Answer, Item, RunnerConfig

TEXT_COLUMNS = ("completion", "prediction", "answer", "response")


SOURCE_COLUMNS = (
    "model_id",
    "frame_set_id",
    "prompt_id",
    "frame_input",
    "frame_ids",
    "frame_fps",
    "decoding",
    "versions",
    "settings",
)
TOKEN_COLUMNS = ("token_ids", "token_logprobs", "token_mask", "token_is_top1", "token_entropy")
ANSWER_COLUMNS = (*TOKEN_COLUMNS, "option_logprobs", "frame_pixels")


class ReplayRunner:
    """Repeats answers read from a file: JSONL, JSON or Parquet with `id` or `question_id` and the text.

    Rows of a predictions table keep what produced them: model, frames, decoding, versions, tokens. Of other files
    these are unknown, and null.

    Raises
    ------
    QAEvalError
        The file lacks the columns, or holds several answers to one question.
    """

    facts: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, config: RunnerConfig) -> None:
        if config.answers is None:
            raise QAEvalError("Runner 'replay' needs --answers (predictions that carry ids and completions).")
        columns = read_columns(config.answers, "predictions", more=(*SOURCE_COLUMNS, *ANSWER_COLUMNS))
        key = next((name for name in ("question_id", "id") if name in columns), None)
        text = next((name for name in TEXT_COLUMNS if name in columns), None)
        if key is None or text is None:
            raise QAEvalError(
                f"{config.answers}: expected id or question_id, and one of {', '.join(TEXT_COLUMNS)}; "
                f"found {', '.join(columns)}."
            )
        n = len(columns[key])
        phases = columns.get("phase", [None] * n)
        rows = [i for i in range(n) if columns[text][i] is not None and phases[i] != "train"]
        self.answers = {str(columns[key][i]): _stored_answer(columns, text, i) for i in rows}
        if len(self.answers) < len(rows):
            raise QAEvalError(f"{config.answers}: {len(rows) - len(self.answers)} questions have several answers.")

    def batch_key(self, item: Item) -> tuple[int, int, str, int]:
        """All items are alike."""
        return (0, 0, "", 0)

    def answer(self, items: Sequence[Item]) -> list[Answer]:
        """Look the answers up; a question without one has the error `missing_answer`."""
        return [
            self.answers[item.question_id]
            if item.question_id in self.answers
            else Answer(error="missing_answer", detail=f"no answer to {item.question_id}")
            for item in items
        ]


def _stored_answer(columns: Columns, text: str, row: int) -> Answer:
    """Read one row; frame set and prompt are the question's own where the row does not name them."""
    known = {name: columns[name][row] for name in (*SOURCE_COLUMNS, *ANSWER_COLUMNS) if name in columns}
    stored = {name: known.get(name) for name in SOURCE_COLUMNS}
    for name in SOURCE_COLUMNS[:3]:
        if stored[name] is None:
            del stored[name]
    answer: dict[str, Any] = {name: known.get(name) for name in ANSWER_COLUMNS}
    return Answer(str(columns[text][row]), stored=stored, **answer)
