"""What XLA:GPU's output says of each launch: kernel, size, instructions, and XLA's own models of its time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oneblock.compilers.api.call import steps_of
from oneblock.compilers.api.facts import Estimate
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.dialects import ptx as _ptx
from oneblock.compilers.hlo.parser import Instruction, Module
from oneblock.compilers.hlo.steps import NO_OPERATION

# XLA writes down several models' times for one operation. The first of these that it has is taken: "indexing" knows a
# Triton kernel's tiles; "" is the model of loop fusions, which puts a softmax in Triton at half a second.
MODELS = ("indexing-cost-model", "", "sol")
_KINDS = {"kLoop": "loop", "kInput": "input", "kOutput": "output", "kCustom": "custom"}
_LAUNCH = re.compile(
    r"^\s*(\d+): k(\w+)\s+\[.*?\] (\S+)(?: grid: \[([\d, ]+)\] threads: \[([\d, ]+)\]\s+shared_memory: (\d+) bytes)?$"
)


@dataclass(frozen=True)
class Thunk:
    """A line of XLA's thunk sequence: one thing that the program starts on the device."""

    number: int
    kind: str  # "CustomKernel", "CublasLtMatmul", "Copy"
    entry: str  # the kernel in the PTX, for those that are ours
    grid: tuple[int, ...] | None
    threads: int | None
    shared_bytes: int | None  # given at the launch


def thunks(text: str) -> list[Thunk]:
    """The launches of a thunk sequence in their order; ValueError shows a line that is not as expected."""
    found = []
    for line in text.splitlines():
        match = _LAUNCH.match(line.rstrip())
        if match is None:
            raise ValueError(f"expected a line such as '001: kCopy [...] NAME ...' of a thunk sequence, got {line!r}")
        number, kind, name, grid, threads, shared = match.groups()
        sizes = None if grid is None else tuple(map(int, grid.split(",")))
        of_block = None if threads is None else _product(threads)
        found.append(Thunk(int(number), kind, name, sizes, of_block, None if shared is None else int(shared)))
    return found


def _product(text: str) -> int:
    x, y, z = (int(word) for word in text.split(","))
    return x * y * z


def operations(metadata: str) -> dict[int, str]:
    """The HLO operation of each thunk by its number, of XLA's `thunk_metadata.txt`; those without one are left out."""
    found = {}
    for block in metadata.split("thunk_metadata {")[1:]:
        number, name = re.search(r"thunk_id: (\d+)", block), re.search(r'profile_annotation: "([^"]+)"', block)
        if number is not None and name is not None:
            found[int(number[1])] = name[1]
    return found


def kernel(
    thunk: Thunk, operation: Instruction | None, step: str | None, text: str | None, ptxas: str | None
) -> GpuKernel:
    """A launch with all that is known of it; `text` is its PTX, None for a library's."""
    allotted = None if text is None or ptxas is None else _ptx.resources(text, ptxas)
    return GpuKernel(
        name=operation.name if operation is not None else thunk.entry,
        steps=steps_of(step),
        kind=kind(operation) if operation is not None else thunk.kind,
        entry=None if text is None else thunk.entry,
        grid=thunk.grid,
        threads=thunk.threads,
        shared_bytes=None if text is None else _ptx.shared_bytes(text) + (thunk.shared_bytes or 0),
        registers=None if allotted is None else allotted.registers,
        spill_bytes=None if allotted is None else allotted.spill_bytes,
        instructions={} if text is None else _ptx.instructions(text),
        modelled_s={} if operation is None else modelled(operation),
    )


def kind(operation: Instruction) -> str:
    """What sort of kernel an operation becomes."""
    if operation.opcode == "custom-call":
        return "library " + operation.attributes["custom_call_target"].strip('"')
    if operation.opcode != "fusion":
        return operation.opcode
    triton = _fusion(operation).get("kind", "")
    if triton.startswith("__triton"):
        return "triton gemm" if "gemm" in triton else "triton"
    return _KINDS.get(operation.attributes.get("kind", ""), "fusion")


def _fusion(operation: Instruction) -> dict[str, Any]:
    config = operation.config.get("fusion_backend_config", {})
    return config if isinstance(config, dict) else {}


def modelled(operation: Instruction) -> dict[str, float]:
    """Seconds by model, of an operation compiled with `--xla_gpu_collect_cost_model_stats`."""
    return {cost["name"]: cost["exec_time_us"] / 1e6 for cost in operation.config.get("reification_cost", [])}


def default_tiles(module: Module) -> str | None:
    """The sentence on products whose tiles nobody tried; None where there is none in Triton."""
    tiles: Counter[str] = Counter()
    for operation in module.entry.instructions:
        if kind(operation) == "triton gemm":
            chosen: Mapping[str, Any] = _fusion(operation).get("block_level_fusion_config", {})
            sizes = "x".join(size for tile in chosen.get("output_tiles", [])[:1] for size in tile["sizes"])
            tiles[f"{sizes} by {chosen.get('num_warps', '?')} warps"] += 1
    if not tiles:
        return None
    listed = ", ".join(f"{count} of {tile}" for tile, count in tiles.most_common())
    return (
        f"no device, so no autotuner: {tiles.total()} products have the tiles that XLA starts from ({listed}); on the "
        "GPU it tries others and cuBLAS, and keeps the fastest. Read these kernels for their structure, not their speed"
    )


def estimate(name: str, module: Module, what: str) -> Estimate:
    """The sum of XLA's modelled times of all operations, one after the other."""
    total_s, by, without = 0.0, Counter[str](), list[str]()
    for operation in module.entry.instructions:
        if operation.opcode in NO_OPERATION:
            continue
        times = modelled(operation)
        model = next((model for model in MODELS if model in times), None)
        if model is None:
            without.append(operation.name)
        else:
            total_s += times[model]
            by[model or "analytical"] += 1
    if not by:
        return Estimate(name, None, "XLA modelled none of the operations")
    models = ", ".join(f"{count} by {model}" for model, count in by.most_common())
    how = f"sum of XLA's cost models over {what}, starting them costs nothing: {models}"
    return Estimate(name, total_s, how + (f"; without a model: {', '.join(without)}" if without else ""))
