"""A program as the compiler of AWS Neuron takes it, a binary HLO module from JAX, and those bytes run on the CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax._src.lib import _jax, xla_client
from jaxlib import _hlo as jaxlib_hlo

from oneblock.compilers.api.export import ExportedModule
from oneblock.compilers.hlo import parser as _hlo
from oneblock.compilers.hlo.proto import HloProtoError, rewritten
from oneblock.compilers.xla import lowering as xla

# By the reference of its options, neuronx-cc 2.27 computes int64 in int32 unless told otherwise: a silent change.
_WIDE = ("s64", "u64", "f64", "c128")


def export(program: Callable[..., Any], shapes: Mapping[str, tuple[tuple[int, ...], Any]]) -> ExportedModule:
    """A function of named arrays as a module for arrays of these (shape, dtype); HloProtoError says what it is not.

    It says nothing of where arrays lie and nothing of a product's precision: that is for the options of the compiler
    that it is for.
    """
    specs = {name: jax.ShapeDtypeStruct(shape, dtype) for name, (shape, dtype) in shapes.items()}
    traced = jax.jit(program, keep_unused=True).trace(specs)  # so that array i by name is parameter i
    lowered = traced.lower(lowering_platforms=("cpu",))
    encoded = rewritten(lowered.compiler_ir("hlo").as_serialized_hlo_module_proto())
    printed = text(encoded)
    refuse(printed)
    computations = _hlo.parse(printed).computations
    opcodes = Counter(instruction.opcode for each in computations.values() for instruction in each.instructions)
    outputs = tuple(sorted(lowered.out_info))
    files, what = {"hlo.pb": encoded, "hlo.txt": printed.encode()}, f"HLO by JAX {jax.__version__}"
    return ExportedModule(files, what, tuple(sorted(shapes)), outputs, len(computations), dict(opcodes))


def text(encoded: bytes) -> str:
    """The module as XLA prints it."""
    return str(jaxlib_hlo.HloModule.from_serialized_hlo_module_proto(encoded).to_string())


def refuse(module: str) -> None:
    """HloProtoError at the first instruction that may not be handed over: of 64 bits, or a call that was left."""
    for computation in _hlo.parse(module).computations.values():
        for instruction in computation.instructions:
            wide = sorted({array.dtype for array in _hlo.arrays(instruction.shape)} & set(_WIDE))
            if wide:
                where = f"{instruction.name} ({instruction.opcode}) is of type {', '.join(wide)}"
                raise HloProtoError(f"{where}; expected 32 bits at most: state the dtype, or unset JAX_ENABLE_X64")
            if instruction.opcode == "call":
                raise HloProtoError(f"{instruction.name} is a call; expected all of them to be inlined")


def on_cpu(encoded: bytes) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    """The module of these bytes compiled by XLA for the CPU: parameters (...) in their order -> outputs (...)."""
    device = jax.devices("cpu")[0]
    stablehlo = _jax.mlir.xla_computation_to_mlir_module(xla_client.XlaComputation(encoded))
    executable = xla.compile_stablehlo(stablehlo, device)

    def call(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        results = executable.execute_sharded([jax.device_put(array, device) for array in arrays])
        return [np.asarray(shards[0]) for shards in results.disassemble_into_single_device_arrays()]

    return call
