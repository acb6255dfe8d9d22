"""Any text, and any expression Python can write, is a value or a refusal within its budget; never another error."""

import ast

import numpy as np
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from qa_engine.facts.scene import Facts
from qa_engine.programs import OPERATORS, Budget, ProgramError, run_program
from qa_engine.scenes.scene import Scene
from qa_engine.views.sightings import Sightings

SCENE = Scene(
    scene_name="s",
    dataset="toy",
    category=np.array(["chair", "chair", "table", "lamp"]),
    center=np.array([[0, 0, 0.5], [4, 0, 0.5], [0, 3, 0.5], [-2, 0, 0.5]]),
    size=np.array([[0.5, 0.5, 1], [0.5, 0.5, 1], [1, 2, 1], [0.2, 0.2, 1]]),
    rotation=np.repeat(np.eye(3)[None], 4, axis=0),
    room_size_m2=20.0,
    floor_polygon=np.array([[-3, -1], [5, -1], [5, 4], [-3, 4]]),
)
SEEN = Sightings(np.array([0.0, 0.0, 1.5]), np.array([0, 2, 3]), np.array([500, 20, 300]))
FACTS = Facts(SCENE, sightings=lambda name: SEEN)
BUDGET = Budget(steps=2000)

NAMES = st.sampled_from([*OPERATORS, "x", "y", "open", "__import__", "ｘ"])
CONSTANTS = st.one_of(
    st.integers(-5, 5),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["chair", "table", "unicorn", ", ", "\ud800"]),
    st.booleans(),
    st.none(),
).map(ast.Constant)


def grow(inner):
    """One more level around expressions; wrong kinds on purpose."""
    loop = st.builds(
        lambda name, source, tests: ast.comprehension(ast.Name(name, ast.Store()), source, tests, 0),
        st.sampled_from(["x", "y", "min"]),
        inner,
        st.lists(inner, max_size=1),
    )
    binary = st.sampled_from([ast.Add(), ast.Sub(), ast.Mult(), ast.Div(), ast.Pow(), ast.Mod(), ast.BitOr()])
    unary = st.sampled_from([ast.USub(), ast.Not(), ast.Invert()])
    compare = st.sampled_from([ast.Lt(), ast.GtE(), ast.Eq(), ast.NotEq(), ast.In(), ast.NotIn(), ast.Is()])
    return st.one_of(
        st.builds(lambda f, a: ast.Call(ast.Name(f, ast.Load()), a, []), NAMES, st.lists(inner, max_size=3)),
        st.builds(lambda items: ast.List(items, ast.Load()), st.lists(inner, max_size=4)),
        st.builds(lambda a, op, b: ast.BinOp(a, op, b), inner, binary, inner),
        st.builds(lambda op, a: ast.UnaryOp(op, a), unary, inner),
        st.builds(lambda a, op, b: ast.Compare(a, [op], [b]), inner, compare, inner),
        st.builds(lambda op, a: ast.BoolOp(op, a), st.sampled_from([ast.And(), ast.Or()]), st.lists(inner, min_size=2)),
        st.builds(ast.IfExp, inner, inner, inner),
        st.builds(lambda e, loops: ast.ListComp(e, loops), inner, st.lists(loop, min_size=1, max_size=2)),
        st.builds(lambda a: ast.Attribute(a, "real", ast.Load()), inner),
        st.builds(lambda a, b: ast.Subscript(a, b, ast.Load()), inner, inner),
    )


EXPRESSIONS = st.recursive(CONSTANTS | NAMES.map(lambda name: ast.Name(name, ast.Load())), grow, max_leaves=25)


WORDS = st.sampled_from([*OPERATORS, *"()[],1x<-", "m(1)", "'chair'", "for x in", "if", "else", "not", "and"])


def check(text):
    message = ""
    try:
        result = run_program(text, FACTS, budget=BUDGET)
    except ProgramError as error:
        message = str(error)
    if message:
        assert message.isprintable()
        return
    assert 0 < result.steps <= BUDGET.steps
    assert result.kind in ("number", "text", "category", "bool", "instance", "frame", "list")
    again = run_program(text, FACTS, budget=BUDGET)
    assert again == result


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EXPRESSIONS)
def test_random_trees(tree):
    try:
        text = ast.unparse(ast.fix_missing_locations(ast.Expression(tree)))
    except (ValueError, RecursionError):
        reject()  # not every tree is the tree of a text
    check(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="()[]{}.,:'\"+-*/<>=! \n#\\x0123abcdefgm_ñｘ\x00\ud800", max_size=60))
def test_random_texts(text):
    check(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS, max_size=15))
def test_random_words(words):
    check(" ".join(words))
