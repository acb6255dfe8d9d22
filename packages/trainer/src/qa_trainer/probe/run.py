"""A linear probe of a model's eye: what can be read off its frozen features about scenes of a store.

Two readings, each with the same ridge regression on eye, language model's end and raw pixels, and beside the best
constant answer. Of a *token*: what stands under it (category, place, yaw). Of the *scene*: which categories its frames
show, how many of each, and where the single ones stand. A linear map adds little of its own, so that what it reads is
there to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qa_trainer.probe.features import features
from qa_trainer.probe.ridge import ridge
from qa_trainer.probe.store import ProbedScene, probed_scenes

GRID = 4
"""For the scene the tokens of a frame are averaged on a grid of so many cells a side."""
FEW = 20
"""A category with fewer training scenes is left out of places and yaws."""
LOW_SKILL = 0.5
"""Below this the features are said not to hold a thing."""
CLEAR = 0.1
"""Skills less than this apart count as alike."""


@dataclass(frozen=True)
class Figure:
    """One held-out figure.

    Attributes
    ----------
    level : str
        token or scene
    target, unit : str
    rows : int
        Held-out rows that it is about.
    constant, pixels, eye, language : float
    better : str
        higher or lower
    """

    level: str
    target: str
    unit: str
    better: str
    rows: int
    constant: float
    pixels: float
    eye: float
    language: float

    def skill(self, features: str) -> float:
        """Share of the way from the constant answer to a perfect one; NaN where that is perfect already."""
        value, constant = getattr(self, features), self.constant
        if constant == (1 if self.better == "higher" else 0):
            return float("nan")
        return (value - constant) / (1 - constant) if self.better == "higher" else 1 - value / constant


def probe(
    model: Any,
    processor: Any,
    store: Path,
    *,
    frames: int,
    limit: int | None,
    heldout: float,
    seed: int,
    batch_size: int,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, Any]:
    """Probe a model on the scenes of a store.

    Parameters
    ----------
    model, processor
        A vision-language model of transformers whose frames become a square grid of tokens each.
    store : Path
        With observations.
    frames : int
        Per scene.
    limit : int, optional
        Take so many scenes only.
    heldout : float
        Share of the scenes that the figures are about.
    seed : int
        Of the split.
    batch_size : int
        Scenes per forward pass.
    progress : callable, optional
        Called with the scenes whose features are there and all of them.

    Returns
    -------
    dict
        `figures`, `verdict`, `scenes`, `heldout_scenes`, `categories`, `tokens_per_frame`.
    """
    scenes, vocabulary = probed_scenes(store, frames=frames, limit=limit)
    order = np.random.default_rng(seed).permutation(len(scenes))
    scenes = [scenes[index] for index in order]
    split = len(scenes) - max(1, round(len(scenes) * heldout))
    found = features(model, processor, scenes, batch_size=batch_size, progress=progress)
    figures = token_figures(scenes, found, split, len(vocabulary))
    figures += scene_figures(scenes, found, split, len(vocabulary))
    return {
        "figures": [asdict(figure) for figure in figures],
        "verdict": verdict(figures),
        "scenes": len(scenes),
        "heldout_scenes": len(scenes) - split,
        "categories": list(vocabulary),
        "tokens_per_frame": int(np.prod(found["eye"].shape[2:4])),
    }


def token_figures(
    scenes: Sequence[ProbedScene], found: Mapping[str, np.ndarray], split: int, categories: int
) -> list[Figure]:
    """Figures about the object whose visible part has its middle under a token, the smallest of several."""
    side = found["eye"].shape[2]
    rows, facts = [], []
    for number, scene in enumerate(scenes):
        frame, item = np.nonzero(scene.seen)
        box, twice = scene.box[frame, item], 2 * scene.yaw[frame, item]
        cell = np.clip((box[:, :2] + box[:, 2:]) / 2 * side, 0, side - 1).astype(int)
        rows.append(np.stack([np.full_like(frame, number), frame, cell[:, 1], cell[:, 0]], 1))
        area = (box[:, 2:] - box[:, :2]).prod(1)
        place = scene.place[frame, item]
        facts.append(np.column_stack([scene.category[item], place, np.cos(twice), np.sin(twice), area]))
    at, values = np.concatenate(rows), np.concatenate(facts)
    by_size = np.lexsort((values[:, 5], *at.T[::-1]))
    keep = by_size[np.unique(at[by_size], axis=0, return_index=True)[1]]
    at, values = at[keep], values[keep]
    train = at[:, 0] < split
    kinds = values[:, 0].astype(int)
    wanted = np.concatenate([np.eye(categories)[kinds], values[:, 1:5]], 1)
    predicted = {
        name: ridge(x[tuple(at[train].T)].astype(float), wanted[train], x[tuple(at[~train].T)].astype(float))
        for name, x in found.items()
    }
    common = np.bincount(kinds[train], minlength=categories).argmax()
    middle = np.median(values[train, 1:3], axis=0)
    n = int((~train).sum())

    def scores(measure: Any, constant: float) -> dict[str, float]:
        return {"constant": constant, **{name: float(measure(value)) for name, value in predicted.items()}}

    def far(value: np.ndarray) -> np.floating:
        return np.median(np.linalg.norm(value - values[~train, 1:3], axis=1))

    return [
        Figure(
            "token",
            "category",
            "share right",
            "higher",
            n,
            **scores(
                lambda p: (p[:, :categories].argmax(1) == kinds[~train]).mean(), float((kinds[~train] == common).mean())
            ),
        ),
        Figure(
            "token",
            "place",
            "m, median",
            "lower",
            n,
            **scores(lambda p: far(p[:, categories : categories + 2]), float(far(middle))),
        ),
        Figure(
            "token",
            "yaw",
            "degrees, median",
            "lower",
            n,
            **scores(
                lambda p: _yaw_error(p[:, categories + 2 :], values[~train, 3:5]),
                float(_yaw_error(values[train, 3:5].mean(0)[None], values[~train, 3:5])),
            ),
        ),
    ]


def scene_figures(
    scenes: Sequence[ProbedScene], found: Mapping[str, np.ndarray], split: int, categories: int
) -> list[Figure]:
    """Figures about what the frames of a scene show together; places in the first camera's frame."""
    counts = np.zeros((len(scenes), categories), int)
    spot = np.full((len(scenes), categories, 4), np.nan)
    for number, scene in enumerate(scenes):
        visible = np.flatnonzero(scene.seen.any(0))
        counts[number] = np.bincount(scene.category[visible], minlength=categories)
        for item in visible[counts[number, scene.category[visible]] == 1]:
            twice = 2 * scene.yaw[0, item]
            spot[number, scene.category[item]] = *scene.place[0, item], np.cos(twice), np.sin(twice)
    flat = {name: _cells(value) for name, value in found.items()}
    train, test = slice(0, split), slice(split, None)
    there = counts > 0
    seen = np.stack([there, counts], -1).reshape(len(scenes), -1).astype(float)
    read = {name: ridge(x[train], seen[train], x[test]).reshape(-1, categories, 2) for name, x in flat.items()}
    several = counts[test] > 1
    usual = np.array(
        [np.bincount(counts[train, k][counts[train, k] > 1], minlength=3).argmax() for k in range(categories)]
    )
    figures = [
        Figure(
            "scene",
            "presence",
            "share right",
            "higher",
            there[test].size,
            constant=float(((there[train].mean(0) > 0.5)[None] == there[test]).mean()),
            **{name: float(((p[..., 0] > 0.5) == there[test]).mean()) for name, p in read.items()},
        ),
        Figure(
            "scene",
            "count of two or more",
            "share right",
            "higher",
            int(several.sum()),
            constant=_share(np.broadcast_to(usual, several.shape)[several] == counts[test][several]),
            **{name: _share(np.rint(p[..., 1][several]) == counts[test][several]) for name, p in read.items()},
        ),
    ]
    errors: dict[str, list[np.ndarray]] = {name: [] for name in ("constant", *flat)}
    turns: dict[str, list[np.ndarray]] = {name: [] for name in ("constant", *flat)}
    for kind in range(categories):
        known = np.flatnonzero(~np.isnan(spot[:, kind, 0]))
        learn, ask = known[known < split], known[known >= split]
        if len(learn) < FEW or not len(ask):
            continue
        wanted = spot[ask, kind]
        guesses = {name: ridge(x[learn], spot[learn, kind], x[ask]) for name, x in flat.items()}
        middle = np.concatenate([np.median(spot[learn, kind, :2], axis=0), spot[learn, kind, 2:].mean(0)])
        guesses["constant"] = np.broadcast_to(middle, wanted.shape)
        for name, guess in guesses.items():
            errors[name].append(np.linalg.norm(guess[:, :2] - wanted[:, :2], axis=1))
            turns[name].append(_yaw_errors(guess[:, 2:], wanted[:, 2:]))
    for target, unit, parts in (("place", "m, median", errors), ("yaw", "degrees, median", turns)):
        if parts["constant"]:
            joined = {name: np.concatenate(part) for name, part in parts.items()}
            medians = {name: float(np.median(value)) for name, value in joined.items()}
            figures.append(Figure("scene", target, unit, "lower", len(joined["constant"]), **medians))
    return figures


