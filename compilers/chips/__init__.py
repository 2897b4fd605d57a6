"""What is known of chips: a maker is a file of `makers/`, its chips the entries; others add theirs by an entry point.

A third party's package names a `Chip` under the group `oneblock.chips`. One that is half-defined, misnamed, or has the
target of another is refused with a sentence (`refused`), and the rest works.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple, TypeVar

from oneblock.compilers.chips.chip import Chip

ENTRY_POINTS = "oneblock.chips"
C = TypeVar("C", bound=Chip)


class ThirdParty(NamedTuple):
    """Chips that other packages registered, by target, and a sentence for each that was refused."""

    chips: Mapping[str, Chip]
    refused: tuple[str, ...]


@cache
def own() -> Mapping[str, Chip]:
    """The chips of our makers' files, by target."""
    found: dict[str, Chip] = {}
    for path in sorted(Path(__file__).with_name("makers").glob("[!_]*.py")):
        for chip in importlib.import_module(f"oneblock.compilers.chips.makers.{path.stem}").CHIPS:
            assert found.setdefault(chip.target, chip) is chip, f"{path.name}: {chip.target} is there already"
    return found


@cache
def third_party() -> ThirdParty:
    """What other packages registered: looked for when a name is none of ours, or all are asked for."""
    found: dict[str, Chip] = {}
    refused = []
    for point in sorted(entry_points(group=ENTRY_POINTS)):
        try:
            chip = _checked(point.load(), found)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  a stranger's module may fail in any way, and must not stop the rest
            package = "" if point.dist is None else f" of {point.dist.name}"
            reason = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
            refused.append(f"chip {point.name!r}{package} is refused: {reason}")
        else:
            found[chip.target] = chip
    return ThirdParty(found, tuple(refused))


def _checked(given: object, before: Mapping[str, Chip]) -> Chip:
    """What an entry point names; ValueError if it is no chip, of no platform here, or there already."""
    if not isinstance(given, Chip):
        raise ValueError(f"expected a Chip of oneblock.compilers.chips.chip, got {type(given).__name__}")
    if given.platform not in platforms():
        raise ValueError(f"target {given.target!r}: expected a platform of {', '.join(platforms())}")
    taken = own().get(given.target) or before.get(given.target)
    if taken is not None:
        raise ValueError(f"target {given.target!r} is taken by {taken.name}: give a product's, {given.target}:NAME")
    return given


def platforms() -> list[str]:
    """The platforms that have chips: "cuda", "neuron", "rocm", "tpu"."""
    return sorted({chip.platform for chip in own().values()})


def find(target: str) -> Chip | None:
    """The chip of a target such as "cuda:sm_90:h200"; None where there is none."""
    return own().get(target) or third_party().chips.get(target)


def every(shape: type[C]) -> list[C]:
    """All chips that are stated in a shape, ours first: `every(Gpu)`, or of all shapes `every(Chip)`."""
    return [chip for chip in (*own().values(), *third_party().chips.values()) if isinstance(chip, shape)]


def load(target: str, shape: type[C]) -> C:
    """The chip of a target, stated in a shape; LookupError offers those there are."""
    found = find(target)
    if isinstance(found, shape):
        return found
    platform = target.partition(":")[0]
    known = ", ".join(chip.target for chip in every(shape) if chip.platform == platform)
    if found is None:
        raise LookupError(f"no specification of {target}: expected one of {known}")
    raise LookupError(
        f"{target} ({found.name}) is stated as a {type(found).__name__}, with its peaks and memory; for a compiler it "
        f"has to be stated as a {shape.__name__}, as are {known}"
    )
