"""What Inductor made for a GPU as people read it: its stages, its kernels' machine code, and each launch's facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from oneblock.compilers.api.call import steps_of
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.api.stages import Artifact, Capture, Detail, Lowering, Stage
from oneblock.compilers.chips.chip import Gpu
from oneblock.compilers.dialects.launches import table
from oneblock.compilers.inductor import traffic as inductor_traffic
from oneblock.compilers.inductor.gpu import GeneratedProgram, Launch
from oneblock.compilers.inductor.kernels import Kernel, KernelConfig, recorded
from oneblock.compilers.triton import lowering as triton_gpu
from oneblock.compilers.triton import mlir_dump as triton_passes
from oneblock.compilers.triton.built import BuiltKernel, disassemble
from oneblock.compilers.triton.lowering import CannotBuild, Source


@dataclass(frozen=True)
class BuildAttempt:
    """A kernel at one of its configurations, built or with the reason why not."""

    way: KernelConfig
    source: Source
    built: BuiltKernel | CannotBuild


@dataclass(frozen=True)
class LaunchStages:
    """One launch; of a library's there is nothing to build."""

    launch: Launch
    kernel: Kernel | None = None
    args: tuple[Any, ...] = ()


def started(generated: GeneratedProgram, args: Mapping[str, Any]) -> list[LaunchStages]:
    """Every launch in order, those of Triton's kernels with what the wrapper gives them."""
    runs = iter(recorded(generated, args))
    found = [LaunchStages(one) if one.of_library else LaunchStages(one, *next(runs)) for one in generated.launches]
    wrong = [one.launch.name for one in found if one.kernel is not None and one.kernel.name != one.launch.name]
    if wrong or next(runs, None) is not None:
        raise RuntimeError(f"the wrapper starts other kernels than were scheduled: {wrong}")
    return found


def build(launches: Sequence[LaunchStages], gpu: Gpu) -> dict[str, list[BuildAttempt]]:
    """Each kernel by name at every configuration of Inductor's; CannotBuild where none can be had."""
    kernels = {one.kernel.name: one.kernel for one in launches if one.kernel is not None}
    ways = [(name, way, kernel.source(way, gpu)) for name, kernel in kernels.items() for way in kernel.ways]
    built = triton_gpu.build_all(source for _, _, source in ways)
    found: dict[str, list[BuildAttempt]] = {name: [] for name in kernels}
    for name, way, source in ways:
        found[name].append(BuildAttempt(way, source, built[source.key]))
    for tried in found.values():
        _first(tried)
    return found


def _first(tried: Sequence[BuildAttempt]) -> tuple[BuildAttempt, BuiltKernel]:
    """The first configuration that can be built: on a device Inductor would time them all."""
    for one in tried:
        if isinstance(one.built, BuiltKernel):
            return one, one.built
    raise CannotBuild("; ".join(dict.fromkeys(str(one.built) for one in tried)))


def of(
    generated: GeneratedProgram, launches: Sequence[LaunchStages], kernels: Mapping[str, Sequence[BuildAttempt]]
) -> Capture:
    """The capture; without `kernels`, of what was generated alone."""

    def capture(detail: Detail) -> Lowering:
        stages = [*_generated(generated, detail), Artifact(Stage.GRAPH, "launches", _launches(launches))]
        if not kernels:
            return Lowering(_ordered(stages))
        disassemble(_first(tried)[1] for tried in kernels.values())
        facts = tuple(_facts(one, kernels) for one in launches)
        stages += [
            Artifact(Stage.MACHINE, "kernels", table(facts)),
            Artifact(Stage.MACHINE, "choices", _choices(kernels)),
            *_texts(kernels, detail),
        ]
        return Lowering(_ordered(stages), inductor_traffic.facts(generated.moved, generated.inputs, _summary(facts)))

    return capture


