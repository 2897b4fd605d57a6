"""The texts of lowering stages beside the records that name them, each in a file under its own hash."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

from oneblock.bench.records.files import is_plain, write_whole
from oneblock.bench.records.record import ArtifactRef
from oneblock.compilers import Artifact
from oneblock.compilers.api.files import read_plain

LARGEST_TEXT_BYTES = 2**29  # of one stage; all passes of a large program are some hundred MB together


class StoreError(Exception):
    """A records directory, or a file in it, that cannot be used; the message says what to do."""


class Texts:
    """Those of a directory of records, which need not exist until something is written."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add_artifact(self, artifact: Artifact) -> ArtifactRef:
        """Keep a stage's text under its hash; a file of that name with another text, as one that was cut, is replaced.

        What is no file of that name, such as a link, is in the way: StoreError.
        """
        raw = artifact.text.encode()
        ref = ArtifactRef(artifact.stage, artifact.dialect, hashlib.sha256(raw).hexdigest(), len(raw))
        try:
            self.text(ref)
        except StoreError:
            self.write(self.artifact_path(ref.sha256), raw)
        return ref

    def artifact_path(self, sha256: str) -> Path:
        """Where the text of that hash is kept."""
        return self.directory / "artifacts" / f"{sha256}.txt"

    def has_text(self, ref: ArtifactRef) -> bool:
        """Whether a file of its name and size is there, whose text `text` compares with the hash."""
        return is_plain(self.artifact_path(ref.sha256), ref.bytes)

    def text(self, ref: ArtifactRef) -> str:
        """A stage's text; StoreError where it is gone, or is not the one that its record is of."""
        path = self.artifact_path(ref.sha256)
        try:
            raw = read_plain(path, min(ref.bytes, LARGEST_TEXT_BYTES))
        except FileNotFoundError as error:
            raise StoreError(f"{path}: the stage's text is gone; `oneblock run --again` writes it anew") from error
        except OSError as error:
            raise StoreError(f"{path}: the stage's text cannot be read: {error.strerror}") from error
        if hashlib.sha256(raw).hexdigest() != ref.sha256:
            raise StoreError(
                f"{path}: expected the text of that hash, got another: it was cut off or changed; "
                "`oneblock run --again` writes it anew"
            )
        return raw.decode(errors="replace")

    def write(self, path: Path, raw: bytes, *, over: bool = True) -> None:
        """All of it or nothing, within the directory: a folder of it that is a link would lead out of it.

        Unless `over`, FileExistsError where something has the name.
        """
        try:
            for inside in path.relative_to(self.directory).parents[:-1]:
                if (self.directory / inside).is_symlink():
                    raise OSError(errno.ELOOP, f"{inside} is a link, which may lead anywhere")
            write_whole(path, raw, over=over)
        except OSError as error:
            if not over and isinstance(error, FileExistsError) and os.path.lexists(path):
                raise
            raise StoreError(f"{path.parent}: cannot be written to: {error.strerror}; give another with -o") from error
