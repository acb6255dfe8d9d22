"""SpatialViz-Bench: rotation, folding, penetration and animation of drawn bodies."""

from __future__ import annotations

import re
from pathlib import Path

from qa_eval.benchmarks.base import Benchmark, lettered, unique_ids
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.benchmarks.figures import by_group
from qa_eval.files import Columns, read_published
from qa_eval.parsers.base import letters_only
from qa_eval.parsers.lmms_eval import lmms_eval
from qa_eval.parsers.vlmevalkit import VLMEVALKIT

THOUGHT = re.compile(r"<think>(.*?)</think>", re.DOTALL)
TAGGED = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
CAPITAL = re.compile(r"[A-D]")
PHRASES = (
    *("<answer>", "Answer:", "Final answer", "final answer", "Final Answer", "the answer is", "The answer is"),
    *("correct answer", "Correct answer", "Correct Answer", "答案", "correct path"),
)


def only_letter(completion: str) -> str | None:
    """Take the one capital A to D before the first full stop of the answer tag, or after the first phrase found.

    Examples
    --------
    >>> texts = ("<think>C</think><answer>B. cube</answer>", "Final answer: A", "D", "B is it", "the answer is A or B")
    >>> [only_letter(text) for text in texts]
    ['B', 'A', 'D', None, None]
    """
    tagged = TAGGED.search(completion)
    if THOUGHT.search(completion) and tagged:
        text = tagged[1].strip()
    elif len(completion) == 1:
        text = completion
    else:
        phrase = next((phrase for phrase in PHRASES if phrase in completion), None)
        text = completion.split(phrase)[-1].strip() if phrase else ""
    letters = set(CAPITAL.findall(text.split(".")[0]))
    return letters.pop() if len(letters) == 1 else None


def read_spatialviz(path: Path) -> Columns:
    """Read the test file, whose pictures are named by category, task, level and number."""
    rows = read_published(path, ("Image_id", "Question", "Choices", "Answer", "Category", "Task", "Level"))
    places = list(zip(rows["Category"], rows["Task"], rows["Level"], rows["Image_id"], strict=True))
    repeated = len(set(rows["Image_id"])) < len(rows["Image_id"])
    return {
        "id": unique_ids(["-".join(map(str, key)) for key in places] if repeated else rows["Image_id"], path),
        "question": rows["Question"],
        "question_type": rows["Task"],
        "ground_truth": rows["Answer"],
        "options": [lettered(choices) for choices in rows["Choices"]],
        "group": rows["Category"],
        "pictures": [[f"{'/'.join(map(str, place))}.png"] for place in places],
    }


OFFICIAL = letters_only("official", only_letter, "lmms-eval, lmms_eval/tasks/spatialviz (from the authors' code)")

SPATIALVIZ = Benchmark(
    name="spatialviz",
    description="SpatialViz-Bench: accuracy; overall = mean of all questions; 4 categories and 12 tasks beside it",
    source="arXiv 2507.07610; PLM-Team/Spatial-Visualization-Benchmark; wangst0181/SpatialViz-Bench",
    overall="rows",
    every_type="choice",
    file="Parquet: Image_id, Question, Choices, Answer, Category, Task, Level",
    read=read_spatialviz,
    request="Reason within <think></think>, then give the letter of the right option within <answer></answer>.",
    official=OFFICIAL,
    harnesses={**lmms_eval(OFFICIAL), "vlmevalkit": VLMEVALKIT},
    figures=by_group(),
    log=LogColumns(question_type=("task",), group=("category",)),
)
