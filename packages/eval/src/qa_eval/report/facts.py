"""What a number depends on, and in what runs are unlike: for the head of the pages."""

from __future__ import annotations

from collections.abc import Sequence

from qa_eval.scoring.stored import Stored, unlike


def head(runs: Sequence[Stored]) -> list[tuple[str, str]]:
    """Name model, runner, benchmark, parser, frames, decoding and questions, as far as they are known.

    Where runs differ, the values of all of them stand in the order of the runs.
    """
    told = [_told(run) for run in runs]
    names = dict.fromkeys(name for one in told for name in one)
    return [(name, each_or_all([one.get(name, "-") for one in told])) for name in names]


def each_or_all(values: Sequence[str]) -> str:
    """Write a value that all share once, else that of each.

    Examples
    --------
    >>> each_or_all(["a", "a"]), each_or_all(["a", "b", "a"])
    ('a', 'a / b / a')
    """
    return values[0] if len(set(values)) == 1 else " / ".join(values)


def _told(run: Stored) -> dict[str, str]:
    """Name what one run depends on."""
    row, settings = run.frame.row(0, named=True), run.settings
    facts = {"model": row["model_id"], "runner": row["runner"], "benchmark": row["benchmark"], "parser": row["parser"]}
    facts |= {"frames": _frames(run), "decoding": settings.get("decoding")}
    n, scored = run.frame.height, run.frame["score"].drop_nulls().len()
    facts["questions"] = f"{n:,}" if scored == n else f"{scored:,} of {n:,} scored"
    return {name: str(value) for name, value in facts.items() if value}


def unlike_lines(runs: Sequence[Stored], names: Sequence[str]) -> list[str]:
    """Write a warning for each setting in which runs differ."""
    return [
        f"The runs differ in {what}, which can move a score: "
        + "; ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
        for what, values in unlike(runs).items()
    ]


def _frames(run: Stored) -> str:
    """Describe the frames in a few words, from the manifest or from the names of the frame sets."""
    shown = run.manifest.get("frames", {})
    if shown:
        each = ", ".join(shown.get("frames_per_question", {}))
        return shown.get("input", "") + (f", {each} per question" if each else "")
    return ", ".join(sorted(run.frame["frame_set_id"].drop_nulls().unique().to_list())[:3])
