"""Reading files that may be anybody's: an OSError's `strerror` says why one is not read."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_plain(path: Path, most_bytes: int) -> bytes:
    """All of a plain file; OSError for a link, which may lead anywhere, a folder, a pipe, a device, and one too large.

    Opened without waiting: a named pipe that nobody writes to would hold its reader for ever.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise not_plain(path, stat.S_IFLNK) from error
        raise
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise not_plain(path, about.st_mode)
        if about.st_size > most_bytes:
            why = f"it has {about.st_size:,} bytes, more than the {most_bytes:,} that are read at most"
            raise OSError(errno.EFBIG, why, str(path))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(about.st_size)  # no more than it said, where somebody writes to it
    finally:
        os.close(descriptor)


def not_plain(path: Path, mode: int) -> OSError:
    """Why what has that mode is not opened."""
    if stat.S_ISLNK(mode):
        return OSError(errno.ELOOP, "it is a link, which may lead anywhere: name the file that is meant", str(path))
    return OSError(errno.EINVAL, "expected a plain file, got a folder, a pipe or a device", str(path))
