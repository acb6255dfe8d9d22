"""Answer questions without looking: k-fold random forests over the text, and two baselines.

After arXiv 2511.04655 (test-set stress test): what a model learns from other questions of the same file, and can use
on a question that it has not seen, is a shortcut. Folds hold whole scenes, so that nothing is learned about a scene
itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qa_contract.answers import mean_relative_accuracy

from qa_engine.arrays import Array
from qa_engine.audit.features import apply_means, means_by_word, option_features, subjects, vocabulary, word_features
from qa_engine.audit.questions import AuditItem
from qa_engine.errors import QAEngineError

TREES = 100
LARGEST_SAMPLE = 5_000
"""Questions that a forest learns numbers from, and options that one of its trees learns choices from."""

CHUNK = 256
"""Questions that are compared with the forest's leaves at once."""


@dataclass(frozen=True)
class BlindScores:
    """Scores per question, (n,) float64 each.

    Attributes
    ----------
    forest : score of the forest's answer; accuracy for a choice, MRA for a number.
    bias : the same, soft: of a choice the probability that the forest gives to the right option.
    majority : score of the most frequent option place, or of the best constant.
    category : score of the option text that is right most often, or of the mean over questions with the same words.
    chance : 1 / options, or `majority` for a number.
    """

    forest: Array
    bias: Array
    majority: Array
    category: Array
    chance: Array