def _generated(generated: GeneratedProgram, detail: Detail) -> list[Artifact]:
    between = [
        Artifact(Stage.GRAPH, "fx-after", generated.fx_after),
        Artifact(Stage.LOWERED, "scheduler", generated.scheduled),
        Artifact(Stage.OPTIMIZED, "scheduler-fused", generated.fused),
    ]
    ends = [Artifact(Stage.GRAPH, "fx", generated.fx), Artifact(Stage.KERNEL, "inductor", generated.wrapper)]
    return ends if detail is Detail.BRIEF else [*ends, *between]


def _texts(kernels: Mapping[str, Sequence[BuildAttempt]], detail: Detail) -> list[Artifact]:
    """Each kernel's stages, one stage of all kernels after another, and in full detail the passes between them."""
    found = {name: _first(tried) for name, tried in kernels.items()}
    texts = triton_gpu.artifacts({name: built for name, (_, built) in found.items()}, detail)
    if detail is Detail.ALL:
        texts += [artifact for name, (one, _) in found.items() for artifact in triton_passes.passes(one.source, name)]
    return texts


def _ordered(stages: Sequence[Artifact]) -> tuple[Artifact, ...]:
    order = list(Stage)
    return tuple(sorted(stages, key=lambda artifact: order.index(artifact.stage)))


def _facts(one: LaunchStages, kernels: Mapping[str, Sequence[BuildAttempt]]) -> GpuKernel:
    if one.kernel is None:
        return GpuKernel(name=one.launch.name, steps=steps_of(one.launch.step), kind="library")
    tried, built = _first(kernels[one.kernel.name])
    grid = one.kernel.grid(tried.way, one.args)
    kernel = triton_gpu.facts(built, one.kernel.name, one.launch.step, "inductor", grid)
    return replace(kernel, config=str(tried.way))


def _launches(launches: Sequence[LaunchStages]) -> str:
    lines = ["number  step                 kernel, grid and config as Inductor would first try them"]
    for number, one in enumerate(launches):
        what = f"{one.launch.name} (a library's)"
        if one.kernel is not None:
            way = one.kernel.ways[0]
            what = f"{one.kernel.name}  {one.kernel.grid(way, one.args)}  {way}"
        lines.append(f"{number:<6}  {one.launch.step or '':<19}  {what}")
    return "\n".join(lines) + "\n"


def _choices(kernels: Mapping[str, Sequence[BuildAttempt]]) -> str:
    """What became of each configuration. Inductor times them on a device; here the first that builds stands for all."""
    lines = []
    for name, tried in kernels.items():
        first, _ = _first(tried)
        lines.append(name)
        for one in tried:
            mark = "*" if one is first else " "
            said = f"cannot be built: {one.built}"
            if isinstance(one.built, BuiltKernel):
                held = one.built
                said = f"{held.registers} registers, {held.spill_bytes} B spilled, {held.shared_bytes} B shared"
            lines.append(f"  {mark} {one.way}: {said}")
    return "\n".join(lines) + "\n"


def _summary(kernels: Sequence[GpuKernel]) -> Facts:
    """Counts of the launches; the FLOPs of kernels that a compiler wrote are not known."""
    operations: dict[str, int] = {}
    for kernel in kernels:
        operations[kernel.name] = operations.get(kernel.name, 0) + 1
    named = sum(bool(kernel.steps) for kernel in kernels) / len(kernels) if kernels else None
    libraries = [kernel.name for kernel in kernels if kernel.kind == "library"]
    caveats = []
    if libraries:
        caveats.append(f"{len(libraries)} launches are a library's and not compiled here: {', '.join(libraries)}")
    spilled = {kernel.name: kernel.spill_bytes for kernel in kernels if kernel.spill_bytes}
    caveats += [f"{name} spills {n} bytes a thread in the first configuration" for name, n in spilled.items()]
    if any(kernel.kind == "inductor" for kernel in kernels):
        caveats.append(
            "a device times configurations, and here none is: a GEMM template's is the static model's choice, any "
            "other kernel's the first that builds"
        )
    return Facts(
        operations=operations, attributed=named, attributed_by_name=named, calls=tuple(kernels), caveats=tuple(caveats)
    )
