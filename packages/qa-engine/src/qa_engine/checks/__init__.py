"""Rules that a question has to pass, and the codes of those that do not."""

from qa_engine.checks.reasons import Reason, Reject, count_rejects, first_broken

__all__ = ["Reason", "Reject", "count_rejects", "first_broken"]
