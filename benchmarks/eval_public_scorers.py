"""Score the same odd answers with qa-eval and with the public scorers themselves, row by row.

    uv run python benchmarks/eval_public_scorers.py DIR --out benchmarks/results/eval_public_scorers.json

DIR holds the folders `lmms_eval` and `vlmeval` of checkouts of EvolvingLMMs-Lab/lmms-eval and open-compass/VLMEvalKit
(or of `pip install --no-deps --target DIR lmms-eval ms-vlmeval`), the package num2words, and `mmsi_bench.py` of
InternRobotics/MMSI-Bench (vlmeval/dataset).

The functions of the packages are executed as they are; only their modules' imports of models and data sets
are left out. Answers are put together at random from fragments that scorers trip over: brackets, tags, reasoning,
units, signs, words for numbers, other scripts, empty text.
"""

from __future__ import annotations

import argparse
import ast
import functools
import importlib.metadata
import json
import math
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from qa_eval.benchmarks import find_benchmark
from qa_eval.benchmarks.ost_bench import SCORERS as OST_SCORERS
from qa_eval.benchmarks.points import mask_text, tuples_score
from qa_eval.benchmarks.robospatial import any_inside
from qa_eval.benchmarks.spar_bench import CHOICE_TASKS, NUMBER_TASKS, VIEW_CHANGE
from qa_eval.benchmarks.vsi_bench import CHOICE_TYPES, NUMBER_TYPES
from qa_eval.metrics.aggregate import aggregate
from qa_eval.parsers import find_parser
from qa_eval.scoring.answers import Answers
from qa_eval.scoring.score import score_answers

FRAGMENTS = (
    *("A", "B", "C", "D", "E", "b", "d.", "A.", "(B)", "[C]", "**D**", "`A`", "``B``", "{C}", '"D"', "A:", "B)", "c)"),
    *(
        "The answer is B",
        "the answer is c",
        "My answer is D",
        "Answer: A",
        "answer:B",
        "Option C",
        "d is correct",
    ),
    *("Ans='C'", "<answer>", "</answer>", "<Answer>", "<think>", "</think>", "<answer>B</answer>", "<ANSWER>3.5"),
    *("\n", "\n\n", " ", "  ", "\t", ".", ",", "\u00a0", "\u200b", "答案：B", "选项 A:", "（C）", "é", "ſ", "İ", "²"),
    *("0", "1", "2", "3.5", "-4", "+7", "1e2", "1,234", "190cm", "2 m", "3-4", "1/2", ".5", "5.", "nan", "inf", "1_0"),
    *("zero", "One", "twenty-one", "three hundred and two", "thousand", "about", "none", "[7, 8]", "['x']", "^2", "x2"),
    *("left", "a cat", "back-right", "sofa", "I", "move_left:1", "rotate_up:10", "move_right:0.5,rotate_down:20", ":"),
)
LETTERS = ("A", "B", "C", "D")
NUMBERS = ("1", "2", "4", "0.5", "3.5", "190", "12.6", "20")
Kinds = Mapping[str, tuple[str, ...]]
"""Question type to ground truths."""

KEPT_IMPORTS = ("re", "json", "string", "math", "ast", "functools", "typing", "collections", "num2words")


