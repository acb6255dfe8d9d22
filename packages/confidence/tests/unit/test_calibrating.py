import numpy as np
import polars as pl
import pytest
from qa_confidence.calibrating import apply_table, fit_table, relabel, scored_pairs, suspects
from qa_confidence.calibrators import Calibrator
from qa_confidence.errors import QAConfidenceError
from qa_confidence.splits import SceneSplit
from qa_contract.tables import CONFIDENCE


def table(n=600, *, phase="eval", rnd=1, seed=0, **columns):
    rng = np.random.default_rng(seed)
    c = rng.uniform(0.05, 1, n)
    base = {
        "question_id": [f"q{i:04d}" for i in range(n)],
        "scene_name": [f"s{i % 20}" for i in range(n)],
        "question_type": [("size", "count", "order")[i % 3] for i in range(n)],
        "model_id": ["m"] * n,
        "round": [rnd] * n,
        "phase": [phase] * n,
        "gold_confidence": c if phase == "train" else [None] * n,
        "raw_confidence": [None] * n if phase == "train" else c,
        "confidence": [None] * n,
        "score": [None] * n if phase == "train" else (rng.random(n) < c**2).astype(float),
        "label": ["frontier"] * n,
        "profile": ["paper"] * n,
        "calibrator_id": [None] * n,
        "group": [None] * n,
    }
    later = {name: [None] * n for name in CONFIDENCE if name not in base}
    return pl.DataFrame({**base, **later, **columns}, schema=dict(CONFIDENCE))


def test_split_is_stable_for_scenes_never_seen():
    split = SceneSplit.choose([f"s{i}" for i in range(20)], seed=3)
    again = SceneSplit.from_dict(split.to_dict())
    assert again.parts(["new", "s3"]) == [*split.parts(["new"]), *split.parts(["s3"])]
    with pytest.raises(QAConfidenceError, match="2 scenes cannot be split into 3"):
        SceneSplit.choose(["a", "b"])
    assert set(SceneSplit.choose(["a", "b"], (1, 0, 0)).parts(["a", "b", "c"])) == {"fit"}


def test_fit_uses_its_scenes_only_and_apply_fills_the_rows():
    frame = table()
    fitted = fit_table(frame)
    used = fitted.pairs.filter(pl.col("part") == "fit")
    assert used["scene_name"].n_unique() == 10
    assert fitted.calibrator.data["n"] == len(used)
    result = apply_table(frame, [fitted.calibrator])
    assert result["confidence"].null_count() == 0
    assert result["calibrator_id"].unique().to_list() == [fitted.calibrator.id]
    assert result["group"].unique().sort().to_list() == ["count", "order", "size"]
    assert result.drop("confidence", "calibrator_id", "group").equals(
        frame.drop("confidence", "calibrator_id", "group")
    )


def test_gold_confidence_learns_the_expected_score_of_a_clean_pass():
    train, clean = table(phase="train"), table(phase="score", seed=1)
    fitted = fit_table(pl.concat([train, clean]), column="gold_confidence", grouping="none")
    assert fitted.calibrator.data["n"] + len(fitted.pairs.filter(pl.col("part") != "fit")) == 600
    result = apply_table(pl.concat([train, clean]), [fitted.calibrator])
    assert result.filter(pl.col("phase") == "train")["confidence"].null_count() == 0
    assert result.filter(pl.col("phase") == "score")["confidence"].null_count() == 600
    with pytest.raises(QAConfidenceError, match="Score the predictions"):
        scored_pairs(train, column="gold_confidence")


def test_profiles_that_need_calibration_say_so():
    frame = table()
    for profile in ("calibrated-paper", "risk-control"):
        with pytest.raises(QAConfidenceError, match="--calibrator"):
            relabel(frame, profile)
    fitted = fit_table(frame)
    calibrated = apply_table(frame, [fitted.calibrator])
    for profile in ("paper", "calibrated-paper", "quantile", "risk-control"):
        result = relabel(calibrated, profile, calibrators=[fitted.calibrator])
        assert result["profile"].unique().to_list() == [profile]
    bare = Calibrator(
        fitted.calibrator.method, fitted.calibrator.pooled, context={"input": "raw_confidence", "grouping": "none"}
    )
    with pytest.raises(QAConfidenceError, match="certified thresholds"):
        relabel(apply_table(frame, [bare]), "risk-control", calibrators=[bare])


def test_suspects_are_wrong_and_sure_in_two_rounds_running():
    sure, score = [0.95, 0.95, 0.95, 0.5], [0.0, 0.0, 1.0, 0.0]
    before = table(4, rnd=1, confidence=sure, score=score)
    now = table(4, rnd=2, confidence=[0.95, 0.5, 0.95, 0.95], score=[0.4, 0.0, 0.0, 0.0])
    assert suspects(now, before).to_list() == ["q0000"]
    labelled = relabel(now, "calibrated-paper", previous=before)
    assert labelled["label"].to_list() == ["suspect", "frontier", "easy", "easy"]
    with pytest.raises(QAConfidenceError, match="consecutive"):
        suspects(table(4, rnd=3, confidence=sure), before)


def test_suspects_find_corrupted_answers():
    rng = np.random.default_rng(0)
    n = 4000
    corrupted = rng.random(n) < 0.1
    skill = rng.uniform(0.4, 1.0, n)
    rounds = []
    for rnd in (1, 2):
        right = rng.random(n) < skill
        score = np.where(corrupted, 0.0, right).astype(float)
        rounds.append(table(n, rnd=rnd, confidence=skill, score=score))
    found = suspects(rounds[1], rounds[0]).to_list()
    truth = {f"q{i:04d}" for i in np.flatnonzero(corrupted)}
    precision = np.mean([name in truth for name in found])
    assert precision > 0.9
    assert len(found) > 0.1 * corrupted.sum()


def test_bad_confidence_names_the_question():
    frame = table(raw_confidence=[1.5] + [0.5] * 599)
    with pytest.raises(QAConfidenceError, match="q0000"):
        fit_table(frame)
    with pytest.raises(QAConfidenceError, match="--questions"):
        fit_table(table(), grouping="answer_type")
    with pytest.raises(QAConfidenceError, match="Did you mean"):
        fit_table(table(), grouping="question_typ")


def test_a_threshold_target_counts_fractional_scores_as_reached_or_not():
    graded = table(score=np.tile([0.4, 0.5, 0.9], 200))
    pairs = scored_pairs(graded, column="raw_confidence", target="threshold:0.5")
    assert pairs["score"].to_list()[:3] == [0.0, 1.0, 1.0]
    reached = fit_table(graded, target="threshold:0.5", grouping="none").calibrator
    expected = fit_table(graded, grouping="none").calibrator
    assert reached.predict([0.5])[0] == pytest.approx(2 / 3, abs=0.05)
    assert expected.predict([0.5])[0] == pytest.approx(0.6, abs=0.05)
    gold = Calibrator("identity", expected.pooled, context={"input": "gold_confidence", "grouping": "none"})
    with pytest.raises(QAConfidenceError, match="different targets"):
        apply_table(graded, [reached, gold])
