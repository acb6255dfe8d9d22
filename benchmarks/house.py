"""How each package is built: rooms, floors and arrows of its import graph.

uv run python benchmarks/house.py [--json] [--svg FILE] [SRC/PACKAGE ...]

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
from typing import Any

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
    return {(room, target) for room, target in found if not {"__init__", "__main__"} & {room, target}}


def floors(rooms: set[str], pairs: set[tuple[str, str]]) -> tuple[dict[str, int], list[str]]:
    """Give each room the number of its floor, from the ground; also the rooms of a circle, if there is one."""
    below = {room: {target for source, target in pairs if source == room} for room in rooms}
    try:
        order = list(TopologicalSorter(below).static_order())
    except CycleError as error:
        return {}, error.args[1]
    level: dict[str, int] = {}
    for room in order:
        level[room] = 1 + max((level[target] for target in below[room]), default=0)
    return level, []


def measure(package: Path) -> dict[str, Any]:
    """Count the rooms, floors and arrows of a package."""
    paths = list(modules(package))
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in paths]
    rooms = {room_of(path, package) for path in paths} - {"__init__", "__main__"}
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


def drawing(found: list[dict[str, Any]]) -> str:
    """Draw packages side by side, floors above each other; the loop is the roof and the leaf the ground."""
    row, gap, width, inner = 26, 6, 268, 256
    upper = {row["package"]: row["storeys"] for row in found}
    houses = [name for name in upper if name not in ("qa_contract", "qa_loop")]
    heights = {name: sum(len(lines(storey, inner)) * row + gap for storey in upper[name]) for name in upper}
    tall = max(heights[name] for name in houses)
    total_width = len(houses) * width
    flat = {
        name: lines([room for storey in upper[name] for room in storey], total_width - 150)
        for name in ("qa_loop", "qa_contract")
    }
    roof, ground = (len(flat[name]) * row + gap for name in ("qa_loop", "qa_contract"))
    parts: list[str] = []

    def rooms(name: str, rows: list[list[str]], x: float, y: float) -> None:
        for k, line in enumerate(rows):
            left = x
            for room in line:
                parts.append(
                    f'<g><title>{name}.{room}</title><rect class="room" x="{left:.0f}" y="{y + k * row:.0f}" '
                    f'width="{room_width(room)}" height="{row - 5}" rx="4"/><text class="name" '
                    f'x="{left + room_width(room) / 2:.0f}" y="{y + k * row + 14:.0f}">{room}</text></g>'
                )
                left += room_width(room) + 5

    def storey_of(name: str, x: float, y: float, wide: float, high: float) -> None:
        parts.append(f'<rect class="house" x="{x}" y="{y:.0f}" width="{wide}" height="{high:.0f}" rx="8"/>')

    storey_of("qa_loop", 4, 4, total_width - 8, roof + 8)
    parts.append('<text class="title" x="16" y="25">qa_loop</text>')
    rooms("qa_loop", flat["qa_loop"], 130, 10)
    top = roof + 24
    for k, name in enumerate(houses):
        x = k * width + 4
        storey_of(name, x, top, width - 8, tall + 40)
        parts.append(f'<text class="title" x="{x + 10}" y="{top + 22}">{name}</text>')
        y = top + 34 + tall
        for storey in upper[name]:
            packed = lines(storey, inner)
            y -= len(packed) * row + gap
            rooms(name, packed, x + 8, y)
            parts.append(f'<line class="floor" x1="{x + 4}" x2="{x + width - 12}" y1="{y - 3.5}" y2="{y - 3.5}"/>')
    bottom = top + tall + 52
    storey_of("qa_contract", 4, bottom, total_width - 8, ground + 8)
    parts.append(f'<text class="title" x="16" y="{bottom + 22}">qa_contract</text>')
    rooms("qa_contract", flat["qa_contract"], 130, bottom + 6)
    height = bottom + ground + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_width} {height:.0f}" role="img">'
        "<title>Packages, floors and rooms</title>"
        "<style>text{font-family:system-ui,sans-serif}.title{font-size:15px;font-weight:600;fill:#20242a}"
        ".name{font-size:11.5px;text-anchor:middle;fill:#20242a}.house{fill:#f4f6f8;stroke:#36454f;stroke-width:1.3}"
        ".room{fill:#fff;stroke:#56b4e9}.floor{stroke:#c9d0d8}.sky{fill:#fff}</style>"
        f'<rect class="sky" width="{total_width}" height="{height:.0f}"/>' + "".join(parts) + "</svg>\n"
    )


def room_width(name: str) -> int:
    """Width of a room's box, pixels."""
    return 14 + round(6.4 * len(name))


def lines(rooms: list[str], width: int) -> list[list[str]]:
    """Pack rooms into lines no wider than `width`."""
    packed: list[list[str]] = [[]]
    left = width
    for room in rooms:
        if room_width(room) > left and packed[-1]:
            packed.append([])
            left = width
        packed[-1].append(room)
        left -= room_width(room) + 5
    return packed


def main() -> None:
    """Print a table, or JSON; draw where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", type=Path, default=[ROOT / name for name in PACKAGES])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--svg", type=Path)
    given = parser.parse_args()
    found = [measure(package) for package in given.packages]
    if given.svg:
        given.svg.write_text(drawing(found), encoding="utf-8")
    if given.json:
        print(json.dumps(found, indent=1))
        return
    columns = ("package", "modules", "lines", "median_lines", "rooms", "floors", "arrows")
    print("| " + " | ".join(columns) + " | circle |")
    print("|---" * (len(columns) + 1) + "|")
    for row in found:
        circle = " -> ".join(row["circle"]) or "none"
        print("| " + " | ".join(str(row[name]) for name in columns) + f" | {circle} |")


if __name__ == "__main__":
    main()
