"""The one estimate that every target shares: a cell's launches, each by the model that stood trial. Kind: modelled.

Of a processor, whose backends start what they like, the call as a whole by the trial of that machine's own records.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from oneblock.bench.cost.device import Device, untried
from oneblock.bench.cost.serving import HIGH, LOW, MIDDLE, Array
from oneblock.bench.format.units import seconds
from oneblock.bench.judge import estimates as others
from oneblock.bench.judge.estimates import TRIED, Method
from oneblock.bench.records.record import Record
from oneblock.bench.silicon.blocks import Asked, Launch, of_block, untimed
from oneblock.bench.silicon.calls import Calls, Way
from oneblock.bench.silicon.formats import FORMATS
from oneblock.bench.silicon.here import kept
from oneblock.compilers import chips
from oneblock.compilers.api.facts import Estimate
from oneblock.compilers.chips.chip import Chip, Tpu
from oneblock.workloads._workload import Case
from oneblock.workloads.models import Model
from oneblock.workloads.ops.dtypes import dtype_of

_OURS = ("block", "attention", "mlp", "norm")  # whose steps are those of the block


@dataclass(frozen=True)
class TriedTime(Estimate):
    """A modelled time with the range that nine tenths of launches lie in; seconds."""

    low_s: float = 0.0
    high_s: float = 0.0

    def __str__(self) -> str:
        """As a table has it."""
        middle = 0.0 if self.seconds is None else self.seconds
        return f"{seconds(middle)} ({seconds(self.low_s)} to {seconds(self.high_s)})"


def estimates(record: Record) -> dict[Method, Estimate]:
    """All that are known of a record's program, in order, and the tried model's time where it has one."""
    found, tried = others.estimates(record), time_of(record)
    if tried is not None:
        found[TRIED] = tried
    return {method: found[method] for method in others.in_order(found)}


def time_of(record: Record) -> TriedTime | None:
    """None of what the model was not tried on: another dtype, several devices, a workload of others."""
    cell = record.cell
    chip, case = cell.target.chip, cell.case
    if cell.target == "cpu":
        return _of_processor(record)
    if chip is None or cell.target.devices > 1 or cell.variant is not None or case.workload not in _OURS:
        return None
    found = _time(chip.target, cell.dtype, case, tuple(step.step for step in record.costs.steps))
    if found is None:
        return None
    return _told(found, f"{TRIED.words}{_half(chip)}")


def _of_processor(record: Record) -> TriedTime | None:
    """None where no trial of the machine's own calls is kept, or it was of other ways."""
    way = Way.of(record)
    trial = kept(way.machine).get(way)
    if trial is None or record.cell.variant is not None:
        return None
    how = f"the call as a whole, by the trial of {trial.cells} cells that {way} measured"
    return _told(trial.seconds(Calls.of_costs([record.costs]))[:, 0], how)


def _told(found: Array, how: str) -> TriedTime:
    """Of times (range,)."""
    middle, low, high = (float(found[end]) for end in (MIDDLE, LOW, HIGH))
    said = f"{how}; 90 % range {seconds(low)} to {seconds(high)}"
    return TriedTime(TRIED.name, middle, said, TRIED.kind, low, high)


def _half(chip: Chip) -> str:
    return ", of half a chip" if isinstance(chip, Tpu) and chip.devices_per_chip > 1 else ""


@lru_cache(maxsize=4096)
def _time(target: str, dtype: str, case: Case, steps: tuple[str, ...]) -> Array | None:
    """(range,) of the launches of those steps of the block."""
    chip, config = chips.find(target), case.config
    model = Model(config.name, "", (config,), None, False, None)
    if chip is None or dtype not in FORMATS or untimed(config, 1) or untried(chip, model, dtype, 1):
        return None
    device = Device(chip, model, dtype)
    asked = Asked.one(case.phase, case.B, case.T, case.S)
    launches = of_block(config, asked, dtype_of(dtype).itemsize)
    times = [device.seconds(Launch(*one, 1))[:, 0] for one in launches if one[0] in steps]
    return np.sum(times, axis=0) if times else None
