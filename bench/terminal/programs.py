"""Tables of what was compiled for a device that is elsewhere: counts, and estimates side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.text import Text

from oneblock.bench.cost.tried import TriedTime, estimates
from oneblock.bench.format.units import seconds, size
from oneblock.bench.judge.calls import Head, kinds, program
from oneblock.bench.judge.estimates import Method, in_order
from oneblock.bench.records.record import Record, Status
from oneblock.bench.terminal import traffic as _traffic
from oneblock.bench.terminal.calls import EXPLAINS, programs
from oneblock.bench.terminal.fitted import Table
from oneblock.compilers.api.facts import Collective, Facts
from oneblock.compilers.api.kind import Kind

COLUMNS = {  # of counts, each with what it means
    "GFLOP": "floating-point operations in the compiler's output, loops multiplied by their trips, in 10^9",
    "FLOPs / model": "those of all devices as a share of what the workload's formula needs: more is work done twice",
    "HBM": "bytes that a call reads and writes in device memory, in the steady state; `oneblock show RECORD --bytes` "
    "lists them by array, and the first call's",
    "HBM / min": "the same as a multiple of the compulsory: every input and weight read once, every output written "
    "once",
    "scratch": "temporaries in device memory",
    "fusions": "operations that the compiler joined into one, of all kinds",
    "kernels": "what the program launches; where that is not known, kernels that the compiler did not write",
    "attributed": "the share of scheduled operations that is mapped to a step of the block",
}
_STACKED = {"FLOPs / model": "FLOPs /\nmodel", "HBM / min": "HBM /\nmin", "attributed": "attri-\nbuted"}


def compiled(subject: str, records: Sequence[Record]) -> Iterator[Table]:
    """Tables of a subject's cells that were compiled and not run: of whole programs, of their calls, of exchanges."""
    by_call = [record for record in records if program(record.facts)]
    whole = [record for record in records if not program(record.facts)]
    for kind in Kind:
        if alike := [record for record in whole if (record.facts.kind if record.facts else Kind.COMPILED) is kind]:
            yield _programs(subject, kind, alike)
    yield from programs(subject, by_call)
    if any(record.facts and record.facts.collectives for record in whole):
        yield _exchanges(subject, whole)


def _programs(subject: str, kind: Kind, records: Sequence[Record]) -> Table:
    records = sorted(records, key=lambda r: (r.cell.target, r.cell.backend, r.cell.ops))
    shown = in_order(method for record in records for method in estimates(record))
    title = f"{subject}   ({kind}, not run: counts of the compiler's output, and estimates of time, none measured)"
    of_kinds = kinds(Head(method.name, "s", method.kind) for method in shown)
    caption = f"+: kernels of one's own count as they declare. Estimates ({of_kinds}). {EXPLAINS}"
    last = ("compile", "scratch", "kernels", "fusions", "attributed", "FLOPs / model", "GFLOP")
    leaves = (*last, *reversed([method.label for method in shown]))
    table = Table(title=title, title_justify="left", title_style="bold", caption=Text(caption), caption_justify="left",
                  leaves=leaves)  # fmt: skip
    for column in ("target", "backend", "ops"):
        table.add_column(column, no_wrap=True)
    for column in COLUMNS:
        table.add_column(_STACKED.get(column, column), justify="right", no_wrap=True)
    for method in shown:
        table.add_column(Text(method.label.replace(" (", "\n(")), justify="right", style="italic", no_wrap=True)
    table.add_column("compile", justify="right", no_wrap=True)
    for record in records:
        table.add_row(*_row(record, shown))
    return table


