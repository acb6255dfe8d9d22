import numpy as np
import pytest
from qa_confidence.errors import QAConfidenceError
from qa_confidence.feedback import feedback_rows
from qa_confidence.intervals import wilson_interval
from qa_confidence.labelling import label_predictions

LOG = np.log


def labelled(make, *rows):
    return label_predictions(make.predictions(*[make.prediction(name, [LOG(p)], **other) for name, p, other in rows]))


def test_counts_means_interval_and_exemplars(make):
    table = labelled(
        make,
        *[(f"e{i}", 0.95 + i / 100, {}) for i in range(3)],
        ("f", 0.5, {}),
        ("h", 0.05, {}),
        ("other_cell", 0.5, {}),
    ).confidence
    cells = {"other_cell": "count:4"}
    questions = make.questions(*[{"question_id": q, "cell": cells.get(q, "count:3")} for q in table["question_id"]])
    result = feedback_rows(table, questions)
    assert result.rejects.is_empty()
    row = result.feedback.row(0, named=True)
    assert (row["round"], row["scene_name"], row["question_type"], row["cell"]) == (
        1,
        "scene0",
        "object_counting",
        "count:3",
    )
    assert (row["n"], row["n_easy"], row["n_frontier"], row["n_hard"], row["n_suspect"]) == (5, 3, 1, 1, 0)
    mean = (0.95 + 0.96 + 0.97 + 0.5 + 0.05) / 5
    assert row["mean_confidence"] == pytest.approx(mean, abs=1e-6)
    low, high = wilson_interval(mean, 5)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((float(low), float(high)), abs=1e-6)
    assert row["mean_score"] is None
    assert row["exemplars"] == ["e2", "e1", "f", "h"]
    assert result.feedback["n"].to_list() == [5, 1]


def test_row_order_does_not_matter(make):
    rows = [(f"q{i}", 0.05 + 0.1 * (i % 10), {"scene_name": f"s{i % 3}"}) for i in range(60)]
    questions = make.questions(*[{"question_id": q, "cell": f"c{i % 2}"} for i, (q, _, _) in enumerate(rows)])
    forward = feedback_rows(labelled(make, *rows).confidence, questions).feedback
    backward = feedback_rows(labelled(make, *rows[::-1]).confidence, questions).feedback
    assert forward.drop("mean_confidence", "ci_low", "ci_high").equals(
        backward.drop("mean_confidence", "ci_low", "ci_high")
    )


def test_a_question_that_was_never_asked_is_a_reject(make):
    table = labelled(make, ("a", 0.5, {}), ("b", 0.5, {})).confidence
    result = feedback_rows(table, make.questions({"question_id": "a", "cell": "c"}))
    assert result.rejects.select("item", "reason").rows() == [("b", "unknown_question")]
    assert result.feedback["n"].sum() == 1


def test_scores_of_a_clean_pass_join_training_rows_by_round(make):
    table = labelled(make, ("a", 0.5, {}), ("b", 0.5, {})).confidence
    questions = make.questions({"question_id": "a", "cell": "c"}, {"question_id": "b", "cell": "c"})
    scores = make.scores(
        {"question_id": "a", "score": 0.4, "model_id": "x"}, {"question_id": "b", "score": 1.0, "round": 7}
    )
    assert feedback_rows(table, questions, scores=scores).feedback["mean_score"].to_list() == [0.4]
    twice = make.scores({"question_id": "a", "score": 0.4}, {"question_id": "a", "score": 0.4, "run_id": "2"})
    with pytest.raises(QAConfidenceError, match="one run"):
        feedback_rows(table, questions, scores=twice)


def test_mixed_phases_ask_for_one(make):
    table = labelled(make, ("a", 0.5, {}), ("a", 0.5, {"phase": "score"})).confidence
    questions = make.questions({"question_id": "a", "cell": "c"})
    with pytest.raises(QAConfidenceError, match="--phase"):
        feedback_rows(table, questions)
    assert feedback_rows(table, questions, phase="train").feedback["n"].to_list() == [1]
    with pytest.raises(QAConfidenceError, match="eval"):
        feedback_rows(table, questions, phase="eval")


def test_questions_twice_is_an_error(make):
    table = labelled(make, ("a", 0.5, {})).confidence
    with pytest.raises(QAConfidenceError, match="twice"):
        feedback_rows(table, make.questions({"question_id": "a", "cell": "c"}, {"question_id": "a", "cell": "d"}))
