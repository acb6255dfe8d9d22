"""What a program measures, as marks."""

import numpy as np
import pytest
from qa_contract.pages import Arrow, Distance, Route, Sector
from qa_engine.facts.scene import Facts
from qa_engine.geometry import box_distance
from qa_engine.scenes.store import Store
from qa_engine.show.marks import closest_points, marks_of
from qa_engine.views.evidence import Evidence

# Instances of the fixture `store`: chairs 0 and 1, sofa 2, bed 3, tv 4, lamp 5.


@pytest.fixture
def facts(store):
    return Facts(Store(store).load_scene("s"))


def roles(marks):
    return [operand.label.split(":")[0] for operand in marks.operands.values()]


def test_closest_points_have_the_distance_of_the_boxes(facts):
    scene = facts.scene
    for a in range(len(scene)):
        for b in range(a + 1, len(scene)):
            p, q = closest_points(facts, a, b)
            pair = [x[[row]] for row in (a, b) for x in (scene.center, scene.size, scene.rotation)]
            assert np.linalg.norm(p - q) == pytest.approx(float(box_distance(*pair)[0]), abs=1e-9)


def test_distances_are_lines_as_long_as_they_say(facts):
    marks = marks_of("distance_m(3, 4)", facts)
    (line,) = marks.drawn
    # The bed begins at y = 0.3, the tv ends at y = -2.45; both span x = -2.
    assert isinstance(line, Distance)
    assert line.label == "2.750 m"
    np.testing.assert_allclose(np.abs(marks.way), [0, 2.75, 0], atol=1e-9)
    marks = marks_of('nearest_category(2, ["bed", "tv"])', facts)
    assert [type(mark) for mark in marks.drawn] == [Distance, Distance]
    assert roles(marks) == ["closest to", "bed", "tv"]
    sofa, bed = facts.scene.center[2], facts.scene.center[3]
    # The sofa begins at x = -0.5 and y = 3.1, the bed ends at x = -1.55 and y = 1.7; their heights overlap.
    assert [sofa[0] - 0.9, bed[0] + 0.95] == pytest.approx([-0.5, -1.55])
    assert [one.label for one in marks.operands.values()][1] == "bed: 1.75 m"
    assert [mark.tone for mark in marks.drawn] == [one.tone for one in marks.operands.values()][1:]


@pytest.mark.parametrize(("target", "label", "note"), [(5, "right", "right"), (3, "left", "left")])
def test_directions_have_a_sector_and_two_arrows(facts, target, label, note):
    marks = marks_of(f"direction_side(4, 2, {target})", facts)
    sector, ahead, aside = marks.drawn
    assert isinstance(sector, Sector)
    assert sector.high_deg - sector.low_deg == pytest.approx(180)
    assert isinstance(ahead, Arrow)
    assert aside.label.endswith(f"° {label}")
    assert f": {note} (the shaded sector)" in marks.notes[0]
    way = facts.scene.center[target] - facts.scene.center[4]
    angle = np.degrees(np.arctan2(way[1], way[0]))
    assert (angle - sector.low_deg) % 360 < 180  # the shaded sector holds the target


def test_counts_in_frames_and_routes_are_marked(store):
    scene = Store(store).load_scene("s")
    chairs = np.flatnonzero(np.char.startswith(scene.category.astype(str), "chair"))
    best = np.full(len(scene), -1)
    best[chairs[0]] = 0
    facts = Facts(scene, evidence=lambda *_: Evidence(("f",), best, best))
    name = str(scene.category[chairs[0]]).replace('"', '\\"')
    marks = marks_of(f'count_seen("{name}", "uniform-1")', facts)
    assert list(marks.operands) == [chairs[0]]
    assert marks.notes == [f"1 of {len(chairs)} are recognised in the frames of 'uniform-1'"]
    marks = marks_of("route_turns(3, 4, [4, 2])", facts)
    assert roles(marks) == ["begin", "facing, stop", "goal"]
    assert "none before the first" in marks.notes[0]
    facing, walk = marks.drawn
    assert isinstance(facing, Arrow)
    assert isinstance(walk, Route)
    np.testing.assert_array_equal(walk.stops, scene.center[[3, 4, 2]])
    assert "none before" not in marks_of("route_turns(3, 4, [2, 4])", facts).notes[0]


def test_programs_of_others_have_their_instances_marked(facts):
    marks = marks_of("volume_m3(3) / volume_m3(4)", facts)
    assert [operand.label for operand in marks.operands.values()] == ["3: bed", "4: tv"]
    assert marks.way is None
