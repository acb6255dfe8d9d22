"""What a training run is fed: which row of which source is the n-th item.

Item `i` belongs to optimizer step `i // batch_size + 1`, counted over all rounds. Everything here follows from the
sources, their shares and the seed, so that a resumed run and every process of a distributed one see the same items.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_trainer.data.conversations import Conversations
from qa_trainer.data.questions import Samples

Source = Samples | Conversations


@dataclass(frozen=True)
class Feed:
    """The items of a run.

    Attributes
    ----------
    labels : tuple of str
        Names of the sources.
    sources : tuple of Samples or Conversations
    first : int
        Number of the first item of this run.
    source, row : (n,) int64
        Of the items from `first` on: which source, and which of its rows.
    """

    labels: tuple[str, ...]
    sources: tuple[Source, ...]
    first: int
    source: NDArray[np.int64]
    row: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    def examples(self, items: Sequence[int]) -> dict[str, list[Any]]:
        """Build TRL's prompt-completion rows of items, in their order."""
        found: dict[int, dict[str, Any]] = {}
        for source, places, rows in self._by_source(items):
            batch = source.examples(rows)
            for k, place in enumerate(places):
                found[place] = {name: values[k] for name, values in batch.items()}
        return {
            name: [found[place][name] for place in range(len(items))] for name in ("images", "prompt", "completion")
        }

    def names(self, items: Sequence[int]) -> list[str]:
        """Name items in a message: question ids, or source and line."""
        found: dict[int, str] = {}
        for source, places, rows in self._by_source(items):
            found |= zip(places, source.names(rows), strict=True)
        return [found[place] for place in range(len(items))]

    def used(self) -> dict[str, int]:
        """Count the items of every source."""
        return dict(zip(self.labels, np.bincount(self.source, minlength=len(self.sources)).tolist(), strict=True))

    @property
    def questions(self) -> int:
        """Rows of the sources whose answers are recorded."""
        return sum(len(source) for source in self.sources if isinstance(source, Samples))

    @property
    def always_images(self) -> bool:
        """Tell whether every row has an image."""
        return all(
            source.rows["images"].list.len().min()
            if isinstance(source, Samples)
            else (source.rows["paths"].list.len() + source.rows["images"].list.len()).min()
            for source in self.sources
        )

    def _by_source(self, items: Sequence[int]) -> list[tuple[Source, list[int], list[int]]]:
        """Group items: source, places in `items`, rows of the source."""
        index = np.asarray(items, dtype=np.int64) - self.first
        found: list[tuple[Source, list[int], list[int]]] = []
        for number in np.unique(self.source[index]).tolist():
            places = np.flatnonzero(self.source[index] == number)
            found.append((self.sources[number], places.tolist(), self.row[index[places]].tolist()))
        return found


def single(label: str, samples: Samples, *, first: int, count: int) -> Feed:
    """Feed one source in the order of its file; it starts again after its last row."""
    return Feed((label,), (samples,), first, np.zeros(count, dtype=np.int64), np.arange(count) % len(samples))


def mixed(sources: Sequence[tuple[str, float, Source]], *, first: int, count: int, batch_size: int, seed: int) -> Feed:
    """Feed several sources by their shares.

    Parameters
    ----------
    sources : sequence of (label, share, source)
        Shares add up to 1.
    first, count : int
        Number of the first item, and how many there are: whole steps.
    batch_size : int
        Items per step.
    seed : int
        Decides the order within a step, and the order of general data.

    Notes
    -----
    At the end of every step each source has had its share of all items to within one row, earlier rounds included.
    Questions come in the order of their file, from its start in every run; general data is shuffled anew in every
    pass over it, and a later round goes on where the earlier one stopped.
    """
    labels, shares, given = zip(*sources, strict=True)
    order = interleave(shares, first + count)
    for start in range(0, len(order), batch_size):
        rng = _generator(seed, "step", start // batch_size)
        order[start : start + batch_size] = rng.permutation(order[start : start + batch_size])
    rows = np.empty(len(order), dtype=np.int64)
    for number, source in enumerate(given):
        places = np.flatnonzero(order == number)
        if isinstance(source, Samples):
            earlier = int(np.searchsorted(places, first))
            rows[places] = (np.arange(len(places)) - earlier) % len(source)
        else:
            rows[places] = _shuffled(len(source), len(places), seed, labels[number])
    return Feed(labels, given, first, order[first:], rows[first:])


def interleave(shares: Sequence[float], count: int) -> NDArray[np.int64]:
    """Give every item a source such that in each prefix every source has its share to within one item.

    Parameters
    ----------
    shares : sequence of float
        Positive, sum 1.
    count : int

    Returns
    -------
    (count,) int64

    References
    ----------
    R. Tijdeman, The chairman assignment problem, Discrete Mathematics 32 (1980): among the sources that are behind by
    at least 1 / (2k - 2), take the one whose deadline comes first; no source is ever off by more than
    1 - 1 / (2k - 2).

    Examples
    --------
    >>> interleave([0.75, 0.25], 8).tolist()
    [0, 0, 1, 0, 0, 0, 1, 0]
    """
    order = np.zeros(count, dtype=np.int64)
    if len(shares) == 1:
        return order
    slack = 1 / (2 * len(shares) - 2)
    given = [0] * len(shares)
    for item in range(count):
        behind = [share * (item + 1) - had for share, had in zip(shares, given, strict=True)]
        waiting = [i for i, lag in enumerate(behind) if lag >= slack - 1e-9]
        chosen = min(waiting, key=lambda i: ((1 - slack - behind[i]) / shares[i], i))
        given[chosen] += 1
        order[item] = chosen
    return order


def _shuffled(size: int, count: int, seed: int, label: str) -> NDArray[np.int64]:
    """Give the rows of so many items of one source: pass after pass, each in an order of its own."""
    passes = [_generator(seed, label, number).permutation(size) for number in range(-(-count // size))]
    return np.concatenate([*passes, np.empty(0, dtype=np.int64)])[:count]


def _generator(seed: int, *words: object) -> np.random.Generator:
    """Make a generator from a seed and what it is for."""
    text = "|".join(map(str, (seed, "mixture", *words)))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]))
