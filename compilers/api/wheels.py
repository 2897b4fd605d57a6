"""What an extra of ours leaves out on this system, since its maker has no wheels for it."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, requires, version

_EVERYTHING = {"sys_platform": "linux", "platform_machine": "x86_64"}  # there all is made
_NAMES = {"darwin": "macOS", "linux": "Linux", "win32": "Windows"}
ELSEWHERE = "run it on Linux on x86-64; what it gives there can be shown, compared and reported here"


def here() -> str:
    """This system, for people: "macOS on arm64"."""
    return f"{_NAMES.get(sys.platform, sys.platform)} on {platform.machine()}"


def left_out(extra: str, system: str | None = None, machine: str | None = None) -> list[str]:
    """The distributions that an extra has on Linux on x86-64 and not on a system, as markers name it; by default here.

    None of what is not installed; and not one in whose place there is another, as xgboost is in that of xgboost-cpu.
    """
    from packaging.requirements import Requirement

    try:
        parsed = [Requirement(text) for text in requires("oneblock") or ()]
    except PackageNotFoundError:  # the tree as it stands, uninstalled
        return []
    there = {"sys_platform": system or sys.platform, "platform_machine": machine or platform.machine()}
    marked = [(one, one.marker) for one in parsed if one.marker is not None]  # as every extra's are
    has, lacks, todo, seen = set[str](), dict[str, str](), [extra], set[str]()
    while todo:
        asked = todo.pop(0).replace("_", "-")
        seen.add(asked)
        for one, marker in marked:
            name = f"{one.name}[{','.join(sorted(one.extras))}]" if one.extras else one.name
            if marker.evaluate(there | {"extra": asked}):
                has.add(name.removesuffix("-cpu"))
                if one.name == "oneblock":
                    todo += [more for more in one.extras if more.replace("_", "-") not in seen]
            elif marker.evaluate(_EVERYTHING | {"extra": asked}):
                lacks[name] = name.removesuffix("-cpu")
    return [name for name, plain in lacks.items() if plain not in has]


def missing(extra: str) -> list[str]:
    """What an extra of ours requires here and is not installed, or in another version; nothing is imported."""
    from packaging.requirements import Requirement

    lacks, todo = list[str](), [extra.replace("_", "-")]
    for asked in todo:
        for one in map(Requirement, requires("oneblock") or ()):
            if one.marker is None or not one.marker.evaluate({"extra": asked}):
                continue
            if one.name == "oneblock":
                todo += [more.replace("_", "-") for more in one.extras if more.replace("_", "-") not in todo]
                continue
            try:
                fits = one.specifier.contains(version(one.name), prereleases=True)
            except PackageNotFoundError:
                fits = False
            lacks += [] if fits else [str(one).partition(";")[0]]
    return lacks
