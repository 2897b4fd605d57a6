"""Which step of the block each scheduled HLO operation belongs to, and how often it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from oneblock.compilers._hlo import Computation, Instruction, Module

# They are no work of their own: names for, and groupings of, what others make.
NO_OPERATION = frozenset(
    "parameter constant bitcast get-tuple-element tuple after-all partition-id replica-id".split()  # noqa: SIM905
)


def scheduled(module: Module) -> Iterator[tuple[Computation, int | None]]:
    """The computations whose operations run one by one, each with how often it runs; None where that is unknown.

    These are the entry, bodies of loops, called computations and branches, which count as taken; a fusion is one
    operation, whatever is in it.
    """

    def visit(computation: Computation, trips: int | None) -> Iterator[tuple[Computation, int | None]]:
        yield computation, trips
        for instruction in computation.instructions:
            if instruction.opcode in ("while", "call", "conditional"):
                times = _trips(instruction) if instruction.opcode == "while" else 1
                for name in instruction.calls:
                    yield from visit(module.computations[name], None if None in (trips, times) else trips * times)  # type: ignore[operator]

    yield from visit(module.entry, 1)


def _trips(loop: Instruction) -> int | None:
    known = loop.config.get("known_trip_count")
    return int(known["n"]) if isinstance(known, dict) and "n" in known else None


def deep(instruction: Instruction, module: Module) -> Iterator[tuple[Instruction, Computation]]:
    """All instructions inside one scheduled operation, at any depth; without loops, which are scheduled themselves."""
    if instruction.opcode in ("while", "call", "conditional"):
        return
    for name in instruction.calls:
        inner = module.computations[name]
        for one in inner.instructions:
            yield one, inner
            yield from deep(one, module)


def attribute(computation: Computation, module: Module, steps: Sequence[str]) -> dict[str, tuple[str | None, bool]]:
    """(step, whether its own metadata names it) by instruction.

    Metadata first: the operation's, or most of what it fuses. What has none (copies and prefetches, which the compiler
    adds) belongs to the step that uses what it moves, or else to the one that made it.
    """
    found = {i.name: _named(i, module, steps) for i in computation.instructions}
    by_name = {name for name, step in found.items() if step is not None}  # before it spreads
    users: dict[str, list[str]] = {i.name: [] for i in computation.instructions}
    for i in computation.instructions:
        for operand in i.operands:
            if operand in users:
                users[operand].append(i.name)
    _spread(computation.instructions[::-1], found, lambda i: users[i.name])
    _spread(computation.instructions, found, lambda i: [name for name in i.operands if name in found])
    return {name: (step, name in by_name) for name, step in found.items()}


def _spread(
    order: Iterable[Instruction], found: dict[str, str | None], neighbours: Callable[[Instruction], list[str]]
) -> None:
    for instruction in order:
        if found[instruction.name] is None:
            steps = (found[name] for name in neighbours(instruction))
            found[instruction.name] = next((step for step in steps if step is not None), None)


def _named(instruction: Instruction, module: Module, steps: Sequence[str]) -> str | None:
    own = step_in(instruction.op_name, steps)
    if own is not None or instruction.opcode != "fusion":
        return own
    inside = Counter(step_in(one.op_name, steps) for one, _ in deep(instruction, module))
    inside.pop(None, None)
    return inside.most_common(1)[0][0] if inside else None


def step_in(op_name: str, steps: Sequence[str]) -> str | None:
    """The step that a path of scopes names; of several paths (";" joins them) the first that names one."""
    parts = (part for path in op_name.split(";") for part in path.split("/"))
    return next((part for part in parts if part in steps), None)
