"""Choice among the candidates of a cell: a small model of earlier answers predicts their worth from knobs alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.tableio import read_table
from qa_contract.tables import CONFIDENCE, QUESTIONS

from qa_engine.arrays import Array, Rows
from qa_engine.extras import require
from qa_engine.generation.samplers.base import EXPECTED, ROUND_DECAY, Cells, Past, Sampler
from qa_engine.seeding import hashed_fraction

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor


MIN_ROWS = 100
"""Labelled questions below which nothing is predicted: a forest of that few rows repeats its rows."""

MOST_ROWS = 20_000
"""Labelled questions that are learned from; the newest rounds first, so that the time of a fit stays seconds."""

MOST_CATEGORIES = 40
"""Operand categories with a column of their own: the most frequent ones."""

TREES, LEAF_ROWS = 100, 5

POOL = 8
"""Candidates that are compared for every question that is asked."""

EXPLORED = 0.2
"""Share of the questions that are drawn whatever the model expects, so that it hears of what it does not expect."""

_MEASURES = ("margin", "answer_value")
_KNOBS = ["question_type", "operands", "difficulty", *_MEASURES]
_FIELDS = ("count", "distance_m", "size_m", "area_m2", "angle_deg", "n_options")
_ABSENT = -1.0

_TARGETS: dict[str, tuple[pl.Expr, pl.Expr]] = {
    "frontier": (pl.col("gold_confidence"), (pl.col("label") == "frontier").cast(pl.Float64)),
    "learnability": (pl.col("corrected"), pl.col("corrected") * (1 - pl.col("corrected"))),
    "headroom": (pl.col("corrected"), pl.col("headroom")),
}
"""Confidence and worth of a question, by what is wanted."""


@dataclass(frozen=True)
class KnobModel:
    """A forest over the knobs of questions.

    Attributes
    ----------
    forest : RandomForestRegressor
        From features to (confidence, worth).
    question_types, categories : tuple of str
        Those with a column.
    n_rows : int
        Questions it was fitted on.
    skill : float
        Out of bag: the chance that it puts a wanted question, of two that differ, first (area under the ROC curve);
        0.5 is blind. Wanted are questions at the frontier, or those above the median worth.
    """

    forest: RandomForestRegressor
    question_types: tuple[str, ...]
    categories: tuple[str, ...]
    n_rows: int
    skill: float

    def predict(self, questions: pl.DataFrame) -> tuple[Array, Array]:
        """Predict confidence and worth, (n,) each."""
        if questions.is_empty():
            return np.zeros(0), np.zeros(0)
        found = self.forest.predict(_features(questions, self.question_types, self.categories))
        return found[:, 0], found[:, 1]

    def facts(self) -> dict[str, object]:
        """Say what it rests on, for the manifest; `skill` as in the attributes."""
        weights = self.forest.feature_importances_
        names = _names(self.question_types, self.categories)
        order = np.argsort(-weights, kind="stable")[:10].tolist()
        most = {names[i]: round(float(weights[i]), 3) for i in order}
        return {"n_rows": self.n_rows, "skill": round(self.skill, 3), "weightiest_knobs": most}


@dataclass(frozen=True)
class Item:
    """What makes a single question worth asking.

    Attributes
    ----------
    target : str
        `frontier`: its chance to be labelled so; `learnability`: p'(1 - p'); `headroom`: p' less p' without frames.
    superlative : str
        What the chosen are, in words.
    told : str
        How the predicted worth is told; `{}` is the value.
    """

    target: Literal["frontier", "learnability", "headroom"]
    superlative: str
    told: str


class ItemSampler(Sampler):
    """Keeps of a cell's candidates those that a model of earlier answers expects to be worth most.

    Without enough earlier answers candidates are drawn alike, and a note says so.
    """

    item: ClassVar[Item]
    reads_answers: ClassVar[bool] = True

    def __init__(
        self,
        cells: Cells,
        past: Past | None = None,
        *,
        seed: int = 0,
        explore: float | None = None,
        of: str | None = None,
    ) -> None:
        super().__init__(cells, past, seed=seed, explore=explore, of=of)
        found = fit_knobs(past.answered if past else None, seed=seed, target=self.item.target)
        self.model = found if isinstance(found, KnobModel) else None
        self._facts = found.facts() if isinstance(found, KnobModel) else found
        if self.model is None:
            name = type(self).__name__.lower()
            self.notes.append(f"Sampler '{name}': {found}; candidates of a cell are drawn alike.")

    def pool(self, quota: Rows, *, by_scene: bool) -> Rows:
        """Ask for `POOL` candidates per question."""
        return quota if self.model is None else pool_size(quota, by_scene=by_scene)

    def choose(self, questions: pl.DataFrame, places: Sequence[Sequence[str]], quota: Rows) -> pl.DataFrame:
        """Keep the candidates that are expected to be worth most, and some at random."""
        if self.model is None:
            return questions
        words = (self.item.superlative, self.item.told)
        return choose_expected(questions, self.model, places, self.cells.names, quota, seed=self.seed, words=words)

    def state(self) -> dict[str, Any]:
        """Say what the model rests on; it is fitted anew every round, so that nothing of it has to travel."""
        return {"knob_model": self._facts}


def read_answered(questions: Sequence[Path], confidence: Sequence[Path]) -> pl.DataFrame | None:
    """Join earlier questions with what the learner's confidence in them was; None where either is not given."""
    if not questions or not confidence:
        return None
    asked = [read_table(path, "questions", QUESTIONS, columns=["question_id", *_KNOBS]) for path in questions]
    columns = ["question_id", "round", "label", "gold_confidence", "corrected", "headroom"]
    labels = [read_table(path, "confidence", CONFIDENCE, columns=columns) for path in confidence]
    # A question may stand in a clean pass and in a training pass; each tells what the other does not.
    newest = pl.concat(labels).sort("round", maintain_order=True).group_by("question_id")
    known = newest.agg(pl.col(columns[1:]).drop_nulls().last())
    return pl.concat(asked).unique("question_id").join(known, on="question_id").sort("question_id")