def blind_scores(
    items: Sequence[AuditItem],
    *,
    folds: int = 5,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> BlindScores:
    """Score every question by predictors that were trained on the other folds, per question type.

    Parameters
    ----------
    items : sequence of AuditItem
    folds : int
        Fewer where there are fewer scenes; with one scene, folds of questions.
    seed : int
    progress : callable
        Called with questions done and to do.

    Raises
    ------
    QAEngineError
        scikit-learn is not installed, or folds are fewer than two.
    """
    if folds < 2:
        raise QAEngineError(f"--folds {folds}: at least two are needed.")
    _forests()
    columns = {name: np.zeros(len(items)) for name in BlindScores.__dataclass_fields__}
    kinds: dict[tuple[str, bool], list[int]] = {}
    for i, item in enumerate(items):
        kinds.setdefault((item.question_type, bool(item.options)), []).append(i)
    done = 0
    for (_, choice), rows in sorted(kinds.items()):
        part = [items[i] for i in rows]
        score = _choices if choice else _numbers
        for train, test in _folds(part, folds, seed):
            found = score([part[i] for i in train], [part[i] for i in test], seed)
            for name, values in found.items():
                columns[name][np.array(rows)[test]] = values
        done += len(rows)
        progress(done, len(items))
    return BlindScores(**columns)


def _forests() -> tuple[type, type]:
    """Import the forests: a classifier and a regressor."""
    try:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    except ImportError as error:
        message = "The audit needs scikit-learn. Install it with: pip install 'qa-engine[audit]'"
        raise QAEngineError(message) from error
    return RandomForestClassifier, RandomForestRegressor


def _folds(items: list[AuditItem], folds: int, seed: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Split by scene, or by question where there is one scene only; no split at all for a single question."""
    names = [item.scene_name for item in items]
    if len(set(names)) == 1:
        names = [item.id for item in items]
    known = sorted(set(names))
    order = np.random.default_rng(seed).permutation(len(known))
    fold_of = dict(zip((known[i] for i in order), np.arange(len(known)) % folds, strict=True))
    fold = np.array([fold_of[name] for name in names])
    parts = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(min(folds, len(known)))]
    return [(train if len(train) else test, test) for train, test in parts]


def _numbers(train: list[AuditItem], test: list[AuditItem], seed: int) -> dict[str, Array]:
    """Score numbers: the forest finds similar questions, and the answer is the number that scores best on those."""
    if len(train) > LARGEST_SAMPLE:
        chosen = np.random.default_rng(seed).choice(len(train), LARGEST_SAMPLE, replace=False)
        train = [train[i] for i in np.sort(chosen).tolist()]
    values, truth = (np.array([item.value for item in part]) for part in (train, test))
    scale = np.log(np.maximum(values, 1e-3))  # MRA is relative
    about = subjects([*train, *test])
    words = vocabulary(train)
    known, new = about[: len(train)], about[len(train) :]
    means, overall = means_by_word(known, scale)
    x_train, x_test = (
        np.hstack([word_features(part, words), apply_means(own, means, overall)])
        for part, own in ((train, known), (test, new))
    )
    forest = _forests()[1](n_estimators=TREES, min_samples_leaf=3, random_state=seed).fit(x_train, scale)
    tried = np.unique(np.quantile(values, np.linspace(0, 1, 101), method="nearest"))
    gain = np.stack([_accuracy(np.full(len(values), x), values) for x in tried])
    answers = tried[_best_by_leaves(forest.apply(x_train), forest.apply(x_test), gain)]
    constant = float(tried[np.argmax(gain.mean(axis=1))])
    groups: dict[frozenset[str], list[float]] = {}
    for key, value in zip(known, values.tolist(), strict=True):
        groups.setdefault(key, []).append(value)
    category = np.array([float(np.mean(groups[key])) if key in groups else constant for key in new])
    score = _accuracy(answers, truth)
    majority = _accuracy(np.full(len(test), constant), truth)
    return {
        "forest": score,
        "bias": score,
        "majority": majority,
        "category": _accuracy(category, truth),
        "chance": majority,
    }


def _accuracy(answers: Array, truth: Array) -> Array:
    """MRA of numbers, (n,); 0 where the truth is 0, as no answer is near it by ratio."""
    return np.nan_to_num(mean_relative_accuracy(answers, truth))


def _best_by_leaves(leaves: NDArray[np.int64], asked: NDArray[np.int64], gain: Array) -> NDArray[np.int64]:
    """Weigh the training questions by the leaves that they share with each one asked, and take the best answer.

    Parameters
    ----------
    leaves, asked : (n, trees), (m, trees) int64
    gain : (answers, n) float64
        Score of each answer to each training question.

    Returns
    -------
    (m,) int64
        Row of `gain`.
    """
    best = []
    for start in range(0, len(asked), CHUNK):
        part = asked[start : start + CHUNK]
        weight = np.zeros((len(part), len(leaves)))
        for tree in range(leaves.shape[1]):
            same = part[:, tree, None] == leaves[None, :, tree]
            weight += same / same.sum(axis=1, keepdims=True)
        best.append(np.argmax(weight @ gain.T, axis=1))
    return np.concatenate(best)


def _choices(train: list[AuditItem], test: list[AuditItem], seed: int) -> dict[str, Array]:
    """Score choices: the forest gives each option by itself a probability of being right."""
    offered = [frozenset({option}) for item in train for option in item.options]
    right = np.array([float(i == item.right) for item in train for i in range(len(item.options))])
    means, overall = means_by_word(offered, right)
    x_train, x_test = (_option_rows(part, means, overall) for part in (train, test))
    sample = LARGEST_SAMPLE if len(right) > LARGEST_SAMPLE else None
    forest = _forests()[0](n_estimators=TREES, min_samples_leaf=3, random_state=seed, max_samples=sample)
    classifier = forest.fit(x_train, right)
    column = np.flatnonzero(classifier.classes_ == 1.0)
    chance = np.array([1 / len(item.options) for item in test])
    probability = classifier.predict_proba(x_test)[:, column[0]] if len(column) else np.zeros(len(x_test))
    letters = Counter(item.right for item in train)
    found: dict[str, list[float]] = {"forest": [], "bias": [], "majority": [], "category": []}
    start = 0
    for item in test:
        k = len(item.options)
        own, start = probability[start : start + k], start + k
        found["forest"].append(_tied(own, item.right))
        found["bias"].append(float(own[item.right] / own.sum()) if own.sum() > 0 else 1 / k)
        found["majority"].append(_tied(np.array([letters[i] for i in range(k)], dtype=np.float64), item.right))
        rates = np.array([means.get(option, overall) for option in item.options])
        found["category"].append(_tied(rates, item.right))
    return {name: np.array(values) for name, values in found.items()} | {"chance": chance}


def _option_rows(items: list[AuditItem], means: dict[str, float], overall: float) -> Array:
    rates = [[means.get(option, overall)] for item in items for option in item.options]
    return np.hstack([np.vstack([option_features(item) for item in items]), np.array(rates)])


def _tied(scores: Array, right: int) -> float:
    """Score of choosing the highest, where equals are chosen between at random."""
    best = scores >= scores.max() - 1e-12
    return float(best[right] / best.sum())
