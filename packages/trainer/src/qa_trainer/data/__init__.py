"""What is trained on: questions, conversations and mixtures, and how they become batches."""
