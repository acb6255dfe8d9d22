"""Scans into a store: reading, checking, writing, and the diagnosis before it."""
