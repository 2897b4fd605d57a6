"""What Inductor's scheduler says that its kernels read and write: each buffer once a kernel, slices as slices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.traffic import Direction, Traffic, Transfer
from oneblock.compilers.inductor import steps as inductor_steps

_INPUT = re.compile(r"arg(\d+)_1")
_PLACED = re.compile(r"^[lL]_(?:args|values)_(\w+?)_?$")  # as Dynamo names what stands in the program's dictionary


@contextmanager
def noted(into: list[Transfer]) -> Iterator[None]:
    """Note down what the kernels of each program that is compiled within move; nothing where the answer was cached."""
    from torch._inductor import scheduler

    codegen = scheduler.Scheduler.codegen

    def then_note(self: Any) -> None:
        codegen(self)
        into.extend(one for node in self.nodes for one in _of(node))

    with patch.object(scheduler.Scheduler, "codegen", then_note):
        yield


def facts(found: Sequence[Transfer], inputs: Sequence[str], base: Facts | None = None) -> Facts:
    """The counts with the list; `inputs` are the names of the graph's arguments, in order."""
    base = base or Facts()
    if not found:
        why = "Inductor's answer was a cached one, which does not tell what its kernels move"
        return replace(base, caveats=(*base.caveats, why))
    named = tuple(replace(one, array=_named(one.array, inputs)) for one in found)
    traffic = Traffic("the buffers of Inductor's scheduler", named)
    return replace(base, hbm_bytes=float(traffic.steady_bytes), traffic=traffic)


def placed(placeholder: str) -> str:
    """The name of an array in the program, of Dynamo's name for it: "l_args_gate_weight_" -> "gate_weight"."""
    found = _PLACED.match(placeholder)
    return found[1] if found else placeholder


def _named(buffer: str, inputs: Sequence[str]) -> str:
    found = _INPUT.fullmatch(buffer)
    return inputs[int(found[1])] if found and int(found[1]) < len(inputs) else buffer


def _of(node: Any) -> Iterator[Transfer]:
    """The transfers of one scheduled node, which becomes a kernel, a part of one, or a call of a library."""
    from torch._inductor.virtualized import V

    step, results = inductor_steps.steps([node]), set(V.graph.get_output_names())
    # What is written in place has a name of its own from then on, and the size of what was written.
    memory = {made: name for made, name in node.scheduler.mutation_real_name.items() if made in V.graph.name_to_buffer}
    written = node.get_read_write_buffer_accesses(include_reads=False, include_writes=True)
    with patch.dict(V.graph.name_to_buffer, {made: V.graph.get_buffer(name) for made, name in memory.items()}):
        whole = node.get_read_write_buffer_accesses(include_reads=True, include_writes=True)
    own = {memory.get(buffer, buffer) for buffer in written}
    read = {buffer: n for buffer, n in whole.items() if memory.get(buffer, buffer) not in own}  # each once a kernel

    def why(buffer: str, direction: Direction) -> str:
        if direction == "read":
            return "operand"
        if buffer in memory:
            return "updated in place"
        return "result of the program" if buffer in results else "for kernels after it"

    moves: tuple[tuple[dict[str, int], Direction], ...] = ((read, "read"), (written, "written"))
    for buffers, direction in moves:
        for buffer, nbytes in buffers.items():
            if nbytes:
                reason, array = why(buffer, direction), memory.get(buffer, buffer)
                yield Transfer(array, direction, node.get_name(), step, int(nbytes), 1, reason)
