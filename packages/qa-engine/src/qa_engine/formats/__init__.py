"""Readers of file formats: what a file says, or a precise refusal; they know nothing of data sets."""
