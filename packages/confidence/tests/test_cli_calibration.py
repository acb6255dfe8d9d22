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


@pytest.fixture
def clean_passes(make, tmp_path):
    """Clean passes of two rounds with and without frames, a training pass, and the questions."""
    rng = np.random.default_rng(1)
    n = 120
    place = [{"scene_name": f"s{i % 10}", "question_type": ("size", "count")[i % 2]} for i in range(n)]
    for rnd in (1, 2):
        for name, phase in (("clean", "eval"), ("blind", "eval"), ("train", "train")):
            c = rng.uniform(0.2, 0.99, n)
            told = [
                make.prediction(f"q{i}", [np.log(c[i])], phase=phase, round=rnd, runner="transformers", **place[i])
                for i in range(n)
            ]
            scored = [
                {"question_id": f"q{i}", "score": float(rng.random() < c[i]), **place[i], "round": rnd}
                for i in range(n)
            ]
            folder = tmp_path / f"{name}{rnd}"
            make.write(make.predictions(*told), folder, "predictions")
            make.write(make.scores(*scored), folder, "scores")
    asked = [{"question_id": f"q{i}", "cell": f"c{i % 2}", "answer_type": "number", **place[i]} for i in range(n)]
    make.write(make.questions(*asked), tmp_path, "questions")
    make.write(make.questions(*asked[:30]), tmp_path / "panel", "questions")
    return tmp_path


def test_signal_label_and_feedback_of_two_rounds(clean_passes, run):
    here = clean_passes
    for rnd in (1, 2):
        before = [] if rnd == 1 else ["--previous", here / "signal1"]
        words = ["--blind", here / f"blind{rnd}", "--questions", here, "--panel", here / "panel"]
        done = run("signal", here / f"clean{rnd}", *words, *before, "--out", here / f"signal{rnd}", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["rows"] == 120
        done = run(
            *("label", here / f"train{rnd}", "--profile", "calibrated", "--signal", here / f"signal{rnd}"),
            *("--questions", here, "--out", here / f"confidence{rnd}"),
        )
        assert done.returncode == 0, done.stderr
        words = ["--questions", here, "--signal", here / f"signal{rnd}", *before]
        done = run("feedback", here / f"confidence{rnd}", *words, "--out", here / f"feedback{rnd}")
        assert done.returncode == 0, done.stderr
    facts = json.loads((here / "signal2/signal.json").read_text())
    assert facts["drift"][0]["anchors"] == 30
    assert facts["refit"]["refit"] in (True, False)
    table = pl.read_parquet(here / "feedback2/feedback.parquet")
    assert table["progress"].null_count() == 0
    assert table["mean_headroom"].null_count() == 0
    assert pl.read_parquet(here / "feedback1/feedback.parquet")["progress"].null_count() > 0


def test_calibrated_labels_say_what_they_need(clean_passes, run):
    here = clean_passes
    done = run("label", here / "train1", "--profile", "calibrated", "--out", here / "l")
    assert done.returncode == 2
    assert "--signal" in done.stderr
    assert "--questions" in done.stderr


def test_answers_of_a_server_without_log_probabilities_are_named(clean_passes, run, make):
    here = clean_passes
    told = pl.read_parquet(here / "clean1/predictions.parquet")
    for name in ("token_logprobs", "token_mask"):
        told = told.with_columns(pl.lit(None, told.schema[name]).alias(name))
    make.write(told, here / "clean1", "predictions")
    done = run("signal", here / "clean1", "--questions", here, "--out", here / "signal")
    assert done.returncode == 2
    assert "no answer to learn from (no_tokens 120). The answers carry no log-probabilities" in done.stderr
