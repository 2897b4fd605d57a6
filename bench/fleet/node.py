"""What is done on a node, by a process that Ray starts there: cells by this machine's own runs, under its own lock.

It knows nothing of Ray: words in, words out. What a cell leaves beside its record lies in a folder of the run until the
driver has it; what a driver that died left is removed after a day.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any

import psutil

from oneblock.bench.cells.tiers import tier
from oneblock.bench.fleet.messages import (
    CellRequest,
    ForgetRequest,
    Greeting,
    GreetRequest,
    JobRequest,
    Misspoken,
    NodeBounds,
    ProbeAnswer,
    ProbeRequest,
    TextsRequest,
    read,
    source_sha256,
    written,
)
from oneblock.bench.format.errors import Refused
from oneblock.bench.records import dependence
from oneblock.bench.records.environment import default_threads, environment
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.store import Store
from oneblock.bench.records.texts import LARGEST_TEXT_BYTES, StoreError
from oneblock.bench.runs.probes import Known, ask_pairs, probe, stated_by
from oneblock.bench.runs.run import Run
from oneblock.bench.runs.turns import own_folder
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.main import read_job
from oneblock.bench.worker.watch import Bounds
from oneblock.compilers.api.files import read_plain

_LEAST_FREE_BYTES = 64 * 2**20
_KEPT_S = 86400.0


def perform(what: str, request: bytes) -> tuple[bool, bytes]:
    """Do what is asked: (True, the answer), or (False, why this node cannot, as a sentence)."""
    kind, does = _DOES[what]
    try:
        return True, does(read(kind, request))
    except (Refused, StoreError, Misspoken, LookupError) as error:
        return False, str(error).encode(errors="replace")
    except OSError as error:
        where = error.filename or tempfile.gettempdir()
        return False, f"{where}: {error.strerror or error}".encode(errors="replace")


def _greet(asked: GreetRequest) -> bytes:
    place = own_folder()
    _sweep(place)
    about = os.statvfs(place)
    free = about.f_bavail * about.f_frsize
    if free < _LEAST_FREE_BYTES:
        raise Refused(f"the disk of {place} is full ({free >> 20} MiB free): make room there, or set TMPDIR")
    (place / f"fleet-{os.getpid()}").write_bytes(b"")  # a disk that is read only says so here
    (place / f"fleet-{os.getpid()}").unlink()
    within = _bounds(asked.within)
    kinds: dict[str, int] = {}
    found: list[dict[str, str | None]] = []
    of_cells = []
    for cell in asked.cells:
        software = dependence.software(cell, stated_by(cell.backend, cell.ops_set, within))
        number = kinds.setdefault(repr(software), len(found))
        found += [software] if number == len(found) else []
        of_cells.append(number)
    return written(
        Greeting(
            platform.node(),
            dependence.installed(["oneblock"])["oneblock"],
            source_sha256(),
            time(),
            free,
            environment(within.threads),
            tuple(found),
            tuple(of_cells),
        )
    )


def _probe(asked: ProbeRequest) -> bytes:
    within = _bounds(asked.within)
    rows = [*(probe(list(asked.backends), within) if asked.backends else ()), *ask_pairs(asked.pairs, within)]
    return written(ProbeAnswer(tuple(rows)))


def _cell(asked: CellRequest) -> bytes:
    within = _bounds(asked.within)
    pair = (asked.cell.backend, asked.cell.target)
    known = Known(environment(within.threads), frozenset([pair] if asked.elsewhere else ()), asked.untimed)
    run = Run(
        [asked.cell], tier(asked.tier), Store(_folder(asked.run)), within, seed=asked.seed, again=True,
        detail=asked.detail, known=known,
    )  # fmt: skip
    run.go(lambda _: None)
    (path,) = run.written
    raw = path.read_bytes()
    path.unlink()
    return raw


def _job(asked: JobRequest) -> bytes:
    return written(launch(read_job(asked.job), _bounds(asked.within)))


def _texts(asked: TextsRequest) -> bytes:
    """Compressed, by hash; what is gone is not in it."""
    store, found = Store(_folder(asked.run)), {}
    for sha256 in asked.sha256:
        with contextlib.suppress(OSError, ValueError):
            found[sha256] = read_plain(store.artifact_path(sha256), LARGEST_TEXT_BYTES).decode()
    return zlib.compress(adapter(dict[str, str]).dump_json(found), 1)


def _forget(asked: ForgetRequest) -> bytes:
    shutil.rmtree(_folder(asked.run), ignore_errors=True)
    return b""


_DOES: dict[str, tuple[Any, Callable[[Any], bytes]]] = {
    "greet": (GreetRequest, _greet), "probe": (ProbeRequest, _probe), "cell": (CellRequest, _cell),
    "job": (JobRequest, _job), "texts": (TextsRequest, _texts), "forget": (ForgetRequest, _forget),
}  # fmt: skip


def _bounds(asked: NodeBounds) -> Bounds:
    """Those of this machine, where nothing is said."""
    most = default_threads()
    if asked.threads is not None and asked.threads > most:
        raise Refused(f"--threads {asked.threads}: it has {most} cores; more threads than cores time nothing")
    memory = asked.memory_bytes or int(psutil.virtual_memory().available * 0.9)
    return Bounds(asked.threads or most, asked.timeout_s, memory)


def _folder(run: str) -> Path:
    return own_folder() / f"fleet-{run}"


def _sweep(place: Path) -> None:
    for folder in place.glob("fleet-" + "[0-9a-f]" * 32):
        with contextlib.suppress(OSError):
            if time() - folder.lstat().st_mtime > _KEPT_S:
                shutil.rmtree(folder, ignore_errors=True)
