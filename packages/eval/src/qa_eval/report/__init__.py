"""Reports of finished runs: HTML page, Markdown, JSON and a model-card fragment."""

from qa_eval.report.write import write_report

__all__ = ["write_report"]