def main() -> None:
    """Compare, and write how many of the scores differ."""
    options = argparse.ArgumentParser(description="Compare qa-eval with the public scorers.")
    options.add_argument("packages", type=Path, help="folder with the installed packages")
    options.add_argument("--rows", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=8)
    options.add_argument("--revision", action="append", default=[], help="NAME=COMMIT of a checkout, kept beside it")
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    sys.path.append(str(chosen.packages))
    rng = np.random.default_rng(chosen.seed)
    results = {}
    for name, (benchmark, parser, kinds, public) in comparisons(chosen.packages).items():
        rows = [row(rng, kinds) for _ in range(chosen.rows)]
        expected = np.array([public(*r) for r in rows], dtype=np.float64)
        columns = [list(column) for column in zip(*rows, strict=True)]
        answers = Answers(list(range(len(rows))), columns[0], columns[1], columns[2])
        scored = score_answers(answers, find_benchmark(benchmark), find_parser(parser)).score
        wrong = np.flatnonzero(scored != expected)
        first = [(*rows[i], float(expected[i]), float(scored[i])) for i in wrong[:3].tolist()]
        results[name] = {"rows": len(rows), "differences": len(wrong), "mean": float(expected.mean()), "first": first}
        sys.stderr.write(f"{name}: {len(wrong)} of {len(rows)} scores differ {first}\n")
    results |= aggregates(chosen.packages, rng) | point_scores(chosen.packages, rng) | ost_scores(chosen.packages, rng)
    versions = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions(path=[str(chosen.packages)])}
    kept = {name: versions[name] for name in ("lmms_eval", "lmms-eval", "ms-vlmeval", "ms_vlmeval") if name in versions}
    kept |= dict(pair.split("=", 1) for pair in chosen.revision)
    if chosen.out:
        value = {"packages": kept, "seed": chosen.seed, "comparisons": results}
        chosen.out.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    sys.exit(any(result["differences"] for result in results.values()))


def aggregates(folder: Path, rng: np.random.Generator, files: int = 100, rows: int = 600) -> dict[str, Any]:
    """Compare overall scores of random files with lmms-eval's own; the order of its sum moves the last digit."""
    vsi = public_functions(folder / "lmms_eval/tasks/vsibench/utils.py")
    vsi["pd"] = pd
    kinds = (*CHOICE_TYPES, *NUMBER_TYPES)
    tasks = find_benchmark("vsi-bench").tasks
    alphabetical = {name: tasks[name] for name in sorted(tasks, key=lambda n: (n == "object_rel_direction", n))}
    wrong = []
    for _ in range(files):
        kind = [*kinds, *rng.choice(kinds, rows).tolist()]
        is_choice = np.isin(kind, CHOICE_TYPES)
        score = np.where(is_choice, rng.integers(0, 2, len(kind)), rng.integers(0, 11, len(kind)) / 10)
        table = pd.DataFrame({"question_type": kind, "accuracy": score, NA_KEY: score})
        expected = float(vsi["_compute_all_subscores"](table.to_dict("records"))["overall"])
        mine = aggregate(score, kind, alphabetical).overall or 0.0
        near = aggregate(score, kind, tasks).overall or 0.0
        wrong += [(expected, mine)] if expected != mine or abs(expected - near) > 1e-15 else []
    sys.stderr.write(f"vsi-bench: {len(wrong)} of {files} overall scores differ {wrong[:3]}\n")
    return {"vsi-bench, overall": {"rows": files, "differences": len(wrong), "first": wrong[:3]}}


def row(rng: np.random.Generator, kinds: Kinds) -> tuple[str, str, str]:
    """Draw a question type, one of its ground truths, and an answer of one to six fragments."""
    kind = str(rng.choice(list(kinds)))
    truth = str(rng.choice(kinds[kind]))
    parts = [str(rng.choice(FRAGMENTS)) for _ in range(rng.integers(1, 7))]
    if rng.random() < 0.3:
        parts.insert(int(rng.integers(len(parts) + 1)), truth)
    return kind, truth, str(rng.choice(["", " "])).join(parts)


