"""Own scans in one go: from a folder to checked questions, with one page that says what was found."""

from qa_engine.scan.run import Scan, scan
from qa_engine.scan.steps import Outcome

__all__ = ["Outcome", "Scan", "scan"]
