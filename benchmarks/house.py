"""How each package is built: rooms, floors and arrows of its import graph.

uv run python benchmarks/house.py [--json] [SRC/PACKAGE ...]

A room is a module or folder on a package's root level (`__init__` aside). An arrow is a pair of rooms of which one
imports from the other. A floor is a step of the longest chain of arrows; rooms in a circle share one. Imports are read
from the code, those inside functions and under TYPE_CHECKING included.
"""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "packages/contract/src/qa_contract",
    "packages/qa-engine/src/qa_engine",
    "packages/confidence/src/qa_confidence",
    "packages/trainer/src/qa_trainer",
    "packages/eval/src/qa_eval",
    "src/qa_loop",
)


def modules(package: Path) -> Iterator[Path]:
    """List the modules of a package."""
    return (path for path in sorted(package.rglob("*.py")) if "__pycache__" not in path.parts)


def room_of(path: Path, package: Path) -> str:
    """Name the room of a module: the first part of its place in the package."""
    return path.relative_to(package).with_suffix("").parts[0]


def targets(path: Path, package: Path) -> Iterator[str]:
    """List the rooms that a module imports from."""
    rooms = {room_of(module, package) for module in modules(package)}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == package.name and len(parts) > 1 and parts[1] in rooms:
                yield parts[1]


def arrows(package: Path) -> set[tuple[str, str]]:
    """List the pairs (room, room that it imports from)."""
    found = set()
    for path in modules(package):
        room = room_of(path, package)
        found |= {(room, target) for target in targets(path, package) if target != room}
    return {(room, target) for room, target in found if "__init__" not in (room, target)}


def floors(rooms: set[str], pairs: set[tuple[str, str]]) -> tuple[dict[str, int], list[str]]:
    """Number the floors from the ground; also the rooms of a circle, if there is one."""
    below = {room: {target for source, target in pairs if source == room} for room in rooms}
    try:
        order = list(TopologicalSorter(below).static_order())
    except CycleError as error:
        return {}, error.args[1]
    level: dict[str, int] = {}
    for room in order:
        level[room] = 1 + max((level[target] for target in below[room]), default=0)
    return level, []


def measure(package: Path) -> dict[str, object]:
    """Count the rooms, floors and arrows of a package."""
    paths = list(modules(package))
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in paths]
    rooms = {room_of(path, package) for path in paths} - {"__init__"}
    pairs = arrows(package)
    level, circle = floors(rooms, pairs)
    storeys: dict[int, list[str]] = {}
    for room, number in sorted(level.items()):
        storeys.setdefault(number, []).append(room)
    return {
        "package": package.name,
        "modules": len(paths),
        "lines": sum(lines),
        "median_lines": median(lines),
        "rooms": len(rooms),
        "floors": max(level.values(), default=0),
        "arrows": len(pairs),
        "circle": circle,
        "storeys": [storeys[number] for number in sorted(storeys)],
    }


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", type=Path, default=[ROOT / name for name in PACKAGES])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = [measure(package) for package in given.packages]
    if given.json:
        print(json.dumps(found, indent=1))
        return
    columns = ("package", "modules", "lines", "median_lines", "rooms", "floors", "arrows")
    print("| " + " | ".join(columns) + " | circle |")
    print("|---" * (len(columns) + 1) + "|")
    for row in found:
        circle = " -> ".join(row["circle"]) or "none"  # type: ignore[arg-type]
        print("| " + " | ".join(str(row[name]) for name in columns) + f" | {circle} |")


if __name__ == "__main__":
    main()
