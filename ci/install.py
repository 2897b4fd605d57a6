"""Install requirements as `ci/constraints.txt` has them: pip chooses by its versions, and takes files by its hashes.

`python ci/install.py 'torch>=2.13,<2.14' pytest` installs both with all that they require, in the environment of that
Python. Only a file of a hash that stands in the lock is installed, and none is built, so nothing of it runs before.
`--also=LIST` before them names one more list, of the lock's form, whose versions come before those of the lock.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

LOCK = Path(__file__).with_name("constraints.txt")
_ENTRY = re.compile(r"^([\w.-]+)==([^\s;]+)( ; [^\\\n]+?)?((?: \\\n +--hash=\S+)+)$", re.MULTILINE)


class Entry(NamedTuple):
    """One version of one distribution, with the hashes of its files."""

    text: str
    name: str
    version: str
    marker: str
    hashes: str


class Chosen(NamedTuple):
    """A file that pip would install; a build of a version has a version of its own, as 2.13.0+cpu."""

    name: str
    version: str
    sha256: str

    @property
    def key(self) -> tuple[str, str]:
        return canonical(self.name), self.version.partition("+")[0]


Lock = dict[tuple[str, str], Entry]  # by canonical name and version


def entries(lock: str) -> Lock:
    found = [Entry(match[0], match[1], match[2], match[3] or "", match[4]) for match in _ENTRY.finditer(lock)]
    return {(canonical(one.name), one.version): one for one in found}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def constraints(lock: Lock) -> str:
    """The lock's versions for pip; of a name with several the first is the newest, and the others are asked for."""
    lines: dict[str, str] = {}
    for (name, _), one in lock.items():
        newest = lines.get(name)
        lines[name] = f"{name}=={one.version}{one.marker}" if newest is None else newest.replace("==", "<=", 1)
    return "\n".join(lines.values())


def choose(requirements: list[str], lock: Lock) -> list[Chosen]:
    """What pip would install for these requirements here."""
    with TemporaryDirectory() as folder:
        versions, report = Path(folder, "versions.txt"), Path(folder, "report.json")
        versions.write_text(constraints(lock))
        pip("--dry-run", f"--constraint={versions}", f"--report={report}", *requirements)
        found = json.loads(report.read_text())["install"]
    told = [(one["metadata"], one["download_info"]["archive_info"]["hashes"]) for one in found]
    return [Chosen(metadata["name"], metadata["version"], hashes["sha256"]) for metadata, hashes in told]


def install(requirements: list[str], also: str | None = None) -> None:
    lock = entries((Path(also).read_text() if also else "") + LOCK.read_text())
    found = choose(requirements, lock)
    if lacking := [f"{one.name} {one.version}" for one in found if one.key not in lock]:
        sys.exit(f"{LOCK}: expected all that pip chooses, got nothing of {', '.join(lacking)}: `nox -s lock` adds it")
    with TemporaryDirectory() as folder:
        wanted = Path(folder, "wanted.txt")
        wanted.write_text("".join(f"{one.name}=={one.version}{lock[one.key].hashes}\n" for one in found))
        if found:
            pip("--require-hashes", "--no-deps", f"--requirement={wanted}")


def pip(*words: str) -> None:
    """`pip install` of wheels alone: to build is to run code of whoever has published it."""
    command = (sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:", *words)
    if code := subprocess.run(command, check=False).returncode:
        sys.exit(code)


if __name__ == "__main__":
    words = sys.argv[1:]
    more = words.pop(0).removeprefix("--also=") if words and words[0].startswith("--also=") else None
    install(words, more)
