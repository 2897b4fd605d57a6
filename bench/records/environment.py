"""Where a number was made: machine and software, which are identity, and the state of the moment, which is not."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from oneblock.bench.records.dependence import PACKAGES, installed
from oneblock.bench.records.machine import cpu_facts, identity
from oneblock.bench.records.record import Environment

_ASKED = 3  # times
ROOT = Path(__file__).resolve().parent.parent.parent


def now() -> str:
    """The time in UTC, to the millisecond: 2026-11-23T11:16:00.000Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def environment(threads: int) -> Environment:
    """The environment of a run that uses so many threads, with all software that a number of any backend depends on."""
    versions = {"python": platform.python_version(), **installed(PACKAGES)}
    return Environment(machine(threads), versions, _state(), machine_identity=identity())


@cache
def cpu_name() -> str | None:
    """The processor's name; None where it cannot be learned.

    It is identity: where it is there at one time and not at another, all is measured anew. So it is read where the
    system states it; py-cpuinfo, which starts helpers that may be killed, is asked elsewhere, and not once only.
    """
    if (name := cpu_facts().get("model name")) is not None:
        return name
    from cpuinfo import get_cpu_info

    answers = (get_cpu_info().get("brand_raw") for _ in range(_ASKED))
    return next(filter(None, answers), None) or platform.processor() or None


def default_threads() -> int:
    """One thread a physical core that this process may run on."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def last_level_cache_bytes() -> int:
    """The size of the last-level cache, or 0 where the system does not say."""
    sizes = [0]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        with contextlib.suppress(OSError, ValueError):
            sizes.append(int(path.read_text().strip().removesuffix("K")) * 1024)
    return max(sizes)


def load_average() -> float | None:
    """The 1-minute load average, where the system has one."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def machine(threads: int) -> dict[str, str | int | None]:
    """What a record says of the machine, of a run that uses so many threads."""
    import psutil

    return {
        "cpu": cpu_name(),
        "architecture": platform.machine(),
        "cores": psutil.cpu_count(logical=False),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
        "threads": threads,
    }


def _state() -> dict[str, str | float | int | None]:
    import psutil

    commit = _git("rev-parse", "HEAD")
    dirty = _git("status", "--porcelain")
    lock = ROOT / "ci" / "constraints.txt"
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return {
        "oneblock": installed(["oneblock"])["oneblock"],
        "kernel": platform.release(),
        "load_average": load_average(),
        "memory_available_bytes": psutil.virtual_memory().available,
        "cpu_mhz": _told(lambda: round(psutil.cpu_freq().current)),
        "cpu_governor": _told(lambda: governor.read_text().strip()),
        "git_commit": commit,
        "git_dirty": None if dirty is None else str(bool(dirty)).lower(),
        "lock_sha256": _told(lambda: hashlib.sha256(lock.read_bytes()).hexdigest()),
    }


def _told(ask: Callable[[], str | int]) -> str | int | None:
    """A fact of the moment; None where the system does not say it, in whatever way it does not."""
    try:
        return ask()
    except (OSError, AttributeError, NotImplementedError, RuntimeError, ValueError):
        return None


def _git(*arguments: str) -> str | None:
    """What git says of the tree that this code stands in; None where that is no checkout."""
    if not (ROOT / ".git").exists():
        return None
    try:
        done = subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
