"""Sentences and numbers: errors, units, texts."""
