"""A bundle: a records directory as one .tar.gz, made where a device is and read elsewhere."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from oneblock.bench.format.errors import Refused

SUFFIXES = (".tar.gz", ".tgz")


def unpack(bundle: Path) -> Path:
    """Unpack a bundle into a folder of its name, beside it; Refused says what is wrong with it.

    It may come from anybody: what would leave the folder, or is no plain file, is refused by tarfile's filter "data".
    """
    name = next((bundle.name.removesuffix(suffix) for suffix in SUFFIXES if bundle.name.endswith(suffix)), "")
    if not name or not bundle.is_file():
        raise Refused(f"{bundle}: expected a bundle, a file that ends in .tar.gz; or a folder of records")
    folder = bundle.with_name(name)
    if folder.exists():
        raise Refused(f"{folder} is there already: `oneblock report -o {folder}` reads it; delete it to unpack again")
    if not hasattr(tarfile, "data_filter"):
        raise Refused("this Python cannot unpack a bundle safely: upgrade it to 3.11.4, or use `tar xf` and -o")
    try:
        with tempfile.TemporaryDirectory(dir=bundle.parent, prefix=".unpacking-") as scratch:
            with tarfile.open(bundle) as packed:
                packed.extractall(scratch, filter="data")
            _records(Path(scratch), bundle).rename(folder)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise Refused(f"{bundle}: cannot be unpacked: {error}; copy it again, or pack it again") from error
    return folder


def _records(scratch: Path, bundle: Path) -> Path:
    """The one folder of a bundle."""
    inside = list(scratch.iterdir())
    if len(inside) != 1 or not inside[0].is_dir():
        names = sorted(path.name for path in inside)[:8]
        raise Refused(f"{bundle}: expected one folder of records in it, got {names or 'nothing'}")
    return inside[0]
