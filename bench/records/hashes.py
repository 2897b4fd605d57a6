"""The hashes that a bundle brings of its own files, in the form of `sha256sum`: what was damaged on its way is told.

They are no proof of who packed it: whoever changes a file can change its hash beside it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from oneblock.bench.records.tar import BadArchive
from oneblock.compilers.api.files import read_plain

SUMS = "SHA256SUMS"  # in the folder of records
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_LARGEST_BYTES = 2**25
_PIECE = 2**20


def summed(pieces: Iterable[bytes]) -> str:
    """The SHA-256 of what comes in pieces."""
    total = hashlib.sha256()
    for piece in pieces:
        total.update(piece)
    return total.hexdigest()


def check(folder: Path) -> None:
    """BadArchive where the files of a folder are not those that its hashes are of; none are asked of one without."""
    sums = folder / SUMS
    if not sums.exists():
        return
    told: dict[str, str] = {}
    for line in read_plain(sums, _LARGEST_BYTES).decode("utf-8", "replace").splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            raise BadArchive(f"expected in {SUMS} a SHA-256 and a name on each line, got {line[:80]!r}")
        told[found[2]] = found[1]
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()} | {SUMS: sums}
    del there[SUMS]
    if differing := sorted(told.keys() ^ there.keys()):
        raise BadArchive(f"its files are not those that {SUMS} names: {differing[0]!r} is in one of the two alone")
    for name, path in there.items():
        if (got := _of(path)) != told[name]:
            raise BadArchive(f"expected of {name!r} the SHA-256 {told[name]} that {SUMS} has, got {got}")


def _of(path: Path) -> str:
    with path.open("rb") as file:
        return summed(iter(lambda: file.read(_PIECE), b""))