def fit_knobs(answered: pl.DataFrame | None, *, seed: int, target: str = "frontier") -> KnobModel | str:
    """Fit the model anew; the same rows and seed give the same model.

    Parameters
    ----------
    answered : DataFrame or None
        Of `read_answered`.
    seed : int
    target : str
        As `Item.target`.

    Returns
    -------
    KnobModel, or str
        Why there is none: too few rows, or all of them alike.

    Raises
    ------
    QAEngineError
        The extra `audit` is not installed.

    Notes
    -----
    A random forest with the two targets confidence and worth; a question counts half as much per round that has
    passed, as in the sampler. For the frontier the confidence is that in the ground truth, else the expected score
    corrected for chance. Nothing of the wording, the options' order or the scene's name is used.

    Examples
    --------
    >>> fit_knobs(None, seed=0)
    'no earlier questions with a confidence'
    """
    if answered is None or answered.is_empty():
        return "no earlier questions with a confidence"
    value, worth = _TARGETS[target]
    known = answered.with_columns(value=value, worth=worth).drop_nulls(["value", "worth", "round"])
    newest = known.sort("round", "question_id", descending=[True, False]).head(MOST_ROWS).sort("question_id")
    if len(newest) < MIN_ROWS:
        return f"{len(newest)} earlier questions with a confidence, fewer than {MIN_ROWS}"
    wanted = newest["worth"].to_numpy()
    if wanted.min() == wanted.max():
        alike = f"{'' if wanted[0] else 'not '}at the frontier" if target == "frontier" else f"alike in {target}"
        return f"all {len(newest)} earlier questions are {alike}"
    require("sklearn", extra="audit", purpose="A choice among candidates")
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.metrics import roc_auc_score

    counted = newest["operands"].list.explode().struct.field("category").drop_nulls().value_counts()
    common = counted.sort("count", "category", descending=[True, False])["category"].head(MOST_CATEGORIES)
    kinds, categories = tuple(newest["question_type"].unique().sort()), tuple(common.sort())
    forest = RandomForestRegressor(
        TREES, min_samples_leaf=LEAF_ROWS, max_features=0.5, oob_score=True, random_state=seed % 2**32
    )
    age = (newest["round"].max() - newest["round"]).to_numpy()  # type: ignore[operator]
    targets = np.stack([newest["value"].to_numpy(), wanted], axis=1)
    forest.fit(_features(newest, kinds, categories), targets, sample_weight=ROUND_DECAY**age)
    upper = wanted > np.median(wanted) if (wanted > np.median(wanted)).sum() > 0 else wanted > wanted.min()
    skill = float(roc_auc_score(upper, forest.oob_prediction_[:, 1]))
    return KnobModel(forest, kinds, categories, len(newest), skill)


