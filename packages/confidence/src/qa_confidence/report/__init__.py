"""The calibration report: figures, charts, and the page in HTML and Markdown."""
