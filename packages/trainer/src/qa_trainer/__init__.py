"""Fine-tune a vision-language model on spatial questions and record its confidence in the same forward pass."""

__version__ = "0.1.0"
