"""Block sizes of the kernels that a program calls: each is compiled for a TPU and ranked by its compiler's simulation.

A simulation takes as long as there are cycles in it. The outermost axes of a kernel's grid do the same again and again,
on other sequences, heads or rows: one of them is simulated, and counts as often as it is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np

from oneblock.backends.api.backend import TuningResult
from oneblock.backends.kernels.pallas._blocks import LANES, SUBLANES, fitting
from oneblock.backends.kernels.pallas.flash_attention import attend_by_group, block_positions
from oneblock.backends.kernels.pallas.paged_attention import cached_attention, page_positions
from oneblock.backends.kernels.pallas.rms_matmul import block_sizes, rms_matmul
from oneblock.compilers.api.errors import OutOfMemory
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.search import TaskState, Tell, Trial
from oneblock.compilers.chips.topology import Topology
from oneblock.compilers.xla import lowering as xla
from oneblock.compilers.xla import tpu
from oneblock.workloads.attention import visible_pairs
from oneblock.workloads.ops.definitions import Scores

_HOW = (
    "libtpu's static simulation of each kernel by itself, as the estimate llo (compilers/xla/estimates.py): "
    "max(cycles / clock, bytes that the kernel declares / HBM bandwidth)"
)
_EPS = 1e-5  # any: the code is the same

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """One call of a kernel: two that are equal are the same kernel at the same sizes."""

    kernel: str
    shapes: tuple[Shape, ...]
    dtype: np.dtype[Any]
    scores: Scores | None  # of attention

    @property
    def attends(self) -> Scores:
        """How scores are taken, of a kernel of attention."""
        assert self.scores is not None  # or it is another kernel
        return self.scores


@dataclass(frozen=True)
class KernelConfig:
    """A kernel at one choice of its sizes, on arrays that are the part of a call which is repeated."""

    config: str
    kernel: Callable[..., Any]
    shapes: tuple[Shape, ...]
    repeats: int  # in a call


def call(kernel: Callable[..., Any], args: Sequence[Any]) -> Call:
    """What a call of a kernel comes to: the shapes of its arrays."""
    arrays = [arg for arg in args if hasattr(arg, "shape")]
    scores = next((arg for arg in args if isinstance(arg, Scores)), None)
    return Call(kernel.__name__, tuple(array.shape for array in arrays), np.dtype(arrays[0].dtype), scores)


def tune(called: Sequence[tuple[Call, tuple[str, ...]]], topology: Topology, tell: Tell) -> TuningResult:
    """Each different call, with the steps that it is part of, in every way; the first is the kernel's own choice."""
    names: list[str] = []
    tasks = []
    for one in dict.fromkeys(each for each, _ in called):
        names.append(one.kernel)
        number = names.count(one.kernel)
        flops, ways = _OF[one.kernel](one)
        state = TaskState(
            name=one.kernel if number == 1 else f"{one.kernel}.{number}",
            steps=tuple(dict.fromkeys(step for each, steps in called if each == one for step in steps)),
            calls=sum(each == one for each, _ in called),
            flops=flops,
            trials=(),
        )
        for way in ways:
            trial = _try(way, one.dtype, topology)
            state = replace(state, trials=(*state.trials, trial), default=0)
            tell(state)
        tasks.append(state)
    return TuningResult(Kind.MODELLED, _HOW, tuple(tasks))


def _try(way: KernelConfig, dtype: np.dtype[Any], topology: Topology) -> Trial:
    """Compile and simulate one; without seconds, the compiler's reason."""
    where = xla.on(tpu.devices(topology)[0])
    specs = [jax.ShapeDtypeStruct(shape, dtype, sharding=where("", shape)) for shape in way.shapes]
    try:
        found = tpu.simulate_kernel(jax.jit(way.kernel).lower(*specs), topology)
    except OutOfMemory as error:
        return Trial(None, way.config, _too_large(error))
    except (ValueError, NotImplementedError, jax.errors.JaxRuntimeError) as error:  # as Pallas, Mosaic and XLA refuse
        return Trial(None, way.config, str(error).strip().splitlines()[0])
    if found.seconds is None:
        return Trial(None, way.config, found.how)
    return Trial(way.repeats * found.seconds, way.config)


def _too_large(error: OutOfMemory) -> str:
    needed, there = error.memory.needed_bytes, error.memory.available_bytes
    if needed is None or there is None:
        return str(error)
    return f"needs {needed / 2**20:.1f} MiB of {error.memory.space}, and {there / 2**20:.1f} MiB are there"


def _flash(called: Call) -> tuple[float, list[KernelConfig]]:
    """One group of heads of one sequence is repeated for each."""
    (B, T, N, D), K = called.shapes[0], called.shapes[1][2]
    own = block_positions(T, N // K, D, called.dtype.itemsize)
    sizes = dict.fromkeys((own, *(fitting(T, most, LANES) for most in (128, 256, 512, 1024))))
    group = (1, 1, T * N // K, D), (1, 1, T, D), (1, 1, T, D)
    ways = [
        KernelConfig(f"block={size}", partial(attend_by_group, scores=called.attends, block=size), group, B * K)
        for size in sizes
    ]
    return 4.0 * B * N * visible_pairs(T, T, called.attends.window) * D, ways


def _rms(called: Call) -> tuple[float, list[KernelConfig]]:
    """A block of rows is repeated, with all of the projection."""
    (M, C), _, (O, _) = called.shapes  # noqa: E741
    rows, columns = block_sizes(M, C, O, called.dtype.itemsize)
    sizes = [(rows, fitting(O, most, LANES)) for most in (columns, columns // 2, 2 * columns, 4 * columns)]
    sizes += [(fitting(M, most, SUBLANES), columns) for most in (rows // 2, 2 * rows)]
    ways = [
        KernelConfig(
            f"rows={size[0]} columns={size[1]}", partial(rms_matmul, eps=_EPS, blocks=size),
            ((min(M, size[0]), C), (C,), (O, C)), -(-M // size[0]),
        )
        for size in dict.fromkeys(sizes)
    ]  # fmt: skip
    return 2.0 * M * C * O + 4.0 * M * C, ways


def _cached(called: Call) -> tuple[float, list[KernelConfig]]:
    """A key/value head of a sequence is repeated, with the queries that read it."""
    (B, _, N, D), (_, K, S, _) = called.shapes[:2]
    own = page_positions(S, D, called.dtype.itemsize)
    sizes = dict.fromkeys(fitting(S, most, SUBLANES) for most in (own, own // 4, own // 2, 2 * own))
    one = (1, 1, N // K, D), (1, 1, S, D), (1, 1, S, D)
    return 4.0 * B * N * S * D, [
        KernelConfig(f"page={size}", partial(cached_attention, scores=called.attends, page=size), one, B * K)
        for size in sizes
    ]


_OF = {"flash_attention": _flash, "rms_matmul": _rms, "cached_attention": _cached}
