import json
import sys

import numpy as np
import polars as pl
import pytest
from qa_contract.tableio import read_table
from qa_contract.tables import QUESTIONS
from qa_engine.audit.artefacts import find_artefacts
from qa_engine.audit.blind import blind_scores
from qa_engine.audit.questions import read_items, read_table_of

NAMES = ["lamp", "sofa", "door", "bed", "desk", "plant", "shelf", "rug"]


def order_questions(n, *, leaky, seed=0):
    """Questions about an order; where leaky, the order listed is never right, otherwise as often as any other."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        names = rng.choice(NAMES, 4, replace=False).tolist()
        listed = ", ".join(names)
        others = {listed}
        while len(others) < 4:
            others.add(", ".join(rng.permutation(names).tolist()))
        options = rng.permutation(sorted(others)).tolist()
        allowed = [k for k, option in enumerate(options) if not leaky or option != listed]
        rows.append(
            {
                "id": i,
                "scene_name": f"s{i % 10}",
                "question_type": "order",
                "question": f"In which order do these appear: {listed}?",
                "options": [f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True)],
                "ground_truth": "ABCD"[rng.choice(allowed)],
            }
        )
    return rows


def size_questions(n, *, leaky, seed=0):
    """Questions about a size that goes with the name, or does not."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        k = int(rng.integers(len(NAMES)))
        size = 20.0 * (k + 1) if leaky else rng.uniform(10, 300)
        question = f"How long is the {NAMES[k]}?"
        rows.append(
            {"id": n + i, "scene_name": f"s{i % 10}", "question_type": "size", "question": question, "options": None}
            | {"ground_truth": f"{size * rng.uniform(0.95, 1.05):.0f}"}
        )
    return rows


def items(rows):
    return read_items(pl.DataFrame(rows, infer_schema_length=None))


def test_a_planted_artefact_is_found_and_raises_the_blind_score(monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr("qa_engine.audit.blind.TREES", 30)
    leaky, fair = (items(order_questions(250, leaky=flag)) for flag in (True, False))
    worst = find_artefacts(leaky)[0]
    assert (worst.rule, worst.right, worst.n) == ("order in which the question lists the categories", 0, 250)
    assert worst.z < -8
    assert all(abs(row.z) < 4 for row in find_artefacts(fair))
    scores = blind_scores(leaky)
    assert scores.forest.mean() > 0.29  # one of three is left
    assert scores.chance.mean() == 0.25
    assert blind_scores(fair).forest.mean() == pytest.approx(0.25, abs=0.07)


def test_a_size_that_goes_with_the_name_is_found():
    pytest.importorskip("sklearn")
    leaky, fair = (blind_scores(items(size_questions(200, leaky=flag))) for flag in (True, False))
    assert leaky.forest.mean() > 0.85
    assert leaky.category.mean() > 0.8
    assert leaky.majority.mean() < 0.5
    assert fair.forest.mean() < fair.majority.mean() + 0.1


def test_small_files_have_scores_too():
    pytest.importorskip("sklearn")
    for n in (1, 2):
        scores = blind_scores(items(order_questions(n, leaky=False) + size_questions(n, leaky=False)))
        assert len(scores.forest) == 2 * n
        assert np.isfinite(scores.bias).all()


def test_pruning_stops_at_the_target_and_writes_what_is_left(call, tmp_path, capfd, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setattr("qa_engine.audit.blind.TREES", 10)
    rows = order_questions(40, leaky=False) + size_questions(60, leaky=True)
    drawn = {"id": "m", "scene_name": "s0", "question_type": "map", "question": "?", "options": None}
    written = [rows[0], drawn | {"ground_truth": '{"A": [2, 7]}'}, *rows[1:]]  # no predictor here draws a map
    source = tmp_path / "questions.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in written))
    for name in ("a", "b"):
        assert call("audit", source, "--out", tmp_path / name, "--prune", 0.3, "--folds", 3) == 0
    assert "left" in capfd.readouterr().err
    report = json.loads((tmp_path / "a" / "report.json").read_text())
    assert report["pruning"]["iterations"] > 0
    left = [json.loads(line) for line in (tmp_path / "a" / "questions.jsonl").open()]
    assert report["not_audited"] == 1
    left.remove(written[1])
    assert len(left) == report["pruning"]["kept"] < len(rows)
    bias = pl.read_parquet(tmp_path / "a" / "bias.parquet")
    assert bias.filter(dropped_in=0)["question_id"].to_list() == [str(row["id"]) for row in left]
    size = next(row for row in report["pruning"]["types"] if row["question_type"] == "size")
    assert size["forest"] <= size["chance"] + 0.3 or report["pruning"]["unfinished"] == ["size"]
    assert "## Pruning" in (tmp_path / "a" / "report.md").read_text()
    for name in ("bias.parquet", "report.json", "report.md", "questions.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_our_own_table_keeps_its_form(call, tmp_path, write_vsi, vsi_entry):
    pytest.importorskip("sklearn")
    path = write_vsi(dict.fromkeys(("a", "b", "c"), vsi_entry))
    assert call("ingest", "vsi-bench", path, "--out", tmp_path / "store") == 0
    assert call("generate", tmp_path / "store", "--out", tmp_path / "q") == 0
    assert call("audit", tmp_path / "q", "--out", tmp_path / "audit", "--prune", 0.0) == 0
    assert len(read_table(tmp_path / "audit", "questions", QUESTIONS)) == len(read_table_of(tmp_path / "q"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": 1}', "lacks scene_name, question_type"),
        ("{", "neither JSONL nor Parquet"),
        (json.dumps(order_questions(1, leaky=False)[0] | {"ground_truth": "Z"}), "not the letter of an option"),
        (json.dumps(size_questions(1, leaky=False)[0] | {"ground_truth": "much"}), "is not a number"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(call, tmp_path, capfd, text, message):
    source = tmp_path / "questions.jsonl"
    source.write_text(text + "\n")
    assert call("audit", source, "--out", tmp_path / "out") == 2
    assert message in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == [source]


def test_without_scikit_learn_the_error_says_what_to_install(call, tmp_path, capfd, monkeypatch):
    source = tmp_path / "questions.jsonl"
    source.write_text(json.dumps(size_questions(1, leaky=False)[0]) + "\n")
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    assert call("audit", source, "--out", tmp_path / "out") == 2
    assert "pip install 'qa-engine[audit]'" in capfd.readouterr().err


def test_the_published_artefact_of_vsi_bench_is_found(real_data):
    found = find_artefacts(read_items(read_table_of(real_data / "vsi_bench" / "questions.jsonl")))
    row = next(row for row in found if row.question_type == "obj_appearance_order")
    assert row.rule == "order in which the question lists the categories"
    assert (row.n, row.right) == (115, 0)
    assert row.z < -5
