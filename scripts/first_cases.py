"""pytest plugin: of each file, run the first tests, and of each test the first of its cases."""

from __future__ import annotations

from collections import Counter

import pytest

TESTS = 2
"""Tests of a file. All files are imported; what a third test needs of the package, the first two nearly always need."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one item of each of the first test functions of a file."""
    first: dict[str, pytest.Item] = {}
    tests: Counter[str] = Counter()
    for item in items:
        file, function = item.nodeid.partition("::")[0], item.nodeid.partition("[")[0]
        if function not in first and tests[file] < TESTS:
            first[function] = item
            tests[file] += 1
    kept = set(map(id, first.values()))
    config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
    items[:] = [item for item in items if id(item) in kept]
