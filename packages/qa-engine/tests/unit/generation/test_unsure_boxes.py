"""Boxes that are less sure than the noise that answers allow for."""

import numpy as np
from qa_engine.facts.batch import Batch
from qa_engine.facts.scene import Facts
from qa_engine.generation.template import TemplateProposer
from qa_engine.scenes.scene import Scene
from qa_engine.tasks import select_tasks

NAMES = ("bed", "chair", "desk", "lamp", "sofa", "table")
CENTERS = [[0, 0, 0.5], [2, 0.3, 0.5], [9, 5, 0.5], [4, 3, 0.5], [0.5, 4, 0.5], [6, 0, 0.5]]
TYPES = ["object_size_estimation", "object_rel_distance", "object_counting"]


def candidates(errors):
    """Candidates by question type of a room whose boxes of 1 m have these errors."""
    n = len(NAMES)
    scene = Scene(
        scene_name="s",
        dataset="d",
        category=np.array(NAMES),
        center=np.array(CENTERS),
        size=np.ones((n, 3)),
        rotation=np.array([np.eye(3)] * n),
        face_error_m=errors,
    )
    tasks = select_tasks(TYPES)
    found = TemplateProposer(tasks, seed=0, round=0).find([Facts(scene)])
    return {task.question_type: part for task, part in zip(tasks, found.found, strict=True)}, found.batch


def test_errors_within_the_usual_noise_change_nothing():
    usual, _ = candidates(None)
    known, _ = candidates(np.full(6, 0.02))
    for kind in TYPES:
        np.testing.assert_array_equal(known[kind].roles, usual[kind].roles)
        np.testing.assert_array_equal(known[kind].answers.low, usual[kind].answers.low)


def test_a_number_has_bounds_as_wide_as_the_error():
    found, batch = candidates(np.array([np.nan, 0.1, np.nan, np.nan, np.nan, np.nan]))
    sizes = found["object_size_estimation"]
    low = {batch.categories[role]: low for role, low in zip(sizes.roles[:, 0], sizes.answers.low, strict=True)}
    # A side of 1 m between two faces that are off by 0.1 m each is 80 cm at least; the usual noise is 5%.
    assert np.isclose(low["chair"], 80)
    assert np.isclose(low["bed"], 95)


def test_a_choice_about_an_unsure_box_is_refused():
    usual, batch = candidates(None)
    found, _ = candidates(np.array([np.nan, 0.3, np.nan, np.nan, np.nan, np.nan]))
    chair = batch.categories.index("chair")
    about = (usual["object_rel_distance"].roles == chair).any(axis=1)
    assert 0 < about.sum() < len(about)
    assert len(found["object_rel_distance"]) == (~about).sum()
    assert ("box_unsure", int(about.sum())) in [
        (str(reject.reason), reject.n) for reject in found["object_rel_distance"].rejects
    ]


def test_an_object_that_is_told_from_others_has_its_own_error():
    scene = Scene(
        scene_name="s",
        dataset="d",
        category=np.array(["chair", "chair"]),
        center=np.array([[0, 0, 0.5], [3, 0, 0.5]]),
        size=np.ones((2, 3)),
        rotation=np.array([np.eye(3)] * 2),
        face_error_m=np.array([0.3, np.nan]),
    )
    batch = Batch([Facts(scene)])
    np.testing.assert_allclose(batch.doubt, [12, 12, 1])
