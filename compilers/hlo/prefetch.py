"""Cross-program prefetch: a weight that XLA:TPU copies to VMEM for the next call of the same program.

What XLA's memory space assignment says of it: the copy at the head, which bears `cross_program_prefetch_index`, stands
for one that the call before may have made. Where the room is wanted in between, that copy is made at the end of each
call, into the same place, and nothing in the call waits for it; else the weight stays there for good.
"""

from __future__ import annotations

from oneblock.compilers.hlo.origin import origin
from oneblock.compilers.hlo.parser import Computation

AHEAD = "copied ahead of its use"
_HEAD = "cross-program prefetch: a call before this has done it"
_STAYS = "cross-program prefetch: it stays there for the next calls"
_END = "cross-program prefetch, for the next call"


def prefetches(entry: Computation) -> dict[str, tuple[str, bool]]:
    """(why, whether a call that follows another finds it done) of each such copy of a program, by its name."""
    copies = [i for i in entry.instructions if i.opcode == "copy-start"]
    heads = {origin(i.operands[0], entry): i for i in copies if "cross_program_prefetch_index" in i.attributes}
    waiting = {i.operands[0]: i.name for i in entry.instructions if i.opcode == "copy-done"}
    used = {name for i in entry.instructions if i.opcode != "copy-done" for name in i.operands} | {entry.root.name}
    ends = {
        weight: i
        for i in copies
        if (weight := origin(i.operands[0], entry)) in heads
        and i is not heads[weight]
        and waiting.get(i.name) not in used
    }
    return {head.name: (_HEAD if weight in ends else _STAYS, True) for weight, head in heads.items()} | {
        end.name: (_END, False) for end in ends.values()
    }
