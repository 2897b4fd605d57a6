"""HBM traffic by array as a table, with its sums: of a call in the steady state, and of the first."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from oneblock.bench.format.units import size
from oneblock.bench.judge.traffic import against_least, listed
from oneblock.bench.records.record import Record
from oneblock.bench.terminal.fitted import Table
from oneblock.compilers.api.traffic import by_array


def table(record: Record) -> Table:
    """A line for each array, direction and reason, the largest first; Refused where the record has no list."""
    facts, traffic = listed(record)
    made = Table(
        title=f"HBM traffic by array   ({facts.kind}, counted in {traffic.counted_in})",
        title_justify="left", title_style="bold", show_footer=True, caption_justify="left",
        caption="first call: what a call after another with the same weights finds done, and is not in the steady sum"
        if traffic.first_call_bytes != traffic.steady_bytes else None,
    )  # fmt: skip
    steady = f"{traffic.steady_bytes:,}"
    first = "" if traffic.first_call_bytes == traffic.steady_bytes else f"{traffic.first_call_bytes:,}"
    made.add_column("array", footer="sum" if not first else "sum, steady\nsum, first call", overflow="fold")
    made.add_column("")
    made.add_column("bytes", footer=steady if not first else f"{steady}\n{first}", justify="right", no_wrap=True)
    made.add_column("times", justify="right")
    made.add_column("why", footer=against_least(record), overflow="fold")
    made.add_column("step", overflow="fold")
    made.add_column("by", overflow="fold")
    for row in by_array(traffic.transfers):
        why = f"{row.reason} (first call)" if row.first_call_only else row.reason
        cells = (row.array, row.direction, f"{row.bytes:,}", str(row.times), why)
        made.add_row(*map(Text, (*cells, "+".join(row.steps), ", ".join(row.operations))))
    return made


def line(record: Record) -> str | None:
    """The sums in a sentence; None where the record has no list."""
    traffic = record.facts.traffic if record.facts is not None else None
    if traffic is None:
        return None
    steady, first = traffic.steady_bytes, traffic.first_call_bytes
    state = "" if first == steady else f" in the steady state, {size(first)} in the first call"
    return f"HBM traffic: {size(steady)}{state} (oneblock show ... --bytes lists it by array)"


def data(record: Record) -> dict[str, Any]:
    """The same for other programs."""
    facts, traffic = listed(record)
    return {
        "kind": facts.kind, "counted_in": traffic.counted_in, "steady_bytes": traffic.steady_bytes,
        "first_call_bytes": traffic.first_call_bytes, "compulsory_bytes": record.costs.compulsory_bytes,
        "transfers": traffic.transfers,
    }  # fmt: skip
