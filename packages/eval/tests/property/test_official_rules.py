"""The official rules of VSI-Bench, read once more, row by row and word by word, against the vectorised scorer."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qa_eval.benchmarks import find_benchmark
from qa_eval.metrics.aggregate import aggregate
from qa_eval.parsers import find_parser
from qa_eval.scoring.answers import Answers
from qa_eval.scoring.score import score_answers

VSI, OFFICIAL = find_benchmark("vsi-bench"), find_parser("official")
KINDS = sorted(VSI.metrics)
PIECES = st.sampled_from(
    [*"ABCDabcd.,:)(*-+_0123456789", " ", "\n", "\t", "\u00a0", "nan", "inf", "1e3", "1_0", "٣", "cm", "left", "², "]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=8).map("".join), st.text(max_size=12), st.floats().map(repr))
NUMBERS = st.one_of(st.integers(1, 400).map(str), st.floats(0.1, 50).map(lambda x: f"{x:.1f}"))


@st.composite
def rows(draw):
    kind = draw(st.sampled_from(KINDS))
    is_choice = VSI.metrics[kind] == "choice"
    truth = draw(st.sampled_from("ABCD") if is_choice else NUMBERS)
    return kind, truth, draw(st.one_of(TEXTS, st.just(truth), st.just(f"{truth}.")))


def by_the_rules(kind, truth, text):
    token = text.split(" ")[0].rstrip(".").strip()
    if VSI.metrics[kind] == "choice":
        return 1.0 if token.lower() == truth.lower() else 0.0
    try:
        number = float(token)
    except ValueError:
        return 0.0
    passed = [abs(number - float(truth)) / float(truth) <= 1 - t for t in np.linspace(0.5, 0.95, 10)]
    return sum(passed) / 10


@given(st.lists(rows(), min_size=1, max_size=30))
def test_rows_score_by_the_rules(drawn):
    kinds, truths, texts = (list(column) for column in zip(*drawn, strict=True))
    scored = score_answers(Answers(list(range(len(drawn))), kinds, truths, texts), VSI, OFFICIAL)
    assert scored.score.tolist() == [by_the_rules(*row) for row in drawn]
    assert not scored.reason
    assert not (scored.parse_failed & (scored.score > 0)).any()


@given(st.lists(rows(), min_size=1, max_size=30))
def test_every_parser_gives_scores_from_0_to_1(drawn):
    kinds, truths, texts = (list(column) for column in zip(*drawn, strict=True))
    for name in ("lmms-eval", "lmms-eval-cli", "vlmevalkit", "lenient"):
        scored = score_answers(Answers(list(range(len(drawn))), kinds, truths, texts), VSI, find_parser(name))
        assert ((scored.score >= 0) & (scored.score <= 1)).all()


@given(st.lists(rows(), min_size=1, max_size=40))
def test_overall_is_the_mean_of_tasks_and_micro_that_of_rows(drawn):
    kinds = [kind for kind, _, _ in drawn]
    score = np.array([by_the_rules(*row) for row in drawn])
    found = aggregate(score, kinds, VSI.tasks)
    by_type = {kind: [s for k, s in zip(kinds, score.tolist(), strict=True) if k == kind] for kind in kinds}
    means = {kind: math.fsum(values) / len(values) for kind, values in by_type.items()}
    levels = [mean for kind, mean in means.items() if "direction" in kind]
    tasks = [mean for kind, mean in means.items() if "direction" not in kind]
    tasks += [math.fsum(levels) / len(levels)] if levels else []
    assert found.overall == pytest.approx(math.fsum(tasks) / len(tasks), abs=1e-12)
    assert aggregate(score, kinds, VSI.tasks, overall="rows").overall == found.micro


@pytest.mark.parametrize(("text", "number"), [("1e3e2", None), ("0e3e4", None), ("5.", 5.0), (".5", 0.5), ("1e3", 1e3)])
def test_an_exponent_alone_is_no_number_for_the_lenient_parser(text, number):
    assert find_parser("lenient").number(text) == number
