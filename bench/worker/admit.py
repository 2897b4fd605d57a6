"""Whether a backend does what a cell asks of it, by what it declares."""

from __future__ import annotations

from oneblock.backends.api.backend import Backend, Unsupported
from oneblock.backends.api.target import Target


def admit(backend: Backend, target: Target, ops_set: str | None = None, dtype: str | None = None) -> None:
    """Unsupported names what the backend lacks, and what it has instead; None is not asked for."""
    name = backend.name
    if target.platform not in backend.platforms:
        raise Unsupported(f"{name} has no target {target.platform} (it has {', '.join(backend.platforms)})")
    if ops_set is not None and ops_set not in backend.ops_sets:
        raise Unsupported(f"{name} has no {ops_set} ops (it has {', '.join(backend.ops_sets)})")
    if dtype is not None and dtype not in backend.dtypes:
        raise Unsupported(f"{name} does not compute in {dtype} (but in {', '.join(backend.dtypes)})")
