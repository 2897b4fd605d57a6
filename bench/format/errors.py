"""What a command refuses."""

from __future__ import annotations


class Refused(Exception):
    """The user's mistake or the world's, as a sentence: what was expected, what came, what to do.

    With it goes the exit status of the command: 2 is of a mistake, 1 of a no, 130 of an interruption.
    """

    def __init__(self, sentence: str, status: int = 2) -> None:
        super().__init__(sentence)
        self.status = status
