"""A bundle: a records directory as one .tar.gz, made where a device is and read elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oneblock.bench.format.errors import Refused
from oneblock.bench.records import hashes, tar
from oneblock.bench.records.merge import Merged, merge
from oneblock.bench.records.tar import BadArchive, Member, members

SUFFIXES = (".tar.gz", ".tgz")
_LONGEST_PART = 255  # bytes of a name between two slashes, as file systems have it
_DEEPEST = 32  # folders
# Waits until whoever started it is gone, however that was, and removes a folder.
_SWEEP = "import shutil, sys; sys.stdin.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"


def unpack(bundle: Path) -> Path:
    """Unpack a bundle into a folder of its name, beside it; Refused says what is wrong with it.

    It may come from anybody: plain files and folders are taken, under names that stay within the folder, and no more
    of them than a bound; at anything else it is refused as a whole, and nothing of it stays.
    """
    name = next((bundle.name.removesuffix(suffix) for suffix in SUFFIXES if bundle.name.endswith(suffix)), "")
    if not name or not bundle.is_file():
        raise Refused(f"{bundle}: expected a bundle, a file that ends in .tar.gz; or a folder of records")
    folder = bundle.with_name(name)
    if os.path.lexists(folder):
        raise Refused(f"{folder} is there already: `oneblock report -o {folder}` reads it; delete it to unpack again")
    with _refusing(bundle), _scratch(bundle.parent) as scratch:
        _extracted(bundle, scratch).rename(folder)
    return folder


def take(bundle: Path, into: Path) -> Merged:
    """Take the records of a bundle into a folder of records, which need not be there: each once, as `merge` does.

    It may come from anybody, as above: at what is wrong with the archive it is refused as a whole, and of its records
    those are left out that are none.
    """
    near = next(path for path in (into.absolute(), *into.absolute().parents) if path.is_dir())
    with _refusing(bundle), _scratch(near) as scratch:
        return merge(_extracted(bundle, scratch), into)


@contextmanager
def _refusing(bundle: Path) -> Iterator[None]:
    """Refused says what is wrong with a bundle, or with the place where it is unpacked."""
    try:
        yield
    except (BadArchive, OSError) as error:
        told = (error.strerror if isinstance(error, OSError) else None) or error
        raise Refused(f"{bundle}: cannot be unpacked: {told}; copy it again, or pack it again") from error


def _extracted(bundle: Path, scratch: Path) -> Path:
    """The one folder of records that a bundle holds, unpacked."""
    folders = {scratch.parent, scratch}  # which are there
    for member in members(bundle):
        _write(member, scratch, folders)
    folder = _records(scratch)
    hashes.check(folder)
    return folder


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """A new folder in another, of which nothing stays: not even where this process is killed, for another sweeps."""
    path = parent.absolute() / f".unpacking-{uuid.uuid4().hex}"
    command = [sys.executable, "-I", "-S", "-c", _SWEEP, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):  # its input ends with this block
        path.mkdir(mode=0o700)
        yield path


def _write(member: Member, scratch: Path, folders: set[Path]) -> None:
    """Make a member's file or folder, which must be new, in a folder that nobody else writes to."""
    path = scratch.joinpath(*_parts(member.name))
    _make(path if member.is_folder else path.parent, folders)
    if member.is_folder:
        return
    try:
        with path.open("xb") as file:
            for piece in member.data:
                file.write(piece)
    except FileExistsError as error:
        raise BadArchive(f"{member.name!r} is in it twice") from error


def _make(folder: Path, folders: set[Path]) -> None:
    """Make a folder and those that it is in; they are bounded as members are, of which each may bring dozens."""
    if folder in folders:
        return
    _make(folder.parent, folders)
    if len(folders) > tar.MOST_MEMBERS:
        raise BadArchive(f"it has more than {tar.MOST_MEMBERS:,} folders, and no more are taken from an archive")
    folder.mkdir(exist_ok=True)
    folders.add(folder)


def _parts(name: str) -> list[str]:
    """The names of the folders and the file that a member's name is made of; BadArchive where it may lead elsewhere."""
    if name.startswith("/"):
        raise BadArchive(f"expected one folder of records in it, got the absolute name {name!r}")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise BadArchive(f"{name!r} would be outside of the folder")
    if any(sign in name for sign in ("\0", "\\")):
        raise BadArchive(f"{name!r} has a character that no record's name has")
    if len(parts) > _DEEPEST or any(len(os.fsencode(part)) > _LONGEST_PART for part in parts):
        raise BadArchive(f"{name[:80]!r}... is too long: {_LONGEST_PART} bytes a name and {_DEEPEST} folders are taken")
    return parts


def _records(scratch: Path) -> Path:
    """The one folder of a bundle."""
    inside = list(scratch.iterdir())
    if len(inside) != 1 or not inside[0].is_dir():
        names = sorted(path.name for path in inside)[:8]
        raise BadArchive(f"expected one folder of records in it, got {names or 'nothing'}")
    return inside[0]
