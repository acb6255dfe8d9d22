import json

import numpy as np
import polars as pl
import pytest
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import CONFIDENCE


@pytest.fixture
def labelled(make, tmp_path, run):
    """Two rounds of labelled predictions, questions with markup in their text."""
    rng = np.random.default_rng(0)
    questions = []
    for rnd in (1, 2):
        rows, scores = [], []
        for i in range(240):
            c = rng.uniform(0.05, 1)
            place = {"scene_name": f"s{i % 12}", "question_type": ("size", "count")[i % 2], "round": rnd}
            rows.append(
                make.prediction(f"q{i}", [np.log(c)], phase="score", runner="transformers", completion="<7>", **place)
            )
            scores.append({"question_id": f"q{i}", "score": float(rng.random() < c**2), **place})
            if rnd == 1:
                questions.append(
                    {"question_id": f"q{i}", "question": "<script>alert(1)</script> | how big?", "ground_truth": "4"}
                    | {"answer_type": "number", "cell": "c"}
                )
        folder = tmp_path / f"round{rnd}"
        make.write(make.predictions(*rows), folder, "predictions")
        make.write(make.scores(*scores), folder, "scores")
        assert run("label", folder, "--scores", folder, "--out", folder / "label").returncode == 0
    make.write(make.questions(*questions), tmp_path, "questions")
    return tmp_path


