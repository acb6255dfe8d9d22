"""Install each package's wheel alone in a fresh environment and run the package's own tests there.

uv run python scripts/wheels_alone.py [--every-case] [PACKAGE ...] [-- PYTEST OPTIONS]

A package comes with `qa-contract`, what it declares, and what its tests need, in the versions of `uv.lock`; none of the
other packages is there. Tests that need an extra skip. Of each file the first tests run, of each the first case, and no
law over drawn values: the others import and open hardly anything more, and the suite of the workspace runs them on the
same code. Ends with 1 if a package fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "qa-engine": ("qa-engine", ""),
    "qa-trainer": ("trainer", "[lora,video]"),
    "qa-eval": ("eval", ""),
    "qa-contract": ("contract", "[cli,pages]"),
    "qa-confidence": ("confidence", ""),
}
"""Package to its folder and the extras that its tests are about; the longest first."""

TESTS = ("pytest", "hypothesis")


def uv(*words: object) -> None:
    """Run uv; its output is shown where it fails."""
    run = subprocess.run(["uv", *map(str, words)], cwd=ROOT, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(f"uv {' '.join(map(str, words))} failed:\n{run.stdout}{run.stderr}")


def alone(package: str, wheels: Path, constraints: Path, options: list[str]) -> bool:
    """Test one package in an environment and a folder of its own; show its output, tell whether its tests pass."""
    started = time.perf_counter()
    folder, extras = PACKAGES[package]
    with tempfile.TemporaryDirectory(prefix=f"{package}-") as name:
        place = Path(name)
        uv("venv", "--python", sys.executable, place / "env")
        wheel, contract = (next(wheels.glob(f"{w.replace('-', '_')}-*.whl")) for w in (package, "qa-contract"))
        given = [f"{wheel}{extras}", *TESTS, *([contract] if package != "qa-contract" else [])]
        python = place / "env/bin/python"
        uv("pip", "install", "--python", python, "--constraints", constraints, *given)
        home = place / "packages" / folder
        shutil.copytree(ROOT / "packages" / folder / "tests", home / "tests")
        shutil.copy(ROOT / "packages" / folder / "pyproject.toml", home)  # pytest's options of the package
        browser = Path("packages/contract/tests/pages")
        shutil.copytree(ROOT / browser, place / browser, dirs_exist_ok=True)  # tests of pages open them
        words = [python, "-m", "pytest", "-q", "-m", "not slow", *options]
        environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        environment |= {"PYTHONPATH": str(ROOT / "scripts"), "OMP_NUM_THREADS": "1"}  # two packages at once
        run = subprocess.run(
            words, cwd=home, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    end = "passed" if not run.returncode else f"failed ({run.returncode})"
    print(f"{run.stdout}{package} alone: {end}, {time.perf_counter() - started:.0f} s", flush=True)
    return not run.returncode


def main() -> None:
    """Read the command line, build the wheels once, and try each package."""
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    named, options = words[:cut], words[cut + 1 :]
    if "--every-case" in named:
        named.remove("--every-case")
    else:
        options += ["-p", "first_cases", "--ignore-glob=*/property/*"]
    chosen = [package for package in PACKAGES if not named or package in named]
    if unknown := set(named) - set(PACKAGES):
        raise SystemExit(f"Unknown package {', '.join(sorted(unknown))}. Valid: {', '.join(PACKAGES)}.")
    with tempfile.TemporaryDirectory(prefix="wheels-") as name:
        wheels, constraints = Path(name), Path(name) / "constraints.txt"
        uv("build", "--all-packages", "--wheel", "--out-dir", wheels)
        everything = ("--all-packages", "--all-groups", "--all-extras")
        uv("export", "--frozen", "--no-hashes", "--no-emit-workspace", *everything, "--output-file", constraints)
        with ThreadPoolExecutor(2) as pool:  # one waits for files while the other computes
            results = list(pool.map(lambda package: alone(package, wheels, constraints, options), chosen))
    raise SystemExit(not all(results))


if __name__ == "__main__":
    main()
