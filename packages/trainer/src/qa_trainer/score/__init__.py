"""A clean pass: one frozen model answers questions."""
