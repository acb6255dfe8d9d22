"""Every benchmark from a small file in its published format to a score."""

import json
import math
import re

import polars as pl
import pytest
from qa_eval.benchmarks import BENCHMARKS, find_benchmark
from qa_eval.bridges import read_log
from qa_eval.errors import QAEvalError
from qa_eval.parsers import find_parser
from qa_eval.pictures import Cell
from qa_eval.scoring.formats import percent_summary, run_summary, summary_table
from qa_eval.scoring.inputs import read_answers
from qa_eval.scoring.score import score_answers

from .more_cases import FIGURES, MORE

MINDCUBE = [
    {"id": "among_group1_q0_1", "question": "Where? A. Sofa B. Table", "images": ["g1/a.jpg"], "gt_answer": "A"},
    {"id": "aroundnew_g2_q1", "question": "Where? A. Left B. Right C. Back", "images": ["g2/a.jpg"], "gt_answer": "C"},
    {"id": "rotation_g3_q0", "question": "Where? A. Left B. Right", "images": ["g3/a.jpg"], "gt_answer": "B"},
]
MMSI = [
    {"id": 0, "images": [], "question_type": "MSR", "question": "Q? Options: A: 1, B: 2, C: 3, D: 4", "answer": "D"},
    {"id": 1, "images": [], "question_type": "Motion (Cam.)", "question": "Q? Options: A: 1, B: 2", "answer": "A"},
]
VIEWSPATIAL = [
    {
        "question_type": "Camera perspective - Relative Direction",
        "image_path": [f"ViewSpatial-Bench/scannetv2_val/scene0011_0{i}/original_images/280.jpg"],
        "question": "Where is the counter?",
        "answer": answer,
        "choices": "A. right\nB. front-up\nC. back-left\nD. front",
    }
    for i, answer in enumerate(["A. right", "D. front"])
]
EMBSPATIAL = [
    {
        "question_id": f"mp3d_{i}",
        "question": "How are they placed?",
        "relation": relation,
        "answer_options": ["above", "under", "far"],
        "answer": truth,
        "image": "…",
    }
    for i, (relation, truth) in enumerate([("above", 0), ("far", 2)])
]
ERQA = [
    {
        "question_id": "ERQA_1",
        "question": "Q? A. x. B. y.",
        "question_type": "Action Reasoning",
        "answer": "B",
    },
    {"question_id": "ERQA_2", "question": "Q? A. x. B. y.", "question_type": "Pointing", "answer": "A"},
]
STI = [
    {
        "ID": i,
        "Video": "scene0001_00.mp4",
        "Task": task,
        "Question": "How far?",
        "Candidates": json.dumps({"A": "1 m", "B": "2 m", "C": "3 m", "D": "4 m", "E": "5 m"}),
        "Answer": truth,
        "time_start": 0.0,
        "time_end": 5.0,
    }
    for i, (task, truth) in enumerate([("Spatial Relation", "E"), ("Ego-Motion", "B")])
]
SPAR = [
    {"id": 0, "task": "depth_prediction_oc", "question": "Depth?", "answer": "2.0", "format_type": "fill"},
    {"id": 1, "task": "depth_prediction_oc_mv", "question": "Depth?", "answer": "2.0", "format_type": "fill"},
    {"id": 2, "task": "position_matching", "question": "Which?", "answer": "B", "format_type": "select"},
    {"id": 3, "task": "view_change_infer", "question": "Move?", "answer": "move_left:1,rotate_up:10"},
]
SCANQA = [
    {"scene_id": "scene0011_00", "question_id": "val-0", "question": "What color is it?", "answers": ["brown", "dark"]},
    {"scene_id": "scene0011_00", "question_id": "val-1", "question": "Where is it?", "answers": ["by the door"]},
]
REVSI = [
    {
        "id": i,
        "scene_id": "s1",
        "num_frames": "16",
        "question_type": kind,
        "question": "Q?",
        "options": options,
        "ground_truth": truth,
    }
    for i, (kind, options, truth) in enumerate(
        [
            ("object_counting_single", None, "2"),
            ("object_counting_multiple", None, "4"),
            ("object_rel_direction_backward_easy", ["A. left", "B. right"], "B"),
        ]
    )
]

