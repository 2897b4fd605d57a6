"""Triton for GPUs that are not here: a kernel as a launch specialises it, each stage, and what its machine code says.

Nothing asks for a driver. Four private names of Triton 3.6 to 3.9 stand for what `kernel[grid](...)` does with one:
`make_backend`, `create_function_from_signature`, `JITFunction._pack_args` and, for the assembler, `get_ptxas`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

import triton
from triton._C.libtriton import get_cache_invalidating_env_vars
from triton.backends.compiler import GPUTarget
from triton.compiler.compiler import make_backend
from triton.compiler.errors import TritonError
from triton.runtime.cache import get_cache_manager
from triton.runtime.errors import OutOfResources
from triton.runtime.jit import create_function_from_signature

from oneblock.compilers.api.call import steps_of
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.api.stages import Artifact, Detail, Stage
from oneblock.compilers.chips.chip import Gpu
from oneblock.compilers.dialects import amdgcn, sass
from oneblock.compilers.dialects import ptx as _ptx
from oneblock.compilers.triton import machine_code as triton_code
from oneblock.compilers.triton import releases
from oneblock.compilers.triton import text as _triton_text
from oneblock.compilers.triton.built import BuiltKernel, cores

_TENSOR_MEMORY_COLUMNS = 512  # of a multiprocessor of sm_100: PTX ISA, "Tensor Memory"
STAGES = {
    "ttir": Stage.LOWERED, "ttgir": Stage.OPTIMIZED, "llir": Stage.KERNEL, "ptx": Stage.MACHINE, "sass": Stage.MACHINE,
    "amdgcn": Stage.MACHINE,
}  # fmt: skip
_BRIEF = ("ptx", "amdgcn")
_built: list[str] = []


class CannotBuild(Exception):
    """A kernel cannot be built for a target; the text is the compiler's own reason."""


