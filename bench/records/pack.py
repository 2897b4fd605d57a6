"""Packing a folder of records as a bundle: its records, the texts that they name, its certificates, and hashes of all.

The same records are the same bytes, whoever packs them and when: names are sorted, and no owner and no time is kept.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oneblock.bench.format.errors import Refused
from oneblock.bench.records import certificate
from oneblock.bench.records.bundle import SUFFIXES
from oneblock.bench.records.files import LARGEST_RECORD_BYTES, write_asked
from oneblock.bench.records.hashes import SUMS, summed
from oneblock.bench.records.record import ArtifactRef
from oneblock.bench.records.scratch import scratch
from oneblock.bench.records.store import Store
from oneblock.bench.records.tar import MOST_BYTES, MOST_MEMBERS
from oneblock.bench.records.texts import LARGEST_TEXT_BYTES, StoreError
from oneblock.compilers.api.files import read_plain

_FOLDER = "records"  # in the bundle, whatever it was called
_PIECE = 2**20


@dataclass(frozen=True)
class Packed:
    """What went into a bundle, and what of the folder did not."""

    path: Path
    records: int
    texts: int
    certificates: int
    nbytes: int
    sha256: str  # of the bundle
    left_out: tuple[str, ...]


def pack(directory: Path, path: Path) -> Packed:
    """Write the bundle of a folder of records; Refused where it cannot be, or is more than `unpack` takes."""
    if not any(path.name.endswith(suffix) for suffix in SUFFIXES):
        raise Refused(f"--to {path}: expected a name that ends in .tar.gz, by which a bundle is known")
    store = Store(directory)
    records, problems = store.records()
    left_out = [problem.why for problem in problems]
    if not records:
        raise Refused(f"{directory}: no records to pack; `oneblock run -o {directory}` makes some")
    named, gone = _named(store, [ref for _, record in records for ref in record.artifacts])
    certified = []
    for file in certificate.files(directory):
        try:
            certificate.read_certificate(file)
            certified.append(file)
        except StoreError as error:
            left_out.append(str(error))
    files = [file for file, _ in records] + [store.artifact_path(sha256) for sha256 in named] + certified
    with scratch("bundle") as folder:
        made = folder / "bundle"
        _write(made, directory, sorted(files))
        write_asked(path, _pieces(made), "--to")
        sha256 = summed(_pieces(made))
        nbytes = made.stat().st_size
    return Packed(path, len(records), len(named), len(certified), nbytes, sha256, (*left_out, *gone))


def _named(store: Store, refs: list[ArtifactRef]) -> tuple[list[str], list[str]]:
    """(the hashes of the texts that are there and as they were, sentences on the others)."""
    named, gone = [], []
    for sha256, ref in {ref.sha256: ref for ref in refs}.items():
        try:
            store.text(ref)
            named.append(sha256)
        except StoreError as error:
            gone.append(str(error))
    return named, gone


def _write(made: Path, directory: Path, files: list[Path]) -> None:
    total, sums = 0, []
    with (
        made.open("xb") as out,
        gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for file in files:
            try:
                raw = read_plain(file, max(LARGEST_RECORD_BYTES, LARGEST_TEXT_BYTES))
            except OSError as error:
                raise Refused(
                    f"{file}: cannot be read: {error.strerror}; pack again when nothing changes it"
                ) from error
            name = file.relative_to(directory).as_posix()
            total += len(raw)
            sums.append(f"{hashlib.sha256(raw).hexdigest()}  {name}\n")
            _add(archive, name, raw)
            if total > MOST_BYTES or len(sums) > MOST_MEMBERS:
                raise Refused(
                    f"{directory}: more than the {MOST_BYTES >> 20} MiB or {MOST_MEMBERS:,} files that are taken from "
                    "a bundle: pack folders of fewer records, or copy the folder"
                )
        _add(archive, SUMS, "".join(sums).encode())


def _add(archive: tarfile.TarFile, name: str, raw: bytes) -> None:
    about = tarfile.TarInfo(f"{_FOLDER}/{name}")
    about.size, about.mode = len(raw), 0o644
    archive.addfile(about, io.BytesIO(raw))


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
