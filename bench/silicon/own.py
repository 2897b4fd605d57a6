"""This machine's own processor on the same trial: calls that the kit measured, by a form that its limits fill.

    seconds = call + step * steps + (compute^overlap + memory^overlap)^(1 / overlap)
    compute = FLOPs / (peak * flops_share), memory = bytes / (bandwidth * bandwidth_share)

Peak and bandwidth are what this machine was measured to reach at best, which every record has. What a call costs has
two parts: once, and for each step of the program, which a backend may start by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from typing import ClassVar, Self

import numpy as np

from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.stats import centre
from oneblock.bench.records.doubt import Cause
from oneblock.bench.records.record import Record, Status
from oneblock.bench.silicon.halves import halves
from oneblock.bench.silicon.launches import Array, Limits
from oneblock.bench.silicon.trial import COVERED, FEWEST, Error, held_out, off
from oneblock.compilers.api.kind import Kind

# What makes a time another than the machine's own.
_UNCLEAN = {
    Cause.CORES_SHARED, Cause.MACHINE_SLOW, Cause.SAMPLES_SPREAD, Cause.PROCESSES_DIFFER, Cause.CALLS_COMPILE,
    Cause.WORK_UNSEEN,
}  # fmt: skip
MORE = "oneblock run mlp attention norm block --preset gpt2 --preset llama-1b -B 1 -B 4 -T 64 -T 256 --target cpu"


@dataclass(frozen=True)
class Calls:
    """Calls of cells, each an array (rows,)."""

    flops: Array
    nbytes: Array  #: the least that a call moves
    steps: Array
    cell: Array  #: numbers of what is computed: cells of equal ones tell of each other

    def of(self, which: Array) -> Self:
        """Some of them."""
        return replace(self, **{one.name: getattr(self, one.name)[which] for one in fields(self)})

    @property
    def group(self) -> Array:
        """(3, rows), by size."""
        return np.stack([self.flops, self.nbytes, self.cell])

    @property
    def model(self) -> type[Called]:
        """Its form."""
        return Called


@dataclass(frozen=True)
class CallNumbers:
    """What a backend reaches of the machine's limits, and what calls cost."""

    flops_share: float
    bandwidth_share: float
    call_us: float
    step_us: float
    overlap: float

    @classmethod
    def bounds(cls, limits: Sequence[Limits], *, lifted: bool) -> tuple[Sequence[float], ...]:
        """(least, first guess, most) of each, in order."""
        most = cls(10.0, 10.0, 1e5, 1e5, 20.0) if lifted else cls(1.0, 1.0, 1e4, 1e4, 20.0)
        return (0.001, 0.001, 0.0, 0.0, 1.0), (0.5, 0.5, 20.0, 5.0, 2.0), astuple(most)

    def at_bound(self, limits: Limits) -> list[str]:
        """Which share lies at its most."""
        near = 0.99
        shares = {"all of the peak": self.flops_share, "all of the bandwidth": self.bandwidth_share}
        return [what for what, value in shares.items() if value >= near]

    def told(self, limits: Limits) -> dict[str, str]:
        """What people read of them."""
        return {
            "of peak": f"{self.flops_share:.2f}", "of bandwidth": f"{self.bandwidth_share:.2f}",
            "call, µs": f"{self.call_us:.0f}", "step, µs": f"{self.step_us:.1f}",
        }  # fmt: skip


class Called:
    """Calls on a machine of these limits."""

    numbers: ClassVar[type[CallNumbers]] = CallNumbers

    def __init__(self, of: Calls, limits: Limits) -> None:
        self.compute_s, self.memory_s = of.flops / limits.flops_per_s, of.nbytes / limits.bytes_per_s
        self.steps = of.steps

    @staticmethod
    def travels(limits: Limits) -> bool:
        """They are shares of what every machine measures of itself."""
        return True

    def seconds(self, numbers: CallNumbers) -> Array:
        """The formula, (rows,)."""
        p = numbers.overlap
        work_s = (self.compute_s / numbers.flops_share) ** p + (self.memory_s / numbers.bandwidth_share) ** p
        return np.asarray((numbers.call_us + numbers.step_us * self.steps) * 1e-6 + work_s ** (1 / p))


@dataclass(frozen=True)
class Timed:
    """Calls, and what each took."""

    launches: Calls
    seconds: Array


@dataclass(frozen=True)
class OwnTrial:
    """What the trial says of one backend on one machine."""

    by: str  #: its backend, ops set and dtype, and the processor
    cells: int
    limits: Limits
    numbers: CallNumbers
    held_out: Error
    bare_median_log: float


def own_trials(records: Iterable[Record]) -> tuple[list[OwnTrial], list[str]]:
    """(the trial of each backend with enough clean cells, why others have none); Refused where none has.

    A cell's newest record counts, which is the last of those given.
    """
    found: dict[tuple[str, str], dict[str, Record]] = {}
    left: dict[str, int] = {}
    for record in records:
        by, what = _by(record), record.cell.subject
        if (why := _unfit(record)) is not None:
            left[f"{by}: {why}"] = left.get(f"{by}: {why}", 0) + 1
            continue
        limits = record.limits
        assert limits is not None, "of those without any is said why"
        found.setdefault((by, str(limits.flops_by)), {})[what] = record
    told, reasons = [], [f"{why} ({many} {'cells' if many > 1 else 'cell'})" for why, many in left.items()]
    for (by, _), cells in found.items():
        if len(cells) < FEWEST:
            reasons.append(f"{by}: {len(cells)} clean cells, which are too few")
        else:
            told.append(_tried(by, list(cells.values())))
    if not told:
        more = f"expected {FEWEST} clean cells of one backend, made while nobody else has the machine: {MORE}"
        raise Refused("; ".join([*reasons, more]))
    return told, reasons


def _by(record: Record) -> str:
    cell = record.cell
    return f"{cell.backend} {cell.ops_set} {cell.dtype} on {record.environment.machine.get('cpu')}"


def _unfit(record: Record) -> str | None:
    """Why a record is no row of the trial; None where it is one."""
    if record.cell.target != "cpu" or record.kind is not Kind.MEASURED:
        return "not measured on a processor"
    if record.status is not Status.PASSED:
        return f"{record.status}, which is no number"
    limits = record.limits
    if limits is None or limits.flops_per_s is None or limits.read_bytes_per_s is None:
        return "the machine's limits were not measured"
    if unclean := [doubt.cause.words for doubt in record.doubts if doubt.cause in _UNCLEAN]:
        return unclean[0]
    return None


def _tried(by: str, cells: Sequence[Record]) -> OwnTrial:
    """By the newest limits, which are the best that was ever reached."""
    limits = cells[-1].limits
    assert limits is not None, "those without any are left out"
    assert limits.flops_per_s is not None
    assert limits.read_bytes_per_s is not None
    at = Limits(limits.flops_per_s, limits.read_bytes_per_s, 1)
    calls = Calls(
        np.array([float(one.costs.flops) for one in cells]),
        np.array([float(one.costs.compulsory_bytes) for one in cells]),
        np.array([float(len(one.costs.steps)) for one in cells]), np.arange(float(len(cells))),
    )  # fmt: skip
    timed = Timed(calls, np.array([centre(one.samples("cold")) for one in cells]))
    both = halves(timed, at, COVERED)
    bare = np.maximum(calls.flops / at.flops_per_s, calls.nbytes / at.bytes_per_s)
    return OwnTrial(by, len(cells), at, both[0].numbers, held_out(*both)[0], off(timed.seconds, bare))
