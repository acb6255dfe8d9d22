"""Every question type on a scene whose answers are worked out by hand.

Seen from above (metres; boxes are axis-aligned unless said, all standing on the floor, lamp excepted):

    table  centre (0, 0), 2.0 x 1.0, height 0.8
    sofa   centre (4, 0), 1.0 x 2.0, height 1.0
    bed    centre (0, 4), 2.0 x 2.0, height 0.6
    lamp   centre (-3, -1), 0.2 x 0.2, height 1.5
    chairs centres (2, 3), (-2, 3.6), (6, 6), all 0.5 x 0.5, height 1.0
    two stools at (-4, 4), (-4, 5), 0.4 x 0.4, height 0.5
    rug    centre (0, -3), 3.0 x 1.0, turned by 45 degrees, height 0.02

The published counts add a third stool that has no box.
"""

import numpy as np
import polars as pl
import pytest
from qa_engine.facts.scene import Facts
from qa_engine.generation.template import TemplateProposer
from qa_engine.replay.verify import compare
from qa_engine.scenes.scene import Scene
from qa_engine.tasks import DEFAULT, select_tasks

OBJECTS = [
    ("table", (0, 0, 0.4), (2, 1, 0.8)),
    ("sofa", (4, 0, 0.5), (1, 2, 1)),
    ("bed", (0, 4, 0.3), (2, 2, 0.6)),
    ("lamp", (-3, -1, 0.75), (0.2, 0.2, 1.5)),
    ("chair", (2, 3, 0.5), (0.5, 0.5, 1)),
    ("chair", (-2, 3.6, 0.5), (0.5, 0.5, 1)),
    ("chair", (6, 6, 0.5), (0.5, 0.5, 1)),
    ("stool", (-4, 4, 0.25), (0.4, 0.4, 0.5)),
    ("stool", (-4, 5, 0.25), (0.4, 0.4, 0.5)),
    ("rug", (0, -3, 0.01), (3, 1, 0.02)),
]
HALF = np.sqrt(0.5)


def toy_scene(**changes):
    rotation = np.repeat(np.eye(3)[None], len(OBJECTS), axis=0)
    rotation[-1] = [[HALF, HALF, 0], [-HALF, HALF, 0], [0, 0, 1]]
    values = {
        "scene_name": "toy",
        "dataset": "hand",
        "instance_id": np.arange(100, 100 + len(OBJECTS)),
        "category": np.array([name for name, _, _ in OBJECTS]),
        "center": np.array([center for _, center, _ in OBJECTS], dtype=float),
        "size": np.array([size for _, _, size in OBJECTS], dtype=float),
        "rotation": rotation,
        "room_size_m2": 91.25,
        "category_counts": {"table": 1, "sofa": 1, "bed": 1, "lamp": 1, "chair": 3, "stool": 3, "rug": 1},
    }
    return Scene(**(values | changes))


def questions_of(scene, *, seed=0, profile="exact"):
    proposer = TemplateProposer(select_tasks(), seed=seed, round=0)
    found = proposer.find([Facts(scene, profile)])
    return proposer.write(found), dict(zip(DEFAULT, found.found, strict=True))


@pytest.fixture(scope="module")
def toy():
    return questions_of(toy_scene())


def rows(table, question_type):
    return table.filter(pl.col("question_type") == question_type)


def by_operands(table, question_type):
    """Question type's rows by the categories of their operands."""
    return {
        tuple(operand["category"] for operand in row["operands"]): row
        for row in rows(table, question_type).iter_rows(named=True)
    }


def test_counting_follows_the_published_counts(toy):
    table, found = toy
    expected = {"chair": "3", "stool": "3"}
    got = by_operands(table, "object_counting")
    assert {names[0]: row["ground_truth"] for names, row in got.items()} == expected
    row = got[("chair",)]
    assert row["question"] == "How many chair(s) are in this room?"
    assert (row["program"], row["cell"], row["options"]) == ('count("chair")', "count:3", None)
    assert row["operands"] == [{"role": "counted", "category": "chair", "instance_ids": [104, 105, 106]}]
    assert (row["answer_low"], row["answer_value"], row["answer_high"]) == (3.0, 3.0, 3.0)
    refused = found["object_counting"].rejects
    assert {reject.item for reject in refused} == {"table", "sofa", "bed", "lamp", "rug"}
    assert {reject.reason for reject in refused} == {"count_below_two"}


def test_size_in_whole_centimetres(toy):
    table, found = toy
    got = by_operands(table, "object_size_estimation")
    truths = {names[0]: row["ground_truth"] for names, row in got.items()}
    assert truths == {"table": "200", "sofa": "200", "bed": "200", "lamp": "150", "rug": "300"}
    row = got[("lamp",)]
    assert row["question"] == (
        "What is the length of the longest dimension (length, width, or height) of the lamp, measured in centimeters?"
    )
    assert (row["program"], row["cell"], row["unit"]) == ("longest_side_cm(103)", "size:1-2", "cm")
    assert (row["answer_low"], row["answer_high"]) == (pytest.approx(142.5), pytest.approx(157.5))
    reasons = {reject.item: str(reject.reason) for reject in found["object_size_estimation"].rejects}
    assert reasons == {"chair": "not_unique", "stool": "count_mismatch"}


