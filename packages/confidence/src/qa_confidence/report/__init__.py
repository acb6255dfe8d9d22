"""The calibration report: figures, and the page in HTML and Markdown."""
