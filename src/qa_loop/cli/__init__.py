"""Command line of qa-loop, a file per command; what a command needs is imported when it runs."""

from __future__ import annotations

from qa_contract.cli import make_app
from qa_contract.cli import run as run_app

from qa_loop.cli.compare import compare
from qa_loop.cli.demo import demo
from qa_loop.cli.doctor import doctor
from qa_loop.cli.experiment import experiment
from qa_loop.cli.plan import plan
from qa_loop.cli.report import report
from qa_loop.cli.run import run
from qa_loop.cli.sql import sql
from qa_loop.cli.status import status

app = make_app(
    "qa-loop", "Teach a vision-language model to reason about space: ask, train, look at its confidence, ask again."
)
for topic, commands in {
    "Runs": (plan, run, demo, experiment),
    "Results": (status, report, compare, sql),
    "Machine": (doctor,),
}.items():
    for command in commands:
        app.command(topic=topic)(command)


def main() -> None:
    """Run the command line."""
    run_app(app)
