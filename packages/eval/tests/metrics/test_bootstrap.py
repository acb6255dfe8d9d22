import numpy as np
from qa_eval.metrics.aggregate import aggregate
from qa_eval.metrics.bootstrap import cluster_bootstrap

TASKS = {"direction": ("easy", "hard")}


def test_equals_a_plain_loop_over_the_same_draws():
    rng = np.random.default_rng(1)
    n = 60
    kinds = rng.choice(["easy", "hard", "size"], n).tolist()
    scenes = rng.choice(list("abcde"), n).tolist()
    score = rng.random(n)
    score[7] = np.nan
    got = cluster_bootstrap(score, kinds, scenes, TASKS, rng=np.random.default_rng(3), n_resamples=200)

    names = list(dict.fromkeys(s for s, v in zip(scenes, score, strict=True) if not np.isnan(v)))
    draws = np.random.default_rng(3).multinomial(len(names), np.full(len(names), 1 / len(names)), size=200)
    overall, size = [], []
    for draw in draws:
        rows = [
            i
            for name, times in zip(names, draw, strict=True)
            for _ in range(times)
            for i in range(n)
            if scenes[i] == name
        ]
        means = aggregate(score[rows], [kinds[i] for i in rows], TASKS)
        overall.append(means.overall)
        size.append(means.types["size"])
    np.testing.assert_allclose([got.overall.low, got.overall.high], np.quantile(overall, [0.025, 0.975]), rtol=1e-12)
    np.testing.assert_allclose(
        [got.types["size"].low, got.types["size"].high], np.quantile(size, [0.025, 0.975]), rtol=1e-12
    )


def test_scenes_that_agree_inside_widen_the_interval():
    scenes = [f"s{i // 20}" for i in range(200)]
    alike = np.repeat([1.0, 0.0] * 5, 20)
    mixed = np.tile([1.0, 0.0], 100)
    widths = []
    for score in (alike, mixed):
        limits = cluster_bootstrap(score, ["size"] * 200, scenes, {}, rng=np.random.default_rng(0)).overall
        widths.append(limits.high - limits.low)
    assert widths[0] > 0.5
    assert widths[1] == 0


def test_one_scene_gives_no_interval():
    limits = cluster_bootstrap(np.array([0.0, 1.0]), ["size"] * 2, ["a", "a"], {}, rng=np.random.default_rng(0))
    assert limits.overall.low is None
    assert limits.types["size"].high is None


def test_no_scored_row():
    limits = cluster_bootstrap(np.array([np.nan]), ["size"], ["a"], TASKS, rng=np.random.default_rng(0))
    assert limits.types == {}
    assert limits.overall.low is None
