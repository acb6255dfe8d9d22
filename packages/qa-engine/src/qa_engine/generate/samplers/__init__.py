"""Samplers: how the feedback of earlier rounds decides what is asked next."""
