"""`python -m qa_trainer`, the form that `accelerate launch -m` starts."""

from qa_trainer.cli import main

if __name__ == "__main__":
    main()
