"""Tables of NKI kernels: what a program of them comes to on a NeuronCore, and each call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from oneblock.bench.format.units import seconds, size
from oneblock.bench.judge.costs import bound
from oneblock.bench.records.record import Record
from oneblock.compilers.api.facts import Facts, NeuronCall


def has_calls(record: Record) -> bool:
    """Whether the record tells of calls of NKI kernels."""
    return record.facts is not None and bool(record.facts.neuron_calls)


def programs(subject: str, records: Sequence[Record]) -> Table:
    """One line a program: what its kernels issue and move, what they need at once, and how long that would take."""
    title = f"{subject}   (NKI kernels: counts of an interpreter's run; times are modelled, none is measured)"
    caption = (
        "formula: FLOPs as a share of the workload's. DMA: bytes that the kernels move, and as a multiple of the "
        "compulsory (less than 1 where the host copies a cache). SBUF, PSUM: the most alive at once, of a partition "
        "and of 8 banks. TensorE, DMA busy: of the timeline. roofline: max(FLOPs / peak, compulsory bytes / bandwidth)"
    )
    table = Table(title=title, title_justify="left", title_style="bold", caption=caption, caption_justify="left")
    for column in ("target", "backend"):
        table.add_column(column, no_wrap=True)
    for column in ("calls", "instructions", "GFLOP", "formula", "DMA", "least", "SBUF", "PSUM"):
        table.add_column(column, justify="right")
    for column in ("TensorE busy", "DMA busy", "roofline", "timeline"):
        table.add_column(column, justify="right", style="italic")
    for record in records:
        if record.facts is not None and record.facts.neuron_calls:
            table.add_row(*_row(record, record.facts))
    return table


def _row(record: Record, facts: Facts) -> list[str]:
    found = facts.neuron_calls
    least = bound(record.costs, record.limits)
    flops, nbytes = sum(call.flops for call in found), sum(call.dma_bytes for call in found)
    total = sum(call.modelled_s for call in found)
    return [
        record.cell.target, record.cell.backend, str(len(found)),
        str(sum(sum(call.instructions.values()) for call in found)), f"{flops / 1e9:.4g}",
        f"{flops / record.costs.flops:.1%}", size(nbytes), f"{nbytes / record.costs.compulsory_bytes:.2f}x",
        size(max(call.sbuf_bytes for call in found)), str(max(call.psum_banks for call in found)),
        f"{sum(call.busy_s['tensor'] for call in found) / total:.0%}",
        f"{sum(call.busy_s['dma'] for call in found) / total:.0%}",
        "" if least is None else seconds(least.seconds), seconds(total),
    ]  # fmt: skip


def calls(facts: Facts, title: str = "") -> Table:
    """One line a call, in order."""
    title += "calls in order   (interpreted: counts of instructions; busy and timeline: modelled)"
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("step", "kernel", "arrays"):
        table.add_column(column, overflow="fold")
    for column in ("instructions by engine", "MFLOP", "DMA", "a piece", "SBUF", "PSUM"):
        table.add_column(column, justify="right", overflow="fold")
    for column in ("busiest", "timeline"):
        table.add_column(column, justify="right", style="italic")
    for call in facts.neuron_calls:
        table.add_row(*_call(call))
    return table


def _call(call: NeuronCall) -> list[str | Text]:
    busiest = max(call.busy_s, key=call.busy_s.__getitem__)
    issued = ", ".join(f"{n} {engine}" for engine, n in Counter(call.instructions).most_common())
    return [
        call.step or "", call.kernel, Text(", ".join(call.shapes)), issued, f"{call.flops / 1e6:.4g}",
        size(call.dma_bytes), size(call.dma_bytes / max(1, call.dma_runs)),
        f"{size(call.sbuf_bytes)} of {size(call.sbuf_limit_bytes)}", str(call.psum_banks),
        f"{busiest} {call.busy_s[busiest] / call.modelled_s:.0%}", seconds(call.modelled_s),
    ]  # fmt: skip
