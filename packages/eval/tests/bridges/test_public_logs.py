"""From the logs and answers of other tools to the numbers that their own scorers give."""

import json
import zipfile
from xml.sax.saxutils import escape

import pytest
from qa_eval.benchmarks import BENCHMARKS, find_benchmark
from qa_eval.bridges import log_benchmark, read_log
from qa_eval.bridges.logs import with_questions
from qa_eval.bridges.xlsx import read_xlsx
from qa_eval.errors import QAEvalError
from qa_eval.parsers import PARSERS, find_parser
from qa_eval.scoring.answers import Answers
from qa_eval.scoring.formats import percent_summary
from qa_eval.scoring.inputs import read_answers
from qa_eval.scoring.score import score_answers

SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)


def score(rows, benchmark, parser):
    columns = ([row[name] for row in rows] for name in ("id", "question_type", "ground_truth", "prediction"))
    chosen = find_benchmark(benchmark)
    return score_answers(Answers(*columns), chosen, find_parser(parser))


def one_type(kind, truths, predictions):
    pairs = zip(truths, predictions, strict=True)
    return [{"id": i, "question_type": kind, "ground_truth": t, "prediction": p} for i, (t, p) in enumerate(pairs)]


def write_xlsx(path, rows, *, shared=False, extra=""):
    """Write a sheet as openpyxl does, with texts in the cells, or as Excel does, with shared ones."""
    texts, lines = [], []
    for number, row in enumerate(rows, start=1):
        cells = []
        for letter, value in zip("ABCDEFGH", row, strict=False):
            place = f'r="{letter}{number}"'
            if value is None:
                continue
            if isinstance(value, int | float):
                cells.append(f'<c {place} t="n"><v>{value}</v></c>')
            elif shared:
                texts.append(value)
                cells.append(f'<c {place} t="s"><v>{len(texts) - 1}</v></c>')
            else:
                cells.append(f'<c {place} t="inlineStr"><is><t>{escape(value)}</t></is></c>')
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", extra + SHEET.format("".join(lines)))
        if shared:
            items = "".join(f"<si><t>{escape(text)}</t></si>" for text in texts)
            name = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
            archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{name}">{items}</sst>')


ERQA = [
    ["index", "question", "question_type", "answer", "prediction"],
    *(
        [i, f'q{i}, "quoted"', "Spatial Reasoning", "B", text]
        for i, text in enumerate(["<answer>B. left</answer>", "The answer is B.", "B", "C", "(B) left", "I think A"])
    ),
]


@pytest.mark.parametrize("shared", [False, True])
def test_one_log_as_excel_table_or_json_gives_one_number(tmp_path, shared):
    write_xlsx(tmp_path / "model_ERQA.xlsx", ERQA, shared=shared)
    (tmp_path / "model_ERQA.tsv").write_text(
        "\n".join("\t".join(f'"{str(v).replace(chr(34), chr(34) * 2)}"' for v in row) for row in ERQA) + "\n"
    )
    (tmp_path / "model_ERQA.json").write_text(json.dumps([dict(zip(ERQA[0], row, strict=True)) for row in ERQA[1:]]))
    for name in ("xlsx", "tsv", "json"):
        path = tmp_path / f"model_ERQA.{name}"
        rows = read_log(path, "vlmevalkit")
        # As compute_mcq_score of VLMEvalKit scores them, executed.
        assert score(rows, "erqa", "vlmevalkit").score.mean() == pytest.approx(4 / 6)
        assert log_benchmark(path) == "erqa"


@pytest.mark.parametrize("content", [b"", b"PK", b"text"])
def test_what_is_no_excel_file_is_refused(tmp_path, content):
    (tmp_path / "a.xlsx").write_bytes(content)
    with pytest.raises(QAEvalError, match="no Excel file"):
        read_log(tmp_path / "a.xlsx", "vlmevalkit")


def test_an_excel_file_that_declares_entities_is_refused(tmp_path):
    write_xlsx(tmp_path / "a.xlsx", ERQA, extra='<!DOCTYPE x [<!ENTITY a "b">]>')
    with pytest.raises(ValueError, match="entities"):
        read_xlsx(tmp_path / "a.xlsx")


def test_empty_cells_are_none_and_whole_numbers_whole(tmp_path):
    write_xlsx(tmp_path / "a.xlsx", [["index", "prediction", "x"], [1, None, 2.5]])
    assert read_xlsx(tmp_path / "a.xlsx") == [{"index": 1, "prediction": None, "x": 2.5}]


def test_a_log_of_thinking_in_space(tmp_path):
    docs = [
        ("object_counting", "4", "4", None),
        ("object_counting", "9", "6", None),
        ("object_rel_distance", "B", "B. sofa", ["A. x", "B. y", "C. z"]),
        ("route_planning", "A", "(A)", ["A. x", "B. y"]),
    ]
    logs = []
    for i, (kind, truth, answer, options) in enumerate(docs):
        doc = {"id": 10 + i, "scene_name": f"s{i}", "question_type": kind, "ground_truth": truth, "options": options}
        doc |= {"prediction": answer, "pruned": False}
        sample = {"doc_id": i, "doc": doc, "target": truth, "resps": [[answer]], "filtered_resps": [answer]}
        logs.append(sample | {"vsibench_score": doc})
    path = tmp_path / "vsibench.json"
    path.write_text(json.dumps({"args": {"model": "made"}, "model_configs": {"task": "vsibench"}, "logs": logs}))
    rows = read_log(path, "lmms-eval")
    assert [row["id"] for row in rows] == [10, 11, 12, 13]
    summary = percent_summary(score(rows, "vsi-bench", "official"), find_benchmark("vsi-bench"))
    found = [summary[name] for name in ("object_counting", "object_rel_distance", "route_planning", "overall")]
    assert found == pytest.approx([70, 100, 0, 170 / 3])
    assert log_benchmark(path) == "vsi-bench"


