"""Arrays that a scheduled HLO operation moves to and from HBM, by where its operands and results live.

The compiler's own "bytes accessed" counts VMEM too, and so a weight that is prefetched twice or more. Here an array
counts when it lives in memory space 0 (HBM), and when an operation reads a slice of it, only the slice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from oneblock.compilers.api.traffic import Direction
from oneblock.compilers.hlo.origin import origin
from oneblock.compilers.hlo.parser import Array, Computation, Instruction, Module, arrays
from oneblock.compilers.hlo.prefetch import AHEAD

# They name, regroup or wait for memory that others move.
FREE = frozenset(
    """parameter constant bitcast get-tuple-element tuple after-all partition-id replica-id opt-barrier copy-done
    slice-done dynamic-slice-done async-done async-update all-gather-done all-reduce-done collective-permute-done
    send-done recv-done while conditional call""".split()  # noqa: SIM905
)
_SLICES = ("slice", "dynamic-slice", "gather")
_RESULT = "result of the program"


class Crossing(NamedTuple):
    """A part of an array that crosses between HBM and the chip each time that an operation runs."""

    array: str
    direction: Direction
    bytes: int
    reason: str
    first_call_only: bool = False


Prefetches = Mapping[str, tuple[str, bool]]  # of prefetch.py


def moved(instruction: Instruction, computation: Computation, module: Module, known: Prefetches) -> list[Crossing]:
    """What one operation reads from HBM and writes to it. Loops, calls and branches move nothing themselves."""
    if instruction.opcode in FREE or _is_view(instruction):
        return []
    if instruction.opcode.endswith("-start"):
        found = _started(instruction, computation, module, known)
    else:
        found = _done_at_once(instruction, computation, module)
    return [one for one in found if one.bytes]


def _is_view(instruction: Instruction) -> bool:
    return instruction.attributes.get("custom_call_target") == '"ConcatBitcast"'


def _started(
    instruction: Instruction, computation: Computation, module: Module, known: Prefetches
) -> Iterator[Crossing]:
    """One that runs beside others: what arrives is what leaves."""
    results = arrays(instruction.shape)
    if instruction.opcode == "copy-start":  # (destination, source, flag)
        arrived, source = results[:2]
        reason, first_call_only = known.get(instruction.name, (AHEAD, False))
    else:  # ((operands), results, flags)
        source, *_, arrived = [a for a in results if a.dims]
        reason, first_call_only = AHEAD if instruction.opcode == "slice-start" else "exchanged between devices", False
    taken = origin(instruction.operands[0], computation, module)
    if source.space == 0:
        yield Crossing(taken, "read", arrived.bytes, reason, first_call_only)
    if arrived.space == 0:
        last = _is_result(instruction, computation, module)
        yield Crossing(instruction.name, "written", arrived.bytes, _RESULT if last else "moved out of VMEM")


def _done_at_once(instruction: Instruction, computation: Computation, module: Module) -> Iterator[Crossing]:
    of, results = computation.by_name, arrays(instruction.shape)
    inside = module.computations[instruction.calls[0]] if instruction.opcode == "fusion" else None
    read = 0
    for i, name in enumerate(instruction.operands):
        whole, part = _in_hbm(arrays(of[name].shape)), _read(i, name, of, instruction, inside)
        read += part
        yield Crossing(origin(name, computation, module), "read", part, "operand" if part == whole else "slices of it")
    updated = _updated_in_place(instruction, inside, of)
    if updated is not None:
        yield Crossing(origin(instruction.name, computation, module), "written", updated, "updated in place")
    reason = _RESULT if _is_result(instruction, computation, module) else "for operations after it"
    for i, array in enumerate(results if updated is None else ()):
        name = instruction.name if len(results) == 1 else f"{instruction.name}[{i}]"
        yield Crossing(name, "written", _in_hbm((array,)), reason)
    if instruction.opcode == "custom-call" and read:  # a kernel may read a block more than once, and declares it
        once = sum(a.bytes for name in instruction.operands for a in arrays(of[name].shape))
        again = instruction.declared.get("bytes_accessed", 0) - once - sum(a.bytes for a in results)
        yield Crossing(f"operands of {instruction.name}", "read", max(0, again), "read again, as the kernel declares")


def _is_result(instruction: Instruction, computation: Computation, module: Module) -> bool:
    if computation is not module.entry:
        return False
    root = computation.root
    while root.opcode in ("bitcast", "get-tuple-element", "copy-done"):
        root = computation.by_name[root.operands[0]]
    if root.opcode == "tuple":
        return instruction.name in (origin(name, computation).partition("[")[0] for name in root.operands)
    return instruction is root


def _in_hbm(found: tuple[Array, ...]) -> int:
    return sum(a.bytes for a in found if a.space == 0)


def _read(index: int, name: str, of: Mapping[str, Instruction], by: Instruction, inside: Computation | None) -> int:
    """The part of one operand that is read from HBM."""
    whole = _in_hbm(arrays(of[name].shape))
    if not whole:
        return 0
    if inside is not None:
        return _read_within(_parameter(inside, index), inside, whole)
    if by.opcode in _SLICES and index == 0:
        return sum(a.bytes for a in arrays(by.shape))
    return 0 if by.opcode == "dynamic-update-slice" and index == 0 else whole  # which is updated in place


def _parameter(inside: Computation, index: int) -> str:
    return next(i.name for i in inside.instructions if i.opcode == "parameter" and i.literal.strip() == str(index))


def _read_within(name: str, inside: Computation, whole: int) -> int:
    """What a fusion reads of one of its parameters: slices of it, if nothing else inside touches it."""
    total = 0
    for user in (i for i in inside.instructions if name in i.operands):
        first = user.operands[0] == name
        if user.opcode == "bitcast":
            total += _read_within(user.name, inside, whole)
        elif user.opcode in _SLICES and first:
            total += sum(a.bytes for a in arrays(user.shape))
        elif not (user.opcode == "dynamic-update-slice" and first):
            return whole
    return min(total, whole)


def _updated_in_place(
    instruction: Instruction, inside: Computation | None, of: Mapping[str, Instruction]
) -> int | None:
    """Of a buffer in HBM that is updated in place, the bytes of the update alone; None where none is."""
    update = instruction if inside is None else inside.root
    names = of if inside is None else inside.by_name
    while update.opcode == "bitcast":
        update = names[update.operands[0]]
    if update.opcode != "dynamic-update-slice":
        return None
    in_hbm = any(a.space == 0 for a in arrays(instruction.shape))
    return sum(a.bytes for a in arrays(names[update.operands[1]].shape)) if in_hbm else 0
