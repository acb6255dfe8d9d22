"""Operators on frames and on free space: hand-made recordings and floors, and a search over a grid beside."""

import re

import numpy as np
import pytest
from qa_engine.facts.scene import Facts
from qa_engine.programs import Budget, ProgramError, run_program
from qa_engine.programs.floor import PATH_STEPS
from qa_engine.scenes.scene import Scene
from qa_engine.views.sightings import Sightings
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra


def room(centers, sizes, floor=((0, 0), (10, 0), (10, 6), (0, 6)), categories=None):
    n = len(centers)
    return Scene(
        scene_name="s",
        dataset="toy",
        category=np.array(categories or [f"thing {i}" for i in range(n)]),
        center=np.array(centers, dtype=float),
        size=np.array(sizes, dtype=float),
        rotation=np.repeat(np.eye(3)[None], n, axis=0),
        floor_polygon=None if floor is None else np.array(floor, dtype=float),
    )


SMALL = (0.4, 0.4, 0.6)
WALL = room([(1, 3, 0.3), (9, 3, 0.3), (5, 3, 0.5)], [SMALL, SMALL, (1, 4, 1)])


@pytest.fixture
def filmed():
    """Frames at 0, 1, 2 and 3 s; the last shows nothing. Objects 10 and 11 are chairs, 12 a table, 13 is never seen."""
    scene = Scene(
        scene_name="s",
        dataset="toy",
        category=np.array(["chair", "chair", "table", "lamp"]),
        instance_id=np.array([11, 10, 12, 13]),
        center=np.zeros((4, 3)),
        size=np.ones((4, 3)),
        rotation=np.repeat(np.eye(3)[None], 4, axis=0),
    )
    rows = [(2, 10, 500), (0, 12, 99), (1, 12, 100), (1, 11, 300), (2, 11, 7), (2, 12, 200), (2, 77, 900)]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    seen = Sightings(columns[0].astype(float), *columns[1:], frame_time_s=np.array([2.0, 0.0, 3.0, 1.0]))
    return Facts(scene, sightings=lambda name: seen)


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ("frames()", [0, 1, 2, 3]),
        ("length([f for f in frames() if visible(12, f)])", 2),
        ("[visible_px(12, f) for f in frames()]", [0 + 99, 100, 200, 0]),
        ("seen_in(2)", [10, 12]),
        ("seen_in(3)", []),
        ("count_visible('chair', 1)", 1),
        ("[count_visible('chair', f) for f in frames()]", [0, 1, 1, 0]),
        ("max([count_visible('chair', f) for f in frames()])", 1),
        ("frames_with(11)", [1]),
        ("first_frame(10)", 2),
        ("frame_time_s(first_frame(10)) - frame_time_s(first_frame(12))", 1.0),
        ("by_first_frame([10, 11, 12])", [11, 12, 10]),
        ("[category(x) for x in by_first_frame([10, 12])]", ["table", "chair"]),
        ("first_frame(12) < first_frame(10)", True),
        ("first_frame(12) == 1", True),
        ("2 in frames_with(10)", True),
        ("argmax(frames(), [visible_px(10, f) for f in frames()])", 2),
        ("'before' if first_frame(11) < first_frame(10) else 'not before'", "before"),
    ],
)
def test_frames(filmed, program, value):
    assert run_program(program, filmed).value == value


def test_a_frame_is_a_type_of_its_own(filmed):
    result = run_program("first_frame(10)", filmed)
    assert (result.kind, result.unit) == ("frame", "")
    assert run_program("frame_time_s(2)", filmed).unit == "s"


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        ("frame_time_s(4)", "no_value", "the recording has 4"),
        ("visible(10, -1)", "no_value", "no frame -1"),
        ("first_frame(13)", "no_value", "no frame shows this lamp"),
        ("by_first_frame([10, 13])", "no_value", "no frame shows this lamp"),
        ("visible(10, 0.5)", "wrong_type", "needs a frame"),
        ("visible(10, s(1))", "wrong_type", "needs a frame"),
        ("first_frame(10) + 1", "wrong_type", "'+' needs numbers"),
        ("first_frame(10) == 11 + 0.5", "wrong_type", "cannot be compared"),
        ("category(first_frame(10))", "wrong_type", "needs an instance id"),
        ("first_frame(10) == item(objects(), 0)", "wrong_type", "cannot be compared"),
    ],
)
def test_wrong_frames_are_named(filmed, program, code, words):
    with pytest.raises(ProgramError, match=re.escape(words)) as error:
        run_program(program, filmed)
    assert error.value.code == code


def test_without_a_recording_there_are_no_frames():
    with pytest.raises(ProgramError, match="no observations of timed frames"):
        run_program("frames()", Facts(WALL))


def test_a_way_bends_around_the_corners_of_what_is_in_between():
    facts = Facts(WALL)
    assert run_program("free_area_m2()", facts).value == pytest.approx(60 - 4 - 2 * 0.16)
    assert run_program("path_clear(0, 1)", facts).value is False
    # 0.2 m beside the wall: up to its corner, along it, down again.
    result = run_program("path_length_m(1, 0)", facts)
    assert result.value == pytest.approx(2 * np.hypot(3.3, 2.2) + 1.4, abs=0.01)
    assert result.unit == "m"
    assert run_program("path_length_m(0, 1) == path_length_m(1, 0)", facts).value is True
    # The wall itself does not stand in the way to it.
    assert run_program("path_clear(0, 2)", facts).value is True
    assert run_program("path_length_m(0, 2)", facts).value == pytest.approx(4.0)


