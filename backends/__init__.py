"""Where it runs: a backend is a file here (or an entry point `oneblock.backends`), and the directory is the list."""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from oneblock.backends.api.backend import Backend, Unavailable
from oneblock.workloads.ops.nearest import unknown

ENTRY_POINTS = "oneblock.backends"


def _third_party() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def names() -> list[str]:
    """Every backend there is: the files of this folder without a leading underscore, and what others registered."""
    own = {path.stem for path in Path(__file__).parent.glob("[!_]*.py")}
    return sorted(own | _third_party().keys())


def load(name: str) -> Backend:
    """The backend of that name, importing its toolchain.

    LookupError offers the nearest names; Unavailable says that the toolchain is not installed, or is and does not load.
    """
    third_party = _third_party()
    if name not in names():
        raise LookupError(unknown("backend", name, names()))
    extra = f"oneblock[{name.replace('_', '-')}]"  # pip before 23.3 finds extras by this spelling alone
    try:
        if name in third_party:
            backend = third_party[name].load()
        else:
            backend = importlib.import_module(f"oneblock.backends.{name}").BACKEND
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("oneblock"):
            raise  # a typo of ours must not look like a missing toolchain
        raise Unavailable(f"{error.name} is not installed", f"pip install '{extra}'") from error
    except (ImportError, OSError) as error:
        reason = f"its toolchain is installed and does not load: {error}"
        raise Unavailable(reason, f"pip install --force-reinstall '{extra}'") from error
    if not isinstance(backend, Backend):
        raise Unavailable(
            f"{name} defines {type(backend).__name__}, which is not a Backend", "see backends/api/backend.py"
        )
    return backend