CASES = {
    # file name, rows, completions by id, types in percent, overall
    "mindcube": (
        "MindCube_tinybench.jsonl",
        MINDCUBE,
        {"among_group1_q0_1": "A. Sofa", "aroundnew_g2_q1": "The answer is C", "rotation_g3_q0": "A"},
        {"among": 100, "around": 100, "rotation": 0},
        200 / 3,
    ),
    "mmsi-bench": ("MMSI_Bench.parquet", MMSI, {0: "``D``", 1: "B"}, {"MSR": 100, "Motion (Cam.)": 0}, 50),
    "viewspatial": (
        "ViewSpatial-Bench.json",
        VIEWSPATIAL,
        {0: "I think:\n(A)", 1: "front"},
        {"Camera perspective - Relative Direction": 50},
        50,
    ),
    "embspatial": (
        "embspatial_bench.json",
        EMBSPATIAL,
        {"mp3d_0": "a) above", "mp3d_1": "far"},
        {"above": 100, "far": 0},
        50,
    ),
    "erqa": (
        "erqa.parquet",
        ERQA,
        {"ERQA_1": "b.", "ERQA_2": "A. x"},
        {"Action Reasoning": 100, "Pointing": 0},
        50,
    ),
    "sti-bench": (
        "qa.parquet",
        STI,
        {0: "Option e, not (A", 1: "It must be C"},
        {"Spatial Relation": 100, "Ego-Motion": 0},
        50,
    ),
    "spar-bench": (
        "test-00000-of-00001.parquet",
        SPAR,
        {0: "2.1 in image 7", 1: "in image 1 it is 2", 2: "b", 3: "move_left:1,rotate_down:10"},
        {"depth_prediction_oc": 100, "depth_prediction_oc_mv": 100, "position_matching": 100, "view_change_infer": 80},
        95,
    ),
    "scanqa": (
        "ScanQA_v1.0_val.json",
        SCANQA,
        {"val-0": "dark", "val-1": "door"},
        {"Color": 100, "Place": 0},
        50,
    ),
    "revsi": (
        "16_frame.parquet",
        REVSI,
        {0: " 2", 1: "two", 2: "B. right"},
        {"object_counting_single": 100, "object_counting_multiple": 0, "object_rel_direction_backward_easy": 100},
        75,
    ),
}
CASES |= MORE


def write_rows(path, rows):
    if path.suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def score_file(folder, name, *, parser="official", change=None):
    file, rows, completions, types, overall = CASES[name]
    questions = write_rows(folder / file, rows)
    answers = [{"id": key, "prediction": (change or {}).get(key, text)} for key, text in completions.items()]
    predictions = write_rows(folder / "predictions.jsonl", answers)
    benchmark = find_benchmark(name)
    stored = read_answers(predictions, questions, benchmark=benchmark)
    scored = score_answers(stored.answers, benchmark, find_parser(parser))
    return stored, scored, percent_summary(scored, benchmark), types, overall


@pytest.mark.parametrize("name", CASES)
def test_published_file_to_score(tmp_path, name):
    stored, scored, summary, types, overall = score_file(tmp_path, name)
    assert not stored.unknown
    assert not scored.reason
    assert {kind: round(cell["score"], 9) for kind, cell in summary["types"].items()} == types
    assert summary["overall"] == pytest.approx(overall)


@pytest.mark.parametrize("name", FIGURES)
def test_further_figures_of_the_papers(tmp_path, name):
    _, scored, summary, _, _ = score_file(tmp_path, name)
    assert summary["figures"] == pytest.approx(FIGURES[name])
    table = summary_table(run_summary(scored, find_benchmark(name), seed=0))
    assert all(f"  {figure}" in table for figure in FIGURES[name])


@pytest.mark.parametrize("by_log", [False, True])
def test_subsets_of_vsi_bench_by_column(tmp_path, by_log):
    rows = [
        {"id": i, "question_type": kind, "ground_truth": "B", "pruned": pruned, "prediction": text}
        for i, (kind, pruned, text) in enumerate(
            [("route_planning", False, "B"), ("route_planning", False, "A"), ("object_rel_distance", True, "B")]
        )
    ]
    if by_log:
        samples = [{"doc_id": i, "filtered_resps": row["prediction"], "m": row} for i, row in enumerate(rows)]
        rows = read_log(write_rows(tmp_path / "x_samples_vsibench.jsonl", samples), "lmms-eval")
    benchmark = find_benchmark("vsi-bench")
    stored = read_answers(write_rows(tmp_path / "p.jsonl", rows), benchmark=benchmark)
    summary = percent_summary(score_answers(stored.answers, benchmark, find_parser("official")), benchmark)
    assert summary["figures"] == {"debiased": 50, "pruned": 100}
    assert summary["overall"] == 75


def test_every_benchmark_of_others_is_tested():
    assert set(BENCHMARKS) == {*CASES, "vsi-bench", "questions", "sqa3d"}
    for benchmark in BENCHMARKS.values():
        assert benchmark.source
        assert benchmark.file
        assert "overall" in benchmark.description


