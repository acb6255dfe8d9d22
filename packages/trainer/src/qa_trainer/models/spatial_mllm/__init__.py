"""Spatial-MLLM (arXiv 2505.23747): a vision-language model with a second encoder for the geometry of the scene."""
