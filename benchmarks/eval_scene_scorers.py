"""Score the same odd answers about boxes, captions and pairs with qa-eval and with the public scorers themselves.

    uv run python benchmarks/eval_scene_scorers.py DIR --out benchmarks/results/eval_scene_scorers.json

DIR holds checkouts of daveredrum/ScanRefer, daveredrum/Scan2Cap, 3dlg-hcvc/M3DRef-CLIP,
cambridgeltl/visual-spatial-reasoning and Chenyu-Wang567/All-Angles-Bench by the repositories' names. Their functions
are executed as they are, and the published splits of VSR are read.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import runpy
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np
from qa_eval.benchmarks import find_benchmark
from qa_eval.benchmarks.all_angles import lone_letter
from qa_eval.benchmarks.scan2cap import LONGEST
from qa_eval.benchmarks.scanrefer import answer_iou
from qa_eval.parsers import find_parser
from qa_eval.scoring.formats import percent_summary
from qa_eval.scoring.inputs import read_answers
from qa_eval.scoring.score import score_answers

WORDS = (
    *("the", "a", "brown", "chair", "table", "is", "next", "to", "left", "of", "wall", "it", "has", "four", "legs"),
    *("and", "door", "near", "window", ".", ",", "small", "wooden"),
)
FRAGMENTS = (
    *("A", "B", "C", "D", "(A)", "**B**", "C.", "A.", "[C]", "{B}", "the answer is", "answer:", "left", "Z", "a", "b"),
    *("Cannot determine the answer", "\n", "A or B", "#C", "!", "I think", "because", "it", "`B`", '"A"', "AB", "B-C"),
)
CATEGORIES = "rel_meta_category_dict.txt"
"""The authors' kinds of VSR's relations, beside their script."""
Result = dict[str, Any]


def main() -> None:
    """Compare, and write how many of the rows differ."""
    options = argparse.ArgumentParser(description="Compare qa-eval with the public scorers of scenes.")
    options.add_argument("checkouts", type=Path, help="folder with the checkouts")
    options.add_argument("--rows", type=int, default=5_000)
    options.add_argument("--seed", type=int, default=8)
    options.add_argument("--revision", action="append", default=[], help="NAME=COMMIT of a checkout, kept beside it")
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    rng = np.random.default_rng(chosen.seed)
    folder, rows = chosen.checkouts, chosen.rows
    results = {
        "scanrefer": scanrefer(folder / "ScanRefer", rng, rows),
        "multi3drefer": multi3drefer(folder / "M3DRef-CLIP", rng, rows),
        "scan2cap": scan2cap(folder / "Scan2Cap", rng, rows),
        **vsr(folder / "visual-spatial-reasoning", rng),
        "all-angles": all_angles(folder / "All-Angles-Bench", rng, rows),
    }
    for name, result in results.items():
        sys.stderr.write(f"{name}: {result['differences']} of {result['rows']} differ {result.get('first', '')}\n")
    if chosen.out:
        kept = dict(pair.split("=", 1) for pair in chosen.revision)
        value = {"packages": kept, "seed": chosen.seed, "comparisons": results}
        chosen.out.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    sys.exit(any(result["differences"] for result in results.values()))


def corners(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Eight corners of a box, (8, 3)."""
    return np.array([[(low, high)[(i >> axis) & 1][axis] for axis in range(3)] for i in range(8)])


