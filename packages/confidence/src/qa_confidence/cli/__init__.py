"""Command line of qa-confidence, a file per command; the table libraries are imported by the commands that run."""

from __future__ import annotations

from qa_contract.cli import make_app
from qa_contract.cli import run as run_app

from qa_confidence.cli.apply import apply
from qa_confidence.cli.compare import compare
from qa_confidence.cli.feedback import feedback
from qa_confidence.cli.fit import fit
from qa_confidence.cli.label import label
from qa_confidence.cli.report import report
from qa_confidence.cli.signal import signal

app = make_app(
    "qa-confidence", "Confidence, calibration and difficulty labels for the answers of a vision-language model."
)
_TOPICS = {"Labels": (label, signal, feedback), "Calibration": (fit, apply), "Reports": (report, compare)}
for topic, commands in _TOPICS.items():
    for command in commands:
        app.command(topic=topic)(command)


def main() -> None:
    """Run the command line."""
    run_app(app)
