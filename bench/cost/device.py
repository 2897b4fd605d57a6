"""How long a device takes for a model's calls, launch by launch, by the model that stood trial. Kind: modelled.

What the trial found of a chip counts for it; a chip without rows gets what all others found together, with the range
that chips left out of a trial have. What only moves bytes takes a launch and its bytes over the bandwidth that products
reach, and was not tried. Of chips without multiprocessors waves cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from oneblock.bench.silicon.blocks import ALL_REDUCE, MOVE, Array, Asked, Launch, launches
from oneblock.bench.silicon.calibration import Calibration, calibrations
from oneblock.bench.silicon.formats import FORMATS
from oneblock.bench.silicon.launches import Limits
from oneblock.bench.silicon.operators import OPERATORS
from oneblock.bench.silicon.operators.decode import DecodeShares
from oneblock.compilers.chips.chip import Chip, Gpu
from oneblock.workloads._workload import Phase
from oneblock.workloads.models import Model
from oneblock.workloads.ops.dtypes import dtype_of

_ONE = np.ones(1)
BATCHES = np.unique(np.rint(np.geomspace(1, 512, 64)))  #: sizes that are tried, (batches,); none is larger


def limits_of(chip: Chip, dtype: str) -> Limits:
    """What its maker states; a chip without multiprocessors counts as one."""
    if isinstance(chip, Gpu):
        return Limits.stated(chip, FORMATS[dtype].peak)
    return Limits(chip.peaks[FORMATS[dtype].peak].value, chip.memory_bytes_per_s.value, 1)


def _needed(model: Model, devices: int) -> tuple[str, ...]:
    """The operators of the tried model that a model's launches are of."""
    experts = ("experts",) * any(config.experts is not None for config in model.layers)
    return ("product", "prefill", "decode", *experts, *(ALL_REDUCE,) * (devices > 1))


def untried(chip: Chip, model: Model, dtype: str, devices: int) -> str | None:
    """Why launches on so many of a chip have no tried model; None where they have."""
    if FORMATS[dtype].peak not in chip.peaks:
        return f"no peak of {dtype} is stated of {chip.name}"
    known = calibrations(dtype)
    wanted = _needed(model, devices)
    missing = [one for one in wanted if (chip.target, one) not in known and (None, one) not in known]
    if ALL_REDUCE in missing:
        return f"no trial of its links, over which {devices} devices add up"
    return f"no trial of {', '.join(missing)} in {dtype}" if missing else None


@dataclass(frozen=True)
class Device:
    """Devices of one chip that compute one model together; their clock."""

    chip: Chip
    model: Model
    dtype: str
    devices: int = 1
    batches: Array = field(default_factory=lambda: BATCHES, compare=False, repr=False)
    _known: dict[tuple[str | bytes, ...], Array] = field(default_factory=dict, compare=False, repr=False)
    _calls: dict[tuple[Phase, int], Array] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def limits(self) -> Limits:
        """What the model of a launch asks of the chip."""
        return limits_of(self.chip, self.dtype)

    @cached_property
    def calibrations(self) -> Mapping[str, Calibration]:
        """The chip's own of each operator, or that of all others."""
        known, found = calibrations(self.dtype), {}
        for operator in _needed(self.model, self.devices):
            one = known.get((self.chip.target, operator)) or known[None, operator]
            waves = isinstance(self.chip, Gpu) or operator == ALL_REDUCE
            numbers = one.numbers if waves else replace(one.numbers, wave_us=0.0)
            if isinstance(numbers, DecodeShares):
                numbers = replace(numbers, cached=1.0)  # between two reads of a layer's cache are those of all others
            found[operator] = replace(one, numbers=numbers)
        return found

    @property
    def own(self) -> bool:
        """Whether rows of this very chip were tried."""
        return self.calibrations["product"].target is not None

    def prompt_s(self, T: int) -> Array:
        """(range,) of one prompt of T tokens."""
        self.prepare(Phase.PREFILL, [T])
        return self._calls[Phase.PREFILL, T][:, 0]

    def step_s(self, S: int) -> Array:
        """(range, batches) of one token of each of `batches` sequences, which see S positions."""
        self.prepare(Phase.DECODE, [S])
        return self._calls[Phase.DECODE, S]

    def prepare(self, phase: Phase, sizes: Iterable[int]) -> None:
        """Compute calls of several sizes, S of a step and T of a prompt, at once: one by one takes a second a plan."""
        new = np.array([size for size in dict.fromkeys(sizes) if (phase, size) not in self._calls], float)
        if not len(new):
            return
        each = _ONE if phase is Phase.PREFILL else self.batches
        S = np.repeat(new, len(each))
        T = S if phase is Phase.PREFILL else np.ones(len(S))
        asked = self.launches(phase, np.tile(each, len(new)), T, S)
        found = np.asarray(sum(self._alike(launch, len(new)) for launch in asked))
        for at, size in enumerate(map(int, new)):
            self._calls[phase, size] = found[:, at * len(each) : (at + 1) * len(each)]

    def _alike(self, launch: Launch, times: int) -> Array:
        """(range, calls), computed once where so many parts of the calls are alike: few launches depend on S."""
        if times == 1:
            return self.seconds(launch)
        first = tuple(size[: len(size) // times] for size in launch.sizes)
        if all((size.reshape(times, -1) == one).all() for size, one in zip(launch.sizes, first, strict=True)):
            return np.tile(self.seconds(replace(launch, sizes=first)), times)
        return self.seconds(launch)

    def launches(self, phase: Phase, B: Array, T: Array, S: Array) -> list[Launch]:
        """Those of calls (calls,)."""
        return launches(self.model, Asked(phase, B, T, S, self.devices), dtype_of(self.dtype).itemsize)

    def seconds(self, launch: Launch) -> Array:
        """(range, calls) of all of its kind in each; a sum of them is as uncertain as they are together."""
        key: tuple[str | bytes, ...] = (launch.operator, *(one.tobytes() for one in launch.sizes))
        if key not in self._known:
            self._known[key] = self._once(launch)
        return np.asarray(launch.many * self._known[key])

    def _once(self, launch: Launch) -> Array:
        found = self.calibrations["product" if launch.operator == MOVE else launch.operator]
        if launch.operator == MOVE:
            share = self.limits.bytes_per_s * found.numbers.bandwidth_share
            middle = found.numbers.launch_us * 1e-6 + launch.sizes[0] / share
        else:
            of = OPERATORS[launch.operator]
            sized: object = of(FORMATS[self.dtype], *launch.sizes)  # type: ignore[call-arg]  # a dataclass of its sizes
            middle = of.model(sized, self.limits).seconds(found.numbers)
        return np.stack([middle, middle * found.low, middle * found.high])

    def shares(self, phase: Phase, B: int, T: int, S: int) -> Mapping[str, float]:
        """Which part of a call's time each step takes, the largest first."""
        found: dict[str, float] = {}
        for one in self.launches(phase, *(np.array([float(size)]) for size in (B, T, S))):
            found[one.step] = found.get(one.step, 0.0) + float(self.seconds(one)[0, 0])
        whole = sum(found.values())
        return {step: s / whole for step, s in sorted(found.items(), key=lambda item: -item[1])}
