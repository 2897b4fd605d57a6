"""Which lines of a lowering stage are operations, and of which step of the block each line is.

A stage is kept as text, and that text is all that is read here: what a toolchain carried through lowering (scopes in
an operation's metadata, locations, names of kernels) stands in it. So records of any age can be read, by a page or a
terminal, without the toolchain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Steps = tuple[str, ...]  # of one line; a fused operation may be of several, and () is of none


@dataclass(frozen=True)
class Context:
    """What a reader may know beside the text."""

    steps: Sequence[str]  # the names that may occur: those of the block
    kernels: Mapping[str, Steps]  # by the name of a kernel (the part of "ttir:NAME" after the colon), its calls' steps


@dataclass(frozen=True)
class Lines:
    """For each line of a text, from the first: its steps, and whether it is an operation that counts."""

    steps: tuple[Steps, ...]
    operations: tuple[bool, ...]
    by: str = "operation"  # or "kernel": a kernel's steps were given to its lines, which name none themselves
    unreached: int = 0  # lines of functions that no call reached: they would be operations, and count as none

    @property
    def attributed(self) -> float | None:
        """The share of the operations that have a step; None where there is no operation."""
        counted = [bool(steps) for steps, is_one in zip(self.steps, self.operations, strict=True) if is_one]
        return sum(counted) / len(counted) if counted else None


Reader = Callable[[str, str, Context], Lines]  # (the kernel or call that the text is of, or ""; the text; the context)


def checked(lines: Lines, text: str, beside: Context) -> Lines:
    """What a reader says of a text; ValueError where that is not of its lines, or names a step that there is not."""
    if not isinstance(lines, Lines):
        raise ValueError(f"expected Lines, got {type(lines).__name__}")
    wanted = len(text.splitlines())
    for what, each in (("steps", lines.steps), ("operations", lines.operations)):
        if not isinstance(each, tuple) or len(each) != wanted:
            raise ValueError(f"{what}: expected a tuple of one for each of {wanted} lines, got {len(each)}")
    strange = {step for of in set(lines.steps) for step in of}.difference(beside.steps)
    if strange or not set(lines.operations) <= {True, False}:
        raise ValueError(f"expected steps that the program has and truth values, got {sorted(strange) or 'others'}")
    if lines.by not in ("operation", "kernel") or not isinstance(lines.unreached, int):
        raise ValueError(f"expected by 'operation' or 'kernel', got {lines.by!r}, unreached {lines.unreached!r}")
    return lines


def named(text: str | None, steps: Sequence[str]) -> Steps:
    """Of "rope+attention" those that are steps, each once."""
    return tuple(dict.fromkeys(step for step in (text or "").split("+") if step in steps))
