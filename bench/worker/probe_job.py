"""The job that looks for what works here: every backend is asked, and answers as it is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oneblock import backends
from oneblock.backends.api.backend import Availability, Backend, Fingerprinted, Unavailable, Unsupported
from oneblock.backends.api.export import Exporter
from oneblock.backends.api.target import Target, architectures
from oneblock.bench.cells.probe import CAPABILITIES, Declared, PlatformProbe
from oneblock.bench.records.record import Status
from oneblock.bench.worker.admit import admit
from oneblock.bench.worker.channel import emit
from oneblock.bench.worker.events import Declaration, ProbeRow, Probing
from oneblock.bench.worker.jobs import Job, Outcome
from oneblock.compilers.api.kind import Kind
from oneblock.workloads.ops.third_party import told


@dataclass(frozen=True)
class ProbeJob(Job[int]):
    """Say of each backend and each of its platforms what there is; and of pairs (backend, target).

    Of a third party's also what it declares, once; of `declaring` that alone.
    """

    backends: tuple[str, ...] = ()
    pairs: tuple[tuple[str, Target], ...] = ()
    declaring: tuple[str, ...] = ()

    def do(self) -> Outcome[int]:
        """How many rows there are, each said as it is found: a probe that kills the process is then known by name."""
        rows, asked = 0, [*((name, None) for name in self.backends), *self.pairs]
        others = {*backends.registered().points}
        for name in self.declaring:
            emit(Probing(name))
            emit(Declaration(_declared(name)))
        for name, target in asked:
            emit(Probing(name))
            if name in others:
                others.discard(name)
                emit(Declaration(_declared(name)))
            for found in _probe_one(name, target):
                emit(ProbeRow(PlatformProbe(**found)))
                rows += 1
        return Outcome(Status.PASSED, result=rows)


def _declared(name: str) -> Declared:
    try:
        backend = backends.load(name)
        has = tuple(one.__name__ for one in CAPABILITIES if isinstance(backend, one))
        forms = tuple(map(str, backend.forms)) if isinstance(backend, Exporter) else ()
        stated = (
            {one: backend.fingerprint(one) for one in backend.ops_sets} if isinstance(backend, Fingerprinted) else {}
        )
    except Unavailable as error:
        return Declared(name, error.reason, error.hint)
    except Exception as error:  # noqa: BLE001  what a stranger states may fail in any way
        return Declared(name, f"its declaration fails: {told(error)}", "mend or uninstall it")
    return Declared(name, ops_sets=backend.ops_sets, capabilities=has, forms=forms, fingerprints=stated)


def _probe_one(name: str, target: Target | None) -> list[dict[str, Any]]:
    """A row for each platform of a backend, or for the one target that is asked for."""
    asked = {"target": None if target is None else str(target)}
    nothing = {"backend": name, "platform": "", "device": None, "kind": None, "reason": None, "hint": None, **asked}
    try:
        backend = backends.load(name)
    except Unavailable as error:
        return [nothing | {"reason": error.reason, "hint": error.hint}]
    offered = {"ops_sets": backend.ops_sets, "dtypes": backend.dtypes}
    targets = [Target(platform) for platform in backend.platforms] if target is None else [target]
    return [nothing | offered | {"platform": one.platform} | _probe_target(backend, one) for one in targets]


def _probe_target(backend: Backend, target: Target) -> dict[str, Any]:
    try:
        admit(backend, target)
        device: object = backend.probe(target)
        if not isinstance(device, Availability) or not isinstance(device.name, str):
            raise TypeError(f"expected an Availability with a name, got {device!r}")
        return {"device": device.name, "kind": Kind(device.kind)}
    except Unsupported as error:
        return {"reason": str(error)}
    except Unavailable as error:
        known = architectures(target.platform) if target.architecture is None else ()
        kinds = {str(t): _kind(backend, t) for t in (Target(target.platform, a) for a in known)}
        compiles = [name for name, kind in kinds.items() if kind is Kind.COMPILED]
        interprets = [name for name, kind in kinds.items() if kind in (Kind.INTERPRETED, Kind.SIMULATED)]
        found = {"compiles_for": compiles, "interprets_for": interprets}
        return {"reason": str(error.reason), "hint": str(error.hint)} | found
    except Exception as error:  # noqa: BLE001  the doctor reports what is broken, whatever it is
        return {"reason": f"its probe failed: {type(error).__name__}: {error}"}


def _kind(backend: Backend, target: Target) -> Kind | None:
    try:
        return backend.probe(target).kind
    except Exception:  # noqa: BLE001  a chip that a backend cannot take, somebody else's say, costs its others nothing
        return None
