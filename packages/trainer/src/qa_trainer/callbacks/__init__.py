"""What listens to a training run: the confidence recorder, checkpoints with predictions, progress."""
