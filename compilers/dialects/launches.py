"""Tables of a program's launches: made, read line by line, and asked for the steps of each kernel."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._kernel_text import steps_of_name
from oneblock.compilers.dialects._lines import Context, Lines, Steps, named

_LAUNCH = re.compile(r"^\d+ +(\S+) +(\S+) +\(\d")  # number, step, kernel and its grid
_CANDIDATES = re.compile(r"^launch [\d, ]+: (\S+)")
_CANDIDATE = re.compile(r"^\d+ ")


def table(kernels: Sequence[GpuKernel]) -> str:
    """The launches in their order, a line each, to be read."""
    rows = [("kernel", "step", "kind", "blocks", "threads", "shared B", "registers", "spills B", "instructions")]
    for k in kernels:
        blocks = "" if k.grid is None else "x".join(str(n) for n in k.grid if n > 1) or "1"
        counts = ", ".join(f"{count} {name}" for name, count in k.instructions.items())
        sizes = ("" if n is None else str(n) for n in (k.threads, k.shared_bytes, k.registers, k.spill_bytes))
        rows.append((k.name, "+".join(k.steps), k.kind, blocks, *sizes, counts))  # type: ignore[arg-type]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(w.ljust(n) for w, n in zip(row, widths, strict=True)).rstrip() for row in rows) + "\n"


def kernels(text: str, steps: Sequence[str], beside: Collection[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """The steps of each launch by its label, which the facts lack.

    Kernels of one name that differ in their machine code are numbered in it.
    """
    for line in text.splitlines():
        if launch := _LAUNCH.match(line):
            yield launch[2], launch[1].split("+")


def _table(_: str, text: str, context: Context) -> Lines:
    """Rows under a header, where one column is the step: the launches, and what is known of each kernel."""
    lines = text.splitlines()
    start = lines[0].find("step ") if lines else -1
    if start < 0:
        return Lines(((),) * len(lines), (False,) * len(lines))
    rows = [False, *(bool(line.strip()) for line in lines[1:])]
    steps = [
        named(re.split(r"\s", line[start:], maxsplit=1)[0], context.steps) if row else ()
        for line, row in zip(lines, rows, strict=True)
    ]
    return Lines(tuple(steps), tuple(rows))


def _choices(_: str, text: str, context: Context) -> Lines:
    """Under each launch, or each kernel of Inductor's, what it might have been: none of it computes anything."""
    steps: list[Steps] = []
    now: Steps = ()
    for line in text.splitlines():
        if launch := _CANDIDATES.match(line):
            now = named(launch[1], context.steps)
        elif line[:1].strip() and not _CANDIDATE.match(line):
            now = steps_of_name(line.strip(), context)
        steps.append(now if line.strip() else ())
    return Lines(tuple(steps), (False,) * len(steps))


DIALECTS = (
    Dialect(("launches",), (Stage.GRAPH,), reader=_table, kernels=kernels),
    Dialect(("kernels",), (Stage.MACHINE,), reader=_table),
    Dialect(("choices",), (Stage.MACHINE,), reader=_choices),
)
