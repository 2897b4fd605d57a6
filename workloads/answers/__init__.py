"""The right answer, and wrong ones: arrays from seeds and checkpoints, the reference, the verdict."""
