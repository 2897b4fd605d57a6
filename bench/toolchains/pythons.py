"""Pythons that releases are kept for: this one, and others, each with what oneblock itself needs, in the cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

from oneblock.bench.records.environment import ROOT
from oneblock.bench.records.record import Status
from oneblock.bench.records.scratch import scratch
from oneblock.bench.toolchains.index import NoRelease, pip, why
from oneblock.bench.toolchains.shelf import Say, shelf
from oneblock.compilers.api.process import last_words

_TELL = "import sys; print('%d.%d' % sys.version_info[:2])"


@dataclass(frozen=True)
class Python:
    """An interpreter. Of this process's what is installed is there; of another a bare environment is made."""

    path: Path
    version: str  # "3.12"

    def base(self) -> Python:
        """Where oneblock runs: this one, or an environment of the other in the cache, which may yet have to be made."""
        if self.path == Path(sys.executable):
            return self
        digest = hashlib.sha256("\n".join([str(self.path), *own_requirements()]).encode()).hexdigest()[:12]
        return Python(shelf() / f"python{self.version}-{digest}" / "bin" / "python", self.version)

    @property
    def is_made(self) -> bool:
        """Whether it can be started."""
        return self.path.exists()

    def make(self, base: Python, say: Say) -> None:
        """Make its environment, whole or not at all; NoRelease says why it cannot be."""
        place, hint = base.path.parent.parent, "name a Python with its venv module by --python PATH"
        say(f"making an environment of Python {self.version} with what oneblock needs, in {place}")
        try:
            shelf().mkdir(parents=True, exist_ok=True)
            with scratch("python", within=shelf()) as folder:
                words = [str(self.path), "-m", "venv", str(folder / "whole")]
                done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
                if done.returncode:
                    reason = f"Python {self.version}: venv failed: {last_words(done.stderr or done.stdout)}"
                    raise NoRelease(Status.UNAVAILABLE, reason, hint)
                done = pip(
                    folder / "whole" / "bin" / "python", "install", "--quiet", *own_requirements(), temporary=folder
                )
                if done.returncode:
                    reason = f"Python {self.version}: what oneblock needs was not installed: {why(done)}"
                    raise NoRelease(Status.UNAVAILABLE, reason, "the same command tries again")
                (folder / "whole").rename(place)
        except OSError as error:
            reason = f"Python {self.version} cannot be kept in {shelf()}: {error.strerror}"
            raise NoRelease(Status.UNAVAILABLE, reason, "make room there") from error


def this() -> Python:
    """The interpreter of this process."""
    return Python(Path(sys.executable), f"{sys.version_info[0]}.{sys.version_info[1]}")


def found(versions: Iterable[str], named: Sequence[Path] = ()) -> Python | None:
    """An interpreter of one of these versions: of those that are named, else by its name in PATH, or pyenv's."""
    wanted = list(versions)
    for path in named:
        if (version := _version(path)) in wanted:
            return Python(path, version)
    if named:
        return None
    for version in wanted:
        places = [shutil.which(f"python{version}"), *_pyenv(version)]
        for place in filter(None, places):
            if _version(Path(place)) == version:
                return Python(Path(place), version)
    return None


def _pyenv(version: str) -> list[str]:
    folder = Path.home() / ".pyenv" / "versions"
    return [str(path / "bin" / "python") for path in sorted(folder.glob(f"{version}.*"), reverse=True)]


def _version(path: Path) -> str:
    """An interpreter's version; empty where it does not tell."""
    try:
        return subprocess.run([str(path), "-c", _TELL], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def own_requirements() -> list[str]:
    """What oneblock requires itself, without its extras."""
    declared = ROOT / "pyproject.toml"
    if declared.is_file():
        return list(tomllib.loads(declared.read_text(encoding="utf-8"))["project"]["dependencies"])
    return [text for text in requires("oneblock") or () if "extra ==" not in text]
