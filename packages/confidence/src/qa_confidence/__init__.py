"""Calibrated confidence and difficulty labels for the answers of a vision-language model."""

__version__ = "0.1.0"
