"""What a script says that its kernels compute, and how their answers stand to it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from traceback import extract_tb
from typing import Any

import numpy as np

from oneblock.compilers.nki import rules
from oneblock.compilers.nki.kernel import Kernel
from oneblock.workloads.answers.verdict import allow_sums, check
from oneblock.workloads.ops.dtypes import DTYPES, dtype_of
from oneblock.workloads.ops.nearest import unknown
from oneblock.workloads.ops.numpy_ops import NumpyOps

COMPUTES = "COMPUTES"  # the name of a script's own dictionary: by kernel an operation of ours, or a function
# Those whose kernels take what the operation takes, in its order.
OPERATIONS = ("linear", "rms_norm", "layer_norm", "rope", "swiglu", "geglu", "gelu", "gelu_erf")


@dataclass(frozen=True)
class Said:
    """How one answer stands to what it should be."""

    right: bool
    words: str


def named(kernel: Kernel) -> list[str]:
    """The kernels of which the script, or else the kernel's own file, says what they compute."""
    said = _said(kernel)
    return [*map(str, said)] if isinstance(said, Mapping) else []


def _said(kernel: Kernel) -> Any:
    return vars(sys.modules["__main__"]).get(COMPUTES, kernel.function.__globals__.get(COMPUTES, {}))


def checked(kernel: Kernel, args: Sequence[Any], outputs: Sequence[np.ndarray]) -> Said | None:
    """The verdict on a call, by the bounds that ours are held to; None where nothing is said of that kernel."""
    said, name = _said(kernel), kernel.__name__
    if not isinstance(said, Mapping):
        return Said(False, f"{COMPUTES}: expected a dictionary by kernel, {{{name!r}: ...}}, got {said!r}")
    if name not in said:
        return None
    computes = said[name]
    if isinstance(computes, str):
        if computes not in OPERATIONS:
            return Said(False, f"{COMPUTES}: {unknown('operation', computes, [*OPERATIONS])}, or give a function")
        computes = getattr(NumpyOps(), computes)
    if not callable(computes):
        return Said(False, f"{COMPUTES}: {name}: expected an operation's name or a function, got {computes!r}")
    try:
        exact, eager = (_answers(computes, args, wide) for wide in (True, False))
    except Exception as error:  # noqa: BLE001  the script's own function
        return Said(False, f"{COMPUTES}: {name}: what it should compute ended in {type(error).__name__}: {error}")
    return _verdict(name, args, outputs, exact, eager)


def _answers(computes: Callable[..., Any], args: Sequence[Any], wide: bool) -> list[np.ndarray]:
    given = (x.astype(np.float64) if wide and isinstance(x, np.ndarray) and _is_float(x) else x for x in args)
    with np.errstate(all="ignore"):
        found = computes(*given)
    return [np.asarray(one) for one in (found if isinstance(found, tuple) else (found,))]


def _is_float(array: np.ndarray) -> bool:
    return array.dtype.name in DTYPES


def _verdict(
    name: str, args: Sequence[Any], outputs: Sequence[np.ndarray], exact: list[np.ndarray], eager: list[np.ndarray]
) -> Said:
    shapes = [[one.shape for one in each] for each in (exact, outputs)]
    if shapes[0] != shapes[1]:
        return Said(False, f"wrong answer: {name}: expected the shapes {shapes[0]}, got {shapes[1]}")
    longest = max((max(x.shape, default=1) for x in args if isinstance(x, np.ndarray)), default=1)
    for number, (got, right, plain) in enumerate(zip(outputs, exact, eager, strict=True)):
        if not _is_float(got):
            if not np.array_equal(got, right):
                return Said(False, f"wrong answer: {name}: {int((got != right).sum())} of {got.size} elements differ")
            continue
        if not np.isfinite(right.astype(np.float64)).all():  # of which nothing would be judged
            return Said(False, f"{COMPUTES}: {name}: what it should compute is not finite")
        dtype, of = (plain if _is_float(plain) else got).dtype.name, f"output {number}"
        allowed = allow_sums(longest, {of: right.astype(np.float64)}, {of: plain.astype(dtype_of(dtype))}, dtype)
        verdict = check({of: got}, {of: right.astype(np.float64)}, allowed, dtype)
        if not verdict.passed:
            return Said(False, f"wrong answer: {name}: {verdict.why}")
    return Said(True, f"{name} computes what {COMPUTES} says")


def crash(kernel: Kernel, error: Exception) -> str:
    """Where in a kernel it was, the interpreter's own lines left out, and what it was."""
    frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith(rules.HERE)]
    line = f" ({frames[-1].line})" if frames and frames[-1].line else ""
    at = rules.Place(frames[-1].filename, frames[-1].lineno or 0) if frames else kernel.function.__code__.co_filename
    return f"{kernel.__name__} at {at}{line}: {type(error).__name__}: {error}"
