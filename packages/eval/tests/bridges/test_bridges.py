import csv
import importlib.util
import json

import pytest
from qa_eval.bridges import read_log, write_lmms_task
from qa_eval.errors import QAEvalError

DOC = {"id": 7, "question_type": "object_counting", "ground_truth": "4", "scene_name": "s", "prediction": "3"}


def test_lmms_eval_samples(tmp_path):
    # As lmms-eval 0.7.3 writes them: the question inside each metric, one answer unwrapped.
    sample = {"doc_id": 0, "target": "4", "filtered_resps": "3", "vsibench_overall": DOC, "object_counting_mra": DOC}
    (tmp_path / "log.jsonl").write_text(json.dumps(sample) + "\n")
    assert read_log(tmp_path / "log.jsonl", "lmms-eval") == [DOC]


def test_vlmevalkit_tables(tmp_path):
    record = {"index": "3", "type": "route_planning", "answer": "B", "prediction": "The answer is\nB"}
    with (tmp_path / "log.tsv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, record, delimiter="\t")
        writer.writeheader()
        writer.writerow(record)
    (tmp_path / "log.json").write_text(json.dumps([record]))
    expected = [{"id": "3", "question_type": "route_planning", "ground_truth": "B", "prediction": "The answer is\nB"}]
    assert read_log(tmp_path / "log.tsv", "vlmevalkit") == expected
    assert read_log(tmp_path / "log.json", "vlmevalkit") == expected


@pytest.mark.parametrize(
    ("name", "text", "tool", "message"),
    [
        ("a.jsonl", '{"doc_id": 0}\n', "lmms-eval", "sample 1"),
        ("a.jsonl", "", "lmms-eval", "no rows"),
        ("a.jsonl", "{", "lmms-eval", "not readable"),
        ("a.xlsx", "", "vlmevalkit", "no Excel file"),
        ("a.pkl", "", "vlmevalkit", "XLSX, TSV, CSV or JSON"),
        ("a.json", "{}", "lmms-eval", "a list at 'logs'"),
        ("a.csv", "x,y\n1,2\n", "vlmevalkit", "expected prediction"),
        ("a.csv", "", "vlmeval", "Did you mean 'vlmevalkit'"),
    ],
)
def test_other_files_are_refused(tmp_path, name, text, tool, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(QAEvalError, match=message):
        read_log(tmp_path / name, tool)


def test_task_folder_shows_the_same_frames_and_scores_alike(questions, store, tmp_path):
    yaml = pytest.importorskip("yaml")
    n = write_lmms_task(questions, store, tmp_path / "task", name="rooms")
    rows = [json.loads(line) for line in (tmp_path / "task/questions.jsonl").read_text().splitlines()]
    assert n == len(rows) == 11
    text = (tmp_path / "task/rooms.yaml").read_text()
    settings = yaml.safe_load(text.replace("!function ", ""))
    assert settings["dataset_kwargs"]["data_files"]["test"] == str(tmp_path / "task/questions.jsonl")
    spec = importlib.util.spec_from_file_location("task_utils", tmp_path / "task/utils.py")
    utils = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(utils)
    assert len(utils.doc_to_visual(rows[0])) == 2
    assert utils.doc_to_text(rows[0]).startswith("These are frames of a video.\nHow many")
    results = [utils.process_results(row, [row["ground_truth"]])["qa_eval_overall"] for row in rows]
    assert utils.overall(results) == 1
    with pytest.raises(QAEvalError, match="Task name"):
        write_lmms_task(questions, store, tmp_path / "other", name="no name")
