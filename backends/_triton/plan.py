"""A program's launches on a GPU: every configuration built, and one chosen for each launch by the static model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from oneblock.backends._triton.runners import LaunchChoice, TracedLaunch, options
from oneblock.backends.api.backend import Unsupported
from oneblock.backends.kernels.triton.launch import Config, KernelCall
from oneblock.compilers.api.call import steps_of
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.chips import launch_model as _gpu_model
from oneblock.compilers.chips.chip import Gpu
from oneblock.compilers.triton import choice as _gpu_choice
from oneblock.compilers.triton import lowering as triton_gpu
from oneblock.compilers.triton.built import BuiltKernel
from oneblock.compilers.triton.choice import Candidate
from oneblock.compilers.triton.lowering import CannotBuild, Source

LaunchConfig = tuple[int, Config]  # which of a launch's alternatives, at which config


@dataclass(frozen=True)
class PlannedLaunch:
    """One thing that is started, with what was chosen for it; of an operation of PyTorch there is nothing to choose."""

    started: TracedLaunch
    candidates: tuple[Candidate, ...] = ()
    ways: tuple[LaunchConfig, ...] = ()
    chosen: int = 0
    source: Source | None = None
    built: BuiltKernel | None = None
    torch_s: float | None = None  # of an operation of PyTorch, by what it moves; None where that does not tell

    @property
    def call(self) -> KernelCall:
        """The alternative that was chosen."""
        return self.started.alternatives[self.ways[self.chosen][0]]

    @property
    def config(self) -> Config:
        """The config that was chosen."""
        return self.ways[self.chosen][1]

    def facts(self) -> GpuKernel:
        """What is known of the launch."""
        step, moved = self.started.step, float(self.started.bytes)
        if self.built is None:
            times = {} if self.torch_s is None else {"static": self.torch_s}
            name = str(self.started.operation)
            return GpuKernel(name=name, steps=steps_of(step), kind="torch", hbm_bytes=moved, modelled_s=times)
        work, seconds = self.call.work(self.config), self.candidates[self.chosen].modelled_s
        kernel = triton_gpu.facts(self.built, self.built.name, step, "triton", self.call.grid(self.config))
        return replace(
            kernel, config=str(self.config), modelled_s={} if seconds is None else {"static": seconds},
            flops=work.flops, hbm_bytes=moved,
        )  # fmt: skip


def plan(started: Sequence[TracedLaunch], gpu: Gpu) -> list[PlannedLaunch]:
    """Build every way of every launch, as many at once as there are cores, and choose; Unsupported if none can be."""
    sources: dict[str, Source] = {}
    keys: list[list[str]] = []
    for one in started:
        keys.append([])
        for i, config in _ways(one):
            call = one.alternatives[i]
            given = call.args(config), options(call, config)
            source = triton_gpu.as_launched(call.kernel, *given, gpu)
            keys[-1].append(source.key)
            sources.setdefault(source.key, source)
    built = triton_gpu.build_all(sources.values())
    of = zip(started, keys, strict=True)
    return [_choose(one, [(sources[key], built[key]) for key in mine], gpu) for one, mine in of]


def choices(planned: Sequence[PlannedLaunch]) -> list[LaunchChoice]:
    """For each launch of ours, in order, what was chosen."""
    return [LaunchChoice(one.ways[one.chosen][0], one.config) for one in planned if one.built is not None]


def _ways(started: TracedLaunch) -> tuple[LaunchConfig, ...]:
    return tuple((i, config) for i, call in enumerate(started.alternatives) for config in call.configs)


def _choose(
    started: TracedLaunch, tried: Sequence[tuple[Source, BuiltKernel | CannotBuild]], gpu: Gpu
) -> PlannedLaunch:
    if not started.alternatives:
        moving_s = started.bytes / gpu.memory_bytes_per_s.value
        return PlannedLaunch(started, torch_s=moving_s if started.only_moves else None)
    ways = _ways(started)
    found = tuple(
        _candidate(started.alternatives[i], config, built, started.bytes)
        for (i, config), (_, built) in zip(ways, tried, strict=True)
    )
    try:
        best = _gpu_choice.rank(found)[0]
    except ValueError as error:
        raise Unsupported(f"no configuration can be built: {error}") from error
    source, built = tried[best]
    assert isinstance(built, BuiltKernel), "what cannot be built ranks last"
    return PlannedLaunch(started, found, ways, best, source, built)


def _candidate(call: KernelCall, config: Config, built: BuiltKernel | CannotBuild, moved_bytes: int) -> Candidate:
    name = call.kernel.fn.__name__
    if isinstance(built, CannotBuild):
        return Candidate(name, str(config), None, why_not=str(built))
    work, occupancy = call.work(config), built.occupancy
    if occupancy.blocks == 0:
        return Candidate(name, str(config), None, why_not=f"{name}: not one block fits for its {occupancy.limited_by}")
    demand = _gpu_model.Demand(prod(call.grid(config)), work.flops, moved_bytes, work.asked_bytes, work.in_flight_bytes)
    seconds = _gpu_model.seconds(demand, occupancy.blocks, built.of, matrix_units=built.matrix_units)
    return Candidate(
        name, str(config), seconds, built.registers, built.spill_bytes, built.shared_bytes, occupancy.share
    )