@pytest.mark.parametrize("name", ["mindcube", "mmsi-bench", "viewspatial", "embspatial", "erqa", "sti-bench"])
def test_choices_have_options_and_so_a_chance_level(tmp_path, name):
    stored, *_ = score_file(tmp_path, name)
    assert all(options and options[0].startswith("A. ") for options in stored.answers.frame["options"].to_list())


def test_refined_match_is_the_lenient_one(tmp_path):
    *_, summary, _, _ = score_file(tmp_path, "scanqa", parser="lenient")
    assert summary["overall"] == 100
    with pytest.raises(QAEvalError, match=r"no code that scores scanqa.*: official, lenient, leo"):
        score_file(tmp_path, "scanqa", parser="vlmevalkit")


def test_answers_that_cannot_be_read_are_counted(tmp_path):
    change = {0: "far", 1: "", 2: "", 3: "left"}
    _, scored, summary, _, _ = score_file(tmp_path, "spar-bench", change=change)
    assert scored.parse_failed.all()
    assert (summary["overall"], summary["parse_failures"]) == (0, 4)


def test_videos_that_share_ids_name_the_video(tmp_path):
    rows = [STI[0], STI[0] | {"Video": "000001.mp4"}]
    benchmark = find_benchmark("sti-bench")
    assert benchmark.read(write_rows(tmp_path / "qa.parquet", rows))["id"] == ["scene0001_00.mp4/0", "000001.mp4/0"]


def test_shards_are_read_together_and_images_are_not(tmp_path):
    for i in range(2):
        rows = [row | {"id": row["id"] + 4 * i, "image": ["bytes"]} for row in SPAR]
        write_rows(tmp_path / f"test-0000{i}-of-00002.parquet", rows)
    columns = find_benchmark("spar-bench").read(tmp_path)
    assert columns["id"] == list(range(8))
    assert set(columns) == {"id", "question", "question_type", "ground_truth", "pictures"}
    assert columns["pictures"][5] == Cell(tmp_path / "test-00001-of-00002.parquet", 1, ("image",))


def test_sqa3d_reads_the_real_files(data_dir, tmp_path):
    folder = data_dir / "real/sqa3d"
    path = folder / "v1_balanced_sqa_annotations_test_scannetv2.json"
    benchmark = find_benchmark("sqa3d")
    columns = benchmark.read(path)
    assert len(columns["id"]) == 1748
    assert len(set(columns["scene_name"])) == 33
    assert set(columns["question_type"]) == {"what", "is", "how", "can", "which", "other"}
    spoilt = [f"The {text}." for text in columns["ground_truth"]]
    rows = [{"id": i, "prediction": text} for i, text in zip(columns["id"], spoilt, strict=True)]
    stored = read_answers(write_rows(tmp_path / "p.jsonl", rows), path, benchmark=benchmark)
    scored = score_answers(stored.answers, benchmark, find_parser("official"))
    # Articles, case and full stops are cleaned away, as in the authors' script.
    assert scored.score.mean() > 0.99


def test_sqa3d_refuses_other_files(tmp_path):
    benchmark = find_benchmark("sqa3d")
    with pytest.raises(QAEvalError, match="pass the annotations"):
        benchmark.read(tmp_path / "v1_balanced_questions_test_scannetv2.json")
    path = tmp_path / "v1_balanced_sqa_annotations_test_scannetv2.json"
    path.write_text(json.dumps({"annotations": [{"scene_id": "s", "question_id": 1, "answers": []}]}))
    with pytest.raises(QAEvalError, match=r"questions_test_scannetv2\.json: no such file"):
        benchmark.read(path)
    path.write_text("[]")
    with pytest.raises(QAEvalError, match="expected an object with a list at 'annotations'"):
        benchmark.read(path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "a"}], "expected question, images, gt_answer; found id"),
        ([MINDCUBE[0], MINDCUBE[0]], "among_group1_q0_1 is missing or occurs more than once"),
    ],
)
def test_wrong_files_are_named(tmp_path, rows, message):
    with pytest.raises(QAEvalError, match=re.escape(message)):
        find_benchmark("mindcube").read(write_rows(tmp_path / "m.jsonl", rows))


@pytest.mark.parametrize(
    ("name", "dropped", "damage", "message"),
    [
        ("scanrefer", "eval_type", {"unique_multiple": 3}, "unique_multiple is 3; expected 0 (unique)"),
        ("multi3drefer", "aabb_bound", {}, "expected the boxes of the targets as 'aabb_bound' or 'bbox'"),
        ("omnispatial", "", {"answer": "left"}, "data.json: not readable as omnispatial"),
        ("cv-bench", "", {"choices": None}, "Expected test_2d.parquet"),
    ],
)
def test_a_value_that_a_reader_cannot_take_is_named(tmp_path, name, dropped, damage, message):
    file, rows, *_ = CASES[name]
    damaged = [{column: value for column, value in (row | damage).items() if column != dropped} for row in rows]
    with pytest.raises(QAEvalError, match=re.escape(message)):
        find_benchmark(name).published(write_rows(tmp_path / file, damaged))


