"""The backends that generate tokens here."""

from __future__ import annotations

from oneblock import backends
from oneblock.backends.api.backend import Backend, Unavailable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.bench.format.errors import Refused

CPU = Target.parse("cpu")


def able(name: str, ops_set: str) -> Backend:
    """A backend of ours that runs an ops set on this machine's processor; others' run in workers alone."""
    backend = backends.ours(name)
    try:
        if CPU.platform not in backend.platforms:
            raise Refused(f"{name}: tokens are generated on the CPU, which it does not run on")
        if ops_set not in backend.ops_sets:
            raise Refused(f"{name}: expected one of its ops sets, {', '.join(backend.ops_sets)}; got {ops_set}")
        backend.probe(CPU)
    except (Unavailable, Unsupported) as error:
        hint = f"; {error.hint}" if isinstance(error, Unavailable) else ""
        raise Refused(f"{name}: {error}{hint}") from error
    return backend
