"""Scenes whose ground truths are wrong are told from sound and from hard ones."""

import numpy as np
import polars as pl
import pytest
from qa_confidence.signal.scenes import FALSE_DISCOVERIES, scene_evidence


def rooms(rng, *, sound, spoilt, each=6, rnd=1, hard=0.0):
    """Answers about scenes: as expected, of spoilt ones a fifth as often right; sound ones differ by `hard`."""
    rows = []
    for g in range(sound + spoilt):
        ease = 1 - hard * rng.random() if g < sound else 0.2
        for i in range(each):
            right = rng.uniform(0.3, 0.95)
            score = float(rng.random() < right * ease)
            expected = right * (1 - hard / 2) * (1 - 0.8 * spoilt / (sound + spoilt))  # by a map fitted with them all
            name = f"{'sound' if g < sound else 'spoilt'}{g}"
            rows.append((f"{rnd}-{g}-{i}", name, rnd, expected, score))
    return pl.DataFrame(rows, ["question_id", "scene_name", "round", "confidence", "score"], orient="row")


def named(found):
    return found.filter("suspect")["scene_name"]


@pytest.mark.parametrize(("hard", "share"), [(0.0, 0.7), (0.3, 0.35)])
def test_spoilt_scenes_are_named_and_few_others(hard, share):
    made = [rooms(np.random.default_rng(k), sound=90, spoilt=10, each=10, hard=hard) for k in range(5)]
    found = [scene_evidence([rows]) for rows in made]
    names = pl.concat([named(one) for one in found])
    hits = names.str.starts_with("spoilt").sum()
    assert hits >= share * 50
    assert hits >= (1 - 2 * FALSE_DISCOVERIES) * len(names)
    assert found[0]["doubt"].is_sorted(descending=True)


def test_where_nothing_is_spoilt_next_to_nothing_is_named():
    found = [scene_evidence([rooms(np.random.default_rng(k), sound=100, spoilt=0, hard=0.3)]) for k in range(5)]
    assert sum(len(named(one)) for one in found) <= 3


def test_rounds_add_up_and_of_a_question_asked_twice_the_newest_answer_counts():
    rng = np.random.default_rng(1)
    rounds = [rooms(rng, sound=90, spoilt=10, each=4, rnd=t) for t in (1, 2, 3)]
    alone, together = (len(named(scene_evidence(some))) for some in (rounds[:1], rounds))
    assert together > alone
    again = rounds[0].with_columns(score=1.0, round=pl.lit(4, pl.Int64))
    found = scene_evidence([*rounds[:1], again])
    assert found["n"].sum() == len(again)
    assert found["mean_score"].min() == 1


def test_few_rows_and_no_score_decide_nothing():
    one = rooms(np.random.default_rng(0), sound=1, spoilt=0, each=1)
    assert not scene_evidence([one])["suspect"].any()
    assert scene_evidence([one.with_columns(score=pl.lit(None, pl.Float64))]).is_empty()