def test_rugs_and_lamps_under_the_ceiling_are_no_obstacles():
    scene = room([(1, 3, 0.3), (9, 3, 0.3), (5, 3, 0.01), (5, 3, 2.2)], [SMALL, SMALL, (1, 6, 0.02), (1, 6, 0.4)])
    facts = Facts(scene)
    assert run_program("path_clear(0, 1)", facts).value is True
    assert run_program("free_area_m2()", facts).value == pytest.approx(60 - 2 * 0.16)


@pytest.mark.parametrize(
    ("scene", "program", "code", "words"),
    [
        (room([(1, 3, 0.3), (9, 3, 0.3)], [SMALL] * 2, floor=None), "free_area_m2()", "no_value", "no outline"),
        (room([(1, 3, 0.3), (9, 3, 0.3)], [SMALL] * 2, floor=None), "path_clear(0, 1)", "no_value", "no outline"),
        (
            room([(1, 3, 0.3), (9, 3, 0.3), (5, 3, 0.5)], [SMALL, SMALL, (1, 6, 1)]),
            "path_length_m(0, 1)", "no_value", "no way is 0.4 m wide",
        ),
        (WALL, "path_length_m(1, 1)", "wrong_arguments", "from one instance to another"),
        (WALL, "path_clear(1, 1)", "wrong_arguments", "from one instance to another"),
    ],
)  # fmt: skip
def test_why_there_is_no_way(scene, program, code, words):
    with pytest.raises(ProgramError, match=re.escape(words)) as error:
        run_program(program, Facts(scene))
    assert error.value.code == code


def test_a_search_costs_steps_so_that_programs_stay_within_their_budget():
    program = "[path_length_m(0, 1) for x in objects() for y in objects()]"
    with pytest.raises(ProgramError, match="more than 500 steps") as error:
        run_program(program, Facts(WALL), budget=Budget(steps=500))
    assert error.value.code == "over_budget"
    assert run_program(program, Facts(WALL), budget=Budget(steps=2000)).steps > 9 * PATH_STEPS


def grid_length(scene, begin, goal, cell=0.1, clear=0.2):
    """Shortest way over cells that are clear of all boxes but the two; in 16 directions, so a few per cent longer."""
    xs, ys = np.arange(cell / 2, 10, cell), np.arange(cell / 2, 6, cell)
    x, y = np.meshgrid(xs, ys, indexing="ij")
    free = np.ones(x.shape, dtype=bool)
    for i, (center, size) in enumerate(zip(scene.center, scene.size, strict=True)):
        if i not in (begin, goal):
            free &= (np.abs(x - center[0]) > size[0] / 2 + clear) | (np.abs(y - center[1]) > size[1] / 2 + clear)
    number = np.arange(x.size).reshape(x.shape)
    edges = []
    for dx, dy in [(1, 0), (0, 1), (1, 1), (1, -1), (2, 1), (1, 2), (2, -1), (1, -2)]:
        a = (slice(0, len(xs) - dx), slice(max(0, -dy), len(ys) - max(0, dy)))
        b = (slice(dx, None), slice(max(0, dy), len(ys) - max(0, -dy)))
        both = free[a] & free[b]
        edges.append((number[a][both], number[b][both], np.full(both.sum(), cell * np.hypot(dx, dy))))
    i, j, length = (np.concatenate(column) for column in zip(*edges, strict=True))
    graph = coo_array((length, (i, j)), shape=(x.size, x.size)).tocsr()
    places = [int(scene.center[k, 0] / cell) * len(ys) + int(scene.center[k, 1] / cell) for k in (begin, goal)]
    return dijkstra(graph, directed=False, indices=places[0])[places[1]]


@pytest.mark.parametrize("seed", range(12))
def test_ways_are_as_long_as_those_over_a_grid(seed):
    rng = np.random.default_rng(seed)
    centers = [(0.55, 3.05, 0.3), (9.45, 3.05, 0.3)]
    sizes = [SMALL, SMALL]
    for x in (2.5, 5.0, 7.5):  # three rows of walls, each with a gap somewhere
        gap = rng.uniform(1.0, 5.0)
        for low, high in ((0, gap - 0.6), (gap + 0.6, 6)):
            if high > low:
                centers.append((x + rng.uniform(-0.3, 0.3), (low + high) / 2, 0.5))
                sizes.append((rng.uniform(0.1, 1.0), high - low, 1.0))
    scene = room(centers, sizes)
    length = run_program("path_length_m(0, 1)", Facts(scene)).value
    grid = grid_length(scene, 0, 1)
    assert length >= run_program("center_distance_m(0, 1)", Facts(scene)).value - 1e-9
    # The grid's ways are longer by its directions, and may be shorter by a cell at each of six corners.
    assert 0.95 * grid - 0.3 <= length <= grid + 0.3