def test_room_size_with_one_decimal(toy):
    table, _ = toy
    (row,) = rows(table, "room_size_estimation").to_dicts()
    assert row["question"] == (
        "What is the size of this room (in square meters)? \n"
        "If multiple rooms are shown, estimate the size of the combined space."
    )
    # 91.25 lies exactly between 91.2 and 91.3; halves go to the even digit.
    assert (row["ground_truth"], row["cell"], row["program"]) == ("91.2", "area:>=40", "room_area_m2()")
    without, found = questions_of(toy_scene(room_size_m2=None))
    assert len(rows(without, "room_size_estimation")) == 0
    assert [str(reject.reason) for reject in found["room_size_estimation"].rejects] == ["no_room_size"]


def test_distances_between_closest_points(toy):
    table, _ = toy
    expected = {
        ("sofa", "table"): 2.5,  # 3.5 - 1.0 along x
        ("bed", "table"): 2.5,  # 3.0 - 0.5 along y
        ("bed", "sofa"): np.hypot(2.5, 2.0),  # corner (1, 3) to corner (3.5, 1)
        ("lamp", "table"): np.hypot(1.9, 0.4),  # corner (-2.9, -0.9) to (-1, -0.5)
        ("bed", "lamp"): np.hypot(1.9, 3.9),  # (-2.9, -0.9) to (-1, 3)
        ("lamp", "sofa"): 6.4,  # x -2.9 to 3.5; their y overlap: -0.9 is within -1 to 1
        # The rug's corner with the largest y is 0.5 * (3 + 1) * sqrt(1/2) above its centre and within the table's x.
        ("rug", "table"): 3 - np.sqrt(2) - 0.5,
        ("bed", "rug"): 6 - np.sqrt(2),
        # The sofa's corner (3.5, -1) is 3.5, 2 from the rug's centre: 5.5 and -1.5 times sqrt(1/2) along its axes.
        ("rug", "sofa"): np.hypot(5.5 * HALF - 1.5, 1.5 * HALF - 0.5),
    }  # fmt: skip
    got = by_operands(table, "object_abs_distance")
    for names, distance in expected.items():
        row = got[tuple(sorted(names))]
        assert row["answer_value"] == pytest.approx(distance, abs=1e-12), names
        assert row["ground_truth"] == f"{distance:.1f}", names
        assert row["answer_low"] < distance < row["answer_high"]
    assert len(got) == 10  # all pairs of five unique categories
    row = got[("bed", "table")]
    assert row["program"] == "distance_m(102, 100)"
    assert row["cell"] == "distance:2-4"
    texts = {
        "Measuring from the closest point of each object, what is the distance between "
        f"the {a} and the {b} (in meters)?"
        for a, b in (("bed", "table"), ("table", "bed"))
    }
    assert row["question"] in texts


def test_closest_of_four_with_several_instances(toy):
    table, found = toy
    # Chairs are one option; stools are none, as one of the three has no box.
    got = rows(table, "object_rel_distance").to_dicts()
    sets = {(row["operands"][0]["category"], *sorted(o["category"] for o in row["operands"][1:])) for row in got}
    assert all("stool" not in names for names in sets)
    # From the sofa: table 2.5, bed 3.2016, chair at (2, 3): 1.25 in x and 1.75 in y: 2.1506, lamp 6.4, rug 2.4537.
    # Table and rug differ by less than 0.15 m, so no set has both; that leaves two of the five sets of four.
    from_sofa = {tuple(sorted(o["category"] for o in r["operands"][1:])): r for r in got
                 if r["operands"][0]["category"] == "sofa"}  # fmt: skip
    assert set(from_sofa) == {("bed", "chair", "lamp", "table"), ("bed", "chair", "lamp", "rug")}
    for names, row in from_sofa.items():
        letter = "ABCD".index(row["ground_truth"])
        assert row["options"][letter] == f"{row['ground_truth']}. chair"
        listed = [option[3:] for option in row["options"]]
        assert row["question"] == (
            "Measuring from the closest point of each object, which of these objects "
            f"({', '.join(listed)}) is the closest to the sofa?"
        )
        second = 2.5 if "table" in names else np.hypot(5.5 * HALF - 1.5, 1.5 * HALF - 0.5)
        assert row["margin"] == pytest.approx(second - np.hypot(1.25, 1.75))
        assert row["cell"] == "margin:0.3-0.6"
        quoted = ", ".join(f'"{name}"' for name in listed)
        assert row["program"] == f"nearest_category(101, [{quoted}])"
    ties = {str(reject.reason): reject.n for reject in found["object_rel_distance"].rejects}
    assert set(ties) == {"tie_within_margin"}
    assert ties["tie_within_margin"] + len(got) == 25  # five primaries with five sets of four of the other categories


