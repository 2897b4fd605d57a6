"""A record's list of HBM traffic, and what of it is more than compulsory."""

from __future__ import annotations

from oneblock.bench.format.errors import Refused
from oneblock.bench.records.record import Record
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.traffic import Traffic


def listed(record: Record) -> tuple[Facts, Traffic]:
    """(the facts, their list); Refused with the reason where there is none."""
    facts = record.facts
    if facts is not None and facts.traffic is not None:
        return facts, facts.traffic
    if facts is None:
        why = "nothing of it was compiled or counted"
    elif facts.hbm_bytes is not None:
        why = "it was made before such lists were kept: run the cell with --again"
    else:
        why = "; ".join(("its toolchain's text does not tell all of it", *facts.caveats))
    raise Refused(f"{record.cell.name} has no list of HBM traffic by array: {why}")


def against_least(record: Record) -> str:
    """The steady sum as a multiple of the compulsory bytes; empty of several devices, and where those are unknown."""
    _, traffic = listed(record)
    least = record.costs.compulsory_bytes
    if record.cell.target.devices != 1 or not least:
        return ""
    found = [f"{traffic.steady_bytes / least:.3f}x the compulsory {least:,}"]
    if traffic.first_call_bytes != traffic.steady_bytes:
        found.append(f"{traffic.first_call_bytes / least:.3f}x")
    return "\n".join(found)
