"""The worker: one process, one job. Started by `_launch.py`; told its job on standard input, answers on descriptor 3.

A job arrives as one JSON line; every answer is a JSON line: {"event": "phase", ...} while it works, then one
{"event": "outcome", ...}. Standard output and standard error are the log. The worker dies with its parent: the
pipe's end is its lifeline.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any

from oneblock.bench.worker.channel import say


def _die_with_parent() -> None:
    """Kill this process group when the parent is gone, however it went.

    The thread sees the pipe close; the kernel's signal (Linux) also reaches a process that is deep in a compiler and
    lets no other thread run.
    """

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="lifeline").start()
    if sys.platform == "linux":
        import ctypes

        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _read_job() -> dict[str, Any]:
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 65536)
        if not byte:
            sys.exit("the job never came")
        line += byte
    job = json.loads(line)
    assert isinstance(job, dict)
    return job


def main() -> None:
    """Do the job; what goes wrong becomes a status, except what kills the process, which the parent sees."""
    raw = _read_job()
    _die_with_parent()
    if raw["cpus"] is not None:
        os.sched_setaffinity(0, raw["cpus"])
    from oneblock.bench.worker import dispatch

    outcome = dispatch.do(raw["kind"], raw["job"])
    say("outcome", outcome=outcome)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # all is said; a toolchain's own farewell takes seconds


if __name__ == "__main__":
    main()
