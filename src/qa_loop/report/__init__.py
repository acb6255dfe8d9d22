"""The report of a run: one HTML file that needs no network."""

from qa_loop.report.page import write_report

__all__ = ["write_report"]
