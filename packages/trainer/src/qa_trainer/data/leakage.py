"""Refusal of questions about scenes that benchmarks test on."""

from __future__ import annotations

from collections.abc import Iterable

from qa_contract.leakage import benchmark_scenes

from qa_trainer.errors import QATrainerError


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