def test_direction_levels(toy):
    table, found = toy
    # At the table, facing the sofa (+x): the bed is straight to the left (90 degrees), a border of quadrants.
    key = ("table", "sofa", "bed")
    easy, medium, hard = (by_operands(table, f"object_rel_direction_{level}") for level in ("easy", "medium", "hard"))
    assert option(easy[key]) == "left"
    assert option(medium[key]) == "left"
    assert key not in hard
    assert easy[key]["question"] == (
        "If I am standing by the table and facing the sofa, is the bed to the left or the right of the sofa?"
    )
    assert easy[key]["margin"] == pytest.approx(45)  # 135 - 90
    assert (easy[key]["cell"], easy[key]["program"]) == ("angle:>=30", "direction_side(100, 101, 102)")
    # Mirrored roles, mirrored answer.
    assert option(easy[("table", "bed", "sofa")]) == "right"
    # At the table, facing the bed (+y): the lamp at (-3, -1) is to the left and 18.4 degrees behind the x axis.
    left_behind = ("table", "bed", "lamp")
    assert option(easy[left_behind]) == option(medium[left_behind]) == "left"
    assert option(hard[left_behind]) == "back-left"
    assert hard[left_behind]["margin"] == pytest.approx(np.degrees(np.arctan2(1, 3)))
    assert medium[left_behind]["margin"] == pytest.approx(45 - np.degrees(np.arctan2(1, 3)))  # to 135 degrees
    # At the bed, facing the table (-y): the sofa at (4, -4) from there is 45 degrees to the left; its corners see
    # bearings within the front-left quadrant.
    assert option(hard[("bed", "table", "sofa")]) == "front-left"
    assert hard[("bed", "table", "sofa")]["question"].endswith(
        "is the sofa to my front-left, front-right, back-left, or back-right?\nThe directions refer to the quadrants "
        "of a Cartesian plane (if I am standing at the origin and facing along the positive y-axis)."
    )
    assert medium[key]["question"].endswith(
        "is the bed to my left, right, or back?\n"
        "An object is to my back if I would have to turn at least 135 degrees in order to face it."
    )
    # Facing the bed (+y) at the table, the rug is straight behind: 180 degrees, a border of quadrants only.
    assert option(medium[("table", "bed", "rug")]) == "back"
    assert ("table", "bed", "rug") not in easy
    assert ("table", "bed", "rug") not in hard
    # The lamp and the sofa are 6.4 m apart, beyond the 5 m of the rule.
    assert all({"lamp", "sofa"} - set(names) for names in hard)
    refused = {str(reject.reason): reject.n for reject in found["object_rel_direction_hard"].rejects}
    assert sum(refused.values()) + len(hard) == 5 * 4 * 3
    assert refused["too_far"] >= 6


def option(row):
    return row["options"]["ABCD".index(row["ground_truth"])][3:]


def test_every_program_replays(toy):
    table, _ = toy
    facts = Facts(toy_scene())
    for row in table.iter_rows(named=True):
        assert list(compare(row, facts)) == [], row["question"]


def test_a_changed_scene_is_noticed(toy):
    table, _ = toy
    moved = toy_scene().center.copy()
    moved[0, 0] += 1.0
    facts = Facts(toy_scene(center=moved, room_size_m2=50.0))
    problems = {difference.problem for row in table.iter_rows(named=True) for difference in compare(row, facts)}
    assert problems == {"answer_value", "ground_truth"}


def test_signature_ignores_seed_and_order_of_options():
    first, _ = questions_of(toy_scene(), seed=1)
    second, _ = questions_of(toy_scene(), seed=2)
    assert set(first["signature"]) == set(second["signature"])
    assert first["signature"].n_unique() == len(first)
    assert not set(first["question_id"]) & set(second["question_id"])
    assert "toy|object_counting|chair" in set(first["signature"])
    assert (first.sort("signature")["question"] != second.sort("signature")["question"]).any()


def test_a_scene_with_nothing_gives_nothing():
    none = np.zeros((0, 3))
    empty = Scene(
        scene_name="e",
        dataset="hand",
        category=np.array([], dtype=str),
        center=none,
        size=none,
        rotation=np.zeros((0, 3, 3)),
    )
    table, found = questions_of(empty)
    assert len(table) == 0
    reasons = {name: [str(reject.reason) for reject in part.rejects] for name, part in found.items()}
    assert reasons["object_abs_distance"] == reasons["object_rel_distance"] == ["too_few_objects"]
    assert reasons["object_rel_direction_hard"] == ["too_few_objects"]


def test_names_with_quotes_and_bars_survive():
    names = np.array(['12" table', "so|fa\\", "bed", "lämp", "chair", "chair", "chair", "stool", "stool", "rug"])
    scene = toy_scene(category=names, category_counts=None)
    table, _ = questions_of(scene)
    facts = Facts(scene)
    assert table["signature"].n_unique() == len(table)
    for row in table.iter_rows(named=True):
        assert list(compare(row, facts)) == [], row["program"]
