"""Passes that can be switched off one by one: what a search for the pass that changed something needs to know."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol


class CannotRun(Exception):
    """Without these passes the program cannot be compiled; the text is the compiler's reason."""


@dataclass(frozen=True)
class PassTrial:
    """A program compiled with some of the passes switched off."""

    program: Any | None  #: the backend's executable; None: compiled for a device that is not here
    counts: Mapping[str, float]
    text: Callable[[str], str]  #: what people read: just after the pass of that name, or the end where there is no such


class Passes(Protocol):
    """A program's passes in the order in which they run. Compiling with none switched off is what everybody does."""

    names: tuple[str, ...]  #: each once: the second of a name is "cse#2"
    counts: tuple[str, ...]  #: what `Made.counts` has; "fusions" is among them where the toolchain fuses
    how: str  #: how passes are switched off, and what is never off

    def make(self, off: Sequence[str]) -> PassTrial:
        """Compile with these switched off; CannotRun where that is refused."""
        ...

    def by_hand(self, off: Sequence[str]) -> str:
        """The flag or the line by which anyone has these off; `beside` says in it where that is another run."""
        ...


class Numbering:
    """Names that each occur once: the second "cse" is "cse#2"."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        """The name of the next pass that is called so."""
        number = self.seen[name] = self.seen.get(name, 0) + 1
        return name if number == 1 else f"{name}#{number}"


def beside(names: Sequence[str], off: Sequence[str], covered: Sequence[str], *more: str) -> str:
    """What is to be said after a command that switches off `covered` instead of `off`; nothing where they are one.

    `more` is in what other ways it is not the same run.
    """
    wanted, has = set(off), set(covered)
    leaves = stretches(names, wanted - has)
    adds = stretches([*names, *(name for name in covered if name not in names)], has - wanted)
    said = [*more, *([f"it leaves on {leaves}"] if leaves else []), *([f"it also switches off {adds}"] if adds else [])]
    return f"  (not the same run: {'; '.join(said)})" if said else ""


def stretches(names: Sequence[str], some: Set[str]) -> str:
    """These names, those that follow each other as one stretch: a tail of hundreds is no list to read."""
    found: list[list[str]] = []
    follows = False
    for name in names:
        if name in some and follows:
            found[-1].append(name)
        elif name in some:
            found.append([name])
        follows = name in some
    return ", ".join(", ".join(one) if len(one) < 4 else f"{one[0]} to {one[-1]} ({len(one)} passes)" for one in found)


@contextmanager
def replaced(owner: Any, values: Mapping[str, Any]) -> Iterator[None]:
    """These attributes of a module or a class, and afterwards what was there before."""
    before = {name: vars(owner)[name] for name in values}
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """This variable of the environment, and afterwards what was there before."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def reason(error: Exception) -> str:
    """What a compiler says of a failure, in one line: the last that is no drawing of where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" ^~|-")]
    return f"{type(error).__name__}: {lines[-1][:200] if lines else 'it says no more'}"
