"""What other packages register by entry points: listed by name, loaded with care, refused in a sentence."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any


class Refused(LookupError):
    """Why something that another package registered is not taken, and what to do about it."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(f"{reason}; {hint}")
        self.reason, self.hint = reason, hint


def told(error: BaseException) -> str:
    """What a stranger's exception says, which may raise another as it is asked."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  whatever it raises
        return f"{type(error).__name__}, which says nothing"


@contextmanager
def stays_here() -> Iterator[None]:
    """Whatever code of others does, the working folder is afterwards what it was: records go where a person said."""
    try:
        here = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # it was gone before
        yield
        return
    try:
        yield
    finally:
        os.fchdir(here)
        os.close(here)


@dataclass(frozen=True)
class Point:
    """One entry point: the name it is registered under, and the package it is from."""

    entry: EntryPoint

    @property
    def package(self) -> str:
        """The distribution that registered it."""
        return self.entry.dist.name if self.entry.dist is not None else self.entry.module

    def __str__(self) -> str:
        return f"{self.entry.group} {self.entry.name!r} of {self.package} ({self.entry.value})"

    def load(self) -> Any:
        """The object that it names; Refused says why there is none."""
        try:
            with stays_here():
                return self.entry.load()
        except ModuleNotFoundError as error:
            raise Refused(f"{error.name} is not installed, which {self} needs", f"pip install {error.name}") from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a module may end the process, or skip as a test does: no Exception either
            raise Refused(f"{self} does not load: {told(error)}", f"mend or uninstall {self.package}") from error


@dataclass(frozen=True)
class Registrations:
    """What other packages registered for one group: what may be loaded by its name, and what may not."""

    points: dict[str, Point]
    refused: tuple[Refused, ...]

    def __bool__(self) -> bool:
        return bool(self.points)


def found(group: str, own: Collection[str]) -> Registrations:
    """The entry points of a group; a name that is ours, taken twice or no word is refused, and the rest stands."""
    points: dict[str, Point] = {}
    refused = []
    for point in map(Point, entry_points(group=group)):
        name, taken = point.entry.name, None
        if name in own:
            taken = "oneblock itself"
        elif name in points and points[name].entry.value != point.entry.value:
            taken = points[name].package
        if taken is not None:
            refused.append(Refused(f"{point}: {taken} has one of that name", f"rename it in {point.package}"))
        elif not name.replace("-", "_").isidentifier():
            refused.append(
                Refused(f"{point}: expected a name of letters, digits, _ and -", f"rename it in {point.package}")
            )
        else:
            points[name] = point
    return Registrations(points, tuple(refused))
