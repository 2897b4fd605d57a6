"""What works here, found out in a process of its own: a toolchain that kills it is only a line in the answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from oneblock import backends
from oneblock.backends.api.target import Target
from oneblock.bench.cells.probe import PlatformProbe
from oneblock.bench.worker.events import Event, ProbeRow, Probing
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.probe_job import ProbeJob
from oneblock.bench.worker.watch import Bounds
from oneblock.compilers.api.kind import Kind
from oneblock.workloads.ops.nearest import unknown


def not_run_here(wanted: Iterable[tuple[str, Target]], bounds: Bounds) -> set[tuple[str, Target]]:
    """The (backend, target) that run nothing: compiled for a device that is elsewhere, or refused."""
    pairs = [pair for pair in dict.fromkeys(wanted) if pair[1] != "cpu"]
    by_backend = {name: [pair for pair in pairs if pair[0] == name] for name, _ in pairs}
    found = [row for asked in by_backend.values() for row in _probe_together([], bounds, asked)[0]]
    runs = {(row.backend, row.target) for row in found if row.device is not None and row.kind is not Kind.COMPILED}
    return set(pairs) - runs


def probe(names: list[str], bounds: Bounds) -> list[PlatformProbe]:
    """What each of these backends has for each of its platforms; LookupError offers the nearest names."""
    known = backends.names()
    for name in names:
        if name not in known:
            raise LookupError(unknown("backend", name, known))
    found: list[PlatformProbe] = []
    left = list(names)
    while left:
        said, culprit, why = _probe_together(left, bounds)
        found += said
        if culprit is None:
            break
        found.append(
            PlatformProbe(culprit, "", None, None, f"its probe ended badly: {why}", "import its toolchain by hand")
        )
        left = left[left.index(culprit) + 1 :]
    return found


def _probe_together(
    names: list[str], bounds: Bounds, pairs: Sequence[tuple[str, Target]] = ()
) -> tuple[list[PlatformProbe], str | None, str]:
    """(what was found, the backend at which the process died if it did, how)."""
    found: list[PlatformProbe] = []
    probing: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Probing):
            probing.append(event.backend)
        elif isinstance(event, ProbeRow):
            found.append(event.row)

    outcome = launch(ProbeJob(tuple(names), tuple(pairs)), bounds, listen=listen)
    if outcome.reason is None:
        return found, None, ""
    culprit = probing[-1] if probing else [*names, *(backend for backend, _ in pairs)][0]
    return [row for row in found if row.backend != culprit], culprit, outcome.reason
