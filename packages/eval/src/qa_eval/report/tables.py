"""Tables for papers: a row per run, the columns of the benchmark's paper; as CSV, LaTeX and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from qa_eval.benchmarks import BENCHMARKS
from qa_eval.report.collect import RunReport


def paper_tables(runs: Sequence[RunReport]) -> dict[str, str]:
    """Write the scores of runs as `table.csv`, `table.tex` and `table.md`, in percent.

    Returns
    -------
    dict of str to str
        File name to content.
    """
    columns = paper_columns([run.summary for run in runs])
    rows = [[run.name, *(_score(run.summary, task) for task in columns.values())] for run in runs]
    return {
        "table.csv": as_csv(["model", *columns], rows),
        "table.tex": as_latex(["Model", *columns], rows),
        "table.md": as_markdown(["model", *columns], rows),
    }


def paper_columns(summaries: Sequence[dict[str, Any]]) -> dict[str, str | None]:
    """Name the columns and the task of each, None for the overall score, in the order of the benchmark's paper.

    Without a paper's order the tasks stand as they were scored. Tasks that no run has are left out.
    """
    benchmark = BENCHMARKS.get(summaries[0]["benchmark"])
    tasks = list(dict.fromkeys(task for summary in summaries for task in summary["tasks"]))
    paper = benchmark.columns if benchmark else {}
    listed = {label: task for label, task in paper.items() if task in tasks}
    rest = {task: task for task in tasks if task not in paper.values()}
    return {"Avg.": None, **listed, **rest}


def _score(summary: dict[str, Any], task: str | None) -> str:
    cell = summary["overall"] if task is None else summary["tasks"].get(task)
    return "" if cell is None or cell["mean"] is None else f"{100 * cell['mean']:.1f}"


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
