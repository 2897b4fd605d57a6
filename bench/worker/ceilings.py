"""What a machine reaches at best: the fastest matrix product of a backend, and the rate at which memory is read.

Measured through the same seam as everything else, so that a result can be held against what the same toolchain can do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np

from oneblock.backends.api.backend import Backend, DeviceClock, Executable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.bench.worker.sampling import time_calls
from oneblock.bench.worker.surroundings import Sample, Surroundings
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


def rates(backend: Backend, target: Target, dtypes: list[str], around: Surroundings) -> tuple[dict[str, float], bool]:
    """(FLOP/s by dtype, whether others kept some from being found).

    The best single product over sizes and ops sets, 2 n^3 over its time; what lacks is left out.
    """
    found: dict[str, float] = {}
    disturbed = False
    for dtype in dtypes:
        for ops_set in backend.ops_sets:
            try:
                products = _products(backend, target, dtype, ops_set, around)
            except Unsupported:
                continue
            disturbed |= not products
            found[dtype] = max([found.get(dtype, 0.0), *products])
    return {dtype: rate for dtype, rate in found.items() if rate}, disturbed


def _products(backend: Backend, target: Target, dtype: str, ops_set: str, around: Surroundings) -> list[float]:
    """FLOP/s of each size that could be timed while nobody else had the cores."""
    reached = []
    for n in SIZES:
        case = Case("gemm", Config(f"gemm-{n}", "llama", n, 1, 1, n, n), Phase.PREFILL, 1, n, n)
        arrays = make_weights(GEMM, case, dtype, 0) | make_inputs(GEMM, case, dtype, 1)
        executable = backend.compile(GEMM, case, arrays, ops_set, target).executable
        if executable is None:
            raise Unsupported(f"nothing to run {target} on")
        args = executable.put(arrays)
        first, _ = time_calls(executable, args)
        seconds = _seconds(executable, args, _REPEATS if first < _SLOW_S else 2, around)
        reached += [2 * n**3 / min(seconds)] if seconds else []
        if min(seconds, default=first) > _SLOW_S / 8:  # the next size takes eight times as long
            break
    return reached


def _seconds(executable: Executable, args: MutableMapping[str, Any], calls: int, around: Surroundings) -> list[float]:
    """By the device's own clock where there is one: what is held against the limit is timed by it too."""
    if isinstance(executable, DeviceClock):
        return executable.device_seconds(args, calls, 0)
    return _undisturbed(lambda: time_calls(executable, args)[0], calls, around)


def _undisturbed(timed: Callable[[], float], calls: int, around: Surroundings) -> list[float]:
    """Seconds of calls that count, so many of them if three times as many are enough."""
    samples: list[Sample] = []
    while len(samples) < calls or (sum(s.clean for s in samples) < calls and len(samples) < 3 * calls):
        samples.append(around.settled(timed))
        if len(samples) == calls and not around.shared():
            return [sample.seconds for sample in samples]
    return [sample.seconds for sample in samples if sample.clean]


def host_read_bytes_per_s(threads: int, around: Surroundings) -> float | None:
    """The best of several passes in which each thread reads its own part of 1 GiB once; None where none counts."""
    data = np.ones(_READ_BYTES // 4, np.float32)
    parts = np.array_split(data, threads)

    def one_pass() -> float:
        start = perf_counter()
        list(pool.map(_read, parts))
        return perf_counter() - start

    with ThreadPoolExecutor(threads) as pool:
        passes = _undisturbed(one_pass, _REPEATS, around)
        for _ in range(_REPEATS):
            one_pass()  # so that the canary's own data is in no cache
            around.after_flush(lambda: 0.0)
    return data.nbytes / min(passes) if passes else None


def _read(part: np.ndarray) -> None:
    """Read every element once, with the interpreter's lock released, piece by piece.

    By two pieces at a time: by one, what PyTorch's sum reads of it was a tenth quicker.
    """
    pieces = np.array_split(part, 2 * max(1, part.size // (2 * _PIECE)))
    for one, other in zip(pieces[::2], pieces[1::2], strict=True):
        np.dot(one[: other.size], other)  # which may have one element more
