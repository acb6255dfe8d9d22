import numpy as np
import polars as pl
import pytest
from qa_confidence.difficulty import threshold_labels
from qa_confidence.errors import InputError, QAConfidenceError
from qa_confidence.labelling import label_predictions

LOG = np.log


def test_borders_of_the_paper_profile_are_frontier():
    labels = threshold_labels([0.9, np.nextafter(0.9, 1), 0.1, np.nextafter(0.1, 0), 0.0, 1.0])
    assert labels.tolist() == ["frontier", "easy", "frontier", "hard", "hard", "easy"]
    with pytest.raises(InputError, match="NaN"):
        threshold_labels([0.5, np.nan])


def test_gold_and_own_confidence_are_never_mixed(make):
    frame = make.predictions(
        make.prediction("a", [LOG(0.5)]),
        make.prediction("b", [LOG(0.95)], phase="score"),
        make.prediction("c", [LOG(0.05)], phase="eval"),
    )
    got = label_predictions(frame).confidence
    np.testing.assert_allclose(got["gold_confidence"].to_numpy(), [0.5, np.nan, np.nan], rtol=1e-6)
    np.testing.assert_allclose(got["raw_confidence"].to_numpy(), [np.nan, 0.95, 0.05], rtol=1e-6)
    assert got["label"].to_list() == ["frontier", "easy", "hard"]
    assert got["profile"].unique().to_list() == ["paper"]


def test_bad_rows_become_rejects_and_the_rest_goes_on(make):
    frame = make.predictions(
        make.prediction("ok", [-0.1]),
        make.prediction("nan", [float("nan")]),
        make.prediction("masked_nan", [-0.1, float("nan")], [True, False]),
        make.prediction("positive", [0.5]),
        make.prediction("none", None),
        make.prediction("empty", []),
        make.prediction("short", [-0.1, -0.2], [True]),
        make.prediction("uncounted", [-0.1], [False]),
        make.prediction("phase", [-0.1], phase="other"),
        make.prediction(None, [-0.1]),
    )
    result = label_predictions(frame)
    assert result.confidence["question_id"].to_list() == ["ok", "masked_nan"]
    assert dict(result.rejects.select("item", "reason").iter_rows()) == {
        "nan": "nan_logprob",
        "positive": "positive_logprob",
        "none": "no_tokens",
        "empty": "no_tokens",
        "short": "mask_mismatch",
        "uncounted": "no_counted_token",
        "phase": "unknown_phase",
        "row 9": "missing_identity",
    }


def test_runners_without_a_model_are_skipped_not_rejected(make):
    frame = make.predictions(
        make.prediction("a", None, phase="eval", runner="majority"),
        make.prediction("a", [], phase="eval", runner="oracle"),
        make.prediction("a", [-0.1], phase="eval", runner="transformers"),
        make.prediction("b", [], phase="eval", runner="transformers"),
    )
    result = label_predictions(frame)
    assert (len(result.confidence), len(result.rejects), result.skipped) == (1, 1, 2)


def test_a_question_trained_twice_keeps_its_first_step(make):
    frame = make.predictions(
        make.prediction("a", [LOG(0.99)], step=9),
        make.prediction("b", [-0.1]),
        make.prediction("a", [LOG(0.5)], step=2),
    )
    result = label_predictions(frame)
    assert result.repeated == 1
    assert dict(result.confidence.select("question_id", "label").iter_rows()) == {"b": "easy", "a": "frontier"}


def test_scores_join_own_answers_of_the_same_run_only(make):
    frame = make.predictions(
        make.prediction("a", [-0.1]),
        make.prediction("a", [-0.1], phase="score"),
        make.prediction("b", [-0.1], phase="score"),
    )
    scores = make.scores({"question_id": "a", "score": 0.4}, {"question_id": "a", "score": 0.9, "run_id": "other"})
    got = label_predictions(frame, scores=scores).confidence
    assert got["score"].to_list() == [None, 0.4, None]
    with pytest.raises(QAConfidenceError, match="run_id"):
        label_predictions(frame, scores=make.scores({"question_id": "z", "score": 0.4}))
    with pytest.raises(InputError, match="'a'"):
        label_predictions(frame, scores=make.scores({"question_id": "a", "score": 1.4}))
    twice = make.scores({"question_id": "a", "score": 0.4}, {"question_id": "a", "score": 0.4, "parser": "q"})
    with pytest.raises(QAConfidenceError, match="b/p, b/q"):
        label_predictions(frame, scores=twice)


def test_self_consistency_makes_one_row_of_the_samples(make):
    frame = make.predictions(
        *[make.prediction("a", None, phase="score", completion=text) for text in ("A", "A", "B")],
        make.prediction("lonely", None, phase="score"),
    )
    result = label_predictions(frame, score="self_consistency")
    assert result.confidence["raw_confidence"].to_list() == [0.5]
    assert result.rejects["reason"].to_list() == ["undefined_score"]


def test_choice_softmax_takes_letters_from_the_options_and_numbers_from_their_tokens(make):
    pair, triple = [LOG(0.3), LOG(0.1)], [LOG(0.2), LOG(0.2), LOG(0.1)]
    rows = {
        "two": {"completion": "A", "option_logprobs": pair},
        "sentence": {"completion": "B. the sofa", "option_logprobs": triple},
        "number": {"completion": "12.5"},
        "letter beyond": {"completion": "C", "option_logprobs": pair},
        "word": {"completion": "Apple", "option_logprobs": pair},
        "not stored": {"completion": "A"},
        "hole": {"completion": "A", "option_logprobs": [LOG(0.3), None]},
    }
    frame = make.predictions(*[make.prediction(k, [LOG(0.5)], phase="eval", **row) for k, row in rows.items()])
    result = label_predictions(frame, score="choice_softmax")
    value = dict(result.confidence.select("question_id", "raw_confidence").iter_rows())
    assert value == pytest.approx({"two": 0.75, "sentence": 0.4, "number": 0.5}, abs=1e-7)
    assert result.rejects["item"].to_list() == ["letter beyond", "word", "not stored", "hole"]
    assert set(result.rejects["reason"]) == {"undefined_score"}


def test_unknown_score_is_answered_with_the_nearest(make):
    with pytest.raises(QAConfidenceError, match="Did you mean 'geometric_mean'"):
        label_predictions(make.predictions(make.prediction("a", [-0.1])), score="geometric")


def test_no_rows_is_an_error(make):
    with pytest.raises(QAConfidenceError, match="no rows"):
        label_predictions(make.predictions())


def test_all_rows_bad_still_gives_tables(make):
    result = label_predictions(make.predictions(make.prediction("a", [])))
    assert result.confidence.is_empty()
    assert result.rejects["reason"].to_list() == ["no_tokens"]
    assert isinstance(result.confidence, pl.DataFrame)
