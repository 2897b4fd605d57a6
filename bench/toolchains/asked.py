"""Which releases are asked for: `triton=3.6.0,3.7.1,3.9.0`, or a range, `libtpu=0.0.42.1..0.0.52` or `..newest`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from oneblock.bench.format.errors import Refused
from oneblock.bench.toolchains.index import NoRelease, on_offer

_NEWEST = "newest"


@dataclass(frozen=True)
class Asked:
    """Releases of one package: single versions, and ranges, of which the index says what lies between the ends."""

    package: str
    # (first, last) of a range, where None is the newest that the index has; of a single version the same twice.
    parts: tuple[tuple[Version, Version | None], ...]
    newest: bool = False  # and that one alone

    @classmethod
    def parse(cls, text: str) -> Asked:
        """Of `NAME=SPEC`; Refused says what a specification is."""
        name, _, spec = text.partition("=")
        how = f"--toolchain {text}: expected NAME=VERSION,newest or NAME=FIRST..LAST, as in libtpu=0.0.49..newest"
        try:
            ends = [part.split("..") for part in spec.split(",") if part != _NEWEST]
            package = canonicalize_name(name, validate=True)
            parts = tuple((Version(each[0]), _last(each[-1])) for each in ends if len(each) <= 2)
        except (InvalidName, InvalidVersion) as error:
            raise Refused(f"{how}; {error}") from None
        if len(parts) < len(ends) or any(last is not None and first > last for first, last in parts):
            raise Refused(how)
        return cls(package, parts, _NEWEST in spec.split(","))

    @property
    def has_ranges(self) -> bool:
        """Whether the index must be asked what it has."""
        return self.newest or any(first != last for first, last in self.parts)

    @property
    def to_newest(self) -> bool:
        """Whether the newest that the index has is asked for, alone or as an end."""
        return self.newest or any(last is None for _, last in self.parts)

    @property
    def ends(self) -> set[Version]:
        """Every version that is named."""
        return {end for part in self.parts for end in part if end is not None}

    def among(self, offered: Sequence[Version]) -> tuple[str, ...]:
        """The versions that are meant, the earliest first: of ranges those on offer, and each that is named.

        A range has no pre-releases but its own ends. What is named and not on offer stays: it becomes a status.
        """
        found = self.ends
        final = [one for one in offered if not one.is_prerelease]
        found |= {max(final)} if self.newest and final else set()
        found |= {one for one in final for first, last in self.parts if first <= one and (last is None or one <= last)}
        return tuple(str(one) for one in sorted(found))


def _last(text: str) -> Version | None:
    return None if text == _NEWEST else Version(text)


def parse_all(texts: Sequence[str]) -> list[Asked]:
    """One for each package; Refused where a package is named twice, or none is."""
    found = [Asked.parse(text) for text in texts]
    names = [one.package for one in found]
    if not found:
        raise Refused("which releases? --toolchain NAME=VERSION,VERSION, as in --toolchain triton=3.7.1,3.9.0")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise Refused(f"--toolchain {twice} is given twice: name all its versions in one, with commas between")
    return found


def walks(choices: Mapping[str, Sequence[str]]) -> list[list[dict[str, str]]]:
    """For each package the way through its releases, with the earliest of each other: one thing moves at a time.

    Refused where there is none of one: of `newest` of a name that the index has not.
    """
    if none := next((name for name, versions in choices.items() if not versions), None):
        raise Refused(f"the index has no release of {none}: is its name right?")
    first = {name: versions[0] for name, versions in choices.items()}
    return [[{**first, name: version} for version in versions] for name, versions in choices.items()]


def asked_ways(toolchains: Sequence[str]) -> list[list[dict[str, str]]]:
    """The ways through what was asked for; the index is asked for what lies within ranges."""
    asked = parse_all(toolchains)
    try:
        here = Path(sys.executable)
        known = {
            one.package: on_offer(one.package, here, one.ends, newest=one.to_newest) if one.has_ranges else ()
            for one in asked
        }
    except NoRelease as refused:
        raise Refused(f"{refused.reason}; {refused.hint}") from refused
    return walks({one.package: one.among(known[one.package]) for one in asked})
