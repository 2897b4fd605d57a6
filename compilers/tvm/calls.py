"""Which steps a fused function computes: found by what each operation computes, since fusing renames and merges.

FuseOps gives what it merges a name of its own, and one function to groups that look alike: the first norm of a block
and the second. So the program is read twice, before and after: an operation is known by its function and by what its
arguments are in turn, and that is the same in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Binding:
    """`name = callee(*args)`; of a tuple the callee is "tuple", of its part "item N"."""

    name: str
    callee: str
    args: tuple[str, ...]


@dataclass(frozen=True)
class Body:
    """A function: its parameters, its bindings in order, and the variable it returns."""

    params: tuple[str, ...]
    bindings: tuple[Binding, ...]
    result: str


@dataclass(frozen=True)
class Call:
    """One call of the fused program, in order."""

    function: str
    steps: tuple[str, ...]  # in the block's order; empty where none claims it


class _Values:
    """Value numbering: the same number for what is computed by the same function from the same values."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, tuple[int, ...]], int] = {}
        self.parts: dict[int, tuple[int, ...]] = {}

    def of(self, callee: str, args: tuple[int, ...] = ()) -> int:
        if callee.startswith("item ") and args[0] in self.parts:
            return self.parts[args[0]][int(callee.removeprefix("item "))]
        number = self.numbers.setdefault((callee, args), len(self.numbers))
        if callee == "tuple":
            self.parts[number] = args
        return number

    def body(self, body: Body, args: Sequence[int]) -> tuple[dict[str, int], list[int]]:
        """(each variable's value, the values that its operations compute)."""
        values = dict(zip(body.params, args, strict=True))
        for one in body.bindings:
            values[one.name] = self.of(one.callee, tuple(self.arg(values, arg) for arg in one.args))
        return values, [values[one.name] for one in body.bindings]

    def arg(self, values: Mapping[str, int], name: str) -> int:
        return values[name] if name in values else self.of(name)  # a constant


def calls_after_fusing(before: Mapping[str, Body], after: Mapping[str, Body], steps: Sequence[str]) -> tuple[Call, ...]:
    """The calls of "main" after fusing, each with the steps of its operations. Bodies by their function's name."""
    numbering = _Values()
    params = [numbering.of(name) for name in before["main"].params]
    values, _ = numbering.body(before["main"], params)
    step_of = {number: name.partition("_")[0] for name, number in reversed(values.items())}
    main, found = after["main"], []
    values = dict(zip(main.params, params, strict=True))
    for one in main.bindings:
        args = tuple(numbering.arg(values, arg) for arg in one.args)
        if one.callee in after:
            inner, computed = numbering.body(after[one.callee], args)
            values[one.name] = inner[after[one.callee].result]
        else:
            values[one.name] = numbering.of(one.callee, args)
            computed = [values[one.name]]
        if one.callee != "tuple" and not one.callee.startswith("item "):
            of = {step_of.get(number) for number in computed}
            found.append(Call(one.callee, tuple(step for step in steps if step in of)))
    return tuple(found)
