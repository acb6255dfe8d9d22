"""The command `qa-eval`, one module per command; what takes long to import is imported inside the commands."""

from __future__ import annotations

from qa_contract.cli import make_app
from qa_contract.cli import run as run_app

from qa_eval.cli.compare import compare
from qa_eval.cli.consistency import consistency
from qa_eval.cli.export_inspect import export_inspect
from qa_eval.cli.export_lmms_eval import export_lmms_eval
from qa_eval.cli.import_log import import_log
from qa_eval.cli.lists import benchmarks, parsers, runners
from qa_eval.cli.report import report
from qa_eval.cli.run import run_questions
from qa_eval.cli.score import score
from qa_eval.cli.view import view

app = make_app(
    "qa-eval",
    "Run and score vision-language models on spatial questions; VSI-Bench is scored bit for bit.",
    registries={
        "--benchmark": ("qa_eval.benchmarks:BENCHMARKS",),
        "--parser": ("qa_eval.parsers:PARSERS",),
        "--runner": ("qa_eval.runners:RUNNERS",),
    },
)

app.command("run", topic="Answers and scores")(run_questions)
app.command(topic="Answers and scores")(score)
app.command(topic="Finished runs")(compare)
app.command(topic="Finished runs")(consistency)
app.command(topic="Finished runs")(report)
app.command(topic="Finished runs")(view)
app.command("import-log", topic="Other tools")(import_log)
app.command("export-lmms-eval", topic="Other tools")(export_lmms_eval)
app.command("export-inspect", topic="Other tools")(export_inspect)
app.command(topic="What is known")(benchmarks)
app.command(topic="What is known")(parsers)
app.command(topic="What is known")(runners)


def main() -> None:
    """Run the command line."""
    run_app(app)
