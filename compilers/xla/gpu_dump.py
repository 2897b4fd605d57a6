"""Compiling once more in a child process for what XLA:GPU only dumps: PTX, LLVM IR, the launches, its time models.

The child takes the flags: an unknown one ends a process, and dumping leaves XLA slower for the rest of its life.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from oneblock.compilers.api.facts import Estimate
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.api.process import run_module
from oneblock.compilers.api.stages import Artifact, Stage
from oneblock.compilers.dialects import ptx as _ptx
from oneblock.compilers.dialects.launches import table
from oneblock.compilers.hlo import parser as _hlo
from oneblock.compilers.hlo import steps as _hlo_steps
from oneblock.compilers.xla import gpu_env as _gpu_env
from oneblock.compilers.xla import gpu_thunks as _gpu_facts

_FINAL = "_gpu_after_optimizations.txt"
_MACHINE = "^ptx|^llvm"  # which XLA of JAX 0.12 writes only if it is asked to, and that of 0.10 in any case

_STAGES = re.compile(r"^// -----// IR Dump Before (\w+).*$", re.MULTILINE)


@dataclass(frozen=True)
class XlaGpuDump:
    """What came of it; empty but for a caveat where the child ended badly."""

    passes: tuple[Artifact, ...] = ()
    machine: tuple[Artifact, ...] = ()  # LLVM IR and PTX of each kernel, the launches, and a table of both
    kernels: tuple[GpuKernel, ...] = ()
    estimate: Estimate | None = None
    caveats: tuple[str, ...] = ()


def dump(stablehlo: str, target: str, steps: Sequence[str], *, everything: bool) -> XlaGpuDump:
    """Compile StableHLO for a target such as "cuda:sm_90:h200", and read what is left behind.

    With `everything` also the module after each pass, and of each Triton kernel what XLA hands to Triton: that takes a
    minute or more, for XLA then writes down every pass of LLVM too, of which nothing is kept.
    """
    with tempfile.TemporaryDirectory(prefix="oneblock-xla-dump-") as scratch:
        folder = Path(scratch, "dump")
        flags = {"xla_dump_to": str(folder), "xla_dump_hlo_as_text": "true", "xla_dump_emitter_re": _MACHINE}
        if everything:
            flags |= {"xla_dump_hlo_pass_re": ".*", "xla_dump_emitter_re": f"{_MACHINE}|xtile-to-triton"}
        unmodelled = _child(stablehlo, target, Path(scratch), flags | {"xla_gpu_collect_cost_model_stats": "true"})
        ended = unmodelled and _child(
            stablehlo, target, Path(scratch), flags
        )  # it has tables of sm_90 and sm_100 alone
        if not ended and not list(folder.glob(f"*{_FINAL}")):
            ended = f"it left no dump in {folder.parent.parent}: is that full, or read-only?"
        if ended:
            return XlaGpuDump(caveats=(f"no PTX: the compiler that dumps it ended: {ended}",))
        found = _read(folder, steps)
        if unmodelled:
            why = f"XLA's cost models ended the compiler: {unmodelled}"
            found = replace(found, estimate=Estimate("xla-triton", None, why))
        return found


def _child(stablehlo: str, target: str, scratch: Path, flags: dict[str, str]) -> str:
    """How it ended if badly, in the compiler's own words."""
    program = scratch / "program.mlir"
    program.write_text(stablehlo, encoding="utf-8")
    added = [os.environ.get("XLA_FLAGS", ""), *(f"--{key}={value}" for key, value in flags.items())]
    environment = {**os.environ, "XLA_FLAGS": " ".join(added).strip(), "JAX_PLATFORMS": "cpu"}
    return run_module(["oneblock.compilers.xla.gpu", str(program), target], environment)


def _read(folder: Path, steps: Sequence[str]) -> XlaGpuDump:
    (final,) = folder.glob(f"*{_FINAL}")
    prefix = final.name.split(".sm_")[0]  # module_0001.jit_block: pieces of it are modules too
    module = _hlo.parse(final.read_text(encoding="utf-8"))
    ptx = {name: text for path in folder.glob("*.ptx") if (name := _ptx.entry(text := path.read_text())) is not None}
    sequence = Path(folder, f"{prefix}.thunk_sequence.txt").read_text(encoding="utf-8")
    metadata = Path(folder, f"{prefix}.thunk_metadata.txt").read_text(encoding="utf-8")
    named = _gpu_facts.operations(metadata)
    operation_of = {i.name: i for computation in module.computations.values() for i in computation.instructions}
    step_of = {
        name: step
        for computation, _ in _hlo_steps.scheduled(module)
        for name, (step, _) in _hlo_steps.attribute(computation, module, steps).items()
    }
    ptxas = _gpu_env.ptxas()
    kernels = tuple(
        _gpu_facts.kernel(t, operation_of.get(name), step_of.get(name), ptx.get(t.entry), ptxas)
        for t in _gpu_facts.thunks(sequence)
        for name in [named.get(t.number, "")]
    )
    entries = list(dict.fromkeys(kernel.entry for kernel in kernels if kernel.entry is not None))  # as they are started
    llvm = {found[1]: text for text in _all(folder, "*.ir-with-opt.ll") if (found := _defined(text)) is not None}
    machine = (
        *(Artifact(Stage.KERNEL, f"ttir:{name}", text) for name, text in _ttir(folder)),
        *(Artifact(Stage.KERNEL, f"llvm:{name}", llvm[name]) for name in entries if name in llvm),
        Artifact(Stage.MACHINE, "thunks", sequence),
        Artifact(Stage.MACHINE, "kernels", table(kernels)),
        *(Artifact(Stage.MACHINE, f"ptx:{name}", ptx[name]) for name in entries),
    )
    estimate = _gpu_facts.estimate("xla-triton", module, "the kernels with the tiles that XLA starts from")
    launched = {t.entry for t in _gpu_facts.thunks(sequence) if t.kind == "CustomKernel"}
    lacking = f"no PTX: XLA wrote none of {len(launched - ptx.keys())} of {len(launched)} kernels"
    caveats = (lacking,) if launched - ptx.keys() else ()
    return XlaGpuDump(tuple(_passes(folder, prefix)), machine, kernels, estimate, caveats)


def _all(folder: Path, pattern: str) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob(pattern))]


def _defined(llvm: str) -> re.Match[str] | None:
    return re.search(r"^define ptx_kernel void @([\w.$]+)\(", llvm, re.MULTILINE)


def _passes(folder: Path, prefix: str) -> list[Artifact]:
    """The module after each pass, in order, of files `module_0001.jit_block.0012.PIPELINE.after_PASS...txt`."""
    paths = sorted(folder.glob(f"{prefix}.[0-9][0-9][0-9][0-9].*.after_*.txt"))
    titles = (path.name.removeprefix(f"{prefix}.").removesuffix(".txt") for path in paths)
    return [
        Artifact(Stage.OPTIMIZED, f"hlo:{title}", path.read_text(encoding="utf-8"))
        for title, path in zip(titles, paths, strict=True)
    ]


def _ttir(folder: Path) -> list[tuple[str, str]]:
    """(kernel, its Triton IR): the files hold the IR before each pass that makes it, the last nearest to Triton."""
    found = []
    for path in sorted(folder.glob("*.xtile-to-triton.txt")):
        name = path.name.split(".", 1)[1].removesuffix(".xtile-to-triton.txt").replace(".", "_")
        found.append((name, _STAGES.split(path.read_text(encoding="utf-8"))[-1].lstrip("\n")))
    return found