def comparisons(folder: Path) -> dict[str, tuple[str, str, Kinds, Callable[..., float]]]:
    """Name to (benchmark, parser, ground truths by type, the public score of type, ground truth, answer)."""
    tasks = folder / "lmms_eval/tasks"
    vsi = public_functions(tasks / "vsibench/utils.py")
    kit = public_functions(folder / "vlmeval/dataset/utils/spatial_bench/cal_scores.py")
    kit |= public_functions(folder / "vlmeval/dataset/utils/spatial_bench/matching_func.py")
    kit["mean_relative_accuracy"].__globals__.update(kit)
    cube, mmsi = public_functions(tasks / "mindcube/utils.py"), public_functions(tasks / "mmsi_bench/utils.py")
    view, spar = public_functions(tasks / "viewspatial/utils.py"), public_functions(tasks / "sparbench/utils.py")
    spar["partial"] = functools.partial  # 0.7.3 forgets the import and so scores every number 0
    emb, revsi = public_functions(tasks / "embspatial/utils.py"), public_functions(tasks / "revsi/utils.py")
    vsi_kinds: Kinds = {**dict.fromkeys(CHOICE_TYPES, LETTERS), **dict.fromkeys(NUMBER_TYPES, NUMBERS)}
    one = {"any": LETTERS}
    spar_kinds: Kinds = {
        **dict.fromkeys(CHOICE_TASKS, LETTERS),
        **dict.fromkeys(NUMBER_TASKS, NUMBERS),
        VIEW_CHANGE: ("move_left:1,rotate_up:10", "move_right:0.5,rotate_down:20"),
    }
    metrics = find_benchmark("revsi").metrics
    revsi_kinds = {name: LETTERS if metric == "choice" else NUMBERS for name, metric in metrics.items()}

    def lmms(kind: str, truth: str, text: str) -> float:
        doc = {"question_type": kind, "ground_truth": truth}
        vsi["vsibench_process_results"](doc, [text])
        return float(doc["accuracy" if kind in CHOICE_TYPES else "MRA:.5:.95:.05"])

    def official(kind: str, truth: str, text: str) -> float:
        token = vsi["fuzzy_matching"](text)
        if kind in CHOICE_TYPES:
            return float(vsi["exact_match"](token, truth))
        number = vsi["to_float"](token)
        if number is None:
            return 0.0
        return float(vsi["mean_relative_accuracy"](number, float(truth), start=0.5, end=0.95, interval=0.05))

    def vlmevalkit(kind: str, truth: str, text: str) -> float:
        if kind in CHOICE_TYPES:
            return float(kit["exact_match"](kit["can_match_option"](text), kit["can_match_option"](truth)))
        number = kit["can_match_na"](text)
        if number is None:
            return 0.0
        return float(kit["mean_relative_accuracy"](number, float(truth), 0.5, 0.95, 0.05))

    def sparbench(kind: str, truth: str, text: str) -> float:
        if text == "" and kind in CHOICE_TASKS:
            return 0.0  # the stated deviation: the public code counts an empty answer as right
        doc = {"task": kind, "answer": truth}
        spar["sparbench_process_results"](doc, [text])
        return float(doc["vci_metric" if kind == VIEW_CHANGE else "accuracy" if kind in CHOICE_TASKS else NA_KEY])

    def revsi_score(kind: str, truth: str, text: str) -> float:
        doc: dict[str, Any] = {"question_type": kind, "ground_truth": truth}
        revsi["revsi_process_results"](doc, [text])
        return 0.0 if math.isnan(doc["acc"]) else float(doc["acc"])

    change = public_functions(folder / "vlmeval/dataset/sparbench.py", "SparBench")
    change["mean_relative_accuracy"] = kit["mean_relative_accuracy"]
    change_self = types.SimpleNamespace(_parse_instruction=change["_parse_instruction"])
    ranked = public_functions(tasks / "_task_utils/mcq_extract.py")["extract_mcq_answer"]

    authors = public_functions(folder / "mmsi_bench.py", "MMSIBenchDataset")

    def option(kind: str, truth: str, text: str) -> float:
        return float(kit["exact_match"](kit["can_match_option"](text), kit["can_match_option"](truth)))

    def spar_kit(kind: str, truth: str, text: str) -> float:
        if kind == VIEW_CHANGE:
            return float(change["_compute_vci_metric"](change_self, text, truth))
        if kind in CHOICE_TASKS:
            return option(kind, truth, text)
        number = kit["can_match_na"](text)
        if number is None:
            return 0.0
        return float(kit["mean_relative_accuracy"](number, float(truth), 0.5, 0.95, 0.05))

    return more_comparisons(tasks) | {
        "vsi-bench official": ("vsi-bench", "official", vsi_kinds, official),
        "vsi-bench lmms-eval": ("vsi-bench", "lmms-eval", vsi_kinds, lmms),
        "vsi-bench vlmevalkit": ("vsi-bench", "vlmevalkit", vsi_kinds, vlmevalkit),
        "revsi": ("revsi", "official", revsi_kinds, revsi_score),
        "mindcube": ("mindcube", "official", one, lambda _, t, x: cube["extract_answer"](x.strip()) == t),
        "mmsi-bench official": (
            "mmsi-bench",
            "official",
            one,
            lambda _, t, x: authors["extract_single_choice_with_word_boundary"](x) == t,
        ),
        "mmsi-bench lmms-eval": (
            "mmsi-bench",
            "lmms-eval",
            one,
            lambda _, t, x: mmsi["extract_single_choice_with_word_boundary"](x, t) or 0.0,
        ),
        "viewspatial": (
            "viewspatial",
            "official",
            one,
            lambda _, t, x: view["extract_option"](x.split("\n")[-1]) == view["extract_option"](t),
        ),
        "embspatial": ("embspatial", "official", one, lambda _, t, x: emb["_extract_answer_letter"](x) == t),
        "spar-bench": ("spar-bench", "official", spar_kinds, sparbench),
        "spar-bench vlmevalkit": ("spar-bench", "vlmevalkit", spar_kinds, spar_kit),
        "erqa lmms-eval": ("erqa", "lmms-eval", one, lambda _, t, x: ranked(x, choices=list("ABCD")) == t),
        **{
            f"{name} vlmevalkit": (name, "vlmevalkit", one, option)
            for name in ("mindcube", "mmsi-bench", "viewspatial", "embspatial", "erqa", "sti-bench")
        },
    }


