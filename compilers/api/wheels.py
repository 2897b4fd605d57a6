"""What an extra of ours leaves out on this system, since its maker has no wheels for it."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, requires

_EVERYTHING = {"sys_platform": "linux", "platform_machine": "x86_64"}  # there all is made
_NAMES = {"darwin": "macOS", "linux": "Linux", "win32": "Windows"}
ELSEWHERE = "run it on Linux on x86-64; what it gives there can be shown, compared and reported here"


def here() -> str:
    """This system, for people: "macOS on arm64"."""
    return f"{_NAMES.get(sys.platform, sys.platform)} on {platform.machine()}"


def left_out(extra: str) -> list[str]:
    """The distributions that the extra has on Linux on x86-64 and not on this system; none of what is not installed."""
    from packaging.requirements import Requirement

    try:
        parsed = [Requirement(text) for text in requires("oneblock") or ()]
    except PackageNotFoundError:  # the tree as it stands, uninstalled
        return []
    this = {"sys_platform": sys.platform, "platform_machine": platform.machine()}
    marked = [(one, one.marker) for one in parsed if one.marker is not None]  # as every extra's are
    found, todo, seen = dict[str, None](), [extra], set[str]()
    while todo:
        asked = todo.pop().replace("_", "-")
        seen.add(asked)
        for one, marker in ((one, at) for one, at in marked if at.evaluate(_EVERYTHING | {"extra": asked})):
            if one.name == "oneblock":
                todo += [more for more in one.extras if more.replace("_", "-") not in seen]
            elif not marker.evaluate(this | {"extra": asked}):
                found[one.name if not one.extras else f"{one.name}[{','.join(sorted(one.extras))}]"] = None
    return list(found)