def _row(record: Record, shown: Sequence[Method]) -> list[str | Text]:
    cell, facts = record.cell, record.facts
    row: list[str | Text] = [cell.target, cell.backend, cell.ops]
    if facts is None:
        return row
    chips, costs, least = record.cell.target.devices, record.costs, record.costs.compulsory_bytes
    declared = own_kernels(facts) > 0  # of kernels of one's own no operations are seen
    row += [
        "" if facts.flops is None else f"{facts.flops / 1e9:.4g}" + "+" * declared,
        "" if facts.flops is None or not costs.flops else f"{facts.flops * chips / costs.flops:.1%}",
        "" if facts.hbm_bytes is None else size(facts.hbm_bytes),
        "" if facts.hbm_bytes is None or chips > 1 or not least else f"{facts.hbm_bytes / least:.2f}x",
        "" if facts.scratch_bytes is None else size(facts.scratch_bytes),
        str(sum(facts.fusions.values())),
        str(len(facts.launches) or own_kernels(facts) or ""),
        "" if facts.attributed is None else f"{facts.attributed:.0%}",
    ]
    known = estimates(record)
    for method in shown:
        one = known.get(method)
        value = None if one is None else one.seconds
        row.append(str(one) if isinstance(one, TriedTime) else "" if value is None else seconds(value))
    return [*row, "" if record.compile_s is None else seconds(record.compile_s)]


def ledger(facts: Facts) -> Counter[Collective]:
    """How often each collective occurs, those that differ in their channel alone counted together."""
    return Counter(replace(one, channel=None) for one in facts.collectives)


def own_kernels(facts: Facts) -> int:
    """Calls of kernels that the compiler did not write, of which it sees no operations."""
    return sum(n for target, n in facts.custom_calls.items() if target == "tpu_custom_call" or "triton" in target)


def _exchanges(subject: str, records: Sequence[Record]) -> Table:
    """The ledger of collectives, like ones counted together."""
    title = f"{subject}   (what the devices exchange)"
    table = Table(title=title, title_justify="left", title_style="bold", leaves=("dtype", "algorithm", "group"))
    for column in ("target", "backend", "ops", "step", "collective", "dtype", "group", "algorithm"):
        table.add_column(column)
    for column in ("count", "bytes each"):
        table.add_column(column, justify="right")
    for record in records:
        for one, count in ledger(record.facts).items() if record.facts else ():
            where = (record.cell.target, record.cell.backend, record.cell.ops, one.step or "", one.kind, one.dtype)
            table.add_row(*where, str(one.group_size or ""), one.algorithm or "", str(count), size(one.bytes))
    return table


def details(record: Record) -> Iterator[str]:
    """Lines about one record's facts: estimates with how they came about, steps, memory, caveats."""
    memory = record.memory
    if memory is not None:
        for buffer in memory.largest:
            yield f"memory: {size(buffer.bytes)} {buffer.what}"
    facts = record.facts
    if facts is None:
        return
    for estimate in estimates(record).values():
        value = "none" if estimate.seconds is None else seconds(estimate.seconds)
        yield f"estimate {estimate.name:<9}({estimate.kind}): {value}: {estimate.how}"
    counts = {"operations": facts.operations, "fusions": facts.fusions, "custom calls": facts.custom_calls}
    for label, count in counts.items():
        if count:
            yield f"{label}: " + ", ".join(f"{n} {what}" for what, n in count.items())
    if facts.compiler_flops is not None:
        ours = f"ours: {facts.flops:.4g}" if facts.flops else "not counted by us"
        yield f"the compiler's own count of FLOPs: {facts.compiler_flops:.4g} ({ours})"
    if (moved := _traffic.line(record)) is not None:
        yield moved
    for step in facts.steps:
        flops = "" if step.flops is None else f"{step.flops:>16,.0f} FLOPs"
        cycles = "" if step.cycles is None else f" {step.cycles:>12,.0f} cycles"
        yield (
            f"  {step.step or '(none)':<10} {step.operations:>4} operations {flops:22} "
            f"{step.hbm_bytes:>14,.0f} HBM bytes{cycles}"
        )
    for caveat in facts.caveats:
        yield f"caveat: {caveat}"


def split(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """(those that ran or should have, those that were compiled for elsewhere)."""
    there = [record for record in records if record.status is Status.COMPILED]
    return [record for record in records if record.status is not Status.COMPILED], there
