import numpy as np
import pytest
from qa_eval.metrics.compare import paired_difference
from qa_eval.metrics.diagnostics import chance_level, position_bias

RNG = np.random.default_rng(2)
SCENES = [f"s{i // 10}" for i in range(400)]
TYPES = ["easy", "hard", "size", "size"] * 100
TASKS = {"direction": ("easy", "hard")}
A = RNG.random(400)


def compare(a, b, seed=0):
    return paired_difference(a, b, TYPES, SCENES, TASKS, rng=np.random.default_rng(seed))


def test_a_run_does_not_differ_from_itself():
    result = compare(A, A)
    assert result.overall.difference == 0
    assert (result.overall.interval.low, result.overall.interval.high) == (0, 0)
    assert not any(row.is_clear for row in [*result.types.values(), result.overall, result.micro])
    assert result.wins == result.losses == 0


def test_a_real_difference_is_found_and_has_a_sign():
    b = A + RNG.normal(0.05, 0.1, 400)
    result = compare(A, b)
    assert result.overall.is_clear
    assert result.overall.interval.low < 0.05 < result.overall.interval.high
    back = compare(b, A)
    assert back.overall.difference == -result.overall.difference
    assert back.overall.is_clear


def test_noise_alone_is_rarely_clear():
    clear = sum(compare(A, A + np.random.default_rng(i).normal(0, 0.2, 400), i).overall.is_clear for i in range(60))
    assert clear <= 8  # 5% of 60 expected


def test_pairing_beats_two_separate_intervals():
    b = A + 0.03
    assert compare(A, b).overall.is_clear


def test_only_questions_of_both_count():
    a, b = A.copy(), A.copy()
    a[:100], b[100:200] = np.nan, np.nan
    assert compare(a, b).overall.n == 200
    with pytest.raises(ValueError, match="both"):
        compare(np.full(400, np.nan), A)


def test_tasks_join_their_types():
    result = compare(A, A + 0.1)
    assert result.tasks["direction"].n == result.types["easy"].n + result.types["hard"].n
    assert set(result.tasks) == {"direction", "size"}


def test_chance_of_vsi_bench_directions():
    chance = chance_level(["easy", "medium", "hard", "count"], [2, 3, 4, 0])
    assert sum(chance.values()) / 3 == pytest.approx(0.361, abs=1e-3)


def test_a_model_that_always_says_a_is_seen():
    truth = ["A", "B", "C", "D"] * 5
    assert position_bias(truth, ["A"] * 20).distance == 0.75
    assert position_bias(truth, truth).distance == 0
    assert position_bias(["A"], [None]) is None
