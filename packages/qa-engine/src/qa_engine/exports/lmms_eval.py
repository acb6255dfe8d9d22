"""A folder that lmms-eval runs as a task: its YAML file, the functions that it names, the questions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from qa_engine.exports.lines import join_as

TASK = "spatial_questions"
YAML = """\
# Run: python -m lmms_eval --model MODEL --include_path {folder} --tasks {task}
# The path of the questions is absolute, as datasets needs it: change it when the folder moves.
task: {task}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: answer
process_results: !function utils.process_results
generation_kwargs:
  max_new_tokens: 16
  temperature: 0
  do_sample: false
metric_list:
  - metric: score
    aggregation: !function utils.mean_over_types
    higher_is_better: true
metadata:
  - version: 1
"""
UTILS = '''\
"""What the task's YAML file names. Scores are those of VSI-Bench: the first word counts."""

from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
MAX_ERRORS = (1 - np.linspace(0.5, 0.95, 10))[::-1]


def doc_to_visual(doc):
    return [Image.open(HERE / path).convert("RGB") for path in doc["images"]]


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    return doc["text"]


def process_results(doc, results):
    return {"score": {"question_type": doc["question_type"], "score": score(results[0], doc)}}


def score(completion, doc):
    """1 or 0 for a letter; for a number the share of ten thresholds that its relative error passes."""
    word = completion.split(" ", 1)[0].rstrip(".").strip()
    if doc["options"]:
        return float(word.lower() == doc["answer"].lower())
    try:
        predicted, truth = float(word), float(doc["answer"])
    except ValueError:
        return 0.0
    if truth == 0:
        return 0.0
    passed = len(MAX_ERRORS) - int(np.searchsorted(MAX_ERRORS, abs(predicted - truth) / truth, side="left"))
    return passed / len(MAX_ERRORS)


def mean_over_types(results):
    """Mean over question types, each the mean of its questions."""
    by_type = {}
    for row in results:
        by_type.setdefault(row["question_type"], []).append(row["score"])
    return float(np.mean([np.mean(scores) for scores in by_type.values()]))
'''


def join_lmms_eval(parts: Iterable[Path], folder: Path, out: Path) -> None:
    """Put lines together as `questions.jsonl`, and write `spatial_questions.yaml` and `utils.py`."""
    join_as(folder / "questions.jsonl", parts)
    place = out.resolve()
    text = YAML.format(task=TASK, folder=place, data=json.dumps(str(place / "questions.jsonl")))
    (folder / f"{TASK}.yaml").write_text(text, encoding="utf-8")
    (folder / "utils.py").write_text(UTILS, encoding="utf-8")
