"""Logs in the layout of each harness and each benchmark's own code, and their scores beside ours."""

import csv
import json

import pytest
from qa_eval.benchmarks import find_benchmark
from qa_eval.bridges import log_benchmark, log_parser, read_log
from qa_eval.bridges.agreement import agreement, agreement_lines, log_totals
from qa_eval.bridges.logs import with_questions
from qa_eval.errors import QAEvalError
from qa_eval.parsers import find_parser
from qa_eval.scoring.formats import percent_summary
from qa_eval.scoring.inputs import read_answers
from qa_eval.scoring.score import score_answers

EMB = {"gt_content": "B", "sub_task": "above", "data_source": "mp3d"}
LMMS_EVAL = {
    # task: target, metrics of a right and of a wrong sample, question type. As process_results returns them.
    "vsibench": ("B", {"vsibench_score": {"id": 7, "question_type": "route_planning", "ground_truth": "B"}}),
    "mindcube_tiny": (
        "grounded_output",
        {"overall_accuracy": {"score": 1.0}, "among_accuracy": {"score": 1.0, "type": "among"}},
    ),
    "mmsi_bench": (
        "B",
        {"Attribute (Meas.)": {"question_id": 7, "l2_category": "Attribute (Meas.)", "score": 1.0}},
    ),
    "viewspatial": ("B. left", {"overall_accuracy": {"score": 1.0}, "x": {"question_type": "Person", "score": 1.0}}),
    "embspatial": ("1", {"embspatial_acc": {"id": "mp3d_7", "pred": "B", "is_correct": True, **EMB}}),
    "erqa": ("B", {"erqa_acc": {"id": "ERQA_7", "gt_content": "B", "sub_task": "Pointing", "is_correct": True}}),
    "sparbench": ("B", {"sparbench_score": {"id": 7, "task": "position_matching", "answer": "B", "accuracy": 1.0}}),
    "revsi_16_frame": ("B", {"overall_acc": {"id": 7, "question_type": "route_planning", "acc": 1.0}}),
}
TYPES = ("route_planning", "among", "Attribute (Meas.)", "Person", "above", "Pointing", "position_matching")


@pytest.mark.parametrize(("task", "kind"), zip(LMMS_EVAL, (*TYPES, "route_planning"), strict=True))
def test_samples_of_lmms_eval(tmp_path, task, kind):
    target, metrics = LMMS_EVAL[task]
    path = tmp_path / f"20260801_101010_samples_{task}.jsonl"
    path.write_text(json.dumps({"doc_id": 3, "target": target, "filtered_resps": "B", **metrics}) + "\n")
    (row,) = read_log(path, "lmms-eval")
    assert row["question_type"] == kind
    assert row["prediction"] == "B"
    assert str(row["id"]).endswith("3" if task in ("mindcube_tiny", "viewspatial") else "7")
    assert row.get("log_score", 1.0) == 1.0
    assert log_parser(path, "lmms-eval") == "lmms-eval-cli"
    if task != "mindcube_tiny":
        benchmark = find_benchmark(log_benchmark(path))
        (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
        stored = read_answers(tmp_path / "rows.jsonl", benchmark=benchmark)
        assert score_answers(stored.answers, benchmark, find_parser("lmms-eval-cli")).score.tolist() == [1.0]


def test_a_log_that_names_positions_gets_the_ids_of_the_published_file(tmp_path):
    target, metrics = LMMS_EVAL["mindcube_tiny"]
    path = tmp_path / "x_samples_mindcube_tiny.jsonl"
    path.write_text(json.dumps({"doc_id": 1, "target": target, "filtered_resps": "C", **metrics}) + "\n")
    rows = read_log(path, "lmms-eval")
    assert "ground_truth" not in rows[0]
    published = [
        {"id": f"among_g_q{i}", "question": "Where? A. Sofa B. Table C. Lamp", "images": [], "gt_answer": "C"}
        for i in range(2)
    ]
    (tmp_path / "MindCube_tinybench.jsonl").write_text("".join(json.dumps(row) + "\n" for row in published))
    benchmark = find_benchmark("mindcube")
    (row,) = with_questions(rows, benchmark, tmp_path / "MindCube_tinybench.jsonl")
    assert (row["id"], row["ground_truth"], row["question_type"]) == ("among_g_q1", "C", "among")
    with pytest.raises(QAEvalError, match="has no question 2, by id or by position, of 2"):
        with_questions([rows[0] | {"id": 2}], benchmark, tmp_path / "MindCube_tinybench.jsonl")


@pytest.mark.parametrize(
    ("name", "columns", "kind"),
    [
        ("m_MindCubeBench_tiny", {"category": "among"}, "among"),
        ("m_MMSIBench_wo_circular", {"category": "MSR"}, "MSR"),
        ("m_ViewSpatialBench", {"question_type": "Person"}, "Person"),
        ("m_EmbSpatialBench", {"data_source": "mp3d", "category": "above"}, "above"),
        ("m_STI-Bench_30frame", {"task_type": "Ego-Motion"}, "Ego-Motion"),
        ("m_SparBench", {"task": "position_matching"}, "position_matching"),
        ("m_VSI-Bench_32frame", {"question_type": "route_planning", "MRA:.5:.95:.05": ""}, "route_planning"),
    ],
)
def test_tables_of_vlmevalkit(tmp_path, name, columns, kind):
    row = {"index": 4, "answer": "B", "prediction": "The answer is B", "A": "left", "B": "right", "C": "", "hit": "1.0"}
    for suffix, mark in ((".csv", ","), (".tsv", "\t")):
        with (tmp_path / f"{name}{suffix}").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, row | columns, delimiter=mark)
            writer.writeheader()
            writer.writerow(row | columns)
        (found,) = read_log(tmp_path / f"{name}{suffix}", "vlmevalkit")
        assert found["question_type"] == kind
        assert (found["id"], found["log_score"], found["options"]) == ("4", 1.0, ["A. left", "B. right"])
        benchmark = find_benchmark(log_benchmark(tmp_path / name))
        (tmp_path / "rows.jsonl").write_text(json.dumps(found) + "\n")
        stored = read_answers(tmp_path / "rows.jsonl", benchmark=benchmark)
        assert score_answers(stored.answers, benchmark, find_parser("vlmevalkit")).score.tolist() == [1.0]


