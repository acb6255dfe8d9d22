"""Gravity, floor and scale of scenes for which they are not known, each with the error that its evidence leaves."""
