"""The guard: a process between the parent and the worker, under which all stays that the worker starts.

Linux gives a process whose parent ends to the nearest guard above it (a "subreaper"), so a fork that leaves its session
is found there, counted with the worker's memory, and ended with it. Elsewhere there is none, and the session is swept.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import NoReturn

from oneblock.compilers.api.process import adopt_orphans, die_with_parent, kill_below, tell_kernel

_PR_SET_PDEATHSIG = 1


def guard(lifeline: int, answers: int) -> None:
    """Return in the worker: a child of this process, which stays behind and ends as it does.

    `lifeline` is the end of a pipe whose other end the parent holds; `answers`, the worker's, is closed in the guard.
    """
    if sys.platform != "linux":
        die_with_parent(lifeline)
        return
    adopt_orphans()
    worker = os.fork()
    if worker == 0:
        die_with_parent()
        return
    os.close(answers)
    tell_kernel(_PR_SET_PDEATHSIG, signal.SIGCONT)  # a guard that was stopped is to see that its parent is gone
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True, name="lifeline").start()
    _end_as(_wait_for(worker))


def _end_with_parent(lifeline: int) -> None:
    import select

    closed = select.poll()
    closed.register(lifeline, 0)  # nothing is read here: what comes is the worker's job
    closed.poll()
    kill_below(os.getpid())
    os._exit(1)


def _wait_for(worker: int) -> int:
    """How the worker ended, as `subprocess` counts it, once nothing of what it started lives on."""
    while True:
        pid, status = os.wait()
        if pid == worker:
            break
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        pass  # nothing is left, as nearly always
    else:
        kill_below(os.getpid())
    return os.waitstatus_to_exitcode(status)


def _end_as(code: int) -> NoReturn:
    """End this process as the worker ended, by the same signal if it was one."""
    if code < 0:
        import faulthandler
        import resource

        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 1)
