"""The toolchain as a coordinate of a cell: the releases that were asked for, "jax-0.10.2+libtpu-0.0.52"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from oneblock.bench.format.errors import Refused

_NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.!]*(\+[0-9A-Za-z.]+)?")
_NEXT = re.compile(r"\+(?=[^+-]+-)")  # what is behind any other + is a version's local part, "2.13.0+cpu"


def told(versions: Mapping[str, str]) -> str | None:
    """The coordinate of versions by package; None where whatever is installed is meant.

    A dash parts name and version, so that of a name's own there is none.
    """
    return "+".join(f"{name.replace('-', '_')}-{versions[name]}" for name in sorted(versions)) or None


def versions_of(toolchain: str | None) -> dict[str, str]:
    """Versions by package, of a coordinate that `told` wrote; empty of any other."""
    parts = [part.partition("-") for part in _NEXT.split(toolchain or "")]
    found = {name.replace("_", "-"): of for name, _, of in parts if _NAME.fullmatch(name) and _VERSION.fullmatch(of)}
    return found if told(found) == toolchain else {}


def installed_as_asked(texts: Sequence[str]) -> str | None:
    """The coordinate of `NAME=VERSION` texts; Refused where another release of one is installed, or none."""
    found: dict[str, Version] = {}
    for text in texts:
        given, _, wanted = text.partition("=")
        try:
            name = canonicalize_name(given, validate=True)
            if name in found:
                raise InvalidName(f"{name} is named twice")
            found[name] = Version(wanted)
        except (InvalidName, InvalidVersion) as error:
            how = "expected NAME=VERSION, as in libtpu=0.0.52, and each name once"
            raise Refused(f"--toolchain {text}: {how}; {error}") from None
    return told({name: _installed(name, wanted) for name, wanted in found.items()})


def _installed(name: str, wanted: Version) -> str:
    """The version that is installed, which is the one that is wanted, however short that was spelled.

    The local part, of "2.13.0+cpu", says who built it: it is held against the other where it was asked for alone.
    """
    here = "none"
    with suppress(PackageNotFoundError, InvalidVersion):
        here = version(name)
        found = Version(here)
        same = found if wanted.local else Version(found.public)
        if same == wanted:
            return str(same)
    hint = f"`oneblock releases --toolchain {name}={wanted}` makes an environment that has it"
    raise Refused(f"--toolchain {name}={wanted}: {here} is installed; {hint}")
