"""What a lab's run made of a shape that no seed gives: to be read where a toolchain is missing, and never graded.

Kept beside a lab as one archive, which `python -m oneblock.bench.lessons.demonstration LAB...` makes anew with the
toolchains that are here: artifact.json, the compilers' texts, what the run told, and the versions that made them.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import say
from oneblock.bench.lessons.attempt import ARTIFACT, versions, written
from oneblock.bench.lessons.item import Shape
from oneblock.bench.lessons.lab import LABS, Lab, labs, named
from oneblock.bench.records.files import write_whole
from oneblock.bench.records.scratch import scratch

FOLDER = "demonstration"
_ARCHIVE = f"{FOLDER}.tar.gz"
_ABOUT, _TOLD = "about.json", "told.txt"


def record(lab: Lab) -> Path:
    """Run a lab's demonstration, and keep what it made; Refused where a toolchain that the lab needs is missing."""
    shape = lab.lesson.demonstration
    with scratch("lab") as folder:
        made = lab.lesson.run(shape, folder)
        if absent := made.get("absent"):
            raise Refused("; ".join(f"{lab.name}: without {part}: {why}" for part, why in absent.items()))
        write_whole(folder / ARTIFACT, written(made))
        about = {"lab": lab.name, "shape": dict(shape), "software": versions()}
        write_whole(folder / _ABOUT, json.dumps(about, indent=1).encode())
        write_whole(folder / _TOLD, "".join(f"{line}\n" for line in made["told"]).encode())
        path = lab.folder / _ARCHIVE
        write_whole(path, _packed(folder))
    return path


def _packed(folder: Path) -> bytes:
    """The same bytes of the same files, whoever packs them and when."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
            raw = path.read_bytes()
            for where, name in ((folder, FOLDER), (LABS.parent, "oneblock")):  # nobody else has these places
                raw = raw.replace(str(where).encode(), name.encode())
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = len(raw)
            archive.addfile(entry, io.BytesIO(raw))
    return out.getvalue()


def lay_out(lab: Lab, folder: Path) -> Path | None:
    """The demonstration's files, in a folder of that name within `folder`; None of a lab that needs no toolchain."""
    if not (lab.folder / _ARCHIVE).exists():
        return None
    place = folder / FOLDER
    shutil.rmtree(place, ignore_errors=True)
    with tarfile.open(lab.folder / _ARCHIVE) as archive:
        archive.extractall(place, filter="data")  # which keeps it in its folder
    return place


def about(place: Path) -> tuple[Shape, dict[str, str]]:
    """(the shape, the toolchains by version) of a demonstration that was laid out."""
    found: dict[str, Any] = json.loads((place / _ABOUT).read_bytes())
    return found["shape"], found["software"]


def main(words: Sequence[str]) -> None:
    """Make the demonstrations of labs anew, by default of all that need a toolchain."""
    for lab in [named(word) for word in words] or [lab for lab in labs() if lab.needs]:
        path = record(lab)
        say(f"{path.name} of {lab.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