def test_result_files_of_mindcube(tmp_path):
    row = {"id": "rotation_g1_q0", "question": "Which? A. x B. y", "gt_answer": "B", "answer": "My answer is B"}
    (tmp_path / "responses.jsonl").write_text(json.dumps(row) + "\n")
    (found,) = read_log(tmp_path / "responses.jsonl", "authors", "mindcube")
    assert (found["question_type"], found["ground_truth"], found["prediction"]) == ("rotation", "B", row["answer"])


def test_result_files_of_scanqa_have_ten_answers(tmp_path):
    texts = [["brown", "dark brown"], ["by the bed", "on the wall", "left"]]
    rows = [{"question_id": f"val-{i}", "scene_id": "s", "answer_top10": text} for i, text in enumerate(texts)]
    (tmp_path / "pred_scanqa.json").write_text(json.dumps(rows))
    published = [
        {"scene_id": "s", "question_id": f"val-{i}", "question": "What color is it?", "answers": answers}
        for i, answers in enumerate([["brown"], ["on the wall"]])
    ]
    (tmp_path / "ScanQA_v1.0_val.json").write_text(json.dumps(published))
    found = read_log(tmp_path / "pred_scanqa.json", "authors")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
    benchmark = find_benchmark("scanqa")
    stored = read_answers(tmp_path / "rows.jsonl", tmp_path / "ScanQA_v1.0_val.json", benchmark=benchmark)
    summary = percent_summary(score_answers(stored.answers, benchmark, find_parser("official")), benchmark)
    # As evals_json of ATR-DBI/ScanQA counts them: the first answer, and any of ten.
    assert (summary["text_metrics"]["EM"], summary["text_metrics"]["EM@10"]) == (50, 100)


def test_erqa_has_the_harness_scores_beside_it(tmp_path):
    rows = [
        {"id": i, "question_type": "Pointing", "ground_truth": "B", "prediction": text}
        for i, text in enumerate(["B", "The answer is B.", "(B) left", "I am not sure"])
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = find_benchmark("erqa")
    scored = score_answers(
        read_answers(tmp_path / "p.jsonl", benchmark=benchmark).answers, benchmark, find_parser("official")
    )
    summary = percent_summary(scored, benchmark)
    assert summary["overall"] == 25
    assert summary["read_by"] == {"lmms-eval": 75, "vlmevalkit": 75, "lenient": 75}


def samples(tmp_path, *, scores):
    """Write a log of thinking-in-space in which the scores are as given."""
    logs = []
    for i, (answer, score) in enumerate(zip(["B", "A", "(B)"], scores, strict=True)):
        doc = {"id": i, "scene_name": "s", "question_type": "route_planning", "ground_truth": "B", "accuracy": score}
        logs.append({"doc_id": i, "doc": doc, "target": "B", "filtered_resps": [answer], "vsibench_score": doc})
    (tmp_path / "vsibench.json").write_text(json.dumps({"args": {}, "logs": logs}))
    results = {"results": {"vsibench": {"alias": "vsibench", "vsibench_score,none": {"overall": 100 / 3}}}}
    (tmp_path / "results.json").write_text(json.dumps(results))
    return tmp_path / "vsibench.json"


def compared(path, parser):
    rows = read_log(path, "thinking-in-space")
    (path.parent / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = find_benchmark("vsi-bench")
    stored = read_answers(path.parent / "rows.jsonl", benchmark=benchmark)
    scored = score_answers(stored.answers, benchmark, find_parser(parser))
    return agreement(scored, {str(row["id"]): row["log_score"] for row in rows})


def test_the_logs_own_scores_stand_beside_ours(tmp_path):
    path = samples(tmp_path, scores=[1.0, 0.0, 0.0])
    assert log_totals(path) == {"vsibench vsibench_score": pytest.approx(100 / 3)}
    found = compared(path, "official")
    assert (found.rows, found.theirs, found.ours, found.different.height) == (3, 1 / 3, 1 / 3, 0)


def test_a_difference_is_explained_by_rows(tmp_path):
    path = samples(tmp_path, scores=[1.0, 0.0, 0.0])
    found = compared(path, "lenient")
    (row,) = found.different.to_dicts()
    assert (row["id"], row["log_score"], row["score"], row["parsed"]) == (2, 0.0, 1.0, "B")
    lines = agreement_lines(found, "lenient", log_totals(path), 200 / 3)
    assert lines[0] == "the log's own total, vsibench vsibench_score: 33.33"
    assert lines[1] == "read again by lenient: 66.67"
    assert "3 rows that the log scored: 33.33; read again by lenient: 66.67; 1 rows differ" in lines[2]
    assert "id 2, route_planning: log 0, here 1; read 'B' of '(B)', truth 'B'" in lines[3]


def test_totals_of_vlmevalkit(tmp_path):
    (tmp_path / "m_ERQA.xlsx").write_bytes(b"")
    (tmp_path / "m_ERQA_extract_matching_acc.csv").write_text("overall\tPointing_accuracy\n66.6667\t50.0\n")
    assert log_totals(tmp_path / "m_ERQA.xlsx") == {"m_ERQA_extract_matching_acc.csv overall": 66.6667}
