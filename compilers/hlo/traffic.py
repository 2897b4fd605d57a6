"""Bytes that a scheduled HLO operation moves to and from HBM, by where its operands and results live.

The compiler's own "bytes accessed" counts VMEM too, and so a weight that is prefetched twice or more. Here an array
counts when it lives in memory space 0 (HBM), and when an operation reads a slice of it, only the slice.
"""

from __future__ import annotations

from collections.abc import Mapping

from oneblock.compilers.hlo.parser import Array, Computation, Instruction, Module, arrays

# They name, regroup or wait for memory that others move.
FREE = frozenset(
    """parameter constant bitcast get-tuple-element tuple after-all partition-id replica-id opt-barrier copy-done
    slice-done dynamic-slice-done async-done async-update all-gather-done all-reduce-done collective-permute-done
    send-done recv-done while conditional call""".split()  # noqa: SIM905
)
_SLICES = ("slice", "dynamic-slice", "gather")


def hbm_bytes(instruction: Instruction, computation: Computation, module: Module) -> int:
    """What one operation reads from HBM and writes to it. Loops, calls and branches move nothing themselves."""
    if instruction.opcode in FREE or _is_view(instruction):
        return 0
    of, results = computation.by_name, arrays(instruction.shape)
    if instruction.opcode == "copy-start":  # (destination, source, flag)
        return _in_hbm(results[:2])
    if instruction.opcode.endswith("-start"):  # ((operands), results, flags): what arrives is what leaves
        source, *_, arrived = [a for a in results if a.dims]
        return arrived.bytes * ((source.space == 0) + (arrived.space == 0))
    inside = module.computations[instruction.calls[0]] if instruction.opcode == "fusion" else None
    again = 0
    if instruction.opcode == "custom-call":  # a kernel may read a block more than once, and declares it
        once = sum(a.bytes for name in instruction.operands for a in arrays(of[name].shape))
        again = max(0, instruction.declared.get("bytes_accessed", 0) - once - sum(a.bytes for a in results))
    read = sum(_read(i, name, of, instruction, inside) for i, name in enumerate(instruction.operands))
    return read + _written(instruction, inside, of) + (again if read else 0)


def _is_view(instruction: Instruction) -> bool:
    return instruction.attributes.get("custom_call_target") == '"ConcatBitcast"'


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


def _written(instruction: Instruction, inside: Computation | None, of: Mapping[str, Instruction]) -> int:
    """The results in HBM; of a buffer that is updated in place, the update alone."""
    update = instruction if inside is None else inside.root
    names = of if inside is None else inside.by_name
    while update.opcode == "bitcast":
        update = names[update.operands[0]]
    if update.opcode == "dynamic-update-slice":
        in_hbm = any(a.space == 0 for a in arrays(instruction.shape))
        return sum(a.bytes for a in arrays(names[update.operands[1]].shape)) if in_hbm else 0
    return _in_hbm(arrays(instruction.shape))
