"""Which array a value is: the program's argument by its name, or what the operation that made it is called."""

from __future__ import annotations

import re

from oneblock.compilers.hlo.parser import Computation, Instruction, Module

_ARGUMENT = re.compile(r"\['([^']+)'\]$")  # of a dictionary of arrays: "a['gate_weight']"
_VIEWS = ("bitcast", "copy-done", "slice-done", "async-done", "opt-barrier")


def origin(name: str, computation: Computation, module: Module | None = None) -> str:
    """The name of the array that a value is a view of, or is once it was written to; of a result among several
    "fusion.3[1]".
    """
    instruction = computation.by_name[name]
    while (before := _before(instruction, module)) is not None:
        instruction = computation.by_name[before]
    if instruction.opcode == "get-tuple-element":
        return _element(instruction, computation)
    if instruction.opcode == "parameter" and module is not None and computation is module.entry:
        return argument(instruction)
    return instruction.name


def _before(instruction: Instruction, module: Module | None) -> str | None:
    """The operand that has the same memory; None of what has its own."""
    if instruction.opcode in (*_VIEWS, "dynamic-update-slice") and instruction.operands:
        return instruction.operands[0]
    if instruction.opcode != "fusion" or module is None:
        return None
    inside = module.computations[instruction.calls[0]]
    at = inside.root
    while at.opcode in ("bitcast", "dynamic-update-slice"):
        at = inside.by_name[at.operands[0]]
    updates = inside.root.opcode in ("bitcast", "dynamic-update-slice") and at.opcode == "parameter"
    return instruction.operands[int(at.literal)] if updates else None


def argument(parameter: Instruction) -> str:
    """As the program that was lowered names it; where that is not told, as the text does."""
    found = _ARGUMENT.search(parameter.op_name)
    return found[1] if found else parameter.name


def _element(instruction: Instruction, computation: Computation) -> str:
    made = computation.by_name[instruction.operands[0]]
    return f"{made.name}[{instruction.attributes.get('index', '?').strip()}]"
