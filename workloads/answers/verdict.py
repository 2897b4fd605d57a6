"""The verdict: how far an answer may be from the reference, and how far it is.

Three bounds, all of which must hold for each output:

1. root-mean-square error, and 2. largest error: at most `BUDGET` times the yardstick's, which is eager NumPy in the
   same dtype on the same numbers (after lightning-thunder's `assert_closer`). No constant depends on a backend. The
   yardstick is never taken smaller than either of two errors that nobody can be blamed for: that of the exact answer
   rounded once to the dtype, and that of summing in float32 one term after another, where BLAS sums in blocks. The
   latter is u32 * sqrt(n / 6) of the answer's size: n roundings of partial sums that grow as a random walk, each of
   variance (u32^2 / 3) * (k / n) at the k-th term. Nor in float32 is the largest error taken smaller than its root mean
   square lets expect, sqrt(2 ln m) times that for m elements (the largest of m normal ones): of one token's 64 elements
   the largest is luck, and another CPU's instructions have had 3.2 times it where the root mean square was 1.8 times.
3. relative L2 error (the norm of the error over the norm of the answer), which no scale of the data can loosen: at most
   6 u + 4 sqrt(n) u32, with u the dtype's unit roundoff, u32 that of float32 and n the longest sum in the program. A
   block rounds about ten times on the way to an element, and independent roundings add in squares (Higham & Mary 2019),
   so an honest answer lies near 2 u. It is less than what one rounding to the next shorter format errs by: of bfloat16
   (u = 2^-8) to float8_e4m3 that is 6.8 u, which the first two bounds let pass where eager NumPy itself errs by 2.3 u.
   An error of eager NumPy that is not finite is none to be allowed: there the other two are the yardstick.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from oneblock.workloads._workload import Arrays, Case
from oneblock.workloads.ops.dtypes import dtype_of, spacing, unit_roundoff

BUDGET = 3.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one output may err by: the yardstick's two errors, and the limit on relative L2."""

    yardstick_rms_err: float
    yardstick_max_err: float
    relative_l2_limit: float
    eager_finite: bool = True  # False: eager NumPy left the dtype's range, and is no yardstick


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """How far one output is from the reference; an error is None where an answer is not finite or misshapen."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "allow_inf_nan": True}  # what was got may be no number
    name: str
    passed: bool
    allowance: Allowance
    why: str | None = None  # the sentence for a failure
    rms_err: float | None = None
    max_err: float | None = None
    relative_l2: float | None = None
    p999_ulps: float | None = None  # 99.9th percentile of the error in ulps of the expected value
    worst_index: tuple[int, ...] | None = None
    worst_expected: float | None = None
    worst_got: float | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """The verdict on one answer: it passed if each output did."""

    outputs: tuple[OutputCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether every output was within its allowance; an answer without outputs is none."""
        return bool(self.outputs) and all(output.passed for output in self.outputs)

    @property
    def finite(self) -> bool:
        """Whether no output had an element that is no number."""
        return all(output.worst_got is None or math.isfinite(output.worst_got) for output in self.outputs)

    @property
    def why(self) -> str:
        """The failures, one sentence each."""
        return "; ".join(output.why for output in self.outputs if output.why is not None)

    @property
    def budget_used(self) -> float | None:
        """The largest share of an allowance that was used: 1 is the limit; None where an answer is not a number."""
        shares = [_share(output) for output in self.outputs]
        return max((s for s in shares if s is not None), default=None) if None not in shares else None


def allow(case: Case, reference: Arrays, yardstick: Arrays, dtype: str) -> dict[str, Allowance]:
    """What each output may err by. The reference is float64, the yardstick eager NumPy in the dtype."""
    c = case.config
    heads = c.heads * max(c.head_width, c.value_width)
    return allow_sums(max(c.width, c.ffn_width, c.shared_width or 0, heads, case.S), reference, yardstick, dtype)


