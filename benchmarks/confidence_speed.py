"""Time and memory of qa-confidence on a million rows, beside scikit-learn's isotonic regression and netcal's ECE.

    uv run python benchmarks/confidence_speed.py --out benchmarks/results/confidence_speed.json

`fit`, `apply` and `report` run as a user runs them, each in a process of its own that reads and writes Parquet. The
comparison runs in this process on the same arrays; a library that is not installed is left out, and the result says so
(netcal is in the dependency group `oracles`).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from qa_confidence import ece, fit_calibrator
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import CONFIDENCE

QUESTION_TYPES = 8
SCENES = 2000
LOAD = os.getloadavg()[0]
"""Processes that wanted the cores before the measurement; above 0, wall times are too long."""

LIBRARIES = ("numpy", "polars", "duckdb", "scikit-learn", "netcal")


def sample(n: int, seed: int) -> pl.DataFrame:
    """Rows of the table `confidence`: half of the types score 0 or 1, half in tenths; each type is off differently."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, QUESTION_TYPES, n)
    c = rng.beta(2, 1, n)
    expected = np.clip(c ** (0.7 + 0.3 * kind), 0, 1)
    right = (rng.random(n) < expected).astype(np.float64)
    graded = np.clip(np.round(expected + rng.normal(0, 0.2, n), 1), 0, 1)
    empty = pl.lit(None)
    return pl.DataFrame({"kind": kind, "scene": rng.integers(0, SCENES, n), "raw": c}).select(
        question_id=pl.format("q{}", pl.int_range(n)),
        scene_name=pl.format("scene{}", "scene"),
        question_type=pl.format("type{}", "kind"),
        model_id=pl.lit("model"),
        round=pl.lit(1, pl.Int32),
        phase=pl.lit("eval"),
        gold_confidence=empty.cast(pl.Float64),
        raw_confidence="raw",
        confidence=empty.cast(pl.Float64),
        score=pl.Series(np.where(kind % 2, graded, right)),
        label=pl.lit("frontier"),
        profile=pl.lit("paper"),
        calibrator_id=empty.cast(pl.String),
        group=empty.cast(pl.String),
    )


def command(*arguments: str) -> dict[str, float]:
    """Run one command; give its wall and processor seconds and its largest memory."""
    line = [sys.executable, "-m", "qa_confidence.cli", *arguments]
    started = time.perf_counter()
    process = os.posix_spawn(sys.executable, line, os.environ)
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - started
    if status:
        raise SystemExit(f"'{' '.join(line)}' failed with status {status}.")
    scale = 1 if sys.platform == "darwin" else 1024
    cpu = usage.ru_utime + usage.ru_stime
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "peak_mb": round(usage.ru_maxrss * scale / 1e6)}


def fastest(run: Callable[[], object], times: int = 3) -> float:
    """Seconds of the fastest of several runs."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def compared(frame: pl.DataFrame) -> dict[str, object]:
    """Ratios to other libraries; above 1 they take longer than we do."""
    c, s = frame["raw_confidence"].to_numpy(), frame["score"].to_numpy()
    ours = {
        "isotonic_s": fastest(lambda: fit_calibrator(c, s, method="isotonic").predict(c)),
        "ece_s": fastest(lambda: ece(c, s, bins=15)),
    }
    result: dict[str, object] = {"qa_confidence": {name: round(value, 4) for name, value in ours.items()}}
    if importlib.util.find_spec("sklearn"):
        from sklearn.isotonic import IsotonicRegression

        seconds = fastest(lambda: IsotonicRegression(out_of_bounds="clip").fit(c, s).predict(c))
        result["scikit_learn_isotonic"] = {
            "seconds": round(seconds, 4),
            "ratio": round(seconds / ours["isotonic_s"], 2),
        }
    else:
        result["scikit_learn_isotonic"] = "not installed"
    if importlib.util.find_spec("netcal"):
        from netcal.metrics import ECE  # pyright: ignore[reportMissingImports]

        right = (s >= 0.5).astype(np.int64)
        seconds = fastest(lambda: ECE(15).measure(c, right))
        result["netcal_ece"] = {"seconds": round(seconds, 4), "ratio": round(seconds / ours["ece_s"], 2)}
    else:
        result["netcal_ece"] = "not installed"
    return result


def machine() -> dict[str, object]:
    """Name what the figures depend on."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cores": os.cpu_count(),
        "load_before": round(LOAD, 2),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": versions,
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file to write, too.")
    options = parser.parse_args()
    frame = sample(options.rows, options.seed)
    folder = Path(tempfile.mkdtemp(prefix="qa-confidence-"))
    try:
        for name, seed in (("table", options.seed), ("earlier", options.seed + 1)):
            rows = frame if name == "table" else sample(options.rows, seed).with_columns(round=pl.lit(0, pl.Int32))
            metadata = table_metadata("confidence", "benchmark", {"rows": options.rows}, seed)
            write_table(rows, folder / name / "confidence.parquet", CONFIDENCE, metadata)
        table, fitted = str(folder / "table"), str(folder / "fit")
        steps = {
            "fit": command("fit", table, "--out", fitted),
            "apply": command(
                "apply", table, "--calibrator", fitted, "--profile", "calibrated-paper", "--out", str(folder / "apply")
            ),
            "report": command("report", table, "--calibrator", fitted, "--out", str(folder / "report")),
        }
        drift = command(
            *("report", table, "--calibrator", fitted, "--previous", str(folder / "earlier"), "--allow-in-sample"),
            *("--out", str(folder / "drift")),
        )
    finally:
        shutil.rmtree(folder)
    total = {name: round(sum(step[name] for step in steps.values()), 2) for name in ("wall_s", "cpu_s")}
    total["peak_mb"] = max(step["peak_mb"] for step in steps.values())
    result = {
        "rows": options.rows,
        "scenes": SCENES,
        "question_types": QUESTION_TYPES,
        "steps": steps,
        "total": total,
        "report_of_all_rows_with_drift": drift,
        "compared": compared(frame),
        "machine": machine(),
    }
    text = json.dumps(result, indent=1) + "\n"
    sys.stdout.write(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
