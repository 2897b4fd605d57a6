"""Folders for the time being: gone at their end, and where their owner was killed, swept by whoever makes the next."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_OWNER = ".owner"  # a file in the folder that its owner holds locked for as long as it lives: the kernel lets it go
_NAME = re.compile(r"\.?oneblock-[a-z]+-[a-z0-9_]{8}")


@contextlib.contextmanager
def scratch(purpose: str, within: Path | None = None) -> Iterator[Path]:
    """A folder of this process's own, in the system's for such, or hidden in another."""
    parent, hidden = (Path(tempfile.gettempdir()), "") if within is None else (within, ".")
    _sweep(parent)
    folder, owner = _make(parent, f"{hidden}oneblock-{purpose}-")
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(owner)


def _make(parent: Path, prefix: str) -> tuple[Path, int]:
    """A new folder, and the descriptor by which it is owned; made again where a sweep took it for one left behind."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with contextlib.suppress(FileNotFoundError):
            owner = os.open(folder / _OWNER, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            with contextlib.suppress(OSError):  # a file system without locks: there it is never swept
                fcntl.flock(owner, fcntl.LOCK_EX)
            if os.fstat(owner).st_nlink:
                return folder, owner
            os.close(owner)


def _remove(folder: Path) -> None:
    """All of it, its owner's file last: what a kill leaves of it is then still known for what it is."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.name != _OWNER:
                with contextlib.suppress(OSError):
                    path.unlink() if path.is_symlink() or not path.is_dir() else shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


@cache  # once a process
def _sweep(parent: Path) -> None:
    """Remove this user's folders whose owners are gone."""
    with contextlib.suppress(OSError):
        for folder in parent.iterdir():
            if _NAME.fullmatch(folder.name):
                with contextlib.suppress(OSError):
                    _sweep_one(folder)


def _sweep_one(folder: Path) -> None:
    """Remove a folder if it is one of `scratch` and nobody's; OSError where it is not."""
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        return
    try:
        owner = os.open(folder / _OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        folder.rmdir()  # killed as it was made, if nothing is in it
        return
    try:
        if stat.S_ISREG(os.fstat(owner).st_mode):
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(folder)
    finally:
        os.close(owner)
