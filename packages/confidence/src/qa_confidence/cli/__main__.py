"""The command line as `python -m qa_confidence.cli`."""

from qa_confidence.cli import main

if __name__ == "__main__":
    main()
