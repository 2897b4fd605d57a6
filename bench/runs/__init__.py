"""The parent's side of the workers: runs, limits, fits, searches."""
