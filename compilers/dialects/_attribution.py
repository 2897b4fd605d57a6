"""A text's lines as they are read one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

from oneblock.compilers.dialects._lines import Lines, Steps


@dataclass
class LineAttribution:
    """What is known of a text's lines so far."""

    steps: list[Steps] = field(default_factory=list)
    operations: list[bool] = field(default_factory=list)

    def add(self, steps: Steps, operation: bool) -> None:
        """One more line."""
        self.steps.append(steps)
        self.operations.append(operation)

    def lines(self) -> Lines:
        """All of them."""
        return Lines(tuple(self.steps), tuple(self.operations))


def one(step: str | None) -> Steps:
    """A step that may be none, as the steps of a line."""
    return () if step is None else (step,)
