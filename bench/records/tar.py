"""The members of a compressed tar archive that may be anybody's, one by one and never more than a bound of them.

Python's own reader extracts links as well, and holds whatever size a header states in memory; only how it reads the 512
bytes of a header is taken from it.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_BLOCK = tarfile.BLOCKSIZE
_PIECE = 2**16
_UNPACKED = 2**14  # at a time, of which a header is cut off
_LONGEST_HEADER = 2**16  # bytes, of a name that does not fit the header's own field, and what stands beside it
MOST_BYTES = 2**29  # unpacked: the stages of a study with all their passes are some hundred MB
MOST_MEMBERS = 100_000


class BadArchive(Exception):
    """Why an archive is not read further."""


@dataclass(frozen=True)
class Member:
    """A plain file, with its bytes in pieces that must be taken before the next member; or a folder, which has none."""

    name: str
    is_folder: bool
    data: Iterator[bytes]


def members(archive: Path) -> Iterator[Member]:
    """Each plain file and folder of a .tar.gz; BadArchive for anything else in it, for damage, and beyond a bound."""
    with archive.open("rb") as file:
        yield from _members(_Bounded(_unpacked(file)))


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """What a gzip file unpacks to, in pieces of a bounded size.

    Python's own reader takes a name in a header byte by byte, and all streams of nothing that follow: a file of some
    MB keeps it for a minute.
    """
    raw = file.read(_PIECE)
    for _ in range(MOST_MEMBERS):  # streams, one behind the other, as `cat a.gz b.gz` makes them
        stream = zlib.decompressobj(wbits=31)
        while not stream.eof:
            raw = raw or file.read(_PIECE)
            if not raw:
                raise BadArchive("it is cut off")
            yield stream.decompress(raw, _UNPACKED)
            raw = stream.unconsumed_tail
        raw = stream.unused_data or file.read(_PIECE)
        while raw and not (raw := raw.lstrip(b"\0")):  # zeros may fill it up
            raw = file.read(_PIECE)
        if not raw:
            return
    raise BadArchive(f"it is made of more than {MOST_MEMBERS:,} compressed streams")


class _Bounded:
    """The unpacked bytes, as many as may be read in all."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.unpacked, self.rest, self.left = pieces, b"", MOST_BYTES

    def take(self, n: int) -> bytes:
        """The next n bytes, or fewer at the end of the archive alone."""
        self._reserve(n)
        return self._read(n)

    def pieces(self, nbytes: int) -> Iterator[bytes]:
        """The data of a member, and then what fills its last block; a size beyond the bound is refused at once."""
        self._reserve(nbytes)
        for start in range(0, nbytes, _PIECE):
            size = min(_PIECE, nbytes - start)
            data = self._read(size)
            if len(data) < size:
                raise BadArchive("it is cut off within a file")
            yield data
        self.take(-nbytes % _BLOCK)

    def _reserve(self, n: int) -> None:
        self.left -= n
        if self.left < 0:
            raise BadArchive(
                f"it unpacks to more than {MOST_BYTES >> 20} MiB, and no more are taken from an archive; if it can be "
                "trusted, unpack it by hand and name the folder"
            )

    def _read(self, n: int) -> bytes:
        try:
            while len(self.rest) < n and (piece := next(self.unpacked, None)) is not None:
                self.rest += piece
        except (OSError, zlib.error) as error:
            told = (error.strerror if isinstance(error, OSError) else None) or error
            raise BadArchive(f"it is damaged, cut off or no .tar.gz: {told}") from error
        data, self.rest = self.rest[:n], self.rest[n:]
        return data


def _members(stream: _Bounded) -> Iterator[Member]:
    name, count = "", 0
    while (header := stream.take(_BLOCK)).strip(b"\0"):
        count += 1
        if count > MOST_MEMBERS:
            raise BadArchive(f"it has more than {MOST_MEMBERS:,} members, and no more are taken from an archive")
        try:
            about = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            raise BadArchive(f"a header is damaged: {error}") from error
        if about.size < 0:
            raise BadArchive(f"{about.name!r} says that it has {about.size} bytes")
        if about.type in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):  # of the member after it
            raw = _header_data(stream, about.size)
            name = (_pax_path(raw) if about.type == tarfile.XHDTYPE else _text(raw)) or name
            continue
        if about.type == tarfile.XGLTYPE:  # of all members: who packed it
            _header_data(stream, about.size)
            continue
        name = name or about.name
        if about.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
            raise BadArchive(f"{name!r} is a link or a special file, and only plain files and folders are taken")
        data = stream.pieces(0 if about.isdir() else about.size)
        yield Member(name, about.isdir(), data)
        for _ in data:  # what nobody wanted
            pass
        name = ""
    while stream.take(_PIECE):  # to the end, where the sum of all is
        pass


def _header_data(stream: _Bounded, nbytes: int) -> bytes:
    if nbytes > _LONGEST_HEADER:
        raise BadArchive(f"a header has {nbytes:,} bytes, and {_LONGEST_HEADER:,} are taken")
    return b"".join(stream.pieces(nbytes))


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("utf-8", "surrogateescape")


def _pax_path(raw: bytes) -> str:
    """The name that an extended header gives: records of "LENGTH key=value\\n", of which others do not matter here."""
    found = ""
    while raw:
        length, _, _ = raw.partition(b" ")
        if not (length.isdigit() and len(length) < 8 and len(length) + 2 < int(length) <= len(raw)):
            raise BadArchive("an extended header is damaged")
        key, _, value = raw[len(length) + 1 : int(length) - 1].partition(b"=")
        if key == b"size" or key.startswith(b"GNU.sparse"):
            raise BadArchive(f"an extended header gives {key.decode('ascii', 'replace')!r}, which no plain file needs")
        found = _text(value) if key == b"path" else found
        raw = raw[int(length) :]
    return found
