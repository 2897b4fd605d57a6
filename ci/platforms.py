"""Resolve every extra for the systems and Pythons that people have, and hold docs/platforms.md against what comes.

`python ci/platforms.py OWN EXTRAS`, both as JSON, asks `uv`, which the environment has, for wheels of each system: they
are found, not installed. An extra that does not resolve is an error; the table is written anew, and one that was untrue
is an error, too.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from oneblock.compilers.api.wheels import left_out

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "platforms.md"
PYTHONS = ("3.11", "3.12", "3.13")
APART = ("torchxla", "neuron_torch", "torchtpu")  # the first two with a torch of their own, the last with a JAX
FIRST = {("torchtpu", "Linux x86-64"): "3.12"}  # its first Python, where it is not the first of all
_TABLE = re.compile(r"(?<=<!-- table -->\n).*(?=<!-- end -->)", re.DOTALL)


class System(NamedTuple):
    """A system as people, `uv` and markers name it."""

    name: str
    wheels: str
    sys_platform: str
    machine: str


SYSTEMS = (
    System("Linux x86-64", "x86_64-manylinux_2_31", "linux", "x86_64"),
    System("Linux aarch64", "aarch64-manylinux_2_31", "linux", "aarch64"),
    System("macOS arm64", "aarch64-apple-darwin", "darwin", "arm64"),
)


def resolve(system: System, python: str, requirements: list[str]) -> str | None:
    """Why there are no wheels for some requirements; None where there are."""
    words = ("--quiet", "--only-binary=:all:", f"--python-platform={system.wheels}", f"--python-version={python}", "-")
    env = os.environ | {"MACOSX_DEPLOYMENT_TARGET": "14.0"}  # the oldest for which there are wheels of PyTorch
    asked = "\n".join(requirements)
    done = subprocess.run(
        ["uv", "pip", "compile", *words], input=asked, capture_output=True, text=True, env=env, check=False
    )
    return None if done.returncode == 0 else done.stderr.strip()


def table(extras: Iterable[str]) -> str:
    rows = [["extra", *(system.name for system in SYSTEMS)], ["---"] * (1 + len(SYSTEMS))]
    for extra in extras:
        without = [left_out(extra, system.sys_platform, system.machine) for system in SYSTEMS]
        rows.append([f"`{extra}`", *("whole" if not names else f"without {', '.join(names)}" for names in without)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main(own: list[str], extras: dict[str, list[str]]) -> None:
    failed = False
    together = [text for extra, texts in extras.items() if extra not in APART for text in texts]
    for system in SYSTEMS:
        for python in PYTHONS:
            apart = (extra for extra in APART if python >= FIRST.get((extra, system.name), python))
            for texts in (together, *(extras[extra] for extra in apart)):
                why = resolve(system, python, [*own, *texts])
                if why is not None:
                    failed = True
                    print(f"{system.name}, Python {python}: does not resolve\n{why}", flush=True)
            print(f"{system.name}, Python {python}: resolved", flush=True)
    said = PAGE.read_text(encoding="utf-8")
    true = _TABLE.sub(table(extras), said)
    if true != said:
        PAGE.write_text(true, encoding="utf-8")
        print(f"{PAGE.name}: its table was untrue, and is written anew")
    sys.exit(failed or true != said)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), json.loads(sys.argv[2]))
