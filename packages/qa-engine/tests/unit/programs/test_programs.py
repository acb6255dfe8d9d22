import numpy as np
import pytest
from qa_engine.facts.scene import Facts
from qa_engine.programs import OPERATORS, Budget, ProgramCode, ProgramError, run_program
from qa_engine.scenes.scene import Scene


@pytest.fixture
def facts():
    # Instance ids differ from rows on purpose.
    return Facts(
        Scene(
            scene_name="s",
            dataset="toy",
            instance_id=np.array([10, 11, 12, 13]),
            category=np.array(["chair", "chair", "table", "lamp"]),
            center=np.array([[0, 0, 0.5], [4, 0, 0.5], [0, 3, 0.5], [-2, 0, 0.5]]),
            size=np.array([[0.5, 0.5, 1], [0.5, 0.5, 1], [1, 2, 1], [0.2, 0.2, 1]]),
            rotation=np.repeat(np.eye(3)[None], 4, axis=0),
            room_size_m2=20.0,
            category_counts={"chair": 2, "table": 1, "lamp": 1, "curtain": 3},
        )
    )


@pytest.mark.parametrize(
    ("program", "value", "unit"),
    [
        ('count("chair")', 2, ""),
        ('count("curtain")', 3, ""),
        ("longest_side_cm(12)", 200.0, "cm"),
        ("volume_m3(12)", 2.0, "m3"),
        ("room_area_m2()", 20.0, "m2"),
        ("distance_m(10, 12)", 1.75, "m"),
        ("distance_m(12, 10)", 1.75, "m"),
        ('nearest_distance_m(13, "chair")', 1.65, "m"),
        ('nearest_category(13, ["table", "chair"])', "chair", ""),
        ("turn_deg(10, 12, 13)", 90.0, "deg"),
        ("direction_side(10, 12, 13)", "left", ""),
        ("direction_side_or_back(10, 11, 13)", "back", ""),
        ("direction_quadrant(12, 13, 11)", "front-left", ""),
        ('length(instances("chair"))', 2, ""),
        ("category(13)", "lamp", ""),
        ("max([distance_m(10, 12), distance_m(10, 13)])", 1.75, "m"),
        ("distance_m(10, 12) * distance_m(10, 12)", 3.0625, "m2"),
        ("volume_m3(12) / room_area_m2()", 0.1, "m"),
        ("distance_m(10, 12) / distance_m(10, 13)", 1.0606060606060606, ""),
        ("2 * -distance_m(10, 12)", -3.5, "m"),
        ("distance_m(10, 12) < distance_m(10, 11)", True, ""),
        ('category(10) == "chair"', True, ""),
        ("\n max([\n 1,\n 2])", 2, ""),
        ("objects()", [10, 11, 12, 13], ""),
        ("categories()", ["chair", "lamp", "table"], ""),
        ("[category(x) for x in objects() if distance_m(x, 10) < m(2) and x != 10]", ["table", "lamp"], ""),
        ("argmax(instances('chair'), [distance_m(x, 13) for x in instances('chair')])", 11, ""),
        ("nearest(10, [x for x in objects() if category(x) != 'chair'])", 13, ""),
        (
            "sort_by(categories(), [-longest_side_cm(item(instances(c), 0)) for c in categories()])",
            ["table", "chair", "lamp"],
            "",
        ),
        ("sum([footprint_m2(x) for x in instances('chair')])", 0.5, "m2"),
        ("covered_m2([10, 10, 12])", 2.25, "m2"),
        ("room_area_m2() - covered_m2(objects())", 17.46, "m2"),
        ("cm(distance_m(10, 12))", 175.0, "cm"),
        ("m(height_cm(10)) + m(1)", 2.0, "m"),
        ("top_m(10) - bottom_m(10)", 1.0, "m"),
        ("center_distance_m(10, 11)", 4.0, "m"),
        ("shortest_side_cm(13)", 20.0, "cm"),
        ("bearing_deg(10, 13)", 180.0, "deg"),
        ("round(mean([1, 2, 2]), 1)", 1.7, ""),
        ("round(2.5, 0)", 2, ""),
        ("floor(-1.5)", -2, ""),
        ("abs(m(1) - m(3))", 2, "m"),
        ("'yes' if count('chair') > 1 else 'no'", "yes", ""),
        ("not 1 > 2 and (2 in [1, 2] or 1 / 0 > 1)", True, ""),
        ("any([]) or all([])", True, ""),
        ("3 not in [1, 2]", True, ""),
        ("unique(reverse([1, 2, 1]))", [1, 2], ""),
        ("sort(['b', category(10), 'a'])", ["a", "b", "chair"], ""),
        ("join([category(x) for x in [12, 13]], ', ')", "table, lamp", ""),
        ("[x * y for x in [1, 2] for y in [3, 4] if x != 1]", [6, 8], ""),
    ],
)
def test_values(facts, program, value, unit):
    result = run_program(program, facts)
    assert result.value == pytest.approx(value) if isinstance(value, float) else result.value == value
    assert result.unit == unit


