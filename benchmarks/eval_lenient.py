"""Score the stored answers of BLINK's authors, and compare the lenient parser's letters with those of their judge.

    git clone https://github.com/zeyofu/BLINK_Benchmark DIR
    uv run python benchmarks/eval_lenient.py DIR/eval/saved_outputs --out benchmarks/results/eval_lenient.json

The judge knew the options' texts and names an option for "the left one", too; the parser sees the answer alone.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from qa_eval.benchmarks import find_benchmark
from qa_eval.bridges import read_log
from qa_eval.parsers import find_parser
from qa_eval.parsers.lenient import lenient_letter
from qa_eval.scoring.answers import Answers
from qa_eval.scoring.score import score_answers
from qa_eval.scoring.summary import summarise

LETTER = re.compile(r"\(([A-E])\)")


def main() -> None:
    """Count how the two readings agree."""
    options = argparse.ArgumentParser(description="Compare the lenient parser with a judge.")
    options.add_argument("outputs", type=Path, help="folder with a folder per model")
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    counts: Counter[str] = Counter()
    models = set()
    for path in sorted(chosen.outputs.glob("*/*.json")):
        models.add(path.parent.name)
        for rows in json.loads(path.read_text(encoding="utf-8")).values():
            for row in rows:
                judged = LETTER.fullmatch((row.get("prediction") or "").strip())
                read = lenient_letter(str(row.get("full_prediction") or ""))
                counts[agreement(judged[1] if judged else None, read)] += 1
    result: dict[str, Any] = {"models": len(models), "answers": counts.total(), **dict(sorted(counts.items()))}
    result["overall"] = {name: overall(chosen.outputs / name) for name in sorted(models)}
    sys.stderr.write(f"{result}\n")
    if chosen.out:
        chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def overall(folder: Path) -> float:
    """Score the validation answers of one model as the authors do, from the letters of their judge, in percent."""
    blink = find_benchmark("blink")
    found = [row for path in sorted(folder.glob("*.json")) for row in read_log(path, "authors", "blink")]
    rows = [row for row in found if str(row["id"]).startswith("val")]
    names = ("id", "question_type", "ground_truth", "prediction")
    answers = Answers(*([row.get(name) for row in rows] for name in names))
    mean = summarise(score_answers(answers, blink, find_parser("official")), blink).means.overall
    return round(100 * (mean or 0.0), 2)


def agreement(judged: str | None, read: str | None) -> str:
    """Name how two readings of one answer stand to each other."""
    if judged == read:
        return "both none" if judged is None else "same letter"
    if judged is None:
        return "parser alone"
    return "judge alone" if read is None else "other letter"


if __name__ == "__main__":
    main()
