"""What is done on a node, by a process that Ray starts there: cells by this machine's own runs, under its own lock.

It knows nothing of Ray: words in, words out. Nothing of a cell stays here but what a run keeps of its machine.
"""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
from collections.abc import Callable
from time import time
from typing import Any

import psutil

from oneblock.bench.cells.tiers import tier
from oneblock.bench.fleet.messages import (
    KNOWN_BY,
    CellRequest,
    Greeting,
    GreetRequest,
    JobRequest,
    Misspoken,
    NodeBounds,
    ProbeAnswer,
    ProbeRequest,
    read,
    source_sha256,
    with_texts,
    written,
)
from oneblock.bench.format.errors import Refused
from oneblock.bench.records import dependence
from oneblock.bench.records.environment import default_threads, environment
from oneblock.bench.records.scratch import scratch
from oneblock.bench.records.store import Store
from oneblock.bench.records.texts import StoreError
from oneblock.bench.runs.probes import Known, ask_pairs, probe, stated_by
from oneblock.bench.runs.run import Run
from oneblock.bench.runs.turns import own_folder
from oneblock.bench.worker.launch import launch
from oneblock.bench.worker.main import read_job
from oneblock.bench.worker.watch import Bounds

_LEAST_FREE_BYTES = 64 * 2**20


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
    with scratch("fleet") as folder:
        store = Store(folder)
        run = Run(
            [asked.cell], tier(asked.tier), store, within, seed=asked.seed, again=True, detail=asked.detail, known=known
        )
        run.go(lambda _: None)
        ((path, record),) = run.written.items()
        texts, here = {}, {*asked.known}
        for ref in record.artifacts:
            if ref.sha256[:KNOWN_BY] not in here:
                with contextlib.suppress(StoreError):  # what is gone is missed by whoever has the record
                    texts[ref.sha256] = store.text(ref)
        return with_texts(path.read_bytes(), texts)


def _job(asked: JobRequest) -> bytes:
    return written(launch(read_job(asked.job), _bounds(asked.within)))


_DOES: dict[str, tuple[Any, Callable[[Any], bytes]]] = {
    "greet": (GreetRequest, _greet), "probe": (ProbeRequest, _probe), "cell": (CellRequest, _cell),
    "job": (JobRequest, _job),
}  # fmt: skip


def _bounds(asked: NodeBounds) -> Bounds:
    """Those of this machine, where nothing is said."""
    most = default_threads()
    if asked.threads is not None and asked.threads > most:
        raise Refused(f"--threads {asked.threads}: it has {most} cores; more threads than cores time nothing")
    memory = asked.memory_bytes or int(psutil.virtual_memory().available * 0.9)
    return Bounds(asked.threads or most, asked.timeout_s, memory)