def test_a_label_that_is_none_has_no_score(tmp_path):
    file, rows, *_ = CASES["vsr"]
    labels = [1, "odd", None]
    path = write_rows(tmp_path / file, [row | {"label": label} for row, label in zip(rows, labels, strict=True)])
    assert find_benchmark("vsr").read(path)["ground_truth"] == ["yes", None, None]


MINDCUBE_TEXTS = {
    "A.": "A",
    "I think A. but B. is better": "B",
    "<Answer>B</Answer>": "B",
    "<Answer>My answer is C because D": "C",
    "<answer>B</answer>": "B",
    "A\nB\n": "A",
    "Answer: D": "D",
    "so **E**": "E",
    "The answer is C": "C",
    "maybe C or D\nrather A or B": "A",
    "F": None,
    "": None,
    "ABC": None,
}


@pytest.mark.parametrize(("text", "letter"), MINDCUBE_TEXTS.items())
def test_mindcube_extraction(text, letter):
    assert find_benchmark("mindcube").official.choice(text) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [("A cat", None), ("A, cat", "A"), ("`B` or ``C``", "C"), ("{D} A", "D"), ("it is b", None), ("``none`` A", None)],
)
def test_mmsi_extraction(text, letter):
    assert find_benchmark("mmsi-bench").official.choice(text) == letter


def test_free_text_has_both_matches_and_caption_metrics(tmp_path):
    stored, _, summary, _, _ = score_file(tmp_path, "scanqa")
    found = summary["text_metrics"]
    assert (found["EM"], found["EM-R"]) == (50, 100)
    # "dark" is one of two references; "door" is the last of three words: 2 of 2 words, 2 expected after 1 + 3.
    assert found["BLEU-1"] == pytest.approx(100 * math.exp(1 - 4 / 2))
    assert set(found) == {"EM", "EM cleaned", "EM-R", *(f"BLEU-{n}" for n in range(1, 5)), "ROUGE-L", "CIDEr"}
    scored = score_answers(stored.answers, find_benchmark("scanqa"), find_parser("official"))
    table = summary_table(run_summary(scored, find_benchmark("scanqa"), seed=0))
    assert "  EM-R" in table
    assert "CIDEr" in table


def test_choices_have_no_text_metrics(tmp_path):
    *_, summary, _, _ = score_file(tmp_path, "mindcube")
    assert "text_metrics" not in summary


def test_one_budget_of_a_mixed_file(tmp_path):
    rows = [row | {"num_frames": budget} for budget in ("16", "all") for row in REVSI]
    rows[3] = rows[3] | {"ground_truth": "3"}
    questions = write_rows(tmp_path / "mixed.parquet", rows)
    predictions = write_rows(tmp_path / "p.jsonl", [{"id": i, "prediction": "3"} for i in range(3)])
    benchmark = find_benchmark("revsi")
    with pytest.raises(QAEvalError, match=r"several frame budgets \(16, all\); choose one with --frames"):
        read_answers(predictions, questions, benchmark=benchmark)
    for budget, value in (("16", 0.1), ("all", 1.0)):
        stored = read_answers(predictions, questions, benchmark=benchmark, frames=budget)
        assert stored.answers.frame.height == 3
        assert score_answers(stored.answers, benchmark, find_parser("official")).score[0] == value
        assert set(stored.answers.frame["frames"]) == {budget}
    with pytest.raises(QAEvalError, match="no row of 32 frames; found 16, all"):
        read_answers(predictions, questions, benchmark=benchmark, frames="32")


def test_answers_to_several_budgets_are_told_apart(tmp_path):
    rows = [row | {"num_frames": budget} for budget in ("16", "32") for row in REVSI]
    answers = [
        {"id": row["id"], "num_frames": row["num_frames"], "prediction": text}
        for row, text in zip(rows, ["2", "4", "B", "1", "1", "A"], strict=True)
    ]
    questions = write_rows(tmp_path / "mixed.parquet", rows)
    predictions = write_rows(tmp_path / "p.jsonl", answers)
    benchmark = find_benchmark("revsi")
    for budget, score in (("16", 1.0), ("32", 0.0)):
        stored = read_answers(predictions, questions, benchmark=benchmark, frames=budget)
        assert not stored.unknown
        assert score_answers(stored.answers, benchmark, find_parser("official")).score[2] == score
