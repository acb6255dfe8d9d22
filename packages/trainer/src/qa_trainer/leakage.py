"""Scenes that benchmarks test on: a model that is trained on questions about them cannot be tested there any more.

The registry holds the first 16 hexadecimal digits of the SHA-256 of each scene's name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from importlib.resources import files

from qa_trainer.errors import QATrainerError

REGISTRY = "benchmark_scenes.json"


def benchmark_scenes(scene_names: Iterable[str]) -> dict[str, str]:
    """Find the scenes that a benchmark tests on, with the benchmark.

    Examples
    --------
    >>> benchmark_scenes(["41069025", "my kitchen"])
    {'41069025': 'vsi-bench'}
    """
    text = files("qa_trainer").joinpath(REGISTRY).read_text(encoding="utf-8")
    names = {digest: benchmark for benchmark, digests in json.loads(text).items() for digest in digests}
    found = {
        name: names.get(hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]) for name in scene_names
    }
    return {name: benchmark for name, benchmark in found.items() if benchmark is not None}


def refuse_benchmark_scenes(scene_names: Iterable[str], *, allowed: bool) -> list[str]:
    """Stop before a model is trained on scenes that benchmarks test on, unless that is wanted.

    Returns
    -------
    list of str
        What to tell the user where it is allowed: at most one line.

    Raises
    ------
    QATrainerError
        There are such scenes, and `allowed` is false.
    """
    found = benchmark_scenes(sorted(set(scene_names)))
    if not found:
        return []
    first, benchmark = next(iter(found.items()))
    what = f"{len(found)} scenes are in benchmarks, the first is '{first}' ({benchmark})"
    if not allowed:
        raise QATrainerError(
            f"{what}; a model trained on them cannot be tested there. Leave their questions out "
            "('qa-engine generate' on other scenes), or pass --allow-benchmark-scenes."
        )
    return [f"{what}: this model cannot be tested there"]