def allow_sums(longest_sum: int, reference: Arrays, yardstick: Arrays, dtype: str) -> dict[str, Allowance]:
    """As `allow`, of whatever has sums of so many terms at most."""
    in_float32 = math.sqrt(longest_sum) * unit_roundoff("float32")
    limit = 6.0 * unit_roundoff(dtype) + 4.0 * in_float32
    allowances = {}
    for name, exact in reference.items():
        told = ~np.isnan(exact)
        if not told.any():  # nothing of it is judged
            allowances[name] = Allowance(0.0, 0.0, limit)
            continue
        exact, eager_answer = exact[told], yardstick[name][told]
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = _errors(exact.astype(dtype_of(dtype)), exact)
            eager = _errors(eager_answer, exact)
        summed = tuple(size * in_float32 / math.sqrt(6.0) for size in _errors(exact, np.zeros_like(exact)))
        yardsticks = [errors for errors in (rounded, eager, summed) if all(map(math.isfinite, errors))]
        rms, largest = (max(errors) for errors in zip(*yardsticks, strict=True))
        if unit_roundoff(dtype) <= unit_roundoff("float32"):  # in fewer bits errors are of rounding once, and bounded
            largest = max(largest, rms * math.sqrt(2.0 * math.log(exact.size)))
        allowances[name] = Allowance(rms, largest, limit, eager_finite=eager in yardsticks)
    return allowances


def check(got: Arrays, reference: Arrays, allowances: Mapping[str, Allowance], dtype: str) -> Check:
    """Judge an answer, given the float64 reference and what each output may err by; what is NaN there is not judged."""
    missing = reference.keys() ^ got.keys()
    if missing:
        raise ValueError(f"expected the outputs {sorted(reference)}, got {sorted(got)}")
    return Check(tuple(_check_one(name, got[name], reference[name], allowances[name], dtype) for name in reference))


def _check_one(name: str, got: np.ndarray, exact: np.ndarray, allowed: Allowance, dtype: str) -> OutputCheck:
    if got.shape != exact.shape or got.dtype != dtype_of(dtype):
        why = f"{name}: expected {dtype} {exact.shape}, got {got.dtype} {got.shape}"
        return OutputCheck(name, passed=False, allowance=allowed, why=why)
    wide = got.astype(np.float64)
    if not np.isfinite(wide).all():
        index = _index(int(np.argmin(np.isfinite(wide))), exact.shape)
        bad = int((~np.isfinite(wide)).sum())
        why = f"{name}: {bad} of {wide.size} elements are not finite; at {list(index)} expected {exact[index]:.6g}"
        return OutputCheck(
            name, passed=False, allowance=allowed, why=why, worst_index=index, worst_expected=float(exact[index]),
            worst_got=float(wide[index]),
        )  # fmt: skip
    told = ~np.isnan(exact)
    if not told.any():
        return OutputCheck(name, passed=True, allowance=allowed, why=None)
    rms, largest = _errors(wide[told], exact[told])
    norm = float(np.sqrt(np.mean(exact[told] ** 2)))
    relative = rms / norm if norm > 0 else (0.0 if rms == 0 else math.inf)
    error = np.where(told, np.abs(wide - exact), 0.0)
    index = _index(int(np.argmax(error)), exact.shape)
    bounds = (
        ("rms error", rms, BUDGET * allowed.yardstick_rms_err),
        ("largest error", largest, BUDGET * allowed.yardstick_max_err),
        ("relative L2 error", relative, allowed.relative_l2_limit),
    )
    broken = [f"{what} {value:.3g} > {bound:.3g}" for what, value, bound in bounds if not value <= bound]
    where = f"worst at {list(index)}: expected {exact[index]:.6g}, got {wide[index]:.6g}"
    where += "" if allowed.eager_finite else "; eager NumPy overflows here, so that rounding alone is the yardstick"
    return OutputCheck(
        name=name,
        passed=not broken,
        why=f"{name}: {', '.join(broken)} ({where})" if broken else None,
        rms_err=rms,
        max_err=largest,
        allowance=allowed,
        relative_l2=relative,
        p999_ulps=float(np.percentile(error[told] / spacing(dtype, exact[told]), 99.9)),
        worst_index=index,
        worst_expected=float(exact[index]),
        worst_got=float(wide[index]),
    )


def _errors(got: np.ndarray, exact: np.ndarray) -> tuple[float, float]:
    error = np.abs(got.astype(np.float64) - exact)
    return float(np.sqrt(np.mean(error**2))), float(error.max())


def _index(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(flat, shape))


def _share(output: OutputCheck) -> float | None:
    if output.rms_err is None or output.max_err is None or output.relative_l2 is None:
        return None
    allowed = output.allowance
    pairs = (
        (output.rms_err, BUDGET * allowed.yardstick_rms_err),
        (output.max_err, BUDGET * allowed.yardstick_max_err),
        (output.relative_l2, allowed.relative_l2_limit),
    )
    return max(value / bound if bound > 0 else (0.0 if value == 0 else math.inf) for value, bound in pairs)
