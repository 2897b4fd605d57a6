"""Kernels of our own, one operation a file: what learners read."""
