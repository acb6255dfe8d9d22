"""Laws of splits and seeds, and parsers that meet any JSON: a scene or a refusal, never another exception."""

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qa_engine.datasets import arkitscenes, vsi_bench
from qa_engine.datasets.base import IngestOptions, SceneSource
from qa_engine.errors import QAEngineError, SceneError
from qa_engine.ingestion.run import split_of
from qa_engine.scenes.scene import SPLITS, Scene
from qa_engine.seeding import hashed_fraction, scene_rng

FRACTIONS = {"train": 0.6, "val": 0.1, "test": 0.3}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
BOX = {"centroid": [0, 0, 1], "axesLengths": [1, 2, 1], "normalizedAxes": [1, 0, 0, 0, 1, 0, 0, 0, 1], "min": None}
VSI = {
    "dataset": "scannet",
    "room_size": 12.5,
    "room_center": [0, 0, 0],
    "object_counts": {"chair": 2},
    "object_bbox": {"chair": [BOX, BOX]},
}
ARKIT = {"data": [{"uid": "0", "label": "chair", "segments": {"obbAligned": BOX}}], "skipped": False}


def paths(value, at=()):
    """List the path to every place in a JSON value."""
    found = [at]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += paths(inner, (*at, key))
    return found


def replaced(value, path, other):
    """Return a copy of a JSON value with one place replaced."""
    if not path:
        return other
    value = copy.deepcopy(value)
    place = value
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = other
    return value


@given(st.text(), st.integers(0, 100))
def test_the_split_of_a_group_depends_on_nothing_else(group, seed):
    split = split_of(group, FRACTIONS, seed=seed)
    assert split in SPLITS
    assert split == split_of(group, FRACTIONS, seed=seed)


@given(st.text(), st.integers(0, 100), st.floats(0, 1))
def test_a_larger_share_of_train_only_adds_groups(group, seed, share):
    if split_of(group, {"train": 0.5, "val": 0.2, "test": 0.3}, seed=seed) == "train":
        more = 0.5 + share / 2
        assert split_of(group, {"train": more, "val": 0.0, "test": 1 - more}, seed=seed) == "train"


def test_shares_and_seeds_are_kept_over_many_groups():
    groups = [f"scene{i:04d}" for i in range(4000)]
    drawn = [[split_of(group, FRACTIONS, seed=seed) for group in groups] for seed in (0, 1)]
    for split, share in FRACTIONS.items():
        assert abs(drawn[0].count(split) / len(groups) - share) < 0.025  # over 3 standard deviations
    same = np.mean([a == b for a, b in zip(*drawn, strict=True)])
    assert abs(same - sum(share**2 for share in FRACTIONS.values())) < 0.03


@given(st.text(), st.text(), st.integers(0, 9), st.integers(-(2**70), 2**70))
def test_generators_repeat_and_differ_by_each_part(scene, task, index, seed):
    def draw(*parts):
        return scene_rng(*parts).integers(2**63)

    value = draw(seed, scene, task, index)
    assert value == draw(seed, scene, task, index)
    others = [(seed + 1, scene, task, index), (seed, scene + "x", task, index), (seed, scene, task + "x", index)]
    assert value not in [draw(*parts) for parts in [*others, (seed, scene, task, index + 1)]]
    assert 0 <= hashed_fraction(seed, scene, task) < 1


@given(JSON)
def test_any_value_as_a_vsi_bench_scene(value):
    load_or_refuse(value)


@given(st.sampled_from(paths(VSI)), JSON)
def test_any_value_anywhere_in_a_vsi_bench_scene(path, value):
    load_or_refuse(replaced(VSI, path, value))


@given(st.text(alphabet="{}[]()'\",:0123456789aeinft.-\\x \n\x00", max_size=60))
def test_any_text_as_a_python_literal(text):
    load_or_refuse(VSI | {"object_bbox": text})


@given(st.text(max_size=8), st.text(max_size=8))
def test_any_name_of_a_scene_and_a_category(name, category):
    load_or_refuse(VSI | {"object_bbox": {category: [BOX]}}, name)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_as_a_metadata_file(tmp_path, data):
    path = tmp_path / "meta_info.json"
    path.write_bytes(data)
    try:
        sources = vsi_bench.discover(path, IngestOptions())
    except QAEngineError:
        return
    assert sources


@given(st.tuples(st.sampled_from(paths(ARKIT)), JSON).map(lambda pair: replaced(ARKIT, *pair)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_anywhere_in_an_arkit_annotation(tmp_path, value):
    path = tmp_path / "1" / "1_3dod_annotation.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))
    (source,) = arkitscenes.discover(tmp_path, IngestOptions())
    try:
        scene = arkitscenes.load(source)
    except SceneError:
        return
    assert_sound(scene)


def load_or_refuse(value, name="s"):
    source = SceneSource(scene_name=name, item="test", data=(None, value))
    try:
        scene = vsi_bench.load(source)
    except SceneError:
        return
    assert_sound(scene)


def assert_sound(scene: Scene):
    assert np.isfinite(scene.center).all()
    assert (scene.size > 0).all()
    assert np.allclose(scene.rotation @ scene.rotation.transpose(0, 2, 1), np.eye(3), atol=1e-4)
    assert all(label.isprintable() for label in scene.category)


@pytest.mark.parametrize("depth", [50, 900, 2000, 100_000])
def test_deep_nesting_is_refused_and_not_a_crash(tmp_path, depth):
    path = tmp_path / "meta_info.json"
    path.write_text('{"s": ' + json.dumps(VSI)[:-1] + ', "extra": ' + "[" * depth + "]" * depth + "}}")
    try:
        (source,) = vsi_bench.discover(path, IngestOptions())
    except QAEngineError:
        return
    load_or_refuse(source.data[1])
