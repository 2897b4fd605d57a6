"""Child processes: started, watched, ended, and what their end means. It imports nothing that is slow."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence

_FATAL = re.compile(r"ERROR|FATAL|Error:|Check fail|_CHECK|^F\d{4} ")


def run_module(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a module of ours in a process of its own; how it ended if badly, in the compiler's own words."""
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    return "" if done.returncode == 0 else last_words(done.stderr) or f"exit status {done.returncode}"


def last_words(log: str) -> str:
    """The line that tells why, of a log that is mostly stack; or else the last one."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return telling(lines) or "".join(lines[-1:])[:300]


def telling(lines: Sequence[str]) -> str | None:
    """The last line by which a toolchain says why it ends: a failed check, an error; None if there is none."""
    return next((line.strip()[:300] for line in reversed(lines) if _FATAL.search(line)), None)


def die_with_parent(lifeline: int | None = None) -> None:
    """Kill this process when its parent is gone, however it went; with the end of a pipe from it, the whole group.

    A thread sees the pipe close; the kernel's signal (Linux) also reaches a process that is deep in a compiler and lets
    no other thread run.
    """
    if lifeline is not None:
        threading.Thread(target=_watch, args=(lifeline,), daemon=True, name="lifeline").start()
    if sys.platform == "linux":
        import ctypes

        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.killpg(os.getpgid(0), signal.SIGKILL)


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads its own session, and with it all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


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
