"""The toolchain as a coordinate of a cell: the releases that were asked for, "jax-0.10.2+libtpu-0.0.52"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from oneblock.bench.format.errors import Refused

_NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.!]*")


def canonical(name: str) -> str:
    """A package's name as indexes have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def told(versions: Mapping[str, str]) -> str | None:
    """The coordinate of versions by package; None where whatever is installed is meant.

    A dash parts name and version, so that of a name's own there is none.
    """
    return "+".join(f"{name.replace('-', '_')}-{versions[name]}" for name in sorted(versions)) or None


def versions_of(toolchain: str | None) -> dict[str, str]:
    """Versions by package, of a coordinate that `told` wrote; empty of any other."""
    parts = [part.partition("-") for part in (toolchain or "").split("+")]
    found = {name.replace("_", "-"): of for name, _, of in parts if _NAME.fullmatch(name) and _VERSION.fullmatch(of)}
    return found if told(found) == toolchain else {}


def installed_as_asked(texts: Sequence[str]) -> str | None:
    """The coordinate of `NAME=VERSION` texts; Refused where another release of one is installed, or none."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, wanted = text.partition("=")
        name = canonical(name)
        if not equals or not _NAME.fullmatch(name) or not _VERSION.fullmatch(wanted) or name in found:
            raise Refused(f"--toolchain {text}: expected NAME=VERSION, as in libtpu=0.0.52, and each name once")
        found[name] = wanted
    for name, wanted in found.items():
        try:
            here = version(name)
        except PackageNotFoundError:
            here = "none"
        if here != wanted:
            hint = f"`oneblock releases --toolchain {name}={wanted}` makes an environment that has it"
            raise Refused(f"--toolchain {name}={wanted}: {here} is installed; {hint}")
    return told(found)
