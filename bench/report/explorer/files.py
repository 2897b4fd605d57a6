"""The folder beside the report's page, of the texts that are too long for it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path

from oneblock.bench.format.errors import Refused
from oneblock.bench.records.files import write_asked
from oneblock.bench.records.names import file_name

_OWN = re.compile(r"[A-Za-z0-9_.+@,%=~-]{1,180}-[0-9a-f]{12}\.txt")  # what name_beside() makes, and nothing else


def name_beside(dialect: str, sha256: str) -> str:
    """The name of a text's file."""
    return f"{file_name(dialect)}-{sha256[:12]}.txt"


def write_beside(beside: Mapping[str, str], folder: Path) -> int:
    """Write the full texts of the stages that the page cuts; how many bytes they have.

    Those of an earlier page go where this one names them no more; a file by another name is not of a page, and stays.
    """
    if beside and folder.is_symlink():
        raise Refused(f"{folder}: expected a folder for the long texts, got a link; remove it, or give another --to")
    nbytes = 0
    for name, text in beside.items():
        data = text.encode("utf-8", "replace")
        write_asked(folder / name, data, "--to")
        nbytes += len(data)
    _remove_old(beside, folder)
    return nbytes


def _remove_old(beside: Mapping[str, str], folder: Path) -> None:
    if not folder.is_dir() or folder.is_symlink():
        return
    old = [one for one in folder.iterdir() if _OWN.fullmatch(one.name) and one.name not in beside]
    old = [one for one in old if one.is_file() and not one.is_symlink()]
    for one in old:
        one.unlink()
    if old and not beside:
        with contextlib.suppress(OSError):  # something else is in it
            folder.rmdir()
