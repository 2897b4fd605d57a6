"""Compiles an MLP for the chips of a mesh, its weights split as a learner's `split` says: OUT FILE TARGET T C F."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

from oneblock.backends.api.target import Target
from oneblock.compilers.chips.topology import topology
from oneblock.compilers.hlo import parser
from oneblock.compilers.hlo.counts import count

AXIS = "chips"


def main(out: str, script: str, target: str, *sizes: str) -> None:
    """Write the word for how it is split as JSON."""
    up, down = (tuple(one) for one in runpy.run_path(script)["split"]())
    told = {"word": judged(up, down, Target.parse(target), *map(int, sizes))}
    Path(out).write_text(json.dumps(told), encoding="utf-8")


def judged(up: tuple[Any, ...], down: tuple[Any, ...], target: Target, T: int, C: int, F: int) -> str:
    """How many exchanges a split of the weights costs, or what it leaves whole."""
    for axes in (up, down):
        if len(axes) != 2 or any(one not in (None, AXIS) for one in axes) or axes.count(AXIS) > 1:
            return "differs"
    if AXIS not in up or AXIS not in down:
        return "whole"
    if [kind for kind, _ in exchanges(up, down, target, T, C, F)] == ["all-reduce"]:
        return "once"
    if up[1] == AXIS:
        return "gathered"
    return "summed_early" if down[1] == AXIS else "rearranged"


def exchanges(up: Any, down: Any, target: Target, T: int, C: int, F: int) -> list[tuple[str, int]]:
    """What the compiled program exchanges between chips: of each collective its kind and bytes."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    from oneblock.compilers.xla.tpu import devices

    assert target.architecture is not None
    mesh = Mesh(np.array(devices(topology(target.architecture, target.topology))), (AXIS,))
    whole, *split = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), up, down))
    given = [
        jax.ShapeDtypeStruct(shape, jnp.bfloat16, sharding=place)
        for shape, place in (((T, C), whole), ((C, F), split[0]), ((F, C), split[1]))
    ]
    mlp = jax.jit(lambda x, up, down: jax.nn.gelu(x @ up) @ down, out_shardings=whole)
    text = mlp.lower(*given).compile().as_text()
    return [(one.kind, one.bytes) for one in count(parser.parse(text), ()).collectives]


if __name__ == "__main__":
    main(*sys.argv[1:])
