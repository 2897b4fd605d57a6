"""A program as StableHLO, for whichever compiler reads that: by `jax.export`, and what it wrote run on the CPU."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.export
import numpy as np

from oneblock.compilers.api.export import ExportedModule
from oneblock.compilers.xla import lowering as xla

_OPCODE = re.compile(r"\b(stablehlo\.\w+)\b(?!<)")  # and no attribute, as in #stablehlo.dot<...>
_OF_XLA = re.compile(r"(?:stablehlo\.custom_call @|call_target_name = \")(\w+)")
_VERSION = re.compile(rb"StableHLO_v([\d.]+)")


class NotPortable(ValueError):
    """Why a program is not for other compilers."""


def export(program: Callable[..., Any], shapes: Mapping[str, tuple[tuple[int, ...], Any]]) -> ExportedModule:
    """A function of named arrays as StableHLO for arrays of these (shape, dtype), without places and shardings.

    Its files are the portable artifact ("mlirbc"), of a version that readers as old as a month take; the same as text
    with the names of steps ("mlir"); and the artifact with all that JAX needs to call it ("jax"). A call of what XLA
    alone has is NotPortable. What StableHLO itself lacks, as erf, is a composite of what it has.
    """
    specs = {name: jax.ShapeDtypeStruct(shape, dtype) for name, (shape, dtype) in shapes.items()}
    jitted = jax.jit(program, keep_unused=True)  # so that array i by name is argument i
    with xla.precision(shapes):
        exported = jax.export.export(jitted, platforms=("cpu",))(specs)
    artifact, text = exported.mlir_module_serialized, str(exported.mlir_module())
    if called := sorted(set(_OF_XLA.findall(text))):
        raise NotPortable(f"the program calls {', '.join(called)}, which other compilers do not have")
    files = {"mlirbc": artifact, "mlir": text.encode(), "jax": bytes(exported.serialize())}
    version = _VERSION.search(artifact)
    what = f"StableHLO {version[1].decode() if version else 'of no stated version'}, by JAX {jax.__version__}"
    outputs = tuple(sorted(jax.tree.unflatten(exported.out_tree, exported.out_avals)))
    functions, opcodes = text.count("func.func "), Counter(_OPCODE.findall(text))
    return ExportedModule(files, what, tuple(sorted(shapes)), outputs, functions, dict(opcodes))


def on_cpu(files: Mapping[str, bytes]) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    """What JAX reads of the files, compiled for the CPU: arguments (...) in their order -> results (...).

    NotPortable where the artifact beside it is another program.
    """
    device, exported = jax.devices("cpu")[0], jax.export.deserialize(bytearray(files["jax"]))
    if exported.mlir_module_serialized != files["mlirbc"]:
        raise NotPortable("the artifact is not that of JAX's own file: export it anew")

    def call(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        args, _ = jax.tree.unflatten(exported.in_tree, [jax.device_put(array, device) for array in arrays])
        return [np.asarray(result) for result in jax.tree.leaves(jax.jit(exported.call)(*args))]

    return call
