"""A plan as what people read: the launches in order, each kernel's stages, the choices, and the facts of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oneblock.backends._triton.measured import measured
from oneblock.backends._triton.plan import PlannedLaunch
from oneblock.compilers import Capture
from oneblock.compilers.api.facts import Estimate, Facts
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.stages import Artifact, Detail, Lowering, Stage
from oneblock.compilers.api.traffic import Traffic, Transfer
from oneblock.compilers.dialects.launches import table
from oneblock.compilers.triton import choice as _gpu_choice
from oneblock.compilers.triton import lowering as triton_gpu
from oneblock.compilers.triton import mlir_dump as triton_passes
from oneblock.compilers.triton.built import BuiltKernel, disassemble
from oneblock.compilers.triton.choice import Candidate
from oneblock.compilers.triton.lowering import Source


def of(planned: Sequence[PlannedLaunch], *, measure: bool = False) -> Capture:
    """The capture of a plan; with `measure`, every configuration is timed on the device that is here."""

    def capture(detail: Detail) -> Lowering:
        plan = list(planned)
        if measure and detail is not Detail.BRIEF:
            plan = [measured(one) for one in plan]
        disassemble(one.built for one in plan if one.built is not None)
        kernels = tuple(one.facts() for one in plan)
        named = _distinct(plan)
        labels = {source.key: label for label, (source, _) in named.items()}
        texts = triton_gpu.artifacts({label: built for label, (_, built) in named.items()}, detail)
        passes = [
            artifact
            for label, (source, _) in (named.items() if detail is Detail.ALL else ())
            for artifact in triton_passes.passes(source, label)
        ]
        tables = [
            Artifact(Stage.GRAPH, "launches", _launches(plan, labels)),
            Artifact(Stage.MACHINE, "kernels", table(kernels)),
            Artifact(Stage.MACHINE, "choices", _choices(plan)),
        ]
        order = list(Stage)
        stages = sorted([*tables, *texts, *passes], key=lambda a: order.index(a.stage))
        return Lowering(tuple(stages), _facts(plan))

    return capture


def _distinct(plan: Sequence[PlannedLaunch]) -> dict[str, tuple[Source, BuiltKernel]]:
    """The kernels that differ in their machine code, by a label: the entry's name, numbered where it has several."""
    found: dict[str, tuple[str, Source, BuiltKernel]] = {}
    for one in plan:
        if one.source is None or one.built is None or any(key == one.source.key for key, _, _ in found.values()):
            continue
        name, n = one.built.name, 1
        while (label := name if n == 1 else f"{name}.{n}") in found:
            n += 1
        found[label] = (one.source.key, one.source, one.built)
    return {label: (source, built) for label, (_, source, built) in found.items()}


def _launches(plan: Sequence[PlannedLaunch], labels: Mapping[str, str]) -> str:
    """Each launch with its step, and with its kernel's label: by it the kernel's stages are found."""
    lines = ["number  step       kernel, grid, config"]
    for number, one in enumerate(plan):
        what = f"{one.started.operation} (PyTorch's own)"
        if one.source is not None and one.built is not None:
            what = f"{labels[one.source.key]}  {one.call.grid(one.config)}  {one.config}"
        lines.append(f"{number:<6}  {one.started.step or '':<9}  {what}")
    return "\n".join(lines) + "\n"


def _choices(plan: Sequence[PlannedLaunch]) -> str:
    """The ranking of each launch, told once for those that are alike."""
    seen: dict[tuple[Candidate, ...], list[int]] = {}
    for number, one in enumerate(plan):
        if one.candidates:
            seen.setdefault(one.candidates, []).append(number)
    return "\n".join(
        _gpu_choice.table(f"launch {', '.join(map(str, numbers))}: {plan[numbers[0]].started.step}", candidates)
        for candidates, numbers in seen.items()
    )


def _facts(plan: Sequence[PlannedLaunch]) -> Facts:
    """Counts of the launches. FLOPs are the kernels' own formulas, and stand with each kernel, not here."""
    kernels = tuple(one.facts() for one in plan)
    operations: dict[str, int] = {}
    for kernel in kernels:
        operations[kernel.name] = operations.get(kernel.name, 0) + 1
    named = sum(bool(kernel.steps) for kernel in kernels) / len(kernels) if kernels else None
    torchs = [kernel.name for kernel in kernels if kernel.kind == "torch"]
    caveats = [f"{len(torchs)} launches are PyTorch's own and not compiled here: {', '.join(torchs)}"] if torchs else []
    spilled = {k.name: k.spill_bytes for k in kernels if k.spill_bytes}
    by_vectors = dict.fromkeys(
        one.built.name for one in plan if one.built is not None and one.call.matrix_units and not one.built.matrix_units
    )
    if by_vectors:
        caveats.append(
            f"the products of {', '.join(by_vectors)} are not on tensor cores: Triton uses none before sm_80, and on "
            "NVIDIA none for float32 at its full precision"
        )
    caveats += [f"{name} spills {n} bytes a thread: every configuration does" for name, n in spilled.items()]
    moved = _traffic(plan)
    return Facts(
        operations=operations, attributed=named, attributed_by_name=named, calls=kernels,
        hbm_bytes=float(moved.steady_bytes), traffic=moved, estimates=(_static(kernels),), caveats=tuple(caveats),
    )  # fmt: skip


def _static(kernels: Sequence[GpuKernel]) -> Estimate:
    """The sum over every launch; none where one has no price, since a part is no estimate of the whole."""
    unpriced = dict.fromkeys(kernel.name for kernel in kernels if "static" not in kernel.modelled_s)
    if unpriced:
        how = f"the static model has no price of {', '.join(unpriced)}, and a sum without it is of another program"
        return Estimate("static", None, how, Kind.MODELLED)
    how = (
        "sum over all launches of the static model (compilers/chips/launch_model.py), PyTorch's own by the memory that "
        "they move; without gaps"
    )
    return Estimate("static", sum(kernel.modelled_s["static"] for kernel in kernels), how, Kind.MODELLED)


def _traffic(plan: Sequence[PlannedLaunch]) -> Traffic:
    """Every array that each launch is given, whole and once."""
    names = [str(one.started.operation) if one.built is None else one.built.name for one in plan]
    found = [
        Transfer(move.array, move.direction, f"{n}: {name}", one.started.step, move.bytes, 1, "whole, once")
        for n, (name, one) in enumerate(zip(names, plan, strict=True))
        for move in one.started.moves
    ]
    return Traffic("the arrays that launches are given", tuple(found))
