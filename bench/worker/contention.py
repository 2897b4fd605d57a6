"""Who has the cores while calls are timed: how long this process's threads wait for one, and what others take.

Linux counts for each thread how long it was ready to run and did not (`/proc/self/task/*/schedstat`, second field, in
ns), and for the machine what all processes used and what a hypervisor kept back (`/proc/stat`). A group's quota shows
in its `cpu.stat`. Other systems tell none of it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

_TASKS = "/proc/self/task"
_CGROUP = Path("/sys/fs/cgroup")
_USED = slice(0, 3), slice(5, 7)  # of /proc/stat: user, nice and system; interrupts. Steal is the field after.
_STEAL = 7
_files: dict[str, int] = {}  # descriptors, by thread


def waited_s() -> float | None:
    """The seconds that threads of this process were ready to run and did not, so far; None where nothing tells."""
    found = _waited()
    return sum(found.values()) * 1e-9 if found else None


class Waiting:
    """How long the threads of this process were ready to run and had no core, since a mark."""

    def __init__(self) -> None:
        self._mark: dict[str, int] = {}

    @property
    def told(self) -> bool:
        """Whether this system says it."""
        return bool(_waited())

    def mark(self) -> None:
        """From here on."""
        self._mark = _waited()

    def since(self) -> int:
        """Nanoseconds since the mark, summed over the threads that live now."""
        return sum(waited - self._mark.get(task, 0) for task, waited in _waited().items())


def _waited() -> dict[str, int]:
    """By thread, in ns; its file stays open, so that a look takes microseconds."""
    found = {}
    try:
        tasks = os.listdir(_TASKS)
    except OSError:
        return {}
    for task in tasks:
        with suppress(OSError, IndexError, ValueError):  # a thread that ended, or a system that tells nothing
            if task not in _files:
                _files[task] = os.open(f"{_TASKS}/{task}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
            found[task] = int(os.pread(_files[task], 64, 0).split()[1])
    for task in _files.keys() - found.keys():
        os.close(_files.pop(task))
    return found


@dataclass(frozen=True)
class Shares:
    """Of a window: cores that other processes and the hypervisor had, and the share in which a quota held us back."""

    others: float
    stolen: float
    throttled: float

    @property
    def any(self) -> bool:
        """Whether anybody but this process had enough to keep its threads from a core; a tick is 10 ms."""
        return self.others + self.stolen > 0.05 or self.throttled > 0


class Window:
    """What the machine's cores were used for, since it was made."""

    def __init__(self) -> None:
        self._start = _counted()

    def shares(self) -> Shares | None:
        """None where the system does not tell."""
        now, start = _counted(), self._start
        if now is None or start is None:
            return None
        wall, own, used, stolen, throttled = (later - earlier for later, earlier in zip(now, start, strict=True))
        wall = max(wall, 1e-3)
        return Shares(max(0.0, used - own) / wall, max(0.0, stolen) / wall, max(0.0, throttled) / wall)


def _counted() -> tuple[float, float, float, float, float] | None:
    """Seconds: wall, of this process, used by all, stolen, throttled."""
    try:
        mine = {f"cpu{core}" for core in os.sched_getaffinity(0)}  # what happens on others is no concern of ours
        lines = (line.split() for line in Path("/proc/stat").read_text(encoding="ascii").splitlines())
        cores = [[int(field) for field in fields] for name, *fields in lines if name in mine]
        tick = 1 / os.sysconf("SC_CLK_TCK")
        used = sum(sum(core[part]) for core in cores for part in _USED) * tick
        return perf_counter(), process_time(), used, sum(core[_STEAL] for core in cores) * tick, _throttled_s()
    except (AttributeError, OSError, ValueError, IndexError):
        return None


def _throttled_s() -> float:
    """How long the quota of this process's control group has stopped it; 0 where there is none."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            folder = _CGROUP / controllers / path.lstrip("/")
            for said in (folder / "cpu.stat").read_text(encoding="ascii").splitlines():
                name, value = said.split()
                if name in ("throttled_usec", "throttled_time"):
                    return int(value) * (1e-6 if name == "throttled_usec" else 1e-9)
    return 0.0
