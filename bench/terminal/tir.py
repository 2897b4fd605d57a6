"""The table of a program's functions in TVM's tensor IR: what each does, and how its loops came out."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from oneblock.compilers.api.facts import Facts


def functions(facts: Facts) -> Table:
    """One line a call, in order."""
    title = "calls in order   (compiled: FLOPs by TVM's count, loops as scheduled, instructions of the assembly)"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("step")
    table.add_column("function", overflow="fold", max_width=44)
    table.add_column("MFLOP", justify="right")
    table.add_column("loops", overflow="fold")
    table.add_column("lanes", justify="right")
    table.add_column("instructions by class", overflow="fold")
    for call in facts.tir_calls:
        loops = ", ".join(f"{n} {kind}" for kind, n in call.loops.items())
        written = ", ".join(f"{n} {what}" for what, n in call.instructions.items())
        lanes = "" if call.vector_lanes is None else str(call.vector_lanes)
        table.add_row(
            ", ".join(call.steps), Text(call.function), f"{call.flops / 1e6:.4g}", loops, lanes, Text(written)
        )
    return table
