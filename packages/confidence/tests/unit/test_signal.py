"""A clean pass to expected scores, headroom, progress and suspects."""

import numpy as np
import polars as pl
import pytest
from qa_confidence.errors import QAConfidenceError
from qa_confidence.feedback import feedback_rows
from qa_confidence.labelling import label_predictions
from qa_confidence.metrics import ece
from qa_confidence.signal.facts import signal_facts
from qa_confidence.signal.progress import learning_progress
from qa_confidence.signal.rows import expected_of_training, signal_rows

N, SCENES = 400, 25
KINDS = ("order", "size")


def scene(i):
    return f"s{i % SCENES}"


def asked(make, n=N):
    rows = [
        {
            "question_id": f"q{i}",
            "scene_name": scene(i),
            "question_type": KINDS[i % 2],
            "answer_type": "choice" if i % 2 == 0 else "number",
            "options": ["A. a", "B. b", "C. c", "D. d"] if i % 2 == 0 else None,
            "cell": f"cell:{i % 3}",
        }
        for i in range(n)
    ]
    return make.questions(*rows)


def answers(make, confidence, score, *, rnd=1, phase="eval", n=N):
    """A pass as `label` reads it: own answers with scores."""
    place = [{"scene_name": scene(i), "question_type": KINDS[i % 2], "round": rnd} for i in range(n)]
    told = [make.prediction(f"q{i}", [float(np.log(confidence[i]))], phase=phase, **place[i]) for i in range(n)]
    scored = [{"question_id": f"q{i}", "score": float(score[i]), **place[i]} for i in range(n)]
    found = label_predictions(make.predictions(*told), scores=None if phase == "train" else make.scores(*scored))
    return found.confidence


@pytest.fixture
def passes(make):
    """A model that is overconfident, and right more often when it looks."""
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 0.999, N)
    seen = (rng.random(N) < confidence**3).astype(float)
    unseen = (rng.random(N) < 0.25).astype(float)
    return answers(make, confidence, seen), answers(make, np.full(N, 0.5), unseen)


def test_expected_scores_are_calibrated_corrected_for_chance_and_less_the_blind(make, passes):
    clean, blind = passes
    result = signal_rows(clean, asked(make), blind=blind, panel=pl.Series(["q0", "q1"]))
    rows = result.confidence
    assert result.rejects.is_empty()
    assert ece(rows["confidence"].to_numpy(), rows["score"].to_numpy()) < 0.1
    assert ece(rows["raw_confidence"].to_numpy(), rows["score"].to_numpy()) > 0.2
    choice = rows.filter(question_type="order")
    np.testing.assert_allclose(
        choice["corrected"].to_numpy(), np.clip((choice["confidence"].to_numpy() - 0.25) / 0.75, 0, 1), atol=1e-12
    )
    assert rows.filter(question_type="size")["chance"].unique().to_list() == [0.0]
    assert rows["blind_confidence"].mean() == pytest.approx(0.25, abs=0.06)
    assert rows["headroom"].mean() > 0.1
    assert rows.filter("panel")["question_id"].to_list() == ["q0", "q1"]
    facts = signal_facts(result)
    assert facts["calibration"]["all"]["ece_after"] < facts["calibration"]["all"]["ece_before"]
    assert set(facts["calibration"]) == {"all", *KINDS}


def test_the_map_of_a_row_has_not_seen_its_scene(make):
    """A scene whose ground truths are all wrong does not pull down the map that it is judged by."""
    confidence = np.full(N, 0.98)
    wrong = np.array([scene(i) == "s3" for i in range(N)])
    rows = signal_rows(answers(make, confidence, (~wrong).astype(float)), asked(make)).confidence
    spoilt = rows.filter(scene_name="s3")
    assert spoilt["confidence"].min() > 0.999
    assert rows["confidence"].min() < 0.96


def test_suspects_are_sure_and_wrong_in_two_rounds(make):
    confidence = np.where(np.arange(N) % 2 == 0, 0.99, 0.4)
    wrong = np.isin(np.arange(N), [2, 4, 7])  # q7 is wrong, and not sure
    score = np.where(np.arange(N) % 2 == 0, ~wrong, np.arange(N) % 4 == 1).astype(float)
    first = signal_rows(answers(make, confidence, score, rnd=1), asked(make)).confidence
    again = np.where(np.arange(N) == 4, 1.0, score)  # q4 is right the second time
    second = signal_rows(answers(make, confidence, again, rnd=2), asked(make), previous=first)
    assert second.confidence.filter(label="suspect")["question_id"].to_list() == ["q2"]
    assert signal_facts(second)["suspects"] == 1
    with pytest.raises(QAConfidenceError, match="consecutive"):
        signal_rows(answers(make, confidence, again, rnd=3), asked(make), previous=first)


