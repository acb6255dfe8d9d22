"""A module that registers the questions as a data set of Reasoning Gym, with the questions and frames beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qa_engine.exports.lines import join_as

MODULE = '''\
"""Spatial questions for Reasoning Gym: import this file, then reasoning_gym.create_dataset("spatial_questions").

Scores are those of qa-eval and need qa-contract. The frames of a question are files, named in its metadata in the
order in which a model has to see them.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path

from qa_contract.scoring import score_answer
from reasoning_gym.factory import ProceduralDataset, register_dataset

HERE = Path(__file__).resolve().parent
NAME = "spatial_questions"


@dataclass
class SpatialQuestionsConfig:
    """With a seed in an order drawn by it; a size beyond the number of questions starts again from the first."""

    seed: int | None = None
    size: int | None = None

    def validate(self):
        assert self.size is None or self.size > 0, "size must be positive"


class SpatialQuestionsDataset(ProceduralDataset):
    """The questions of questions.jsonl."""

    def __init__(self, config):
        with (HERE / "questions.jsonl").open(encoding="utf-8") as file:
            self.rows = [json.loads(line) for line in file]
        super().__init__(config=config, seed=config.seed, size=config.size or len(self.rows))
        self.order = list(range(len(self.rows)))
        if config.seed is not None:
            random.Random(config.seed).shuffle(self.order)

    def __getitem__(self, idx):
        row = self.rows[self.order[idx % len(self.order)]]
        metadata = {
            "source_dataset": NAME,
            "source_index": idx,
            "question_id": row["id"],
            "scene_name": row["scene_name"],
            "question_type": row["question_type"],
            "options": row["options"],
            "images": [str(HERE / path) for path in row["images"]],
        }
        return {"question": row["text"], "answer": row["answer"], "metadata": metadata}

    def score_answer(self, answer, entry):
        return score_answer(answer or "", entry["answer"], entry["metadata"]["options"])


register_dataset(NAME, SpatialQuestionsDataset, SpatialQuestionsConfig)
'''


def join_reasoning_gym(parts: Iterable[Path], folder: Path, out: Path) -> None:
    """Put lines together as `questions.jsonl`, and write `spatial_questions.py`."""
    join_as(folder / "questions.jsonl", parts)
    (folder / "spatial_questions.py").write_text(MODULE, encoding="utf-8")
