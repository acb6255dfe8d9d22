"""Scenes that benchmarks test on: a model that is trained on questions about them cannot be tested there any more.

The registry holds the first 16 hexadecimal digits of the SHA-256 of each scene's name, which is enough to recognise a
scene that is at hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib.resources import files


@cache
def benchmark_registry() -> dict[str, str]:
    """Digest of the scene's name to the benchmark's."""
    text = files("qa_contract").joinpath("benchmark_scenes.json").read_text(encoding="utf-8")
    return {digest: name for name, digests in json.loads(text).items() for digest in digests}


@lru_cache(maxsize=1 << 16)  # a proposer asks for every candidate, and a scene has many
def benchmark_of(scene_name: str) -> str | None:
    """Name the benchmark that tests on a scene, or None.

    Examples
    --------
    >>> benchmark_of("41069025"), benchmark_of("my kitchen")
    ('vsi-bench', None)
    """
    return benchmark_registry().get(hashlib.sha256(scene_name.encode("utf-8", "surrogatepass")).hexdigest()[:16])


def benchmark_scenes(scene_names: Iterable[str]) -> dict[str, str]:
    """Find the scenes that a benchmark tests on, with the benchmark.

    Examples
    --------
    >>> benchmark_scenes(["41069025", "my kitchen"])
    {'41069025': 'vsi-bench'}
    """
    found = {name: benchmark_of(name) for name in scene_names}
    return {name: benchmark for name, benchmark in found.items() if benchmark is not None}
