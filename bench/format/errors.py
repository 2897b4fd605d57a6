"""What a command refuses."""

from __future__ import annotations


class Refused(Exception):
    """The user's mistake or the world's, as a sentence: what was expected, what came, what to do."""