class _OneAtATime(triton.compiler.ASTSource):  # type: ignore[misc]
    """A kernel that is parsed while no other is: Python 3.11 counts the depth of its parser for all threads together.

    Two at once may end in "AST constructor recursion depth mismatch" (python/cpython#106905). The rest of a build holds
    no lock, and takes the time.
    """

    _lock = Lock()

    def make_ir(self, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return super().make_ir(*args, **kwargs)


@dataclass(frozen=True)
class Source:
    """A kernel with all that fixes its machine code: its arguments' types, constants and attributes, and options."""

    ast: Any  # triton.compiler.ASTSource
    options: Mapping[str, Any]
    of: Gpu

    @property
    def key(self) -> str:
        """The same for sources that give the same machine code."""
        return f"{self.ast.hash()} {sorted(self.options.items(), key=str)} {self.of.architecture}"


def compilations() -> int:
    """How many kernels were built in this process, from the cache or not."""
    return len(_built)


def as_launched(kernel: Any, args: Sequence[Any], options: Mapping[str, Any], gpu: Gpu) -> Source:
    """The kernel as `kernel[grid](*args, **options)` would specialise it on that GPU.

    `args` may be tensors on the device "meta". `options` are compile-time arguments, num_warps and num_stages.
    """
    backend = make_backend(_gpu_target(gpu))
    binder = create_function_from_signature(kernel.signature, kernel.params, backend)
    # Said here, since what Triton takes by default changes from 3.9 to 3.10.
    options = {"enable_fp_fusion": True, **options}
    bound, specialization, rest = binder(*args, **options)
    parsed, signature, constants, attrs = kernel._pack_args(backend, options, bound, specialization, rest)
    ast = _OneAtATime(kernel, signature, constants, attrs)
    return Source(ast, vars(parsed), gpu)


def specialised(
    kernel: Any, signature: Mapping[str, str], constants: Mapping[str, Any], attrs: Mapping[Any, Any],
    options: Mapping[str, Any], gpu: Gpu,
) -> Source:  # fmt: skip
    """A kernel whose specialisation is known already, as that of a kernel which Inductor wrote."""
    ast = _OneAtATime(kernel, dict(signature), dict(constants), dict(attrs))
    return Source(ast, {"enable_fp_fusion": True, **options}, gpu)


def build(source: Source) -> BuiltKernel:
    """Compile to machine code; CannotBuild has the compiler's reason, or that which a launch would give.

    What was read of the machine code is kept in Triton's own cache beside it.
    """
    kept = get_cache_manager(sha256(f"{source.key} {_reader()}".encode()).hexdigest())
    path = kept.get_file("oneblock.json")
    if path is None:
        path = kept.put(json.dumps(_compile(source)), "oneblock.json", binary=False)
    _built.append(source.ast.name)
    return BuiltKernel(of=source.of, **json.loads(Path(path).read_text()))


def build_all(sources: Iterable[Source]) -> dict[str, BuiltKernel | CannotBuild]:
    """Each distinct one by its key, as many at once as there are cores; CannotBuild in the place of what cannot."""
    distinct = {source.key: source for source in sources}
    with ThreadPoolExecutor(cores()) as pool:
        return dict(zip(distinct, pool.map(_try, distinct.values()), strict=True))


def _try(source: Source) -> BuiltKernel | CannotBuild:
    try:
        return build(source)
    except CannotBuild as error:
        return error


@cache
def _reader() -> str:
    """The same for the same Triton, the same settings of it and the same code here: what is kept is good for these."""
    modules = (amdgcn, _ptx, releases, sass, _triton_text, triton_code)
    readers = (__file__, *(str(module.__file__) for module in modules))
    code = sha256(b"".join(Path(file).read_bytes() for file in readers)).hexdigest()
    return f"{triton.__version__} {sorted(get_cache_invalidating_env_vars().items())} {code}"


def _compile(source: Source) -> dict[str, Any]:
    """The fields of a Built, but for its GPU."""
    target = _gpu_target(source.of)
    try:
        compiled = triton.compile(source.ast, target=target, options=dict(source.options))
        _must_fit(compiled.metadata, source.of)
        return triton_code.amd(compiled) if target.backend == "hip" else triton_code.nvidia(compiled, target.arch)
    # RuntimeError: a pass failed, or the assembler; ValueError: the language's; KeyError: an option that is unknown
    except (TritonError, OutOfResources, RuntimeError, ValueError, NotImplementedError) as error:
        raise CannotBuild(f"{source.ast.name} for {source.of.architecture}: {_reason(error)}") from error


def artifacts(kernels: Mapping[str, BuiltKernel], detail: Detail) -> list[Artifact]:
    """The texts of kernels by label, one stage of all after another; in brief, what the assembler is given alone."""
    return [
        Artifact(stage, f"{name}:{label}", text)
        for name, stage in STAGES.items()
        if detail is not Detail.BRIEF or name in _BRIEF
        for label, built in kernels.items()
        if (text := built.text(name)) is not None
    ]


def facts(built: BuiltKernel, name: str, step: str | None, kind: str, grid: tuple[int, ...] | None) -> GpuKernel:
    """What the machine code says of one launch."""
    return GpuKernel(
        name=name,
        steps=steps_of(step),
        kind=kind,
        entry=built.name,
        grid=grid,
        threads=built.num_warps * built.of.multiprocessor.lanes,
        shared_bytes=built.shared_bytes,
        registers=built.registers,
        spill_bytes=built.spill_bytes,
        instructions=dict(built.instructions),
        dynamic_shared_bytes=built.dynamic_shared_bytes,
        stack_bytes=built.stack_bytes,
        machine_instructions=built.machine_instructions,
        occupancy=built.occupancy,
    )


@cache
def _gpu_target(gpu: Gpu) -> GPUTarget:
    if gpu.platform == "rocm":
        return GPUTarget("hip", gpu.architecture, gpu.multiprocessor.lanes)
    return GPUTarget("cuda", int(gpu.architecture.removeprefix("sm_")), gpu.multiprocessor.lanes)


def _must_fit(metadata: Any, of: Gpu) -> None:
    """Refuse what a launch would: Triton looks at these limits as it loads a kernel, and the compiler does not."""
    most = of.multiprocessor.shared_bytes_of_block
    if metadata.shared > most:
        raise OutOfResources(metadata.shared, most, "shared memory")
    columns = getattr(metadata, "tmem_size", None) or 0
    if columns > _TENSOR_MEMORY_COLUMNS:
        raise OutOfResources(columns, _TENSOR_MEMORY_COLUMNS, "tensor memory")


def _reason(error: Exception) -> str:
    """The last line that says something: a compilation error quotes the source first, and that of callers around it."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" ^")]
    return lines[-1] if lines else type(error).__name__