def verdict(figures: Sequence[Figure]) -> list[str]:
    """Say for each target whether eye or language model lacks it."""
    lines = []
    for figure in figures:
        eye, language, pixels = (figure.skill(name) for name in ("eye", "language", "pixels"))
        what = f"{figure.level} {figure.target}: skill {eye:.2f} in the eye, {language:.2f} at the language model's end"
        if np.isnan(eye):
            said = "nothing to read, one answer is always right"
        elif max(eye, language) < LOW_SKILL:
            said = "not to be read off either" + (", raw pixels give as much" if pixels >= eye else "")
        elif language < eye - CLEAR:
            said = "the eye holds it, the language model loses it"
        elif language > eye + CLEAR:
            said = "the language model makes it from what the eye gives"
        else:
            said = "both hold it; wrong answers are the language model's"
        lines.append(f"{what}: {said}")
    return lines


def _cells(value: np.ndarray) -> np.ndarray:
    """Tokens (n, f, g, g, d) averaged on `GRID` cells a side, one row a scene."""
    side = value.shape[2]
    cells = min(GRID, side)
    edges = np.linspace(0, side, cells + 1).round().astype(int)
    rows = np.add.reduceat(value, edges[:-1], axis=2) / np.diff(edges)[:, None, None]
    both = np.add.reduceat(rows, edges[:-1], axis=3) / np.diff(edges)[:, None]
    return both.reshape(len(value), -1).astype(float)


def _share(right: np.ndarray) -> float:
    """Mean, NaN of nothing."""
    return float(right.mean()) if right.size else float("nan")


def _yaw_errors(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Degrees, 0 to 90, from (cos, sin) of twice the yaw."""
    apart = np.arctan2(found[..., 1], found[..., 0]) - np.arctan2(wanted[..., 1], wanted[..., 0])
    return np.rad2deg(np.abs((apart + np.pi) % (2 * np.pi) - np.pi)) / 2


def _yaw_error(found: np.ndarray, wanted: np.ndarray) -> np.floating:
    return np.median(_yaw_errors(found, wanted))