def pool_size(quota: Rows, *, by_scene: bool) -> Rows:
    """Say how many candidates to compare, from how many to keep, both per scene and cell (s, k).

    Where only the sum over scenes counts, every scene gives candidates.

    Examples
    --------
    >>> pool_size(np.array([[1, 0], [0, 0]]), by_scene=False).tolist()
    [[4, 0], [4, 0]]
    >>> pool_size(np.array([[9, 0], [0, 0], [0, 0]]), by_scene=True).tolist()[0]
    [72, 0]
    """
    if by_scene:
        return POOL * quota
    shared = -(-POOL * quota.sum(axis=0) // max(len(quota), 1))
    return np.maximum(quota, shared)  # a scene that alone has the candidates still gives all that are wanted


def choose_expected(
    questions: pl.DataFrame,
    model: KnobModel,
    places: Sequence[Sequence[str]],
    cells: Sequence[tuple[str, str]],
    quota: Rows,
    *,
    seed: int,
    words: tuple[str, str] = ("most likely at the frontier", "at the frontier with {}"),
) -> pl.DataFrame:
    """Keep of each cell the questions that are expected to be worth most, and some at random.

    Parameters
    ----------
    questions : DataFrame
        Candidates, worded; columns of `questions`.
    model : KnobModel
    places : sequence of sequence of str
        Scenes that share a row of `quota`.
    cells : sequence of (question type, cell)
        Of the columns of `quota`.
    quota : (p, k) int64
        How many to keep.
    seed : int
    words : (str, str)
        What the chosen are, and how the predicted worth is told.

    Returns
    -------
    DataFrame
        In the order given, with the columns of `EXPECTED`.

    Notes
    -----
    Each question to be chosen is left to chance with probability `EXPLORED`, by a hash of seed, round, first scene and
    cell.
    """
    confidence, worth = model.predict(questions)
    number = int(questions["round"][0]) if len(questions) else 0
    rows = [(p, *cells[k], int(quota[p, k])) for p, k in zip(*(x.tolist() for x in np.nonzero(quota)), strict=True)]
    by_chance = [
        sum(
            hashed_fraction(seed, f"{number}|{places[p][0]}|{kind}|{cell}|{i}", "knobs/explore") < EXPLORED
            for i in range(n)
        )
        for p, kind, cell, n in rows
    ]
    schema = {"group": pl.Int64, "question_type": pl.String, "cell": pl.String, "quota": pl.Int64}
    wanted = pl.DataFrame(rows, schema, orient="row").with_columns(by_chance=pl.Series(by_chance, dtype=pl.Int64))
    group_of = {name: p for p, names in enumerate(places) for name in names}
    ranked = questions.with_columns(
        predicted_confidence=pl.Series(confidence, dtype=pl.Float64),
        predicted_frontier=pl.Series(worth, dtype=pl.Float64),
        group=pl.col("scene_name").replace_strict(group_of, return_dtype=pl.Int64),
    ).with_row_index("row")
    group = ["group", "question_type", "cell"]
    ranked = ranked.join(wanted, on=group, maintain_order="left")
    # An id is a hash of the question, so the order of ids is a fair draw.
    drawn = pl.col("question_id").rank("ordinal").over(group) <= pl.col("by_chance")
    ranked = ranked.with_columns(drawn=drawn, of=pl.len().over(group)).sort(
        *group, "drawn", "predicted_frontier", "question_id", descending=[False, False, False, True, True, False]
    )
    chosen = ranked.filter(pl.int_range(pl.len()).over(group) < pl.col("quota")).sort("row")
    best, told = words
    by = pl.when("drawn").then(pl.lit("drawn to explore from ")).otherwise(pl.lit(f"{best} among "))
    value = pl.col("predicted_frontier").round(2).cast(pl.String)
    sure = pl.col("predicted_confidence").round(2).cast(pl.String)
    before, after = told.split("{}")
    said = pl.concat_str(
        by, "of", pl.lit(" candidates: predicted confidence "), sure, pl.lit(f", {before}"), value, pl.lit(after)
    )
    return chosen.with_columns(chosen_by=said).select(*questions.columns, *EXPECTED)


def _names(kinds: Sequence[str], categories: Sequence[str]) -> list[str]:
    """Name the features."""
    return [*(f"type {kind}" for kind in kinds), *_FIELDS, *_MEASURES, *(f"category {name}" for name in categories)]


def _features(questions: pl.DataFrame, kinds: Sequence[str], categories: Sequence[str]) -> NDArray[Any]:
    """Write the knobs as numbers, (n, f) float32: what a question lacks is -1."""
    named = pl.col("operands").list.eval(pl.element().struct.field("category"))
    columns = [
        *(pl.col("question_type") == kind for kind in kinds),
        *(pl.col("difficulty").struct.field(name) for name in _FIELDS),
        *(pl.col(name) for name in _MEASURES),
        *(named.list.contains(name) for name in categories),
    ]
    names = _names(kinds, categories)
    return (
        questions.select(column.alias(name) for column, name in zip(columns, names, strict=True))
        .select(pl.all().cast(pl.Float32).fill_null(_ABSENT))
        .to_numpy()
    )
