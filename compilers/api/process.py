"""Child processes: started, watched, ended, and what their end means. It imports nothing that is slow."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

# `-P`: the working folder is no place to import from. What lies there may be anybody's.
PYTHON = (sys.executable, "-P")
_SWEEP_S = 5.0  # what is still forking after so long forks faster than it can be killed
_led: set[int] = set()  # leaders of sessions that this process started, and has not ended
_counting = threading.Lock()  # held while one of them is started
_FATAL = re.compile(r"ERROR|FATAL|Error:|Check fail|_CHECK|^F\d{4} ")


def run_module(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a module of ours in a process of its own; how it ended if badly, in the compiler's own words."""
    command = [*PYTHON, "-m", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    return "" if done.returncode == 0 else last_words(done.stderr) or f"exit status {done.returncode}"


def last_words(log: str) -> str:
    """The line that tells why, of a log that is mostly stack; or else the last one."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return telling(lines) or "".join(lines[-1:])[:300]


def telling(lines: Sequence[str]) -> str | None:
    """The last line by which a toolchain says why it ends: a failed check, an error; None if there is none."""
    return next((line.strip()[:300] for line in reversed(lines) if _FATAL.search(line)), None)


def open_closed_streams() -> None:
    """Open what is closed of descriptors 0 to 2 on nothing: a pipe that took one would be written to in its place."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free, which is this one


def die_with_parent(lifeline: int | None = None) -> None:
    """Kill this process when its parent is gone, however it went; with the end of a pipe from it, the whole group.

    A thread sees the pipe close; the kernel's signal (Linux) also reaches a process that is deep in a compiler and lets
    no other thread run.
    """
    if lifeline is not None:
        threading.Thread(target=_watch, args=(lifeline,), daemon=True, name="lifeline").start()
    PR_SET_PDEATHSIG = 1
    tell_kernel(PR_SET_PDEATHSIG, signal.SIGKILL)


def tell_kernel(option: int, value: int) -> None:
    """One of Linux's settings of a process, prctl(2); nothing elsewhere."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Let what loses its parent below this process come to it, and not to the system's first (Linux)."""
    PR_SET_CHILD_SUBREAPER = 36
    tell_kernel(PR_SET_CHILD_SUBREAPER, 1)


def _watch(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.killpg(os.getpgid(0), signal.SIGKILL)


def lead(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a process that leads its own session, and count it as one of ours, for `kill_session`.

    What loses its parent below this process comes to it (Linux): a second net, below the workers' guards. Between start
    and count no other thread takes it for such a one.
    """
    adopt_orphans()
    with _counting:
        process = start()
        _led.add(process.pid)
    return process


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads its own session, and with it all that it started."""
    if process.poll() is None:
        kill_below(process.pid)
    elif process.returncode == -signal.SIGKILL:  # by its own worker perhaps, whose forks are then no more below it
        _kill_adopted()
    for pid in _session(process.pid):  # of what has left the group, or lost the process that it was below
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _led.discard(process.pid)


def _kill_adopted() -> None:
    """Kill the children that this process did not start: they are of sessions neither its own nor led."""
    import psutil

    with _counting:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error, OSError):
                if child.pid not in _led and os.getsid(child.pid) != os.getsid(0):
                    kill_below(child.pid)
                    child.kill()
                    child.wait(_SWEEP_S)


def kill_below(pid: int) -> None:
    """Kill all that a process started and that still lives, until it has nothing below it, or for a few seconds."""
    import psutil

    end = monotonic() + _SWEEP_S
    with contextlib.suppress(psutil.Error):
        first = psutil.Process(pid)
        while (living := [one for one in first.children(recursive=True) if _lives(one)]) and monotonic() < end:
            for one in living:
                with contextlib.suppress(psutil.Error):
                    one.kill()
            sleep(0.001)


def _lives(process: psutil.Process) -> bool:
    import psutil

    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _session(leader: int) -> list[int]:
    """The processes of a session, but for its leader."""
    import psutil

    found = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if pid != leader and os.getsid(pid) == leader:
                found.append(pid)
    return found


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its children.

    An address-space limit (RLIMIT_AS) will not do: CUDA, XLA and sanitizers reserve far more than they touch.
    """
    import psutil

    total = 0
    with contextlib.suppress(psutil.Error):
        first = psutil.Process(pid)
        for process in (first, *first.children(recursive=True)):
            with contextlib.suppress(psutil.Error):  # it may go between two looks
                total += process.memory_info().rss
    return total


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has had so far, on all its threads; 0 where it is gone."""
    import psutil

    with contextlib.suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return 0.0