@pytest.mark.parametrize(
    ("program", "code", "hint"),
    [
        ("1 +", ProgramCode.SYNTAX, "column"),
        ("", ProgramCode.SYNTAX, ""),
        ("a\x00b", ProgramCode.SYNTAX, ""),
        ("().__class__.__bases__", ProgramCode.NOT_IN_LANGUAGE, "Attribute"),
        ("length(x for x in [1])", ProgramCode.NOT_IN_LANGUAGE, "square brackets"),
        ("[x for x, y in [1]]", ProgramCode.NOT_IN_LANGUAGE, "one name"),
        ("[_x for _x in [1]]", ProgramCode.NOT_IN_LANGUAGE, "plain letters"),
        ("[min for min in [1]]", ProgramCode.NOT_IN_LANGUAGE, "taken"),
        ("[[x for x in [1]] for x in [1]]", ProgramCode.NOT_IN_LANGUAGE, "taken"),
        ("[x for x in [1]] == x", ProgramCode.NOT_IN_LANGUAGE, "not a value"),
        ("[x for x in 3]", ProgramCode.WRONG_TYPE, "needs a list"),
        ("[x for x in [1] if x]", ProgramCode.WRONG_TYPE, "true or false"),
        ("1 and 2 < 3", ProgramCode.WRONG_TYPE, "true or false"),
        ("1 in 2", ProgramCode.WRONG_TYPE, "needs a list"),
        ("'a' in [1]", ProgramCode.WRONG_TYPE, "cannot be compared"),
        ("item([1], 1)", ProgramCode.NO_VALUE, "counted from 0"),
        ("item([1], -1)", ProgramCode.NO_VALUE, "no item -1"),
        ("argmin([10, 11], [1])", ProgramCode.WRONG_ARGUMENTS, "one key"),
        ("sort([1, 'a'])", ProgramCode.WRONG_TYPE, "sort_by"),
        ("cm(deg(1))", ProgramCode.WRONG_UNIT, "cannot become cm"),
        ("bearing_deg(10, 10)", ProgramCode.WRONG_ARGUMENTS, "two different"),
        ("round(1, 2.5)", ProgramCode.WRONG_ARGUMENTS, "whole number"),
        ("join(['" + "a" * 150 + "', '" + "b" * 150 + "'], '')", ProgramCode.OVER_BUDGET, "text is longer"),
        (
            "[x for x in objects() for y in objects() for z in objects() for a in objects() for b in objects() "
            "for c in objects()]",
            ProgramCode.OVER_BUDGET,
            "500 items",
        ),
        (
            "length([1 for a in objects() for b in objects() for c in objects() for d in objects() for e in objects() "
            "for f in objects() for g in objects() if a == 99])",
            ProgramCode.OVER_BUDGET,
            "steps",
        ),
        ("(lambda: 1)()", ProgramCode.NOT_IN_LANGUAGE, "only operators"),
        ("(x := 1)", ProgramCode.NOT_IN_LANGUAGE, "NamedExpr"),
        ('f"{1}"', ProgramCode.NOT_IN_LANGUAGE, "JoinedStr"),
        ("2 ** 9 ** 9", ProgramCode.NOT_IN_LANGUAGE, "Pow"),
        ("min(*[1])", ProgramCode.NOT_IN_LANGUAGE, "Starred"),
        ("count(category='chair')", ProgramCode.NOT_IN_LANGUAGE, "position"),
        ("1 < 2 < 3", ProgramCode.NOT_IN_LANGUAGE, "two values"),
        ("True", ProgramCode.NOT_IN_LANGUAGE, "bool"),
        ("b'x'", ProgramCode.NOT_IN_LANGUAGE, "bytes"),
        ("[1][0]", ProgramCode.NOT_IN_LANGUAGE, "Subscript"),
        ("chair", ProgramCode.NOT_IN_LANGUAGE, "quotes"),
        ("ｃount('chair')", ProgramCode.NOT_IN_LANGUAGE, "plainly"),
        ("__import__('os')", ProgramCode.UNKNOWN_OPERATOR, "Valid"),
        ("cuont('chair')", ProgramCode.UNKNOWN_OPERATOR, "Did you mean 'count'?"),
        ("distance_m(10)", ProgramCode.WRONG_ARGUMENTS, "takes 2 arguments, found 1"),
        ("direction_side(10, 10, 12)", ProgramCode.WRONG_ARGUMENTS, "three different"),
        ("distance_m(10, 'table')", ProgramCode.WRONG_TYPE, "instance id"),
        ("distance_m(10, 1.0)", ProgramCode.WRONG_TYPE, "instance id"),
        ("count(10)", ProgramCode.WRONG_TYPE, "category name"),
        ("1 + 'a'", ProgramCode.WRONG_TYPE, "needs numbers"),
        ("'a' < 'b'", ProgramCode.WRONG_TYPE, "no order"),
        ("1 == 'a'", ProgramCode.WRONG_TYPE, "cannot be compared"),
        ("distance_m(10, 12) + 1", ProgramCode.WRONG_UNIT, "one unit"),
        ("distance_m(10, 12) < 1", ProgramCode.WRONG_UNIT, "different units. Write m(1)"),
        ("max([distance_m(10, 12), 1])", ProgramCode.WRONG_UNIT, "mixes units"),
        ("volume_m3(12) * volume_m3(12)", ProgramCode.WRONG_UNIT, "no unit"),
        ("longest_side_cm(99)", ProgramCode.UNKNOWN_INSTANCE, "10 chair"),
        ("count('chiar')", ProgramCode.UNKNOWN_CATEGORY, "Did you mean 'chair'?"),
        ("nearest_distance_m(10, 'curtain')", ProgramCode.NO_VALUE, "no box"),
        ("1 / 0", ProgramCode.NO_VALUE, "zero"),
        ("min([])", ProgramCode.NO_VALUE, "empty"),
        ("1" * 300, ProgramCode.OVER_BUDGET, "number"),
        ("1e308 * 10", ProgramCode.OVER_BUDGET, "number"),
        ("1e11 * 1e11", ProgramCode.OVER_BUDGET, "number"),
        ("'" + "a" * 300 + "'", ProgramCode.OVER_BUDGET, "text"),
        ("(" * 100 + "1" + ")" * 100, ProgramCode.OVER_BUDGET, "nested"),
        ("-" * 3000 + "1", None, ""),
        ("1+" * 1500 + "1", ProgramCode.OVER_BUDGET, "levels"),
        ("[" + "1," * 900 + "]", ProgramCode.OVER_BUDGET, "items"),
        ("1" * 5000, ProgramCode.OVER_BUDGET, "characters"),
    ],
)
def test_refusals_name_the_code_and_help_to_repair(facts, program, code, hint):
    with pytest.raises(ProgramError) as caught:
        run_program(program, facts)
    if code is not None:
        assert caught.value.code == code
    assert hint in str(caught.value)


def test_steps_are_budgeted(facts):
    with pytest.raises(ProgramError, match="more than 3 steps"):
        run_program("1 + 2 + 3", facts, budget=Budget(steps=3))


def test_missing_room_size_has_no_value(facts):
    scene = facts.scene
    bare = Scene(
        scene_name="s", dataset="d", category=scene.category, center=scene.center, size=scene.size,
        rotation=scene.rotation,
    )  # fmt: skip
    with pytest.raises(ProgramError, match="no room size"):
        run_program("room_area_m2()", Facts(bare))


def test_every_operator_is_documented():
    for name, operator in OPERATORS.items():
        assert operator.doc.endswith("."), name
        assert operator.result in RESULTS, name


RESULTS = ("number", "text", "category", "bool", "instance", "instances", "frame", "frames", "categories", "value")


def test_the_clock_stops_a_program_whose_steps_are_slow(facts):
    with pytest.raises(ProgramError) as caught:
        run_program("[x + y for x in [1, 2, 3, 4] for y in [1, 2, 3, 4]]", facts, budget=Budget(seconds=-1))
    assert caught.value.code == ProgramCode.TIMEOUT