NA_KEY = "MRA:.5:.95:.05"


def more_comparisons(tasks: Path) -> dict[str, tuple[str, str, Kinds, Callable[..., float]]]:
    """Compare the choices of further benchmarks with lmms-eval's `process_results`, executed."""
    names = ("blink", "cv_bench", "sitebench", "3dsrbench", "omnispatial", "spatialviz", "robo_spatial")
    blink, cv, site, dsr, omni, viz, robo = (public_functions(tasks / name / "utils.py") for name in names)
    stare = public_functions(tasks / "stare/utils.py")
    mmsi_video = public_functions(tasks / "mmsi_video/utils.py")
    recall = public_functions(tasks / "vsisuper/recall/vsr_utils.py")
    count = public_functions(tasks / "vsisuper/count/vsc_utils.py")
    omni["config"] = {"metadata": {"eval_type": "re"}}
    omni["omnispatial_doc_to_text"] = viz["spatialviz_doc_to_text"] = lambda _: ""
    # Where no letter occurs, the code draws one at random; here that is no answer.
    site["random"] = types.SimpleNamespace(choice=lambda _: None)
    idx = {"idx": 0, "sub_task": "", "type": "", "task": "", "source": ""}
    choice = {"options": list("ABCDEF"), "category": "", "dataset": ""}
    entry = {"id": 0, "task_type": "", "sub_task_type": "", "index": "0", "category": ""}
    drawn = {"Image_id": 0, "Category": "", "Task": "", "Level": ""}

    def option(function: Callable[..., Any], doc: dict[str, Any], truth: str, key: str, score: str) -> Any:
        def public(_: str, right: str, text: str) -> float:
            return float(function({**doc, truth: right}, [text])[key][score])

        return public

    yes_no: Kinds = {"configuration": ("yes", "no")}
    return {
        "blink lmms-eval": (
            "blink",
            "lmms-eval",
            dict.fromkeys(("Counting", "Jigsaw"), LETTERS),
            option(blink["blink_process_results"], idx, "answer", "blink_acc", "is_correct"),
        ),
        "cv-bench": (
            "cv-bench",
            "official",
            dict.fromkeys(("ADE20K", "COCO", "Omni3D"), LETTERS),
            option(cv["cv_bench_process_results"], idx, "answer", "cv_bench_acc", "is_correct"),
        ),
        "site": (
            "site",
            "official",
            {"any": LETTERS},
            option(site["spatial_process_results"], choice, "answer", "accuracy", "overall"),
        ),
        "3dsrbench": (
            "3dsrbench",
            "official",
            {"any": LETTERS},
            option(dsr["process_results"], entry, "answer", "vanilla_accuracy", "score"),
        ),
        "omnispatial": (
            "omnispatial",
            "official",
            {"any": LETTERS},
            option(omni["omnispatial_process_results"], entry, "gt", "omnispatial", "is_correct"),
        ),
        "spatialviz": (
            "spatialviz",
            "official",
            {"any": LETTERS},
            option(viz["spatialviz_process_results"], drawn, "Answer", "spatialviz_score", "is_correct"),
        ),
        "robospatial yes or no": (
            "robospatial",
            "official",
            yes_no,
            lambda _, t, x: robo["evaluate_binary_answer"](t, robo["remove_think"](x)),
        ),
        "mmsi-video": (
            "mmsi-video",
            "official",
            {"any": (*LETTERS, "E", "F")},
            option(mmsi_video["process_results"], {"type": ""}, "ground_truth", "overall_accuracy", "score"),
        ),
        "vsi-super recall": (
            "vsi-super-recall",
            "official",
            {"10mins": LETTERS},
            lambda _, t, x: recall["process_results"]({"answer": t}, [x])["accuracy"],
        ),
        "vsi-super count": (
            "vsi-super-count",
            "official",
            {"10mins": (*NUMBERS, "0")},
            lambda _, t, x: count["process_results"]({"answer": t}, [x])["mra"],
        ),
        "stare": (
            "stare",
            "official",
            {"any": (*LETTERS, "yes", "no")},
            lambda _, t, x: stare["fast_extract_answer"](x).lower().strip() == t.lower(),
        ),
        **realworldqa(tasks),
    }


