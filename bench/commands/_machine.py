"""`oneblock doctor --machine`: whether this machine can measure now, who disturbs it, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from time import sleep
from typing import Any

import psutil
from rich.text import Text

from oneblock.backends.api.target import Target
from oneblock.bench.cells.probe import PlatformProbe
from oneblock.bench.cells.tiers import tier
from oneblock.bench.format.out import note
from oneblock.bench.format.text import plain
from oneblock.bench.judge.stats import Pair, differences
from oneblock.bench.records.disturbance import SLOWER, Pace, Spread
from oneblock.bench.records.record import Environment
from oneblock.bench.runs.limits import CeilingCache
from oneblock.bench.runs.same_again import Again, same_again
from oneblock.bench.terminal.screen import console
from oneblock.bench.worker.contention import Shares, Window
from oneblock.bench.worker.limits_job import LimitsJob
from oneblock.compilers.api.kind import Kind

_MOST_S = 140.0
_READS = 12  # of memory, in processes of their own
_MODES = 1.25  # the best ever seen over the least of these: then it depends on the moment
_LOOK_S = 2.0
_MANY = 3


def machine(found: list[PlatformProbe], here: Environment, ceilings: CeilingCache) -> dict[str, Any]:
    """All that is seen, as data; told while it goes on."""
    before = ceilings.known.pace
    window = Window()
    busy = _busiest()
    shares = window.shares()
    note("reading memory and the canary's pace")
    read = LimitsJob(None, Target("cpu"), ("read",), ceilings.bounds.threads)
    reads = [rate for _ in range(_READS) for rate in ceilings.measure(read).values()]
    names = [row.backend for row in found if row.platform == "cpu" and row.device is not None and _timed(row)]
    again = same_again(names, ceilings, ceilings.bounds, _MOST_S, note)
    best = ceilings.known.pace
    return {
        "others": None if shares is None else asdict(shares),
        "busiest": busy,
        "pace": ceilings.seen and asdict(ceilings.seen),
        "best": best and asdict(best),
        "best_before": before and asdict(before),
        "reads_bytes_per_s": reads,
        "rounds": [asdict(one) | {"spread": one.spread and asdict(one.spread)} for one in again],
        "spreads": {name: asdict(spread) for name, spread in ceilings.known.spreads.items()},
        "advice": [
            *_advice(here, ceilings, shares, busy, again),
            *_of_memory(reads, ceilings.limits(read.target, "", "").read_bytes_per_s),
        ],
    }


def _timed(row: PlatformProbe) -> bool:
    return row.kind is Kind.MEASURED and "float32" in row.dtypes and "plain" in row.ops_sets


def _busiest() -> list[dict[str, Any]]:
    """The processes of others that use most of a core while we look: {"pid", "name", "cores"}."""
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    others = [process for process in psutil.process_iter(["name"]) if process.pid not in mine]
    for process in others:
        _cores(process)
    sleep(_LOOK_S)
    used = [{"pid": one.pid, "name": plain(one.info["name"] or ""), "cores": _cores(one)} for one in others]
    busy = [row for row in used if row["cores"] >= 0.05]
    return sorted(busy, key=lambda row: -row["cores"])[:_MANY]


def _cores(process: psutil.Process) -> float:
    try:
        return float(process.cpu_percent()) / 100
    except psutil.Error:
        return 0.0


def _advice(
    here: Environment, ceilings: CeilingCache, shares: Shares | None, busy: list[dict[str, Any]], again: list[Again]
) -> Iterator[str]:
    """What is in the way, each with what to do about it."""
    if shares is None:
        yield "this system does not tell of waiting threads: the canary alone finds what disturbs"
    elif shares.others >= 0.1:
        who = ", ".join(f"{row['name']} (pid {row['pid']}, {row['cores']:.1f} cores)" for row in busy)
        yield f"other processes have {shares.others:.1f} cores: end them or wait{f': {who}' if who else ''}"
    if shares is not None and shares.stolen >= 0.1:
        yield f"the hypervisor keeps {shares.stolen:.1f} cores back: measure at another time, or on another machine"
    if shares is not None and shares.throttled > 0:
        yield "a quota stops this process: raise its control group's cpu.max, or give fewer --threads"
    governor = here.state.get("cpu_governor")
    if governor not in (None, "performance"):
        yield f"the frequency governor is {governor}: `sudo cpupower frequency-set -g performance`"
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if ceilings.bounds.threads >= usable:
        yield (
            f"{ceilings.bounds.threads} threads on {usable} cores leave none to others: "
            f"`--threads {max(1, usable - 1)}` is hardly touched by one process beside it"
        )
    if (slower := _slower(ceilings.seen, ceilings.known.pace)) > SLOWER:
        yield f"the machine runs {slower:.1f}x slower than it did at its best: another guest, or its clock; try later"
    lost = sum(one.disturbed for one in again)
    if lost:
        yield f"{lost} of {lost + sum(len(one.medians_s) for one in again)} measurements gave no time"


def _of_memory(reads: list[float], best: float | None) -> Iterator[str]:
    """That memory is quick in some seconds and slow in others, as where a hypervisor moves the CPUs between dies."""
    if reads and best is not None and best > _MODES * min(reads):
        yield (
            f"memory is read at {min(reads) / 1e9:.0f} to {best / 1e9:.0f} GB/s from one moment to the next: a time "
            "bound by memory depends as much on the moment; judge it by several processes (--tier standard)"
        )


def _slower(now: Pace | None, best: Pace | None) -> float:
    return now.product_s / best.product_s if now is not None and best is not None else 1.0


def least_found(spread: Spread, name: str) -> float:
    """The smallest difference that a tier finds nine times in ten where processes differ so."""
    of = tier(name)
    same = [[1.0] * 20 for _ in range(of.launches)]
    return differences([Pair(same, same, of.min_effect, spread)])[0].least_found


def show(said: dict[str, Any]) -> None:
    """The answer first, then what it stands on."""
    out = console()
    lost = sum(one["disturbed"] for one in said["rounds"])
    learnt = [(one["backend"], Spread(**one["spread"])) for one in said["rounds"] if one["spread"]]
    can = bool(learnt) and lost * 4 < sum(len(one["medians_s"]) for one in said["rounds"])
    style = "bold green" if can else "bold yellow"
    out.print(Text("This machine can measure now." if can else "This machine cannot measure well now.", style=style))
    for line in said["advice"]:
        out.print(Text(f"  {line}", style="yellow"))
    for backend, spread in learnt:
        smoke, standard = (f"{least_found(spread, name):.0%}" for name in ("smoke", "standard"))
        out.print(
            Text(
                f"  {backend}: processes of the same differ by {spread.share:.1%}; a difference of {smoke} is found "
                f"at tier smoke, of {standard} at tier standard"
            )
        )
