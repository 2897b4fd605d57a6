"""Compiles the functions of this lab: OUT T C NORM ACTIVATION CHIP the variants, OUT T C FILE a learner's `layer_norm`.

What is told of each: the fusions that XLA schedules, arrays of the size of x that it writes, and temporaries.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from oneblock import backends
from oneblock.backends.api.backend import Unavailable
from oneblock.backends.api.target import Target
from oneblock.compilers.chips.topology import topology
from oneblock.compilers.hlo.parser import arrays, parse

MOST = 1e-4  # of the largest element, in float32
EPSILON = 1e-5


def variants(norm_name: str, activation: str) -> dict[str, Callable[..., Any]]:
    """The chain act(norm(x) * w) * x of x (T, C) and w (C,), and what is changed in it."""
    import jax
    import jax.numpy as jnp

    act = {"gelu": jax.nn.gelu, "silu": jax.nn.silu, "tanh": jnp.tanh}[activation]

    def norm(x: Any, w: Any) -> Any:
        if norm_name == "layer":
            x = x - jnp.mean(x, -1, keepdims=True)
        return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + EPSILON) * w

    def returned(x: Any, w: Any) -> Any:
        normed = norm(x, w)
        return act(normed) * x, normed

    return {
        "chain": lambda x, w: act(norm(x, w)) * x,
        "no_norm": lambda x, w: act(x * w) * x,
        "barrier": lambda x, w: act(jax.lax.optimization_barrier(norm(x, w))) * x,
        "returned": returned,
    }


def told(function: Callable[..., Any], T: int, C: int, sharding: Any = None) -> tuple[dict[str, int], str]:
    """What XLA makes of a function of x (T, C) and w (C,) in float32, and its text."""
    import jax

    x, w = (jax.ShapeDtypeStruct(shape, np.float32, sharding=sharding) for shape in ((T, C), (C,)))
    compiled = jax.jit(function).lower(x, w).compile()
    text = compiled.as_text() or ""
    entry = parse(text).entry.instructions
    fusions = [one for one in entry if one.opcode == "fusion"]
    memory = compiled.memory_analysis()
    counts = {
        "fusions": len(fusions),
        "whole_arrays": sum(array.elements == T * C for one in fusions for array in arrays(one.shape)),
        "temp_bytes": int(memory.temp_size_in_bytes),
    }
    return counts, text


def main(out: str, T: int, C: int, *rest: str) -> None:
    """Write what is told as JSON."""
    if len(rest) == 1:
        made: dict[str, Any] = _learners(rest[0], T, C)
    else:
        norm, activation, chip = rest
        made = {"absent": {}, "hlo": {}}
        for name, target, of in (("jax_xla", "cpu", None), ("xla_tpu", f"tpu:{chip}", chip)):
            try:
                backends.ours(name).probe(Target.parse(target))
            except Unavailable as error:
                made["absent"][name] = f"{error}; {error.hint}"
            else:
                sharding = None if of is None else _first(of)
                made[name] = {}
                for what, one in variants(norm, activation).items():
                    made[name][what], made["hlo"][f"{name}-{what}"] = told(one, T, C, sharding)
    Path(out).write_text(json.dumps(made), encoding="utf-8")


def _first(chip: str) -> Any:
    from jax.sharding import SingleDeviceSharding

    from oneblock.compilers.xla.tpu import devices

    return SingleDeviceSharding(devices(topology(chip, None))[0])


def _learners(path: str, T: int, C: int) -> dict[str, Any]:
    """What is told of a learner's function, and whether it is LayerNorm."""
    function = runpy.run_path(path)["layer_norm"]
    rng = np.random.default_rng(T + C)
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((T, C), (C,)))
    wide = x.astype(np.float64)
    centred = wide - wide.mean(-1, keepdims=True)
    exact = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON) * w
    import jax

    answer = np.asarray(jax.jit(function)(x, w))
    right = answer.shape == exact.shape and np.abs(answer - exact).max() <= MOST * np.abs(exact).max()
    return told(function, T, C)[0] | {"right": bool(right)}


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