def realworldqa(tasks: Path) -> dict[str, tuple[str, str, Kinds, Callable[..., float]]]:
    """Compare letters and words; the function imports its extraction when it is called."""
    name = "lmms_eval.tasks._task_utils.mcq_extract"
    module = types.ModuleType(name)
    vars(module).update(public_functions(tasks / "_task_utils/mcq_extract.py"))
    parents = ("lmms_eval", "lmms_eval.tasks", "lmms_eval.tasks._task_utils")
    sys.modules.update({parent: types.ModuleType(parent) for parent in parents} | {name: module})
    function = public_functions(tasks / "realworldqa/utils.py")["realworldqa_process_results"]
    kinds: Kinds = {"choice": LETTERS, "open": ("0", "left", "sofa", "E", "2 m")}
    return {
        "realworldqa": (
            "realworldqa",
            "official",
            kinds,
            lambda _, t, x: float(function({"answer": t}, [x])["exact_match"]),
        )
    }


def point_scores(folder: Path, rng: np.random.Generator, rows: int = 2_000) -> dict[str, Any]:
    """Compare the shares of points in random masks with those of Where2Place, RefSpatial and RoboSpatial."""
    tasks = folder / "lmms_eval/tasks"
    place, ref, robo = (public_functions(tasks / n / "utils.py") for n in ("where2place", "refspatial", "robo_spatial"))
    results = {}
    for name, score in (("where2place", place), ("refspatial", ref), ("robospatial, points", robo)):
        wrong = []
        for _ in range(rows):
            mask = rng.random((int(rng.integers(1, 9)), int(rng.integers(1, 9)))) < 0.5
            text, expected = point_row(rng, name, score, mask)
            function = any_inside if score is robo else tuples_score
            mine = function(text, str(mask_text((255 * mask).astype(np.uint8)))) or 0.0
            wrong += [(text, expected, mine)] if expected != mine else []
        sys.stderr.write(f"{name}: {len(wrong)} of {rows} scores differ {wrong[:3]}\n")
        results[name] = {"rows": rows, "differences": len(wrong), "first": wrong[:3]}
    return results


