"""Write a questions table as a task folder of lmms-eval."""

from __future__ import annotations

import json
import re
from pathlib import Path

from qa_contract.files import output_folder

from qa_eval.errors import QAEvalError
from qa_eval.runs.items import Problem, build_items, frame_shots
from qa_eval.scoring.questions import read_questions

YAML = """\
# Written by qa-eval. Run: lmms-eval --model ... --include_path {folder} --tasks {name}
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: ground_truth
generation_kwargs:
  max_new_tokens: {max_new_tokens}
  temperature: 0
  do_sample: false
process_results: !function utils.process_results
metric_list:
  - metric: qa_eval_overall
    aggregation: !function utils.overall
    higher_is_better: true
metadata:
  - version: 1
"""

UTILS = '''\
"""Written by qa-eval. Frames, prompt and score are those of 'qa-eval run'; scoring needs qa-eval installed."""

from PIL import Image


def doc_to_visual(doc):
    return [Image.open(path).convert("RGB") for path in doc["frames"]]


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    return doc["prompt"]


def process_results(doc, results):
    return {{"qa_eval_overall": {{**doc, "prediction": results[0]}}}}


def overall(results):
    from qa_eval.benchmarks import find_benchmark
    from qa_eval.metrics import aggregate
    from qa_eval.parsers import find_parser
    from qa_eval.scoring.answers import Answers
    from qa_eval.scoring.score import score_answers

    columns = [[row[name] for row in results] for name in ("id", "question_type", "ground_truth", "prediction")]
    answers = Answers(*columns, [row["options"] or None for row in results])
    benchmark = find_benchmark("{benchmark}")
    score = score_answers(answers, benchmark, find_parser("{parser}")).score
    return aggregate(score, answers.question_type, benchmark.tasks, overall=benchmark.overall).overall
'''


def write_lmms_task(
    questions: Path,
    store: Path | None,
    out: Path,
    *,
    name: str,
    max_new_tokens: int = 16,
    benchmark: str = "questions",
    parser: str = "official",
    force: bool = False,
) -> int:
    """Write `<name>.yaml`, `utils.py` and `questions.jsonl`; the number of questions.

    Raises
    ------
    QAEvalError
        The name is no identifier, frames are missing, or the questions need a store.
    FileError
        `out` is not empty and `force` is false.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise QAEvalError(f"Task name '{name}': use letters, digits and underscores.")
    table = read_questions(questions)
    needs_frames = table["frame_set_id"].null_count() < table.height
    if needs_frames and store is None:
        raise QAEvalError(f"{questions}: the questions refer to frames; pass the store with --store.")
    frames = frame_shots(table, store) if needs_frames and store is not None else {}
    problem = next((found for found in frames.values() if isinstance(found, Problem)), None)
    if problem is not None:
        raise QAEvalError(f"{problem.detail} ({problem.reason}).")
    target = Path(out).resolve()
    rows = [
        {
            "id": item.question_id,
            "scene_name": item.scene_name,
            "question_type": item.question_type,
            "prompt": item.prompt,
            "options": list(item.options),
            "ground_truth": item.ground_truth,
            "frames": [str(path.resolve()) for path in item.frames],
        }
        for item in build_items(table, frames)
    ]
    with output_folder(out, force=force) as folder:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "questions.jsonl").write_text(lines, encoding="utf-8")
        data = json.dumps(str(target / "questions.jsonl"))
        text = YAML.format(folder=target, name=name, data=data, max_new_tokens=max_new_tokens)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        (folder / "utils.py").write_text(UTILS.format(benchmark=benchmark, parser=parser), encoding="utf-8")
    return len(rows)
