"""The shelf of releases: each wheel unpacked once in the user's cache, whole or not at all, and proved at each use.

CACHE/releases/WHEEL/        what a wheel holds, as `pip install --target` lays it; its RECORD has the hash of each file
CACHE/releases/python-HASH/  an environment of another Python, with what oneblock itself needs
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from oneblock.bench.format.units import size
from oneblock.bench.records.record import Status
from oneblock.bench.records.scratch import scratch
from oneblock.bench.toolchains.index import NoRelease, Wheel, pip, why
from oneblock.compilers.api.folders import cache_folder

Say = Callable[[str], None]
_ROOM = "make room there, or name another place with XDG_CACHE_HOME"
_TIGHT = 32 * 2**20  # bytes: with less left, a disk is what an installation failed of


def shelf() -> Path:
    """Where releases are kept."""
    return cache_folder() / "releases"


def missing(wheel: Wheel) -> bool:
    """Whether it must be fetched, as far as is known without reading it."""
    return not (shelf() / wheel.stem).is_dir()


def kept(wheel: Wheel, python: Path, say: Say) -> Path:
    """The folder of a wheel, which is fetched where it is not there or not whole; NoRelease says why it cannot be."""
    place = shelf() / wheel.stem
    if place.is_dir():
        if (fault := damage(place)) is None:
            return place
        say(f"{place} is damaged ({fault}) and is made anew")
    try:
        shelf().mkdir(parents=True, exist_ok=True)
        with scratch("release", within=shelf()) as folder:
            unpacked = _unpacked(wheel, python, folder)
            if place.is_dir():
                place.rename(folder / "damaged")
            unpacked.rename(place)  # in one step: what is under its name is whole
    except OSError as error:
        if place.is_dir() and damage(place) is None:  # another process was faster
            return place
        reason = f"{wheel.name} {wheel.version} cannot be kept in {shelf()}: {error.strerror or error}"
        raise NoRelease(Status.UNAVAILABLE, reason, _ROOM) from error
    return place


def _unpacked(wheel: Wheel, python: Path, folder: Path) -> Path:
    """A wheel as pip lays it, below a folder, each of its files held against its hash."""
    _check_room(wheel, folder, wheel.bytes or 0)
    url = wheel.url if wheel.sha256 is None else f"{wheel.url}#sha256={wheel.sha256}"
    done = pip(python, "download", "--quiet", "--no-deps", "--dest", str(folder), url, temporary=folder)
    files = list(folder.glob("*.whl"))
    if done.returncode or len(files) != 1:
        raise _failed(wheel, folder, f"pip did not download it: {why(done)}")
    try:
        with zipfile.ZipFile(files[0]) as members:
            nbytes = sum(one.file_size for one in members.infolist())
    except zipfile.BadZipFile as error:
        raise _failed(wheel, folder, f"its wheel cannot be read: {error}") from None
    _check_room(wheel, folder, nbytes)
    target = folder / "whole"
    words = ("--quiet", "--no-deps", "--no-index", "--no-compile", "--target", str(target), str(files[0]))
    done = pip(python, "install", *words, temporary=folder)
    if done.returncode:
        raise _failed(wheel, folder, f"pip did not install it: {why(done)}")
    if (fault := damage(target)) is not None:
        raise _failed(wheel, folder, f"it is not what its wheel says: {fault}")
    return target


def _check_room(wheel: Wheel, folder: Path, nbytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < nbytes + _TIGHT:
        reason = f"{wheel.name} {wheel.version} takes {size(nbytes)}, and {size(free)} are free in {folder.parent}"
        raise NoRelease(Status.UNAVAILABLE, reason, _ROOM)


def _failed(wheel: Wheel, folder: Path, reason: str) -> NoRelease:
    """What pip could not do; of a disk that is full it is the disk's fault, whatever pip says."""
    free = shutil.disk_usage(folder).free
    full = free < _TIGHT or "No space left" in reason
    said = f"the disk of {folder.parent} is full ({size(free)} free): {reason}" if full else reason
    hint = _ROOM if full else "the same command tries again"
    return NoRelease(Status.UNAVAILABLE, f"{wheel.name} {wheel.version}: {said}", hint)


def damage(place: Path) -> str | None:
    """What of a folder is not as its RECORD has it; None where all is."""
    records = list(place.glob("*.dist-info/RECORD"))
    if len(records) != 1:
        return f"{len(records)} RECORDs in place of one"
    return next(_faults(place, records[0]), None)


def _faults(place: Path, record: Path) -> Iterator[str]:
    try:
        rows = list(csv.reader(record.read_text(encoding="utf-8").splitlines()))
        for row in rows:
            name, hashed, _ = row
            if hashed and not name.startswith(".."):  # scripts, which pip puts beside and nobody asks for
                kind, _, expected = hashed.partition("=")
                with (place / name).open("rb") as file:
                    found = base64.urlsafe_b64encode(hashlib.file_digest(file, kind).digest()).rstrip(b"=").decode()
                if found != expected:
                    yield f"{name} is another file"
        if not rows:
            yield "its RECORD is empty"
    except OSError as error:
        yield f"{os.path.relpath(error.filename, place)}: {error.strerror}"
    except ValueError:
        yield "its RECORD cannot be read"


def modules(place: Path) -> list[str]:
    """The packages that a folder has at its top, by which it is imported."""
    return sorted(path.parent.name for path in place.glob("*/__init__.py") if path.parent.name.isidentifier())
