"""An environment of releases: a Python, and folders of the shelf that stand before what it has itself.

Nothing is installed into anybody's environment: a release overrides what is there by its place in PYTHONPATH.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from oneblock.bench.cells.toolchain import told
from oneblock.bench.records.environment import ROOT
from oneblock.bench.records.record import Status
from oneblock.bench.toolchains.index import NoRelease, NoWheel, Wheel, plan
from oneblock.bench.toolchains.pythons import Python, found, own_requirements, this
from oneblock.bench.toolchains.shelf import Say, kept, missing, modules
from oneblock.compilers.api.asked import ASKED
from oneblock.compilers.api.process import last_words

_PAIRED = ("jax", "libtpu")  # of which an environment of another Python has both, as this one has them
_IMPORTS_S = 300.0
# It ends with whoever asked, however that ended.
_TIED = (
    "from oneblock.compilers.api.process import die_with_parent; die_with_parent(); "
    "from oneblock.bench.__main__ import main; main()"
)
_IMPORT = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"


@dataclass(frozen=True)
class Plan:
    """What an environment is to be made of: nothing of it is fetched yet."""

    versions: Mapping[str, str]  # that were asked for
    python: Python
    pins: Mapping[str, str]  # and with them what another Python must have as well
    wheels: tuple[Wheel, ...]

    @property
    def to_fetch(self) -> list[Wheel]:
        """The wheels that are not on the shelf."""
        return [wheel for wheel in self.wheels if missing(wheel)]


@dataclass(frozen=True)
class Environment:
    """A Python with releases before its own; `versions` are those that were asked for."""

    versions: Mapping[str, str]
    python: Path
    folders: tuple[Path, ...] = field(default=())

    @property
    def toolchain(self) -> str | None:
        """As the coordinate of a cell."""
        return told(self.versions)

    def environ(self, stage: Path) -> dict[str, str]:
        """The variables of its processes; `stage` is a folder in which oneblock is found by its name."""
        path = [*map(str, self.folders), str(stage), os.environ.get("PYTHONPATH", "")]
        own = {"PYTHONPATH": os.pathsep.join(filter(None, path)), ASKED: self.toolchain or ""}
        return {**os.environ, **own}

    def command(self, *words: str) -> list[str]:
        """The command line of `oneblock` in it."""
        return [str(self.python), "-P", "-c", _TIED, *words]


def paired(packages: Iterable[str]) -> dict[str, str]:
    """The versions here of what goes with these packages."""
    found = {}
    for name in _PAIRED if {*packages} & {*_PAIRED} else ():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def planned(versions: Mapping[str, str], beside: Mapping[str, str], pythons: Sequence[Path] = ()) -> Plan:
    """The plan for some releases, in this Python or else in one that they have wheels for; NoRelease says why not.

    `beside` are versions that another Python must have as well, since this one has them; `pythons` are those to take.
    """
    here = this()
    try:
        return Plan(versions, here, versions, tuple(plan(versions, here.path)))
    except NoWheel as error:
        refused = error
    other = found(refused.pythons, pythons)
    if other is None:
        raise refused
    pins, base = {**beside, **versions}, other.base()
    wheels = plan(pins, base.path) if base.is_made else plan(pins, other.path, own_requirements())
    return Plan(versions, other, pins, tuple(wheels))


def made(of: Plan, say: Say) -> Environment:
    """The environment of a plan, which imports all that was asked for; NoRelease says why there is none."""
    base = of.python.base()
    wheels: Sequence[Wheel] = of.wheels
    if not base.is_made:
        of.python.make(base, say)
        wheels = plan(of.pins, base.path)
    python = base.path
    folders = tuple(kept(wheel, python, say) for wheel in wheels)
    environment = Environment(of.versions, python, folders)
    names = [name for folder in folders for name in modules(folder)]
    said = ", ".join(f"{name} {version}" for name, version in of.versions.items())
    command = [str(python), "-P", "-c", _IMPORT, *names]
    path = os.pathsep.join(map(str, folders))
    env = {**os.environ, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
    try:
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, errors="replace", check=False, timeout=_IMPORTS_S
        )
    except subprocess.TimeoutExpired:
        hint = "choose another release"
        raise NoRelease(Status.TIMED_OUT, f"{said}: still importing after {_IMPORTS_S:g} s", hint) from None
    if done.returncode:
        how = signal.Signals(-done.returncode).name if done.returncode < 0 else None
        reason = f"killed by {how} while importing it" if how else f"fails to import: {last_words(done.stderr)}"
        raise NoRelease(Status.CRASHED, f"{said}: {reason}", "choose another release, or another of what goes with it")
    return environment


def stage(folder: Path) -> Path:
    """A folder in which this tree is called oneblock, for a Python in which it is not installed."""
    (folder / "oneblock").symlink_to(ROOT)
    return folder
