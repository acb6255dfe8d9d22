"""What a text alone gives away, measured on 10,000 generated questions.

Shares are compared with what chance gives plus four standard deviations, so a test fails for a bias, not for a seed.
"""

from itertools import product

import numpy as np
import polars as pl
import pytest
from qa_engine.facts.scene import Facts
from qa_engine.generation.template import TemplateProposer
from qa_engine.scenes.scene import Scene
from qa_engine.tasks import DEFAULT, select_tasks
from qa_engine.views.sightings import Sightings

CATEGORIES = ("bed", "chair", "desk", "lamp", "plant", "shelf", "sofa", "stool", "table", "tv", "washer")
FLOOR = np.array([[0, 0], [8, 0], [8, 8], [0, 8]])
MRA_CATEGORY_LIMIT = 0.60
"""Mean MRA that the median per asked categories reaches on numbers, at most, where scenes draw sizes and counts without
regard to category: what is above comes from the choice of questions. VSI-Bench's best constants per type reach 0.62."""


def random_scene(rng, number):
    """A room of 8 x 8 m with one to four boxes of each of nine categories, and the times when they are seen."""
    names = [name for name in rng.permutation(CATEGORIES)[:9] for _ in range(rng.choice([1, 1, 2, 4]))]
    n = len(names)
    angle = rng.uniform(0, 2 * np.pi, n)
    rotation = np.zeros((n, 3, 3))
    rotation[:, 0, 0] = rotation[:, 1, 1] = np.cos(angle)
    rotation[:, 0, 1], rotation[:, 1, 0] = np.sin(angle), -np.sin(angle)
    rotation[:, 2, 2] = 1
    size = np.exp(rng.uniform(np.log(0.1), np.log(1.3), n))[:, None] * rng.uniform(0.3, 1, (n, 3))
    center = np.column_stack([rng.uniform(0.5, 7.5, (n, 2)), size[:, 2] / 2])
    scene = Scene(
        scene_name=f"room_{number}", dataset="random", category=np.array(names), center=center, size=size,
        rotation=rotation, room_size_m2=float(rng.uniform(10, 60)), floor_polygon=FLOOR,
    )  # fmt: skip
    seen = Sightings(rng.permutation(n) * 2.0, np.arange(n), np.full(n, 500))
    return Facts(scene, "exact", lambda _: seen)


@pytest.fixture(scope="module")
def questions():
    rng = np.random.default_rng(0)
    proposer = TemplateProposer(select_tasks(), seed=1, round=0)
    facts = [random_scene(rng, i) for i in range(150)]
    table = proposer.write(proposer.find(facts))
    drawn = [
        part.sample(min(len(part), 1000), seed=0) for _, part in table.group_by("question_type", maintain_order=True)
    ]
    # Types with few candidates leave room for more of the others.
    missing = 10_000 - sum(map(len, drawn))
    kept = pl.concat(drawn)
    rest = table.filter(~pl.col("question_id").is_in(kept["question_id"].implode()))
    return pl.concat([kept, rest.sample(missing, seed=0)])


def slack(p, n):
    return 4 * np.sqrt(p * (1 - p) / n)


CHOICES = [name for name, task in zip(DEFAULT, select_tasks(), strict=True) if task.answer_type == "choice"]


def test_there_are_ten_thousand_of_all_types(questions):
    assert len(questions) == 10_000
    assert set(questions["question_type"]) == set(DEFAULT)


@pytest.mark.parametrize("name", CHOICES)
def test_letters_are_balanced(questions, name):
    of_type = questions.filter(question_type=name)
    for (k,), rows in of_type.group_by(pl.col("options").list.len()):  # routes with one blank have three options
        share = rows["ground_truth"].value_counts()["count"].to_numpy() / len(rows)
        assert len(share) == k
        assert np.abs(share - 1 / k).max() <= slack(1 / k, len(rows)), name


@pytest.mark.parametrize(
    "name", ["object_rel_direction_easy", "object_rel_direction_medium", "object_rel_direction_hard"]
)
def test_mirrored_answers_are_alike_frequent(questions, name):
    """Left and right are; back is rarer than both, as it takes less of the circle."""
    rows = questions.filter(question_type=name)
    letter = np.array(["ABCD".index(letter) for letter in rows["ground_truth"]])
    text = pl.Series([options[i][3:] for options, i in zip(rows["options"].to_list(), letter, strict=True)])
    share = {side: text.str.contains(side).mean() for side in ("left", "right")}
    assert abs(share["left"] - share["right"]) <= 2 * slack(0.5, len(rows))


