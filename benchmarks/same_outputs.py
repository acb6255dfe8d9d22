"""Do two versions of the code write the same? Makes outputs, takes their digests, compares two digests.

uv run python benchmarks/same_outputs.py make META_INFO.json --out DIR [--demo] > before.json
uv run python benchmarks/same_outputs.py digest DIR > after.json
uv run python benchmarks/same_outputs.py compare before.json after.json

META_INFO.json is VSI-Bench's metadata. `make` ingests its scenes, generates, verifies and audits the questions; with
`--demo` it also runs the demo, which takes minutes. A table counts by the bytes of its file and by its values alone;
pages and weights count by their bytes. Manifests and logs hold times and are left out. `compare` ends with 1 where
values differ or a file is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl

LEFT_OUT = ("manifest.json", "run.json", "complete.json", "metrics.parquet", "config.toml", "config.resolved.json")
"""Files with times, places or versions in them."""

KINDS = (".parquet", ".html", ".safetensors", ".jsonl", ".png", ".svg")


def make(metadata: Path, out: Path, *, demo: bool) -> None:
    """Write the outputs below `out`."""
    store, questions = out / "store", out / "questions"
    command("qa-engine", "ingest", "vsi-bench", metadata, "--out", store)
    command("qa-engine", "generate", store, "--seed", 1, "--out", questions)
    command("qa-engine", "verify", store, questions)
    command("qa-engine", "generate", store, "--seed", 2, "--count", 500, "--workers", 2, "--out", out / "chosen")
    if demo:
        command("qa-loop", "demo", "--out", out / "demo")


def command(program: str, *words: object) -> None:
    """Run one of the workspace's commands; its own messages go to stderr."""
    subprocess.run([Path(sys.executable).with_name(program), *map(str, words)], check=True, stdout=sys.stderr)


def files(folder: Path) -> Iterator[Path]:
    """List what is compared, in a fixed order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in KINDS and path.name not in LEFT_OUT and "logs" not in path.parts:
            yield path


def digest(folder: Path) -> dict[str, dict[str, str]]:
    """Hash the files below a folder: by bytes, and tables by values."""
    found: dict[str, dict[str, str]] = {}
    for path in files(folder):
        entry = {"bytes": hashlib.sha256(path.read_bytes()).hexdigest()[:16]}
        if path.suffix == ".parquet":
            table = pl.read_parquet(path)
            text = json.dumps([(name, str(kind)) for name, kind in table.schema.items()]) + table.write_ndjson()
            entry["values"] = hashlib.sha256(text.encode()).hexdigest()[:16]
        found[path.relative_to(folder).as_posix()] = entry
    return found


def compare(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]) -> bool:
    """Print what differs; tell whether all values are the same."""
    equal = sum(before[name]["bytes"] == after[name]["bytes"] for name in before.keys() & after)
    same_values = [n for n in sorted(before.keys() & after) if before[n]["bytes"] != after[n]["bytes"]]
    differ = [n for n in same_values if before[n].get("values", "") != after[n].get("values", "-")]
    for name in same_values:
        print(f"{'other values' if name in differ else 'other bytes, same values'}: {name}")
    for name in sorted(before.keys() ^ after):
        print(f"{'gone' if name in before else 'new'}: {name}")
    print(f"{equal} of {len(before)} files have the same bytes, {len(same_values) - len(differ)} more the same values.")
    return not differ and before.keys() <= after.keys()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    maker = commands.add_parser("make")
    maker.add_argument("metadata", type=Path)
    maker.add_argument("--out", type=Path, required=True)
    maker.add_argument("--demo", action="store_true")
    commands.add_parser("digest").add_argument("folder", type=Path)
    both = commands.add_parser("compare")
    both.add_argument("before", type=Path)
    both.add_argument("after", type=Path)
    given = parser.parse_args()
    if given.command == "compare":
        raise SystemExit(not compare(json.loads(given.before.read_text()), json.loads(given.after.read_text())))
    if given.command == "make":
        make(given.metadata, given.out, demo=given.demo)
    print(json.dumps(digest(given.out if given.command == "make" else given.folder), indent=1))


if __name__ == "__main__":
    main()
