"""Estimate, before a run, what it needs: parameters, memory, arithmetic, time."""
