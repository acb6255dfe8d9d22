"""`python -m qa_confidence.cli`."""

from qa_confidence.cli import main

main()
