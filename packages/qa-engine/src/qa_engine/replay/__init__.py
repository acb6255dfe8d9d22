"""Answers from geometry: to stored programs, and to the questions of others."""
