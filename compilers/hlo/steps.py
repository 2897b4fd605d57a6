"""Which step of the block each scheduled HLO operation belongs to, and how often it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from oneblock.compilers.hlo.parser import Computation, Instruction, Module

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
    adds) belongs to the step that uses what it moves, or else to the one that made it. A fusion may be of a later step
    than its first use of a value is: XLA:CPU leaves what a product was called to the bitcast of its result in there.
    A product of which that tells nothing, and that multiplies no weight, is of the last step that made its operands.
    """
    found = {i.name: _named(i, module, steps) for i in computation.instructions}
    by_name = {name for name, step in found.items() if step is not None}  # before it spreads
    users: dict[str, list[Instruction]] = {i.name: [] for i in computation.instructions}
    for i in computation.instructions:
        for operand in i.operands:
            if operand in users:
                users[operand].append(i)

    def after(i: Instruction) -> Iterator[str | None]:
        return (_first_use(i.name, user, module, steps) or found[user.name] for user in users[i.name])

    made: dict[str, frozenset[str]] = {}  # the steps that a value is of, or those that it was moved from
    for i in computation.instructions:
        before = [made[name] for name in i.operands if made.get(name)]
        if found[i.name] is None and len(before) > 1 and _multiplies(i, module) and not any(after(i)):
            found[i.name] = max(frozenset[str]().union(*before), key=steps.index)
        own = found[i.name]
        made[i.name] = frozenset([own]) if own else frozenset[str]().union(*before)
    _spread(computation.instructions[::-1], found, after)
    _spread(computation.instructions, found, lambda i: (found.get(name) for name in i.operands))
    return {name: (step, name in by_name) for name, step in found.items()}


def _spread(
    order: Iterable[Instruction],
    found: dict[str, str | None],
    neighbours: Callable[[Instruction], Iterable[str | None]],
) -> None:
    for instruction in order:
        if found[instruction.name] is None:
            found[instruction.name] = next((step for step in neighbours(instruction) if step is not None), None)


def _multiplies(instruction: Instruction, module: Module) -> bool:
    inside = (one for one, _ in deep(instruction, module))
    return any(one.opcode in ("dot", "convolution") for one in (instruction, *inside))


def _first_use(name: str, user: Instruction, module: Module, steps: Sequence[str]) -> str | None:
    """The step of what a fusion does first with a value of that name, where its metadata tells."""
    if user.opcode != "fusion":
        return None
    number = str(user.operands.index(name))
    taken: set[str] = set()
    for one in module.computations[user.calls[0]].instructions:
        if taken.intersection(one.operands):
            step = step_in(one.op_name, steps)
            if step is not None:
                return step
        elif one.opcode != "parameter" or one.literal != number:
            continue
        taken.add(one.name)
    return None


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
