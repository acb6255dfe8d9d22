"""Thresholds of what frames show; a module of numbers, so that a command line can show them at once."""

FIRST_SEEN_PX = 100
"""Pixels whose crossing is the first appearance of a category. VSI-Bench's threshold is not published. Whether a model
can tell what it sees is another question, with thresholds of its own: `qa_engine.views.evidence`."""

MIN_TIME_GAP_S = 1.0
"""Time between two first appearances that are told apart. [code: VSI-Bench's rules in VLM-3R]"""
