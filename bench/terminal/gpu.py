"""Tables of kernels compiled for a GPU: what each needs of a multiprocessor, and how many of it fit there."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from oneblock.bench.format.units import seconds, size
from oneblock.bench.judge.costs import bound
from oneblock.bench.records.record import Record
from oneblock.compilers.api.facts import Facts, GpuKernel

# Classes of instructions that tensor (matrix) cores carry out, as the counts spell them.
MATRIX = ("mma.sync", "wgmma", "tcgen05.mma", "mfma")


def has_kernels(record: Record) -> bool:
    """Whether the record tells what its kernels need of a multiprocessor."""
    return record.facts is not None and any(kernel.occupancy for kernel in record.facts.gpu_kernels)


def matrix_instructions(kernel: GpuKernel) -> list[str]:
    """The classes of matrix instructions that a kernel holds: ["wgmma"]."""
    found = dict.fromkeys(name.partition(" ")[0] for name in kernel.instructions)
    return [name for name in found if name in MATRIX]


def worst(kernels: Sequence[GpuKernel]) -> GpuKernel | None:
    """The kernel of the least occupancy."""
    known = [(kernel.occupancy.share, i) for i, kernel in enumerate(kernels) if kernel.occupancy is not None]
    return kernels[min(known)[1]] if known else None


def summary(subject: str, records: Sequence[Record]) -> Table:
    """One line a program: launches and the extremes over its kernels."""
    title = f"{subject}   (compiled for GPUs, not run: counts of machine code; occupancy and time are modelled)"
    caption = (
        "registers, spills, shared: the most that a kernel needs. occupancy: the least, its kernel and what limits "
        "it. matrix: the instructions of tensor (matrix) cores. roofline: of the specification. static: the sum of the "
        "model that ranks configurations"
    )
    table = Table(title=title, title_justify="left", title_style="bold", caption=caption, caption_justify="left")
    for column in ("target", "backend", "ops"):
        table.add_column(column, no_wrap=True)
    for column in ("launches", "registers", "spills", "shared"):
        table.add_column(column, justify="right")
    table.add_column("occupancy")
    table.add_column("matrix")
    for column in ("roofline", "static"):
        table.add_column(column, justify="right", style="italic")
    table.add_column("compile", justify="right")
    for record in sorted(records, key=lambda r: (r.cell.target, r.cell.backend, r.cell.ops_set)):
        if record.facts is not None:
            table.add_row(*_row(record, record.facts))
    return table


def _row(record: Record, facts: Facts) -> list[str | Text]:
    cell, ours = record.cell, [kernel for kernel in facts.gpu_kernels if kernel.occupancy]
    most = {
        what: max((getattr(kernel, what) or 0 for kernel in ours), default=0)
        for what in ("registers", "spill_bytes", "shared_bytes")
    }
    least = worst(ours)
    matrix = dict.fromkeys(name for kernel in ours for name in matrix_instructions(kernel))
    least_time = bound(record.costs, record.limits)
    static = next((one.seconds for one in facts.estimates if one.name == "static"), None)
    return [
        cell.target, cell.backend, cell.ops_set, str(len(facts.gpu_kernels)), str(most["registers"]),
        size(most["spill_bytes"]) if most["spill_bytes"] else "0", size(most["shared_bytes"]),
        "" if least is None else Text(f"{_occupancy(least)} ({least.name})"), ", ".join(matrix) or "none",
        "" if least_time is None else seconds(least_time.seconds), "" if static is None else seconds(static),
        "" if record.compile_s is None else seconds(record.compile_s),
    ]  # fmt: skip


def _occupancy(kernel: GpuKernel) -> str:
    found = kernel.occupancy
    return "" if found is None else f"{found.share:.0%}, {found.blocks} by {found.limited_by}"


def launches(facts: Facts) -> Table:
    """One line a launch, in order, of what its kernel needs."""
    title = "launches in order   (compiled: counts of machine code; occupancy and static: modelled)"
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("step", "kernel", "config", "grid"):
        table.add_column(column, overflow="fold")
    for column in ("registers", "spills", "stack", "shared"):
        table.add_column(column, justify="right")
    table.add_column("occupancy")
    table.add_column("instructions by class", overflow="fold")
    table.add_column("static", justify="right", style="italic")
    for kernel in facts.gpu_kernels:
        counts = ("" if n is None else str(n) for n in (kernel.registers, kernel.spill_bytes, kernel.stack_bytes))
        shared = "" if kernel.shared_bytes is None else size(kernel.shared_bytes)
        grid = "" if kernel.grid is None else "x".join(map(str, kernel.grid))
        written = ", ".join(f"{n} {what}" for what, n in kernel.instructions.items())
        static = kernel.modelled_s.get("static")
        table.add_row(
            kernel.step or "", Text(kernel.name), Text(kernel.config or kernel.kind), grid, *counts, shared,
            _occupancy(kernel), Text(written), "" if static is None else seconds(static),
        )  # fmt: skip
    return table
