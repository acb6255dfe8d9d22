"""Score vision-language models on spatial questions, VSI-Bench bit for bit."""

__version__ = "0.1.0"
