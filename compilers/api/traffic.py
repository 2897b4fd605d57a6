"""HBM traffic by array: which is read or written, by which operation, how often and why; their sum is the total."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from oneblock.compilers.api.kind import STRICT

Direction = Literal["read", "written"]


@dataclass(frozen=True)
class Transfer:
    """An array, or a part of it, that one operation reads from HBM or writes to it."""

    __pydantic_config__: ClassVar[Any] = STRICT
    array: str  #: as the program names it: "gate_weight"; what is made on the way has the name of what makes it
    direction: Direction
    operation: str  #: as the program's text names it: "copy-start.1"
    step: str | None
    bytes: int  #: each time
    times: int  #: in one call of the program
    reason: str  #: "operand", "result of the program", "copied ahead of its use"
    first_call_only: bool = False  #: a call that follows another of the same program finds it done

    @property
    def total_bytes(self) -> int:
        """Of a call in which it takes place."""
        return self.bytes * self.times


@dataclass(frozen=True)
class Traffic:
    """Everything that a program moves to and from HBM in one call.

    The steady state is that of a call which follows another of the same program with the same weights, as timed calls
    do: what is `first_call_only` is left out of it.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    counted_in: str  #: which text tells it: "HLO"
    transfers: tuple[Transfer, ...]  #: in the program's order

    @property
    def steady_bytes(self) -> int:
        """Of a call in the steady state; this is the total that tables show."""
        return sum(one.total_bytes for one in self.transfers if not one.first_call_only)

    @property
    def first_call_bytes(self) -> int:
        """Of the first call, of which nothing is done yet."""
        return sum(one.total_bytes for one in self.transfers)

    @property
    def steady_by_step(self) -> dict[str | None, int]:
        """The steady total shared out over the steps."""
        found: dict[str | None, int] = {}
        for one in self.transfers:
            found[one.step] = found.get(one.step, 0) + one.total_bytes * (not one.first_call_only)
        return found


@dataclass(frozen=True)
class ArrayTraffic:
    """Transfers of one array in one direction for one reason: a row of the list as people read it."""

    array: str
    direction: Direction
    reason: str
    first_call_only: bool
    bytes: int  #: of all of them, in a call in which they take place
    times: int
    operations: tuple[str, ...]
    steps: tuple[str, ...]


def by_array(transfers: Iterable[Transfer]) -> list[ArrayTraffic]:
    """The transfers that differ in their operation alone taken together, the largest first."""
    found: dict[tuple[str, str, str, bool], ArrayTraffic] = {}
    for one in transfers:
        row = found.setdefault(
            (one.array, one.direction, one.reason, one.first_call_only),
            ArrayTraffic(one.array, one.direction, one.reason, one.first_call_only, 0, 0, (), ()),
        )
        found[one.array, one.direction, one.reason, one.first_call_only] = replace(
            row,
            bytes=row.bytes + one.total_bytes,
            times=row.times + one.times,
            operations=tuple(dict.fromkeys((*row.operations, one.operation))),
            steps=tuple(dict.fromkeys((*row.steps, *([one.step] if one.step else [])))),
        )
    return sorted(found.values(), key=lambda row: -row.bytes)