def boxes(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    """Draw boxes on a coarse grid, so that overlaps of exactly a quarter and a half occur."""
    low = rng.integers(0, 4, (n, 3)) / 2
    return [corners(a, a + b) for a, b in zip(low, rng.integers(1, 4, (n, 3)) / 2, strict=True)]


def summary(name: str, questions: Any, answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Score answers as the command does."""
    benchmark = find_benchmark(name)
    with tempfile.TemporaryDirectory() as place:
        asked, given = Path(place) / "questions.json", Path(place) / "answers.jsonl"
        asked.write_text(json.dumps(questions), encoding="utf-8")
        given.write_text("".join(json.dumps(row) + "\n" for row in answers), encoding="utf-8")
        stored = read_answers(given, asked, benchmark=benchmark)
    return percent_summary(score_answers(stored.answers, benchmark, find_parser("official")), benchmark)


def public(folder: Path, module: str) -> Any:
    """Import a module of a checkout."""
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(str(folder))


def scanrefer(folder: Path, rng: np.random.Generator, n: int) -> Result:
    """Compare every overlap, and the shares at both thresholds."""
    theirs = public(folder, "utils.box_util").box3d_iou
    sys.modules.pop("utils.box_util"), sys.modules.pop("utils")
    pairs = list(zip(boxes(rng, n), boxes(rng, n), strict=True))
    expected = np.array([float(theirs(given, right)) for given, right in pairs])
    texts = [(json.dumps(given.tolist()), json.dumps([right.tolist()])) for given, right in pairs]
    mine = np.array([answer_iou(*pair) for pair in texts])
    kinds = rng.integers(0, 2, n)
    key = [{"scene_id": "scene0011_00", "object_id": str(i), "ann_id": "0"} for i in range(n)]
    asked = [
        k | {"bbox": right.tolist(), "unique_multiple": int(kind)}
        for k, (_, right), kind in zip(key, pairs, kinds, strict=True)
    ]
    answers = [{"id": f"scene0011_00|{i}|0", "prediction": given.tolist()} for i, (given, _) in enumerate(pairs)]
    figures = summary("scanrefer", asked, answers)["figures"]
    shares = {
        f"{name} Acc@{k}": 100 * (expected[kinds == code] >= k).mean()
        for code, name in enumerate(("unique", "multiple"))
        for k in (0.25, 0.5)
    }
    shares |= {f"overall Acc@{k}": 100 * (expected >= k).mean() for k in (0.25, 0.5)}
    wrong = int((expected != mine).sum()) + sum(abs(figures[name] - value) > 1e-9 for name, value in shares.items())
    return {"rows": n, "differences": int(wrong), "figures": figures}


def multi3drefer(folder: Path, rng: np.random.Generator, n: int) -> Result:
    """Compare the F1 scores by kind."""
    bare = types.ModuleType("m3drefclip")  # its own __init__ imports compiled code
    bare.__path__ = [str(folder / "m3drefclip")]
    sys.modules["m3drefclip"] = bare
    for name in ("util", "evaluation"):
        sys.modules[f"m3drefclip.{name}"] = types.ModuleType(f"m3drefclip.{name}")
        sys.modules[f"m3drefclip.{name}"].__path__ = [str(folder / "m3drefclip" / name)]
    evaluator = importlib.import_module("m3drefclip.evaluation.multi3drefer_evaluator").Multi3DReferEvaluator
    kinds = ("zt_w_d", "zt_wo_d", "st_w_d", "st_wo_d", "mt")
    asked, answers, truths, given = [], [], {}, {}
    for i in range(n):
        kind = kinds[int(rng.integers(5))]
        right = boxes(rng, 0 if kind.startswith("zt") else 1 if kind.startswith("st") else int(rng.integers(2, 5)))
        said = boxes(rng, int(rng.integers(0, 4)))
        said += [box for box in right if rng.random() < 0.3]
        bounds = [[box.min(0).tolist(), box.max(0).tolist()] for box in right]
        asked.append({"scene_id": "scene0011_00", "ann_id": i, "eval_type": kind, "aabb_bound": bounds})
        answers.append({"id": f"scene0011_00|{i}", "prediction": [box.tolist() for box in said]})
        key = ("scene0011_00", 0, i)
        truths[key] = {"aabb_bound": np.array(bounds, dtype=np.float32).reshape(-1, 2, 3), "eval_type": kind}
        stacked = np.array(said, dtype=np.float32).reshape(-1, 8, 3)
        given[key] = {"aabb_bound": np.stack((stacked.min(1), stacked.max(1)), axis=1)}
    judge = evaluator("F1", verbose=False)
    judge.set_ground_truths(truths)
    expected = judge.evaluate(given)
    figures = summary("multi3drefer", asked, answers)["figures"]
    pairs = [(f"{kind} F1@{k}", kind, f"F1@{k}") for k in ("0.25", "0.5") for kind in (*kinds, "overall")]
    apart = [abs(figures[name] - 100 * float(expected[k][kind])) for name, kind, k in pairs]
    # Their means are of float32, the last digits of which depend on the order of the sum.
    wrong = int(sum(value > 1e-4 for value in apart))
    return {"rows": n, "differences": wrong, "largest": max(apart), "figures": figures}


def scan2cap(folder: Path, rng: np.random.Generator, n: int) -> Result:
    """Compare the caption metrics of all objects together at both thresholds."""
    metrics = {
        "BLEU-4": lambda gts, res: public(folder, "lib.capeval.bleu.bleu").Bleu(4).compute_score(gts, res)[0][3],
        "CIDEr": lambda gts, res: public(folder, "lib.capeval.cider.cider").Cider().compute_score(gts, res)[0],
        "ROUGE-L": lambda gts, res: public(folder, "lib.capeval.rouge.rouge").Rouge().compute_score(gts, res)[0],
    }

    def caption() -> list[str]:
        return rng.choice(WORDS, int(rng.integers(0, 12))).tolist()

    corpus = {
        f"scene{i:04}_00|{i}|chair": [" ".join(["sos", *caption()[:LONGEST], "eos"]) for _ in range(rng.integers(1, 4))]
        for i in range(n)
    }
    said = {key: (" ".join(caption()), round(float(rng.random()), 2)) for key in corpus if rng.random() < 0.9}
    answers = [{"id": key, "prediction": {"caption": text, "iou": iou}} for key, (text, iou) in said.items()]
    figures = summary("scan2cap", corpus, answers)["figures"]
    apart = {}
    for k in (0.25, 0.5):
        text = {key: f"sos {said[key][0]} eos".replace("  ", " ") for key in said if said[key][1] > k}
        res = {key: [text.get(key, "sos eos")] for key in corpus}
        with contextlib.redirect_stdout(io.StringIO()):
            expected = {f"{name}@{k}": 100 * float(metric(corpus, res)) for name, metric in metrics.items()}
        apart |= {name: abs(figures[name] - value) for name, value in expected.items()}
    wrong = sum(value > 1e-9 for value in apart.values())
    return {"rows": n, "differences": wrong, "largest": max(apart.values()), "figures": figures}


def vsr(folder: Path, rng: np.random.Generator) -> dict[str, Result]:
    """Compare the accuracy of each kind of relation on the published test splits."""
    script = folder / "analysis_scripts/eval_compute_acc_by_rel_meta_cat.py"
    found = {}
    for split in ("random", "zeroshot"):
        path = folder / f"data/splits/{split}/test.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        labels = rng.integers(0, 2, len(rows)).tolist()
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as said, contextlib.redirect_stdout(io.StringIO()) as out:
            said.write("".join(f"{label}\n" for label in labels))
            said.flush()
            kept, sys.argv = sys.argv, [script.name, str(path), said.name, str(script.parent / CATEGORIES)]
            runpy.run_path(str(script))
            sys.argv = kept
        lines = [line.split("\t") for line in out.getvalue().splitlines() if "\t" in line]
        expected = {name.lower(): (float(share), int(count)) for name, share, count in lines}
        given = [
            {"id": i, "prediction": ("yes", "True.", "1")[i % 3] if label else "No"} for i, label in enumerate(labels)
        ]
        types_found = summary("vsr", rows, given)["types"]
        wrong = sum(
            round(types_found[name]["score"] / 100, 4) != share or types_found[name]["n"] != count
            for name, (share, count) in expected.items()
        )
        found[f"vsr {split}"] = {"rows": len(rows), "differences": wrong, "kinds": len(expected)}
    return found


def all_angles(folder: Path, rng: np.random.Generator, n: int) -> Result:
    """Compare the letters that are read."""
    source = folder / "VLMEvalkit/vlmeval/utils/matching_util.py"
    text = source.read_text(encoding="utf-8").replace("from ..smp import *", "")
    scope: dict[str, Any] = {}
    exec(compile(text, str(source), "exec"), scope)
    choices = dict.fromkeys("ABC", "x")
    wrong = []
    for _ in range(n):
        answer = str(rng.choice(["", " "])).join(rng.choice(FRAGMENTS, int(rng.integers(1, 7))).tolist())
        expected = scope["can_infer_option"](answer, choices)
        if (lone_letter(answer) or "Z") != (expected or "Z"):
            wrong.append((answer, expected, lone_letter(answer)))
    return {"rows": n, "differences": len(wrong), "first": wrong[:3]}


if __name__ == "__main__":
    main()
