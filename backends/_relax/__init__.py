"""A program of NumPy's spelling, traced into Relax by Relax's own builder."""