def test_every_object_takes_every_role(questions):
    """All six orders of three objects are asked where the geometry lets them, so no role is told by the names."""
    rows = questions.filter(pl.col("question_type").str.starts_with("object_rel_direction"))
    names = np.array([[operand["category"] for operand in row] for row in rows["operands"].to_list()])
    for a, b in ((0, 1), (1, 2), (0, 2)):
        share = (names[:, a] < names[:, b]).mean()
        assert abs(share - 0.5) <= 2 * slack(0.5, len(rows) / 6)  # six questions of one triple hang together


def test_listed_order_is_uninformative(questions):
    rows = questions.filter(question_type="object_rel_distance")
    alphabetical = []
    for options, letter in zip(rows["options"].to_list(), rows["ground_truth"], strict=True):
        names = [option[3:] for option in options]
        alphabetical.append(sorted(names).index(names["ABCD".index(letter)]))
    share = np.bincount(alphabetical, minlength=4) / len(rows)
    assert np.abs(share - 0.25).max() <= 2 * slack(0.25, len(rows) / 4)  # sets of one object hang together
    pairs = questions.filter(question_type="object_abs_distance")
    listed = pairs["question"].str.extract(r"between the (\w+) and the (\w+) ")
    first = listed.to_list()
    asked = [row[0]["category"] for row in pairs["operands"].to_list()]
    share = np.mean([a == b for a, b in zip(first, asked, strict=True)])
    assert abs(share - 0.5) <= slack(0.5, len(pairs))


def test_order_of_categories_in_the_text_does_not_tell_their_appearance(questions):
    rows = questions.filter(question_type="obj_appearance_order")
    listed = rows["question"].str.extract(r"video: (.*)\?$").to_list()
    texts = [[option[3:] for option in options] for options in rows["options"].to_list()]
    right = np.array(["ABCD".index(letter) for letter in rows["ground_truth"]])
    offered = np.array([order in options for order, options in zip(listed, texts, strict=True)])
    correct = np.array([options[i] == order for order, options, i in zip(listed, texts, right, strict=True)])
    assert abs(offered.mean() - 4 / 24) <= slack(4 / 24, len(rows))
    assert abs(correct.mean() - 1 / 24) <= slack(1 / 24, len(rows))


@pytest.mark.parametrize("blanks", [1, 2, 3])
def test_wrong_options_are_drawn_alike(questions, blanks):
    """A wrong sequence of turns is not rarer or more frequent than another among the wrong ones."""
    rows = questions.filter(question_type="route_planning", cell=f"blanks:{blanks}")
    if blanks < 3:
        assert len(rows) > 100
    texts = [[option[3:] for option in options] for options in rows["options"].to_list()]
    truth = [text["ABCD".index(letter)] for text, letter in zip(texts, rows["ground_truth"], strict=True)]
    wrong = [text for shown, right in zip(texts, truth, strict=True) for text in shown if text != right]
    every = 3**blanks
    n_wrong = min(every, 4) - 1
    for names in product(("Left", "Right", "Back"), repeat=blanks):
        text = ", ".join(f"Turn {name}" for name in names)
        n = (len(rows) - truth.count(text)) * n_wrong / (every - 1)
        assert abs(wrong.count(text) - n) <= 4 * np.sqrt(n) + 1, text


@pytest.mark.parametrize(
    "name", ["object_counting", "object_size_estimation", "object_abs_distance", "room_size_estimation"]
)
def test_numbers_cannot_be_guessed_from_the_categories(questions, name):
    """The median of half of the scenes per asked categories, scored on the other half by MRA."""
    rows = questions.filter(question_type=name).with_columns(
        key=pl.col("operands").list.eval(pl.element().struct.field("category")).list.join("|"),
        half=pl.col("scene_name").str.extract(r"(\d+)$").cast(pl.Int64) % 2,
        truth=pl.col("ground_truth").cast(pl.Float64),
    )
    guess = rows.filter(half=0).group_by("key").agg(guess=pl.col("truth").median())
    scored = rows.filter(half=1).join(guess, on="key")
    assert len(scored) > 15
    error = ((scored["guess"] - scored["truth"]).abs() / scored["truth"]).to_numpy()
    mra = float((error[:, None] <= 1 - np.linspace(0.5, 0.95, 10)).mean())
    assert mra <= MRA_CATEGORY_LIMIT, f"{name}: {mra:.3f}"
