"""What a kernel may not do, said with the instruction, its line, the rule, the limit and the value."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

HERE = str(Path(__file__).parent)


@dataclass(frozen=True)
class Place:
    """A line of a kernel."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.line}"


def caller() -> Place:
    """The innermost line that is not the interpreter's own."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    return Place(frame.f_code.co_filename, frame.f_lineno)


class RuleError(Exception):
    """A rule of the hardware or of the language that a kernel breaks; `rule` is its short name."""

    def __init__(self, rule: str, said: str, instruction: str | None = None, place: Place | None = None) -> None:
        self.rule, self.said = rule, said
        self.instruction, self.place = instruction, place or caller()
        what = f"{instruction} at {self.place}" if instruction else str(self.place)
        super().__init__(f"{what}: {rule}: {said}")


class NotInterpreted(AttributeError):
    """A part of NKI that this interpreter has not; whoever needs it runs the vendor's simulator or a device.

    An AttributeError, so that `hasattr(nki.isa, "topk")` is False.
    """


_SLICES = "of an older NKI, and gone: index by slices, x[a:b], or nl.ds(start, size)"
_DEVICE = "of an older NKI, and gone: profile on a device, with neuron-explorer"
SUCCESSORS = {  # what older NKI had, and what stands for it today
    "arange": _SLICES, "mgrid": _SLICES, "benchmark": _DEVICE, "baremetal": _DEVICE, "profile": _DEVICE,
    "par_dim": "of an older NKI, and gone: the first dimension of a tensor on the chip is its partitions",
}  # fmt: skip


_ISSUED: ContextVar[tuple[str, Place] | None] = ContextVar("issued", default=None)


@contextmanager
def issuing(name: str, place: Place) -> Iterator[None]:
    """Errors and events within it are of the instruction of that name, on that line of the kernel."""
    token = _ISSUED.set((name, place))
    try:
        yield
    finally:
        _ISSUED.reset(token)


def instruction_being_issued() -> tuple[str, Place] | None:
    """(its name, its line); None between instructions."""
    return _ISSUED.get()


def require(holds: bool, rule: str, expected: object, got: object, todo: str = "") -> None:
    """RuleError unless it holds, of the instruction that is being issued."""
    if not holds:
        then = f"; {todo}" if todo else ""
        issued = _ISSUED.get()
        raise RuleError(rule, f"expected {expected}, got {got}{then}", issued[0] if issued else None)
