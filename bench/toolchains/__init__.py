"""Releases of toolchains: which are asked for, what the index has of them, and where they are kept."""
