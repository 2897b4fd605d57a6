"""A function of tensor IR that writes into an array which it is given: Relax has no operator that does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tvm.script import from_source

_OPAQUE = 8  # TVM's word for what is fused with nothing: FuseTIR does not look whether memory is another's as well
_SOURCE = """
@T.prim_func(s_tir=True, private=True)
def write({parameters}):
    T.func_attr({{"tirx.noalias": True, "op_pattern": {opaque}}})
    for {loops} in T.grid({extents}):
        with T.sblock("write"):
            {axes} = T.axis.remap("{kinds}", [{loops}])
            cache[{slot}] = new[{source}]
"""


def write(shape: Sequence[int], dtype: str, position: str | None = None) -> Any:
    """cache (B, ..., S, D) of that shape, new (B, ..., 1, D): the second becomes a slot of the first, the last.

    With a dtype for it there is a third, position (B,), the slot of each sequence.
    """
    *outer, slots, width = shape
    extents = [*outer, width]
    *before, last = axes = [f"v{i}" for i in range(len(extents))]
    parameters = {"cache": (tuple(shape), dtype), "new": ((*outer, 1, width), dtype)}
    if position is not None:
        parameters["position"] = ((outer[0],), position)
    return from_source(
        _SOURCE.format(
            opaque=_OPAQUE,
            parameters=", ".join(f'{name}: T.Buffer({of}, "{kind}")' for name, (of, kind) in parameters.items()),
            loops=", ".join(f"i{i}" for i in range(len(extents))),
            extents=", ".join(map(str, extents)),
            axes=", ".join(axes),
            kinds="S" * len(axes),
            source=", ".join([*before, "0", last]),
            slot=", ".join([*before, str(slots - 1) if position is None else f"position[{before[0]}]", last]),
        )
    )
