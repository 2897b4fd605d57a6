"""The table of a program's launches."""

from __future__ import annotations

from collections.abc import Sequence

from oneblock.compilers.api.facts import GpuKernel


def table(kernels: Sequence[GpuKernel]) -> str:
    """The launches in their order, a line each, to be read."""
    rows = [("kernel", "step", "kind", "blocks", "threads", "shared B", "registers", "spills B", "instructions")]
    for k in kernels:
        blocks = "" if k.grid is None else "x".join(str(n) for n in k.grid if n > 1) or "1"
        counts = ", ".join(f"{count} {name}" for name, count in k.instructions.items())
        sizes = ("" if n is None else str(n) for n in (k.threads, k.shared_bytes, k.registers, k.spill_bytes))
        rows.append((k.name, k.step or "", k.kind, blocks, *sizes, counts))  # type: ignore[arg-type]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(w.ljust(n) for w, n in zip(row, widths, strict=True)).rstrip() for row in rows) + "\n"
