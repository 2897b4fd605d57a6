"""Files whose places may be anybody's: written whole or not at all, and never over a record.

Whatever opens a file that a record or a folder of records names asks here; an OSError's `strerror` says why not.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import uuid
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from time import time

from oneblock.bench.format.errors import Refused
from oneblock.compilers.api.files import not_plain, read_plain

_BEGINS_AS_RECORD = re.compile(rb'\s*\{\s*"schema"\s*:')  # one that was cut off begins so, too
CERTIFICATES = "certificates"
STORES = ("artifacts", ".partial", CERTIFICATES)  # the folders of a folder of records
_TEMPORARY = re.compile(r"\.oneblock-[0-9a-f]{32}")
_LEFT_BEHIND_S = 3600.0
LARGEST_RECORD_BYTES = 32 * 2**20  # a publish-tier record is under 1 MiB


def is_plain(path: Path, nbytes: int) -> bool:
    """Whether a plain file of that size is there, as far as is known without opening it."""
    try:
        about = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(about.st_mode) and about.st_size == nbytes


def write_whole(path: Path, raw: bytes | Iterable[bytes], mode: int | None = None, *, over: bool = True) -> None:
    """Write a file: all of it to a temporary name beside it, to the disk, then renamed.

    OSError where that cannot be, and where something else has the name: a link, what is no plain file, a record; unless
    `over`, FileExistsError for whatever has it, also where that came meanwhile.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if over:
        _check_free(path)
    _sweep(path.parent)
    temporary = path.with_name(f".oneblock-{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            for part in [raw] if isinstance(raw, bytes) else raw:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        if over:
            temporary.replace(path)
        else:
            _name(temporary, path)
    except BaseException:  # Ctrl-C too: half a file is left to nobody
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@cache  # once a process
def _sweep(folder: Path) -> None:
    """Remove what a kill left of a file that was being written, once it is so old that nobody can be writing it."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if _TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if time() - entry.stat(follow_symlinks=False).st_mtime > _LEFT_BEHIND_S:
                        os.unlink(entry.path)


def _name(temporary: Path, path: Path) -> None:
    """Give a file a name that nobody has; FileExistsError where somebody has it, who may have come this moment."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, as exFAT and mounts of some services are
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "another file has the name", str(path)) from None
        temporary.replace(path)
    else:
        temporary.unlink()


def write_asked(path: Path, raw: bytes | Iterable[bytes], option: str, mode: int | None = None) -> None:
    """`write_whole` for what a person asked for; Refused says why it cannot be, and which option names another."""
    try:
        write_whole(path, raw, mode)
    except OSError as error:
        raise _refused(path, error, option) from error


def check_asked(path: Path, option: str) -> None:
    """Refused where `write_asked` could not write, told before the work that is to stand there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_free(path)
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _refused(path, error, option) from error


def _refused(path: Path, error: OSError, option: str) -> Refused:
    return Refused(f"{path}: cannot be written: {error.strerror}; give another with {option}")


def _check_free(path: Path) -> None:
    """OSError unless nothing stands there, or a plain file that is no record: what was measured is never lost.

    Nor may a file take the name of a folder that records beside it will want.
    """
    try:
        about = path.lstat()
    except FileNotFoundError:
        if path.name in STORES and next(path.parent.glob("*.json"), None) is not None:
            raise OSError(errno.EEXIST, "the records beside it keep a folder of that name", str(path)) from None
        return
    if not stat.S_ISREG(about.st_mode):
        raise not_plain(path, about.st_mode)
    if about.st_size <= LARGEST_RECORD_BYTES and _is_record(read_plain(path, LARGEST_RECORD_BYTES)):
        raise OSError(errno.EEXIST, "a record stands there, and is not written over", str(path))


def _is_record(raw: bytes) -> bool:
    """Whether it is, or was before it was damaged, the JSON of a record of whatever schema."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return _BEGINS_AS_RECORD.match(raw) is not None
    return isinstance(found, dict) and type(found.get("schema")) is int
