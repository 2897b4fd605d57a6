"""Write `ci/constraints.txt` anew: what requirements come to today on every system, with the hashes of all files.

`python ci/lock.py LIST...` reads lists of requirements, one a line, and resolves each by itself with `uv`, which the
environment has. What an earlier list came to is not written again; of several versions of a name the first is newest.
Then the hashes of what pip would take here for the first list are added, which may be other builds of the versions:
PyTorch's for the CPU have an index of their own. Its builds for another Python or system are noted where that is; they
stay, as all hashes of the old lock do as long as the version does.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from install import LOCK, Entry, Lock, choose, entries

_HEAD = "# Written by `nox -s lock`: what the sessions install, by `ci/install.py`, with the hashes of every file.\n"
_HASH = re.compile(r"--hash=\S+")


def resolved(requirements: Path) -> Lock:
    """What a list of requirements comes to on Linux, macOS and Windows."""
    words = (
        "--universal",
        "--fork-strategy=fewest",
        "--python-version=3.11",
        "--generate-hashes",
        "--no-annotate",
        "--no-header",
        "--quiet",
    )
    # PyPI's torch for Linux is tied to one Triton, and that for the CPU to none: the first list is of the latter.
    overrides = requirements.with_suffix(".overrides")
    more = (f"--overrides={overrides}",) if overrides.exists() else ()
    command = ("uv", "pip", "compile", *words, *more, str(requirements))
    return entries(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def with_hashes(entry: Entry, hashes: set[str]) -> str:
    """An entry's text with more hashes; those that it has are not said twice."""
    more = sorted(hashes - set(_HASH.findall(entry.hashes)))
    return entry.text + "".join(f" \\\n    {one}" for one in more)


def main(lists: list[Path]) -> None:
    old, new = entries(LOCK.read_text()), dict[tuple[str, str], Entry]()
    for requirements in lists:
        new |= {key: entry for key, entry in resolved(requirements).items() if key not in new}
    more = {key: set(_HASH.findall(old[key].hashes)) if key in old else set() for key in new}
    for one in choose(["--ignore-installed", f"--requirement={lists[0]}"], new):
        more[one.key].add(f"--hash=sha256:{one.sha256}")
    ordered = sorted(new, key=lambda key: key[0])  # which keeps several of a name in their order
    LOCK.write_text(_HEAD + "".join(with_hashes(new[key], more[key]) + "\n" for key in ordered))


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
