"""Frames of videos: decoding, and the choice of those that a model sees."""
