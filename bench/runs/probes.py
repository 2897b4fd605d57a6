"""What works here, found out in a process of its own: a toolchain that kills it is only a line in the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from oneblock import backends
from oneblock.backends.api.export import Exporter
from oneblock.backends.api.target import Target
from oneblock.bench.cells.probe import Declared, PlatformProbe
from oneblock.bench.records.record import Environment
from oneblock.bench.worker.events import Declaration, Event, ProbeRow, Probing
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.probe_job import ProbeJob
from oneblock.bench.worker.watch import Bounds
from oneblock.compilers.api.kind import Kind
from oneblock.workloads.ops.nearest import unknown

_FEW = Bounds(threads=1, timeout_s=60, memory_bytes=2**33)  # to say what it offers a backend imports no toolchain
_BY_HAND = "import its toolchain by hand"
_declared: dict[str, Declared] = {}  # of this process's: what is installed does not change meanwhile


@dataclass(frozen=True)
class Known:
    """What was found out of this machine before, by whoever asks it for one cell after another."""

    environment: Environment
    elsewhere: frozenset[tuple[str, Target]]  # (backend, target) of the run that run nothing here
    untimed: bool  # what runs here is interpreted or simulated, and need not be alone


def not_run_here(wanted: Iterable[tuple[str, Target]], bounds: Bounds) -> set[tuple[str, Target]]:
    """The (backend, target) that run nothing: compiled for a device that is elsewhere, or refused."""
    pairs = [pair for pair in dict.fromkeys(wanted) if pair[1] != "cpu"]
    return set(pairs) - {(row.backend, row.target) for row in ask_pairs(pairs, bounds) if runs_here(row)}


def ask_pairs(pairs: Iterable[tuple[str, Target]], bounds: Bounds) -> list[PlatformProbe]:
    """What there is for each (backend, target), asked by a process for each backend; nothing of one that ended it."""
    by_backend: dict[str, list[tuple[str, Target]]] = {}
    for pair in dict.fromkeys(pairs):
        by_backend.setdefault(pair[0], []).append(pair)
    return [row for asked in by_backend.values() for row in _ask(ProbeJob(pairs=tuple(asked)), bounds)[0]]


def runs_here(row: PlatformProbe) -> bool:
    """Whether the backend runs something there, and does not only compile it."""
    return row.device is not None and row.kind is not Kind.COMPILED


def rows(named: Sequence[str], targeted: bool, bounds: Bounds) -> list[PlatformProbe]:
    """What a run must know of the backends that it names, or of all if it names none.

    What one of ours declares is enough where a target is named as well, or the first that it has is this machine's
    processor: whether its toolchain is here, the cell's own process says.
    """
    if not named:
        return probe(backends.names(), bounds)
    found = stated(named, targeted)
    left = [name for name in dict.fromkeys(named) if name not in found]
    for row in probe(left, bounds):
        found.setdefault(row.backend, []).append(row)
    return [row for name in dict.fromkeys(named) for row in found.get(name, [])]


def stated(named: Sequence[str], targeted: bool) -> dict[str, list[PlatformProbe]]:
    """The rows of those of ours of which what they declare is enough, by their names."""
    found = {}
    for name in backends.own().intersection(named):
        declares = backends.ours(name)
        if targeted or declares.platforms[0] == "cpu":
            offers = (declares.ops_sets, declares.dtypes)
            found[name] = [PlatformProbe(name, declares.platforms[0], None, None, None, None, *offers)]
    return found


def probe(names: list[str], bounds: Bounds) -> list[PlatformProbe]:
    """What each of these backends has for each of its platforms; LookupError offers the nearest names."""
    known = backends.names()
    for name in names:
        if name not in known:
            raise LookupError(unknown("backend", name, known))
    found: list[PlatformProbe] = []
    for said, culprit, why in _each(names, lambda left: ProbeJob(tuple(left)), bounds):
        found += said
        if culprit is not None:
            found.append(PlatformProbe(culprit, "", None, None, f"its probe ended badly: {why}", _BY_HAND))
    return found


def declared(name: str, bounds: Bounds = _FEW) -> Declared:
    """What a third party's backend declares; found once, by a process of its own unless its probe has told."""
    if name not in _declared:
        _declare([name], bounds)
    return _declared[name]


def stated_by(backend: str, ops_set: str, bounds: Bounds = _FEW) -> Mapping[str, str | None]:
    """What a third party's backend says that its outcomes depend on, in a process of its own."""
    return {} if backend in backends.own() else declared(backend, bounds).fingerprints.get(ops_set, {})


def having(capability: type, bounds: Bounds = _FEW) -> list[str]:
    """The backends that also have a capability of the seam: ours first, then those of others that say so."""
    others = sorted(backends.registered().points)
    _declare([name for name in others if name not in _declared], bounds)
    return backends.having(capability) + [one for one in others if capability.__name__ in _declared[one].capabilities]


def exporting(form: str, bounds: Bounds = _FEW) -> list[str]:
    """The backends that export programs in a form: ours first."""
    forms = {name: _forms(name) for name in having(Exporter, bounds)}
    return [name for name, has in forms.items() if form in has]


def _forms(name: str) -> tuple[str, ...]:
    ours = backends.ours(name) if name in backends.own() else None
    return ours.forms if isinstance(ours, Exporter) else _declared[name].forms


def _declare(names: list[str], bounds: Bounds) -> None:
    for _, culprit, why in _each(names, lambda left: ProbeJob(declaring=tuple(left)), bounds):
        if culprit is not None:
            _declared[culprit] = Declared(culprit, f"it does not say what it offers: {why}", _BY_HAND)


def _each(
    names: list[str], job: Callable[[list[str]], ProbeJob], bounds: Bounds
) -> Iterator[tuple[list[PlatformProbe], str | None, str]]:
    """What `_ask` has of a job for these names, then for those after the one that ended it, and so on."""
    left = names
    while left:
        said, culprit, why = _ask(job(left), bounds)
        yield said, culprit, why
        left = [] if culprit is None else left[left.index(culprit) + 1 :]


def _ask(job: ProbeJob, bounds: Bounds) -> tuple[list[PlatformProbe], str | None, str]:
    """(what was found, the backend at which the process died if it did, how). What is declared is kept."""
    found: list[PlatformProbe] = []
    probing = [*job.declaring, *job.backends, *(backend for backend, _ in job.pairs)][:1]

    def listen(event: Event) -> None:
        if isinstance(event, Probing):
            probing.append(event.backend)
        elif isinstance(event, Declaration):
            _declared[event.declared.backend] = event.declared
        elif isinstance(event, ProbeRow):
            found.append(event.row)

    outcome = launch(job, bounds, listen=listen)
    if outcome.reason is None:
        return found, None, ""
    return [row for row in found if row.backend != probing[-1]], probing[-1], outcome.reason
