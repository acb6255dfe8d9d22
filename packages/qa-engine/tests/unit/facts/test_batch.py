"""Several scenes worked on together give what each gives alone."""

import numpy as np
import polars as pl
import pytest
from qa_engine.facts.batch import Batch
from qa_engine.facts.scene import Facts
from qa_engine.generation.template import TemplateProposer
from qa_engine.scenes.scene import Scene
from qa_engine.tasks import select_tasks
from qa_engine.views.sightings import Sightings

CATEGORIES = np.array(["bed", "chair", "desk", "lamp", "plant", "shelf", "sofa", "stool", "table", "tv"])
FLOOR = np.array([[0, 0], [6, 0], [6, 6], [0, 6]])


def facts_of(number, n, profile="exact"):
    rng = np.random.default_rng(number)
    size = rng.uniform(0.1, 1.0, (n, 3))
    scene = Scene(
        scene_name=f"s{number}", dataset="d", category=rng.choice(CATEGORIES, n), size=size,
        center=rng.uniform(0, 6, (n, 3)), rotation=np.repeat(np.eye(3)[None], n, axis=0),
        instance_id=rng.permutation(100)[:n], room_size_m2=None if number % 2 else 30.0,
        floor_polygon=FLOOR if number % 3 else None,
    )  # fmt: skip
    seen = None if number == 4 else Sightings(np.arange(n) * 1.5, scene.instance_id, np.full(n, 300))
    return Facts(scene, profile, lambda _: seen)


SIZES = (12, 0, 1, 25, 9, 14, 2)


@pytest.mark.parametrize("profile", ["exact", "vsi-bench"])
def test_together_is_as_alone(profile):
    proposer = TemplateProposer(select_tasks(), seed=3, round=1)
    together = proposer.find([facts_of(k, n, profile) for k, n in enumerate(SIZES)])
    alone = [proposer.find([facts_of(k, n, profile)]) for k, n in enumerate(SIZES)]
    key = ["question_type", "scene_name"]
    expected = pl.concat([proposer.write(part) for part in alone]).sort(*key, maintain_order=True)
    assert len(expected) > 500
    assert proposer.write(together).sort(*key, maintain_order=True).equals(expected)
    assert (proposer.counts(together) == np.concatenate([proposer.counts(part) for part in alone])).all()
    for t in range(len(select_tasks())):
        found = sorted(together.found[t].rejects, key=lambda reject: reject.scene)
        assert [(r.scene, r.reason, r.item, r.n, r.detail) for r in found] == [
            (k, r.reason, r.item, r.n, r.detail) for k, part in enumerate(alone) for r in part.found[t].rejects
        ]


def test_distances_are_shared_and_symmetric():
    parts = [facts_of(k, n) for k, n in enumerate(SIZES)]
    lonely = facts_of(3, 25)
    batch = Batch(parts)
    batch.prefetch_distances()
    rng = np.random.default_rng(0)
    first, second = rng.integers(25, size=(2, 200))
    start = batch.row_start[3]
    distance = batch.distance(first + start, second + start)
    assert (distance == batch.distance(second + start, first + start)).all()
    assert (distance == parts[3].distance(first, second)).all()
    assert (distance == lonely.distance(second, first)).all()
    assert (distance[first == second] == 0).all()


def test_rows_and_codes_of_a_scene_stand_together():
    batch = Batch([facts_of(k, n) for k, n in enumerate(SIZES)])
    assert np.diff(batch.row_start).tolist() == list(SIZES)
    names = np.array(batch.categories)
    for k, part in enumerate(batch.facts):
        rows = slice(batch.row_start[k], batch.row_start[k + 1])
        assert names[batch.code[rows]].tolist() == part.scene.category.tolist()
        assert (batch.instance_id[rows] == part.scene.instance_id).all()
    first = batch.first_row[batch.unique]
    assert (batch.code[first] == batch.unique).all()
    assert (batch.boxes[batch.unique] == 1).all()


def test_no_scenes_no_candidates():
    proposer = TemplateProposer(select_tasks(), seed=0, round=0)
    found = proposer.find([])
    assert len(proposer.write(found)) == 0
    assert proposer.counts(found).shape == (0, sum(proposer.n_cells))
