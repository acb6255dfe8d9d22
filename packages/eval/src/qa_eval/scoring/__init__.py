"""Scores of stored answers: rows, summaries, comparisons."""
