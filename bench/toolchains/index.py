"""What the package index has, asked by pip, whose own settings say which index: versions, wheels, their sizes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.version import Version

from oneblock.bench.records.record import Status
from oneblock.compilers.api.process import last_words

_OTHERS = ("3.11", "3.12", "3.13", "3.14")  # Pythons that a release may have wheels for, where it has none for this
_YANKED = re.compile(r"Reason for being yanked: *(.*)")
_LONGEST_S = 600.0
_ANSWERED_S = 20.0


class NoRelease(Exception):
    """A release that is not to be had: the status that stands in its place, why, and what to do."""

    def __init__(self, status: Status, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.status, self.reason, self.hint = status, reason, hint


class NoWheel(NoRelease):
    """It is there, and has no wheel for a Python; `pythons` are the versions that it has some for."""

    def __init__(self, reason: str, pythons: Sequence[str]) -> None:
        hint = f"it has for {', '.join(pythons)}: --python PATH names one" if pythons else "choose another release"
        super().__init__(Status.UNAVAILABLE, reason, hint)
        self.pythons = tuple(pythons)


@dataclass(frozen=True)
class Wheel:
    """One file of the index."""

    name: str
    version: str
    url: str
    sha256: str | None  # None: the index does not say
    bytes: int | None  # the same

    @property
    def stem(self) -> str:
        """Its name without the suffix, which says of which Pythons and systems it is."""
        return unquote(urlsplit(self.url).path).rpartition("/")[2].removesuffix(".whl")


def pip(python: Path, *words: str, temporary: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run an interpreter's pip to its end; what it unpacks goes through a folder, where one is given."""
    env = {**os.environ, "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_COLOR": "1"}
    env |= {} if temporary is None else {"TMPDIR": str(temporary)}
    command = [str(python), "-P", "-m", "pip", *words]
    try:
        return subprocess.run(
            command, env=env, capture_output=True, text=True, errors="replace", check=False, timeout=_LONGEST_S
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"ERROR: pip was still at it after {_LONGEST_S:g} s")


def why(done: subprocess.CompletedProcess[str]) -> str:
    """Why pip failed, in its own words."""
    return last_words(done.stderr) or f"exit status {done.returncode}"


@cache
def offered(package: str, python: Path, version: str | None = None) -> tuple[Version, ...]:
    """The versions that the index has for an interpreter, or for another version of Python; none of an unknown name."""
    other = () if version is None else ("--python-version", version, "--only-binary", ":all:")
    done = pip(python, "index", "versions", package, "--pre", *other)
    listed = re.search(r"Available versions: (.*)", done.stdout)
    if listed is None and "No matching distribution" not in done.stderr:
        raise NoRelease(Status.UNAVAILABLE, f"the index does not tell what it has: {why(done)}", "see pip's settings")
    return tuple(Version(text.strip()) for text in listed[1].split(",")) if listed else ()


def on_offer(package: str, python: Path, ends: Iterable[Version] = (), *, newest: bool = False) -> tuple[Version, ...]:
    """What the index has for an interpreter; and for other Pythons, where it has not an end for this one.

    The newest may be for another: JAX 0.11 has wheels for Python 3.12 and later alone.
    """
    found = offered(package, python)
    if not newest and set(ends) <= set(found):
        return found
    return tuple({*found, *(one for other in _OTHERS for one in offered(package, python, other))})


def plan(pins: Mapping[str, str], python: Path, more: Sequence[str] = ()) -> list[Wheel]:
    """The wheels that an interpreter lacks for these versions, and for more; NoRelease says why there are none."""
    wanted = [*(f"{name}=={version}" for name, version in pins.items()), *more]
    words = ("install", "--dry-run", "--only-binary", ":all:")
    done = pip(python, *words, "--quiet", "--report", "-", *wanted)
    if done.returncode:
        raise _refusal(pins, python, pip(python, *words, *wanted))  # which says more
    found = json.loads(done.stdout)["install"]
    if any(one.get("is_yanked") for one in found):
        said = _YANKED.search(done.stderr)
        reason = f": {said[1].strip()}" if said and said[1].strip() not in ("", "<none given>") else ""
        names = ", ".join(f"{w['metadata']['name']} {w['metadata']['version']}" for w in found if w.get("is_yanked"))
        raise NoRelease(Status.UNAVAILABLE, f"{names} was yanked{reason}", "choose another release")
    return [_wheel(one) for one in found]


def _wheel(one: Mapping[str, dict[str, dict[str, dict[str, str]]]]) -> Wheel:
    """A wheel, of an entry of pip's report."""
    about: Mapping[str, object] = one["metadata"]
    download: Mapping[str, object] = one["download_info"]
    url = str(download["url"])
    archive = one["download_info"].get("archive_info", {})
    sha256 = archive.get("hashes", {}).get("sha256")
    return Wheel(str(about["name"]), str(about["version"]), url, sha256, size_of(url))


@cache
def size_of(url: str) -> int | None:
    """The bytes of a file of the index, asked without fetching it; None where the index does not say."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "file":
            return Path(unquote(parts.path)).stat().st_size
        if parts.scheme != "https":
            return None
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=_ANSWERED_S) as answer:  # nosec B310  https, by the line above
            return int(answer.headers["Content-Length"])
    except (OSError, TypeError, ValueError):
        return None


def _refusal(pins: Mapping[str, str], python: Path, done: subprocess.CompletedProcess[str]) -> NoRelease:
    """Which of the ways in which pip finds nothing it is."""
    said = "; ".join(f"{name} {version}" for name, version in pins.items())
    if "conflicting dependencies" in done.stderr or "ResolutionImpossible" in done.stderr:
        depends = [line.strip() for line in (done.stdout + done.stderr).splitlines() if " depends on " in line]
        reason = f"{said} cannot live together: {'; '.join(depends) or why(done)}"
        return NoRelease(Status.UNSUPPORTED, reason, "choose versions whose requirements agree")
    for name, text in pins.items():
        version = Version(text)
        for_here = offered(name, python)
        others = [other for other in _OTHERS if version in offered(name, python, other)]
        if version in for_here and not others:
            return NoWheel(f"{name} {text} is there as source alone, and has no wheel", ())
        if version not in for_here and others:
            return NoWheel(f"{name} {text} has no wheel for this Python", others)
        if version not in for_here:
            below = [one for one in for_here if one < version]
            hint = f"the nearest is {max(below) if below else min(for_here)}" if for_here else "is its name right?"
            return NoRelease(Status.UNAVAILABLE, f"the index has no {name} {text} for this system", hint)
    return NoRelease(Status.UNAVAILABLE, f"{said}: {why(done)}", "see pip's settings")
