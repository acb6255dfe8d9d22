"""Rows and reward function for verl: Parquet with the frames inside, and the file that verl asks for scores."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from qa_engine.exports.embedded import join_parquet, write_rows
from qa_engine.exports.rows import Row, Selection
from qa_engine.tasks import TASKS

REWARD = '''\
"""The reward of verl: scores as qa-eval gives them. Needs qa-contract."""

from qa_contract.scoring import score_answer


def compute_score(data_source, solution_str, ground_truth, extra_info=None, **kwargs):
    """0 to 1: a letter is right or wrong, a number as near as mean relative accuracy says."""
    return score_answer(solution_str, ground_truth, (extra_info or {}).get("options"))
'''


def verl(row: Row) -> Row:
    """Make verl's row; its `data_source`, by which verl reports scores, is the question type.

    Examples
    --------
    >>> row = {"id": "q", "scene_name": "s", "question_type": "object_height", "images": ["a.png"], "text": "How high?"}
    >>> made = verl(row | {"options": [], "answer": "52", "index": 0})
    >>> made["prompt"][0]["content"], made["ability"], made["reward_model"]
    ('<image>How high?', 'measurement', {'style': 'rule', 'ground_truth': '52'})
    """
    task = TASKS.get(row["question_type"])
    return {
        "data_source": row["question_type"],
        "prompt": [{"role": "user", "content": "<image>" * len(row["images"]) + row["text"]}],
        "ability": "spatial" if task is None else task.tags.level,
        "reward_model": {"style": "rule", "ground_truth": row["answer"]},
        "extra_info": {
            "index": row["index"],
            "question_id": row["id"],
            "scene_name": row["scene_name"],
            "options": row["options"],
        },
    }


def write_verl(selection: Selection, part: Path) -> None:
    """Write a Parquet file with the frames inside."""
    import pyarrow as pa

    text = pa.string()
    columns = {
        "data_source": text,
        "prompt": pa.list_(pa.struct({"role": text, "content": text})),
        "ability": text,
        "reward_model": pa.struct({"style": text, "ground_truth": text}),
        "extra_info": pa.struct(
            {"index": pa.int64(), "question_id": text, "scene_name": text, "options": pa.list_(text)}
        ),
    }
    write_rows(selection, ((verl(row), row["images"]) for row in selection.rows()), columns, part)


def join_verl(parts: Iterable[Path], folder: Path, out: Path) -> None:
    """Put rows together as `train.parquet`, and write `reward.py`."""
    join_parquet(folder / "train.parquet", parts)
    (folder / "reward.py").write_text(REWARD, encoding="utf-8")
