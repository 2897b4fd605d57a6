"""What a machine reaches at best: the fastest matrix product of a backend, and the rate at which memory is read.

Measured through the same seam as everything else, so that a result can be held against what the same toolchain can do.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np

from oneblock.backends.api.backend import Backend, DeviceClock, Executable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.bench.worker.sampling import time_calls
from oneblock.workloads._workload import Case, Outputs, Phase, Spec, Workload
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.models import Config
from oneblock.workloads.ops.definitions import Ops

SIZES = (512, 1024, 2048, 4096, 8192)  # of square matrices; the next is tried while a product is well below _SLOW_S
_SLOW_S = 0.15
_REPEATS = 12
_READ_BYTES = 2**30  # many times any last-level cache
_PIECE = 2**22  # elements: long enough that taking the lock between two pieces costs nothing


def _gemm(ops: Ops, case: Case, a: Mapping[str, Any]) -> Outputs:
    return {"y": ops.linear(a["x"], a["weight"])}


def _gemm_specs(case: Case) -> dict[str, Spec]:
    n = case.config.width
    return {"x": Spec((n, n), is_input=True), "weight": Spec((n, n), std=n**-0.5)}


def _gemm_outputs(case: Case) -> dict[str, tuple[int, ...]]:
    return {"y": (case.config.width, case.config.width)}


GEMM = Workload("gemm", _gemm, _gemm_specs, lambda case, itemsize: [], _gemm_outputs, main_input="x")


def rates(backend: Backend, target: Target, dtypes: list[str]) -> dict[str, float]:
    """FLOP/s by dtype: the best single product over sizes and ops sets, 2 n^3 over its time; what lacks is left out."""
    found: dict[str, float] = {}
    for dtype in dtypes:
        for ops_set in backend.ops_sets:
            try:
                best = max(_products(backend, target, dtype, ops_set))
            except Unsupported:
                continue
            found[dtype] = max(found.get(dtype, 0.0), best)
    return found


def _products(backend: Backend, target: Target, dtype: str, ops_set: str) -> list[float]:
    reached = []
    for n in SIZES:
        case = Case("gemm", Config(f"gemm-{n}", "llama", n, 1, 1, n, n), Phase.PREFILL, 1, n, n)
        arrays = make_weights(GEMM, case, dtype, 0) | make_inputs(GEMM, case, dtype, 1)
        executable = backend.compile(GEMM, case, arrays, ops_set, target).executable
        if executable is None:
            raise Unsupported(f"nothing to run {target} on")
        args = executable.put(arrays)
        first, _ = time_calls(executable, args)
        seconds = min(_seconds(executable, args, _REPEATS if first < _SLOW_S else 2))
        reached.append(2 * n**3 / seconds)
        if seconds > _SLOW_S / 8:  # the next size takes eight times as long
            break
    return reached


def _seconds(executable: Executable, args: Mapping[str, Any], calls: int) -> list[float]:
    """By the device's own clock where there is one: what is held against the limit is timed by it too."""
    if isinstance(executable, DeviceClock):
        return executable.device_seconds(args, calls, 0)
    return [time_calls(executable, args)[0] for _ in range(calls)]


def host_read_bytes_per_s(threads: int) -> float:
    """The best of several passes in which each thread reads its own part of 1 GiB once."""
    data = np.ones(_READ_BYTES // 4, np.float32)
    parts = np.array_split(data, threads)
    best = 0.0
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(_REPEATS):
            start = perf_counter()
            list(pool.map(_read, parts))
            best = max(best, data.nbytes / (perf_counter() - start))
    return best


def _read(part: np.ndarray) -> None:
    """Read every element once, with the interpreter's lock released, piece by piece."""
    for piece in np.array_split(part, max(1, part.size // _PIECE)):
        np.dot(piece, piece)