def test_fit_apply_report_compare(labelled, run):
    first, second = labelled / "round1/label", labelled / "round2/label"
    done = run("fit", first, "--out", labelled / "fit", "--json")
    assert done.returncode == 0, done.stderr
    assert sum(json.loads(done.stdout)["rows"].values()) == 240
    splits = pl.read_parquet(labelled / "fit/splits.parquet")
    assert splits["n"].sum() == 240
    done = run(
        "apply", second, "--calibrator", labelled / "fit", "--profile", "calibrated-paper", "--out", labelled / "a"
    )
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(labelled / "a/confidence.parquet")["profile"].unique().to_list() == ["calibrated-paper"]
    options = ["--calibrator", labelled / "fit", "--previous", first, "--questions", labelled, "--resamples", "50"]
    texts = ["--predictions", labelled / "round2"]
    done = run("report", second, *options, *texts, "--out", labelled / "report", "--json")
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout)
    assert set(metrics["methods"]) == {"identity", "temperature", "platt", "beta", "isotonic", "histogram"}
    assert metrics["n"] < 240
    page = (labelled / "report/report.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;7&gt;" in page
    assert page.count("<figcaption>") == 6
    markdown = (labelled / "report/report.md").read_text()
    assert "\\<script\\>alert(1)\\</script\\> \\| how big?" in markdown
    done = run("compare", first, second, "--calibrator", labelled / "fit", "--resamples", "50")
    assert done.returncode == 0, done.stderr
    assert "| all |" in done.stdout
    assert "Refit" in done.stdout or "Keep" in done.stdout


def test_report_refuses_fitted_rows_unless_told(labelled, run):
    first = labelled / "round1/label"
    assert run("fit", first, "--split", "1,0,0", "--out", labelled / "all").returncode == 0
    options = ["report", first, "--calibrator", labelled / "all", "--resamples", "50", "--out", labelled / "r"]
    done = run(*options)
    assert done.returncode == 2
    assert "--allow-in-sample" in done.stderr
    assert not (labelled / "r").exists()
    assert run(*options, "--allow-in-sample").returncode == 0
    assert "In-sample" in (labelled / "r/report.html").read_text()


def test_same_input_gives_the_same_calibrator_and_report(labelled, run):
    first = labelled / "round1/label"
    for name in ("x", "y"):
        run("fit", first, "--out", labelled / name)
        run("report", first, "--calibrator", labelled / name, "--resamples", "50", "--out", labelled / f"{name}r")
    for file in ("calibrator.json", "splits.parquet"):
        assert (labelled / "x" / file).read_bytes() == (labelled / "y" / file).read_bytes()
    for file in ("report.html", "report.md", "metrics.json"):
        assert (labelled / "xr" / file).read_bytes() == (labelled / "yr" / file).read_bytes()


def test_user_errors(labelled, run):
    first = labelled / "round1/label"
    (labelled / "broken.json").write_text("{")
    for arguments, message in (
        (["fit", first, "--method", "plat"], "Did you mean 'platt'"),
        (["fit", first, "--split", "a,b"], "--split"),
        (["fit", first, "--input", "gold_confidence"], "No row has both"),
        (["apply", first, "--calibrator", labelled / "broken.json"], "not a calibrator"),
        (["apply", first, "--calibrator", labelled / "none.json"], "cannot read"),
        (["apply", first, "--calibrator", labelled / "none.json", "--profile", "x"], "--profile needs one of paper"),
    ):
        done = run(*arguments, "--out", labelled / "out")
        assert done.returncode == 2, arguments
        assert message in done.stderr, done.stderr
        assert not (labelled / "out").exists()


def test_compare_measures_order_bias(make, tmp_path, run):
    rng = np.random.default_rng(0)
    frozen = rng.uniform(0.2, 0.6, 120)
    for name, lift in (("during", 0.002), ("frozen", 0.0)):
        rows = [
            make.prediction(f"q{i}", [np.log(frozen[i] + lift * i)], step=i, scene_name=f"s{i % 10}")
            for i in range(120)
        ]
        make.write(make.predictions(*rows), tmp_path / name, "predictions")
        run("label", tmp_path / name, "--out", tmp_path / name / "label")
    paths = [tmp_path / "during/label", tmp_path / "frozen/label"]
    done = run("compare", *paths, "--steps", tmp_path / "during", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["slope_per_100_steps"]["value"] == pytest.approx(0.2, abs=1e-4)


def test_a_threshold_target_gives_a_probability_and_says_so(labelled, run):
    first = labelled / "round1/label"
    done = run("fit", first, "--target", "threshold:0.5", "--out", labelled / "fit")
    assert done.returncode == 0, done.stderr
    assert json.loads((labelled / "fit/calibrator.json").read_text())["context"]["target"] == "threshold:0.5"
    done = run("apply", first, "--calibrator", labelled / "fit", "--out", labelled / "a")
    assert "probability of score >= 0.5" in done.stderr
    done = run("report", first, "--calibrator", labelled / "fit", "--resamples", "50", "--out", labelled / "r")
    assert done.returncode == 0, done.stderr
    assert "probability of score &gt;= 0.5" in (labelled / "r/report.html").read_text()
    for target in ("threshold:0", "threshold:2", "treshold:0.5", "threshold:"):
        done = run("fit", first, "--target", target, "--out", labelled / "x")
        assert done.returncode == 2
        assert f"Unknown target '{target}'" in done.stderr


def test_bad_rows_are_named(labelled, run):
    good = pl.read_parquet(labelled / "round1/label/confidence.parquet")
    assert run("fit", labelled / "round1/label", "--out", labelled / "fit").returncode == 0
    second = pl.int_range(pl.len()) == 1
    for column, value, what in (
        ("raw_confidence", float("nan"), "is NaN"),
        ("raw_confidence", 1.5, "is outside [0, 1]"),
        ("score", -1.0, "outside [0, 1]"),
        ("question_type", None, "is null"),
        ("scene_name", None, "is null"),
        ("label", "eazy", "is none of easy"),
    ):
        wrong = pl.when(second).then(pl.lit(value, good.schema[column])).otherwise(column)
        bad = good.with_columns(wrong.alias(column))
        folder = labelled / f"{column}-{value}"
        write_table(bad, folder / "confidence.parquet", CONFIDENCE, table_metadata("confidence", "test", {}, 0))
        commands = [["feedback", folder, "--questions", labelled]]
        if column != "label":
            commands += [["fit", folder], ["report", folder]]
        if column in ("raw_confidence", "question_type"):
            commands += [["apply", folder, "--calibrator", labelled / "fit"]]
        for command in commands:
            done = run(*command, "--out", labelled / "out")
            assert done.returncode == 2, command
            assert what in done.stderr
            assert "q1" in done.stderr
            assert not (labelled / "out").exists()


@pytest.mark.parametrize(("column", "note"), [("score", "scores are 1"), ("raw_confidence", "confidences are 1")])
def test_one_value_only_is_measured_and_noted(labelled, run, column, note):
    table = pl.read_parquet(labelled / "round1/label/confidence.parquet").with_columns(pl.lit(1.0).alias(column))
    folder = labelled / "flat"
    write_table(table, folder / "confidence.parquet", CONFIDENCE, table_metadata("confidence", "test", {}, 0))
    done = run("fit", folder, "--out", labelled / "fit")
    assert done.returncode == 0, done.stderr
    assert note in done.stderr
    done = run("report", folder, "--calibrator", labelled / "fit", "--resamples", "50", "--out", labelled / "report")
    assert done.returncode == 0, done.stderr
    assert note in (labelled / "report/report.md").read_text()


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (390, True)])
def test_the_page_opens_sorts_and_tells_numbers(labelled, run, open_page, width, dark):
    first = labelled / "round1/label"
    assert run("fit", first, "--out", labelled / "fit").returncode == 0
    texts = ["--questions", labelled, "--predictions", labelled / "round1"]
    options = ["--calibrator", labelled / "fit", "--resamples", "50", *texts, "--out", labelled / "r", "--json"]
    done = run("report", first, *options)
    assert done.returncode == 0, done.stderr
    page = open_page(labelled / "r/report.html", width=width, dark=dark)
    said = page.js("document.querySelector('#before-and-after tbody tr td:nth-child(2)').innerText.split('\\n')[0]")
    assert said == f"{json.loads(done.stdout)['before']['ece']['value']:.3f}"
    page.click("#question-types thead th:nth-child(2) button")
    assert page.js("document.querySelector('#question-types th:nth-child(2)').ariaSort") == "descending"
    page.click("#reliability details.numbers summary")
    assert page.js("document.querySelector('#reliability details.numbers').open")
    page.hover("#reliability svg circle.f-s1")
    assert "rows" in page.js("document.getElementById('tip').textContent")
    page.check()