def test_what_scores_low_in_a_spoilt_scene_is_suspect(make):
    """The model is sure of nothing; three scenes score far below what is expected of them."""
    rng, spoilt = np.random.default_rng(4), ("s3", "s8", "s9")
    bad = np.array([scene(i) in spoilt for i in range(N)])
    first, second = (
        signal_rows(answers(make, np.full(N, 0.8), np.where(bad, 0.1, rng.random(N) < 0.85), rnd=1), asked(make)),
        answers(make, np.full(N, 0.8), np.where(bad & (np.arange(N) % 5 > 0), 0.1, 1.0), rnd=2),
    )
    assert first.confidence["scene_doubt"].null_count() == N
    rows = signal_rows(second, asked(make), previous=first.confidence).confidence
    assert set(rows.filter("scene_suspect")["scene_name"]) == set(spoilt)
    suspect = rows.filter(label="suspect")
    assert set(suspect["question_id"]) == {f"q{i}" for i in range(N) if bad[i] and i % 5}
    facts = signal_facts(signal_rows(second, asked(make), previous=first.confidence), previous=first.confidence)
    assert facts["suspect_scenes"] == sorted(spoilt)


def test_training_rows_learn_what_a_likelihood_is_worth_from_the_sample_that_was_answered(make, passes):
    clean, _ = passes
    signal = signal_rows(clean.head(200), asked(make)).confidence
    trained = answers(make, np.linspace(0.2, 0.99, N), np.zeros(N), phase="train")
    rows, calibrator = expected_of_training(trained, signal, asked(make))
    assert calibrator.data["n"] == 200
    assert rows["confidence"].null_count() == 0
    assert rows["corrected"].null_count() == 0
    assert rows["score"].null_count() == N
    assert set(rows["profile"]) == {"calibrated"}
    with pytest.raises(QAConfidenceError, match="sample of the round's questions"):
        expected_of_training(trained.head(10), signal.tail(100), asked(make))


def test_feedback_counts_the_clean_pass_beside_training_and_carries_progress(make, passes):
    clean, blind = passes
    questions = asked(make)
    panel = pl.Series([f"q{i}" for i in range(60)])
    signal = signal_rows(clean, questions, blind=blind, panel=panel).confidence
    better = signal.with_columns(score=pl.lit(1.0), round=pl.lit(2, pl.Int32))
    trained, _ = expected_of_training(
        answers(make, np.linspace(0.2, 0.99, N), np.zeros(N), phase="train").tail(300), signal, questions
    )
    result = feedback_rows(trained, questions, signal=signal, progress=learning_progress(better, signal)).feedback
    assert result["n"].sum() == N  # 300 trained on, 100 answered only
    assert result["n_clean"].sum() == N
    weighted = (result["mean_headroom"] * result["n_clean"]).sum() / N
    assert weighted == pytest.approx(signal["headroom"].mean())
    one = result.filter(question_type="order", cell="cell:0")
    assert one["progress"].n_unique() == 1
    assert one["n_panel"].unique().to_list() == [10]
    gain = 1 - signal.filter("panel", question_type="order", cell="cell:0")["score"].mean()
    assert one["progress"][0] == pytest.approx(gain)
    alone = feedback_rows(signal, questions).feedback  # a signal is its own clean pass
    assert alone["n"].to_list() == alone["n_clean"].to_list()


def test_progress_is_the_same_to_the_last_bit_for_rows_in_any_order():
    rng = np.random.default_rng(0)
    n = np.arange(600)
    base = {"question_id": [f"q{i}" for i in n], "scene_name": [f"s{i % 60}" for i in n], "question_type": ["t"] * 600}
    old, new = (
        pl.DataFrame({**base, "cell": [f"c{i % 3}" for i in n], "panel": [True] * 600, "score": rng.random(600)})
        for _ in range(2)
    )
    expected = learning_progress(new, old)
    for seed in range(20):
        mixed = (frame.sample(fraction=1, shuffle=True, seed=seed) for frame in (new, old))
        assert learning_progress(*mixed).equals(expected)


def test_what_cannot_be_used_is_a_reject_and_the_rest_goes_on(make, passes):
    clean, _ = passes
    spoilt = clean.with_columns(
        score=pl.when(pl.col("question_id") == "q5").then(None).otherwise("score"),
    )
    result = signal_rows(spoilt, asked(make, N - 1))
    assert sorted(result.rejects.select("item", "reason").rows()) == [
        ("q399", "unknown_question"),
        ("q5", "no_score"),
    ]
    assert len(result.confidence) == N - 2
    with pytest.raises(QAConfidenceError, match="unknown_question 400"):
        signal_rows(clean, asked(make).head(0))
    with pytest.raises(QAConfidenceError, match="several answers"):
        signal_rows(pl.concat([clean, clean]), asked(make))


def test_one_scene_and_equal_scores_still_give_a_signal(make):
    n = 6
    one = answers(make, np.full(n, 0.5), np.ones(n), n=n).with_columns(scene_name=pl.lit("s0"))
    rows = signal_rows(one, asked(make, n), panel=pl.Series(["q0"])).confidence
    assert rows["confidence"].is_finite().all()
    assert learning_progress(rows, rows)["progress_se"].to_list() == [None]
