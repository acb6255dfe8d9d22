r"""Speed of a local model's answers: questions with all their frames each, and with the frames of a scene read once.

    uv run python benchmarks/eval_answering.py QUESTIONS --store STORE --model MODEL \
        --out benchmarks/results/eval_answering.json

Both ways answer the same questions in one process, on one thread, in float32 on the processor. Their tokens must be
equal; the largest difference of a log-probability is given. Times are processor seconds, so that other work on the
machine does not count. The time left is what `qa-eval run` would have said at its first chance, in shares of the time
that the rest then took.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from qa_eval.runners import Item, RunnerConfig
from qa_eval.runners.base import Answer
from qa_eval.runners.transformers import TransformersRunner
from qa_eval.runners.vision import VisionCache
from qa_eval.runs.items import build_items, frame_shots
from qa_eval.runs.run import make_batches
from qa_eval.scoring.questions import read_questions


def main() -> None:
    """Measure both ways."""
    options = argparse.ArgumentParser(description="Speed of a local model's answers.")
    options.add_argument("questions", type=Path)
    options.add_argument("--store", type=Path, required=True)
    options.add_argument("--model", required=True)
    options.add_argument("--batch-size", type=int, default=64)
    options.add_argument("--max-new-tokens", type=int, default=16)
    options.add_argument("--limit", type=int)
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    table = read_questions(chosen.questions)[: chosen.limit]
    items = build_items(table, frame_shots(table, chosen.store))
    runner = TransformersRunner(RunnerConfig(chosen.model, "cpu", chosen.max_new_tokens))
    sharing = runner.prefixes
    if sharing is None:
        raise SystemExit(f"{chosen.model}: this model is asked the plain way only")
    runner.answer(items[: chosen.batch_size])
    result: dict[str, Any] = {"questions": len(items), "scenes": table["scene_name"].n_unique()}
    given = {}
    for name, prefixes in (("all frames each", None), ("frames shared", sharing)):
        runner.prefixes, runner.vision = prefixes, VisionCache(runner.processor)
        sharing.kept = {}
        given[name], result[name] = answer_all(runner, items, chosen.batch_size)
        sys.stderr.write(f"{name}: {json.dumps(result[name])}\n")
    result |= compare(*given.values())
    result |= {"batch_size": chosen.batch_size, "torch": torch.__version__}
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    if chosen.out:
        chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def answer_all(runner: TransformersRunner, items: list[Item], size: int) -> tuple[dict[int, Answer], dict[str, float]]:
    """Answer in the batches of a run; also the times."""
    batches = make_batches(items, range(len(items)), runner, size)
    ends, answers = [time.process_time()], {}
    for batch in batches:
        answers |= dict(zip(batch, runner.answer([items[i] for i in batch]), strict=True))
        ends.append(time.process_time())
    seconds = ends[-1] - ends[0]
    facts = {"seconds": round(seconds, 2), "per_second": round(len(items) / seconds, 1)}
    if len(batches) > 2:
        done = list(itertools.accumulate(len(batch) for batch in batches))
        said = (ends[2] - ends[1]) * (done[-1] - done[1]) / (done[1] - done[0])
        facts["first_time_left_over_true"] = round(said / (ends[-1] - ends[2]), 2)
    return answers, facts


def compare(a: dict[int, Answer], b: dict[int, Answer]) -> dict[str, Any]:
    """Compare tokens, and the log-probabilities of equal ones."""
    same = [i for i in a if a[i].token_ids == b[i].token_ids]
    pairs = (zip(a[i].token_logprobs or (), b[i].token_logprobs or (), strict=True) for i in same)
    largest = max(abs(x - y) for pair in pairs for x, y in pair)
    return {"same_tokens": len(same), "largest_logprob_difference": largest}


if __name__ == "__main__":
    main()
