"""One measurement at a time: the runs of a user on a machine take turns, and one that waits says for whom."""

from __future__ import annotations

import json
import os
import shlex
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note
from oneblock.bench.format.text import plain
from oneblock.compilers.api.files import read_plain

if TYPE_CHECKING:
    from filelock import FileLock

_POLL_S = 0.02
_QUIET_S = 1.0  # two runs that take turns pass launches of less to each other: nobody need be told
_LEAST_WAIT_S = 60.0
_LARGEST_BYTES = 2**22  # of what a holder tells: a command line is no longer


@contextmanager
def alone(timeout_s: float) -> Iterator[None]:
    """Only one process of this user's is measured at a time; the kernel frees the lock however its holder ends.

    A holder has it for one launch, which may take `timeout_s`: another run waits for as long, a minute at the least,
    and Refused then says who has it. The pause afterwards is longer than a poll, so that two runs take turns.
    """
    from filelock import FileLock  # and with it asyncio, which a run that measures nothing need not wait for

    folder = own_folder()
    holder = folder / "holder.json"
    lock = FileLock(folder / "measuring.lock", poll_interval=_POLL_S)
    try:
        _wait(lock, holder, max(timeout_s, _LEAST_WAIT_S))
    except OSError as error:
        raise Refused(f"{folder}: the lock of measurements cannot be taken: {error.strerror or error}") from error
    try:
        with suppress(OSError):  # a full disk, or no plain file: those who wait are not told for whom
            _tell(holder)
        yield
    finally:
        lock.release()
    sleep(2 * _POLL_S)


def _wait(lock: FileLock, holder: Path, most_s: float) -> None:
    from filelock import Timeout

    end = monotonic() + most_s
    with suppress(Timeout):
        lock.acquire(timeout=min(_QUIET_S, most_s))
        return
    note(f"oneblock: waiting for its turn, {most_s:.0f} s at most: {_who(holder)} measures here")
    try:
        lock.acquire(timeout=max(0.0, end - monotonic()))
    except Timeout:
        raise Refused(
            f"waited {most_s:.0f} s for its turn, and {_who(holder)} still measures here: wait until it ends, or end "
            "it; the same command goes on from here (--timeout is how long it waits)"
        ) from None


def _tell(holder: Path) -> None:
    """Say who has the lock; not through a link, and not to a pipe, which would be to wait for its reader."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(holder, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(json.dumps({"pid": os.getpid(), "command": shlex.join(sys.orig_argv)}))


def _who(holder: Path) -> str:
    """The process that has the lock, as it told of itself; what stands there may be of one before it."""
    try:
        told = json.loads(read_plain(holder, _LARGEST_BYTES))
        return f"process {int(told['pid'])} ({' '.join(plain(str(told['command'])).split())[:200]})"
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return "another run"


def own_folder() -> Path:
    """A folder that only this user may write to: in one that all share anybody may lay a link or hold a lock."""
    user = os.getuid() if hasattr(os, "getuid") else "here"
    folder = Path(tempfile.gettempdir(), f"oneblock-{user}")
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        about = folder.lstat()
    except OSError as error:
        raise Refused(
            f"{folder}: cannot be made, and the lock of measurements is kept there: {error.strerror}; set TMPDIR to a "
            "folder that may be written to"
        ) from error
    theirs = hasattr(os, "getuid") and (about.st_uid != os.getuid() or about.st_mode & 0o022)
    if not stat.S_ISDIR(about.st_mode) or theirs:
        raise Refused(
            f"{folder}: expected a folder that only this user may write to, got another's or none: the lock of "
            "measurements is kept there; remove it, or set TMPDIR to another folder"
        )
    return folder