def ost_scores(folder: Path, rng: np.random.Generator, rows: int = 5_000) -> dict[str, Any]:
    """Compare judgements, estimations and counts of OST-Bench with VLMEvalKit's, executed."""
    public = public_functions(folder / "vlmeval/dataset/ost_bench.py")
    options = ["front left", "left", "right", "back"]
    forms = ('{{"answer": "{0}", "reason": "x"}}', "answer: {0}, reason: y", "{0}", "it is {0}", "{{'answer': '{0}'}}")
    functions = {
        "A_position(option)": (options, lambda p, t: public["Judgement_evalution"](p, t, options)),
        "A_position(float)": (NUMBERS, public["Estimation_evaluation"]),
        "A_object-quantity(int)": (NUMBERS[:3], public["Enumeration_evalution"]),
    }
    results = {}
    for kind, (truths, function) in functions.items():
        wrong = []
        for _ in range(rows):
            truth, said = str(rng.choice(truths)), str(rng.choice([*truths, *FRAGMENTS]))
            text = str(rng.choice(forms)).format(said)
            expected = float(function(public["process_answer"](text), truth))
            held = json.dumps({"answer": truth, "options": options}) if "option" in kind else truth
            mine = OST_SCORERS[kind](text, held) or 0.0
            wrong += [(text, truth, expected, mine)] if expected != mine else []
        sys.stderr.write(f"ost-bench {kind}: {len(wrong)} of {rows} scores differ {wrong[:3]}\n")
        results[f"ost-bench {kind}"] = {"rows": rows, "differences": len(wrong), "first": wrong[:3]}
    return results


def point_row(rng: np.random.Generator, name: str, public: dict[str, Any], mask: Any) -> tuple[str, float]:
    """Draw an answer with points, some out of the picture or out of form, and score it by the public code."""
    height, width = mask.shape
    pairs = rng.uniform(-0.2, 1.2, (int(rng.integers(0, 4)), 2))
    if name.startswith("robospatial"):
        rows = [{"point_2d": [round(1000 * x), round(1000 * y)]} for x, y in pairs.tolist()]
        text = str(rng.choice(["```json\n{}\n```", "{}", "<think>x</think>```\n{}```"])).replace("{}", json.dumps(rows))
        points = public["json2pts"](public["remove_think"](text), width, height)
        return text, float(any(0 <= x < width and 0 <= y < height and mask[y, x] for x, y in points))
    forms = ("({:.2f}, {:.3f})", "({:.0f},{:.1f})", "[{:.2f}, {:.2f}]", "({:.2f}, {:.2f}, 1)")
    text = "[" + ", ".join(str(rng.choice(forms)).format(*pair) for pair in pairs.tolist()) + "]"
    accuracy = public["_where2place_acc" if name == "where2place" else "_refspatial_acc"]
    return text, float(accuracy(mask.astype(int), public["_text2pts"](text, width, height)))


def public_functions(path: Path, owner: str | None = None) -> dict[str, Any]:
    """Execute a module's functions and constants without the imports that its scoring does not use.

    With `owner`, the methods of that class are taken as functions, too.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kept: list[ast.stmt] = []
    body = list(tree.body)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == owner:
            methods = [inner for inner in node.body if isinstance(inner, ast.FunctionDef)]
            for method in methods:
                method.decorator_list = []
            body += methods
    for node in body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if names and not all(name.split(".")[0] in KEPT_IMPORTS for name in names):
            continue
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in (*node.args.args, *node.args.kwonlyargs):
                argument.annotation = None
        if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.Assign):
            kept.append(node)
    quiet = types.SimpleNamespace(**{name: lambda *_: None for name in ("debug", "info", "warning", "error")})
    scope: dict[str, Any] = {"np": np, "__name__": path.stem, "eval_logger": quiet}
    for node in kept:
        try:
            exec(compile(ast.Module([node], []), str(path), "exec"), scope)
        except (NameError, AttributeError, FileNotFoundError):  # a constant that needs what was left out
            continue
    return scope


if __name__ == "__main__":
    main()