def test_a_harness_reads_each_benchmark_by_its_code_for_it():
    answers = ["<answer>B. sofa</answer>", "B. sofa", "The answer is B", "Answer: B", "so it is C"]
    rows = one_type("among", ["B"] * 5, answers)
    # As lmms_eval/tasks/mindcube/utils.py scores them, executed.
    assert score(rows, "mindcube", "lmms-eval").score.tolist() == [1, 1, 1, 1, 0]
    assert score(rows, "mindcube", "lmms-eval-cli").score.tolist() == [1, 1, 1, 1, 0]


@pytest.mark.parametrize("benchmark", BENCHMARKS)
@pytest.mark.parametrize("parser", [name for name, parser in PARSERS.items() if parser.is_harness])
def test_a_pair_that_does_not_exist_is_refused(benchmark, parser):
    chosen, kind = find_benchmark(benchmark), "any"
    if parser in chosen.harnesses:
        assert chosen.reader(find_parser(parser), kind) is not None
    else:
        with pytest.raises(QAEvalError, match=f"{parser} has no code that scores {benchmark}"):
            chosen.reader(find_parser(parser), kind)


def test_prose_is_no_answer_of_sti_bench():
    answers = [
        "It is impossible to determine the distance",
        "The car is behind the red sedan, moving forward",
        "Point C is closer to the camera",
        "I cannot answer this from one frame",
        "option b",
        "so the answer is A",
    ]
    rows = one_type("Dimensional Measurement", list("EDAEBA"), answers)
    # As opensource_test.py of STI-Bench scores them, executed.
    assert score(rows, "sti-bench", "official").score.tolist() == [0, 0, 0, 0, 1, 1]


def test_exact_match_of_cleaned_text(tmp_path):
    answers = {"q0": ["chair"], "q1": ["chair"], "q2": ["two"], "q3": ["brown", "tan"], "q4": ["bed"]}
    questions = [
        {"scene_id": "s", "question_id": name, "question": "What is it?", "answers": texts}
        for name, texts in answers.items()
    ]
    (tmp_path / "ScanQA_v1.0_val.json").write_text(json.dumps(questions))
    given = zip(answers, ["The chair.", "chair", "2", "Brown", "sofa"], strict=True)
    (tmp_path / "p.jsonl").write_text("".join(json.dumps({"id": i, "prediction": p}) + "\n" for i, p in given))
    benchmark = find_benchmark("scanqa")
    stored = read_answers(tmp_path / "p.jsonl", tmp_path / "ScanQA_v1.0_val.json", benchmark=benchmark)
    scored = score_answers(stored.answers, benchmark, find_parser("leo"))
    found = percent_summary(scored, benchmark)
    # As answer_match and clean_answer of VLM-3R score them, executed.
    assert found["overall"] == pytest.approx(80)
    assert found["text_metrics"]["EM"] == pytest.approx(20)
    assert found["text_metrics"]["EM cleaned"] == pytest.approx(80)
    assert found["text_metrics"]["EM-R"] == pytest.approx(80)


UNIT = [[0, 0, 0], [1, 1, 1]]
SCENE = {"scene_id": "scene0011_00"}
RESULTS = {
    "scanrefer": (
        [SCENE | {"object_id": "1", "ann_id": "0", "bbox": UNIT}],
        [SCENE | {"object_id": "1", "ann_id": "0", "bbox": UNIT, "unique_multiple": 0, "others": 0}],
        {"id": "scene0011_00|1|0", "question_type": "unique"},
    ),
    "multi3drefer": (
        [SCENE | {"ann_id": 4, "eval_type": "zt_w_d", "aabb_bound": []}],
        [SCENE | {"ann_id": 4, "aabb": []}],
        {"id": "scene0011_00|4", "question_type": "zt_w_d", "prediction": "[]"},
    ),
    "scan2cap": (
        {"scene0011_00|1|chair": ["sos a chair eos"]},
        {"scene0011_00|1|chair": ["sos a chair eos"]},
        {"id": "scene0011_00|1|chair", "question_type": "caption", "prediction": "sos a chair eos"},
    ),
}


@pytest.mark.parametrize("name", RESULTS)
def test_result_files_about_boxes_and_captions(tmp_path, name):
    published, results, expected = RESULTS[name]
    for file, value in (("gt.json", published), ("pred.json", results)):
        (tmp_path / file).write_text(json.dumps(value))
    benchmark = find_benchmark(name)
    (row,) = with_questions(read_log(tmp_path / "pred.json", "authors", name), benchmark, tmp_path / "gt.json")
    assert expected.items() <= row.items()
    (tmp_path / "p.jsonl").write_text(json.dumps(row))
    stored = read_answers(tmp_path / "p.jsonl", tmp_path / "gt.json", benchmark=benchmark)
    assert score_answers(stored.answers, benchmark, find_parser("official")).score.tolist() == [1.0]
