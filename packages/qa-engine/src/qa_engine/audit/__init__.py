"""How far questions can be answered without looking: text-only prediction, artefacts of wording, pruning."""

from qa_engine.audit.blind import BlindScores, blind_scores
from qa_engine.audit.questions import AuditItem, read_items

__all__ = ["AuditItem", "BlindScores", "blind_scores", "read_items"]
