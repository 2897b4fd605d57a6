"""XLA:GPU through JAX's CUDA plugin, which compiles for any NVIDIA GPU on a machine without one; nothing runs here.

Run as `python -m oneblock.compilers.xla.gpu STABLEHLO TARGET` it compiles that text for its flags' dumps.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from oneblock.compilers.api.errors import OutOfMemory
from oneblock.compilers.api.facts import Buffer, Facts, Memory
from oneblock.compilers.api.stages import Artifact, Capture, Detail, Lowering, Stage
from oneblock.compilers.chips import load
from oneblock.compilers.chips.chip import Gpu
from oneblock.compilers.hlo import counts as _hlo_facts
from oneblock.compilers.hlo import parser as _hlo
from oneblock.compilers.xla import errors as _xla_errors
from oneblock.compilers.xla import gpu_dump as _gpu_dump
from oneblock.compilers.xla import gpu_thunks as _gpu_facts
from oneblock.compilers.xla.gpu_env import PLUGINS, quiet
from oneblock.compilers.xla.gpu_target import target_config

with quiet():  # JAX loads the plugin's libraries as it is imported
    import jax
    from jax._src.lib import cuda_versions

    from oneblock.compilers.xla import lowering as xla

_LIBRARY = {"xla_gpu_enable_triton_gemm": False}
_MODELLED = {"xla_gpu_collect_cost_model_stats": True}


def device(of: Gpu) -> Any:
    """One such GPU, to compile for."""
    from jax.experimental import topologies

    question = {"platform": "cuda", "target_config": target_config(of), "topology": "1x1x1"}
    with quiet():
        _let_it_register()
        try:
            found = topologies.get_topology_desc(**question)
        except NotImplementedError:  # JAX looked for plugins before this module was loaded, and refused this one
            importlib.import_module(_module()).initialize()
            found = topologies.get_topology_desc(**question)
    return found.devices[0]


def _let_it_register() -> None:
    """Have the plugin skip its check of CUDA's libraries where they are not here: it registers no compiler otherwise.

    A toolkit alone has the runtime, and not cuDNN.
    """
    try:
        cuda_versions.cuda_runtime_get_version()
        cuda_versions.cudnn_get_version()
    except RuntimeError:
        os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")


def _module() -> str:
    """`jax-cuda12-plugin` registers by `jax_plugins.xla_cuda12`."""
    from importlib.util import find_spec

    names = [f"jax_plugins.xla_{plugin.split('-')[1]}" for plugin in PLUGINS]
    return next(name for name in names if find_spec(name) is not None)


def compile_and_capture(lowered: jax.stages.Lowered, graph: Artifact, of: Gpu, steps: Sequence[str]) -> Capture:
    """Compile now for the GPU that the program was lowered for.

    Its stages and facts are made when asked for. OutOfMemory where it needs more than the GPU has.
    """
    before = xla.inputs(lowered)
    with _xla_errors.typed(before[1].text):
        compiled = lowered.compile()
    memory, text = compiled.memory_analysis(), compiled.as_text() or ""
    _must_fit(memory, of)
    module = _hlo.parse(text)
    uses_triton = _gpu_facts.default_tiles(module)

    def capture(detail: Detail) -> Lowering:
        counts = _hlo_facts.count(module, steps)
        caveats = () if uses_triton is None else (uses_triton,)
        final = Artifact(Stage.OPTIMIZED, "hlo", text)
        if detail is Detail.BRIEF:
            return Lowering((graph, *before, final), _facts(counts, memory, caveats))
        dumped = _gpu_dump.dump(before[0].text, of.target, steps, everything=detail is Detail.ALL)
        facts = _facts(counts, memory, (*caveats, *dumped.caveats))
        second: tuple[Artifact, ...] = ()
        estimates = [] if dumped.estimate is None else [dumped.estimate]
        modelled = any(estimate.seconds is not None for estimate in estimates)
        if uses_triton is not None:
            library = lowered.compile(_LIBRARY | _MODELLED if modelled else _LIBRARY).as_text() or ""
            second = (Artifact(Stage.OPTIMIZED, "hlo-cublas", library),)
            what = "the form that leaves products to cuBLAS"
            estimates.append(_gpu_facts.estimate("xla-cublas", _hlo.parse(library), what))
        stages = (graph, *before, *dumped.passes, final, *second, *dumped.machine)
        return Lowering(stages, replace(facts, estimates=tuple(estimates), calls=dumped.kernels))

    return capture


def _must_fit(memory: Any, of: Gpu) -> None:
    """XLA:GPU compiles what no such GPU can hold; say so here."""
    parts = {
        "arguments": memory.argument_size_in_bytes,
        "temporaries": memory.temp_size_in_bytes,
        "results": memory.output_size_in_bytes - memory.alias_size_in_bytes,
    }
    needed = sum(parts.values())
    if needed > of.memory_bytes.value:
        listed = tuple(Buffer(size, what) for what, size in sorted(parts.items(), key=lambda p: -p[1]))
        raise OutOfMemory(Memory("hbm", needed, of.memory_bytes.value, listed), "")


def _facts(counts: _hlo_facts.Counts, memory: Any, caveats: tuple[str, ...]) -> Facts:
    return replace(xla.facts(counts, None, memory, caveats), code_bytes=None)  # XLA:GPU says 0 of any program


def main() -> None:
    """Compile; what is wanted is in the files that the compiler leaves."""
    path, target = sys.argv[1:]
    xla.compile_stablehlo(Path(path).read_text(encoding="utf-8"), device(load(target, Gpu)))


if __name__ == "__main__":
    main()
