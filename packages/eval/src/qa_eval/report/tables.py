"""Tables for papers: a row per run, the columns of the benchmark's paper; as CSV, LaTeX and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from qa_eval.benchmarks import BENCHMARKS
from qa_eval.report.collect import RunReport

OVERALL, MICRO, MACRO = "overall", "micro", "macro"
"""The average of the benchmark, the mean of all rows, the mean of the question types."""


def paper_tables(runs: Sequence[RunReport]) -> dict[str, str]:
    """Write the scores of runs as `table.csv`, `table.tex` and `table.md`, in percent.

    Returns
    -------
    dict of str to str
        File name to content.
    """
    summaries = [run.summary for run in runs]
    columns = paper_columns(summaries)
    rows = [[run.name, *(_score(run.summary, name) for name in columns.values())] for run in runs]
    note = averages_note(summaries[0])
    return {
        "table.csv": as_csv(["model", *columns], rows),
        "table.tex": f"% {note}\n{as_latex(['Model', *columns], rows)}",
        "table.md": f"{as_markdown(['model', *columns], rows)}\n{note}\n",
    }


def paper_columns(summaries: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Name the columns and what stands in each, in the order of the benchmark's paper.

    After the overall score come the columns of the paper, then the tasks, further figures and caption metrics that it
    does not list, then the other mean: that of the rows, or of the question types where `overall` is that of the rows.
    What no run has is left out.
    """
    benchmark = BENCHMARKS.get(summaries[0]["benchmark"])
    every = [list(_cells(summary)) for summary in summaries]
    known = list(dict.fromkeys(name for names in every for name in names))
    types = {name for summary in summaries for name in summary["types"] if name not in summary["tasks"]}
    paper = benchmark.columns if benchmark else {}
    listed = {label: name for label, name in paper.items() if name in known}
    shown = {*paper.values(), *types, OVERALL, MICRO, MACRO}
    rest = {name: name for name in known if name not in shown}
    other = MACRO if summaries[0].get("overall_of") == "rows" else MICRO
    return {"Avg.": OVERALL, **listed, **rest, **({other.capitalize(): other} if other in known else {})}


def averages_note(summary: dict[str, Any]) -> str:
    """Say what the averages of a table are, and who prints which."""
    benchmark = BENCHMARKS.get(summary["benchmark"])
    harnesses = sorted({name.removesuffix("-cli") for name in benchmark.harnesses}) if benchmark else []
    by_micro = benchmark.micro_by if benchmark else ""
    names = ["the authors", *(name for name in harnesses if name != by_micro)]
    who = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    if summary.get("overall_of") == "rows":
        return f"Avg.: mean of all rows, as of {who}. Macro: mean of the question types."
    micro = f"Micro: mean of all rows{f', as of {by_micro}' if by_micro else ''}."
    return f"Avg.: mean of {len(summary['tasks'])} tasks, as of {who}. {micro}"


def _cells(summary: dict[str, Any]) -> dict[str, float | None]:
    """Fractions of 1 by name: tasks, types, further figures, caption metrics and means."""
    types = {name: cell["mean"] for name, cell in summary["types"].items()}
    means = [value for value in types.values() if value is not None]
    found = {name: cell["mean"] for name, cell in summary["tasks"].items()}
    found = types | found | summary.get("figures", {})
    found |= {name: value / 100 for name, value in summary.get("text_metrics", {}).items()}
    found |= {OVERALL: summary["overall"]["mean"], MICRO: summary["micro"]["mean"]}
    return found | ({MACRO: sum(means) / len(means)} if means else {})


def _score(summary: dict[str, Any], name: str) -> str:
    value = _cells(summary).get(name)
    return "" if value is None else f"{100 * value:.1f}"


def as_csv(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Write a table as CSV.

    Examples
    --------
    >>> as_csv(["model", "Avg."], [["a,b", "62.8"]])
    'model,Avg.\n"a,b",62.8\n'
    """
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([head, *rows])
    return out.getvalue()


def as_latex(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Write a table for LaTeX's booktabs; the best score of each column is bold where there are several runs.

    Examples
    --------
    >>> print(as_latex(["Model", "Avg."], [["a_b", "62.8"], ["c", "61.0"]]))
    \begin{tabular}{lr}
    \toprule
    Model & Avg. \\
    \midrule
    a\_b & \textbf{62.8} \\
    c & 61.0 \\
    \bottomrule
    \end{tabular}
    <BLANKLINE>
    """
    numbers = [[float(row[i]) for row in rows if row[i]] for i in range(1, len(head))]
    best = [max(column) if len(rows) > 1 and column else None for column in numbers]
    lines = [" & ".join(map(_tex, head)) + r" \\"]
    for row in rows:
        cells = [
            rf"\textbf{{{text}}}" if text and float(text) == top else text or "--"
            for text, top in zip(row[1:], best, strict=True)
        ]
        lines.append(" & ".join([_tex(row[0]), *cells]) + r" \\")
    start = [rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}", r"\toprule", lines[0], r"\midrule"]
    return "\n".join([*start, *lines[1:], r"\bottomrule", r"\end{tabular}", ""])


def as_markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Write a table as Markdown.

    Examples
    --------
    >>> print(as_markdown(["model", "Avg."], [["a|b", "62.8"]]), end="")
    | model | Avg. |
    |---|---:|
    | a\|b | 62.8 |
    """
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    texts = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "".join(f"|{'|'.join(line)}|\n" if i == 1 else f"| {' | '.join(line)} |\n" for i, line in enumerate(texts))


def _tex(text: str) -> str:
    """Escape what LaTeX reads as a command."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(letter, f"\\{letter}" if letter in "&%$#_{}" else letter) for letter in text)
