"""A family that another package registered: held against what a family is, and its layers against what layers are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import MOST_LAYERS, Family, Tensors
from oneblock.workloads.models._keys import Keys
from oneblock.workloads.ops.third_party import Point, Refused, stays_here, told

Read = Callable[[Keys, str], Sequence[Config]]
_HINT = "see workloads/models/_family.py, and workloads/models/mistral.py for an example"


def checked(point: Point) -> Family:
    """The family that an entry point names; Refused says what of it is none."""
    given = point.load()
    if not isinstance(given, Family):
        raise Refused(f"{point} names a {type(given).__name__}: expected a Family of oneblock.workloads.models", _HINT)
    for fault in _faults(given, point.entry.name):
        raise Refused(f"{point} {fault}", _HINT)
    assert given.read is not None
    return replace(given, read=_careful(given.read, point))


def _faults(family: Family, name: str) -> Iterator[str]:
    read: object = family.read
    tensors: object = family.tensors
    if family.name != name:
        yield f"calls itself {family.name!r}: expected {name!r}, under which it is registered"
    if not callable(read):
        yield f"reads a config.json by {read!r}: expected a function of (keys, name)"
    if family.types != (name,):
        yield f"reads the model_type {family.types!r}: expected {name!r} alone, under which it is registered"
    if family.presets or family.around:
        yield "has presets: expected none; register each under oneblock.configurations"
    if not isinstance(tensors, Tensors):
        yield f"has the tensors {tensors!r}: expected a Tensors"
        return
    if not isinstance(tensors.parts, Mapping) or not _are_words(*tensors.parts, *tensors.parts.values()):
        yield f"has the parts {tensors.parts!r}: expected a tensor's name by each of ours"
    ends = tensors.embedding, tensors.positions, tensors.final_norm, tensors.head
    if not _are_words(tensors.prefix, tensors.layers, *tensors.ignored, *ends):
        yield f"has tensors of the names {(tensors.prefix, tensors.layers, tensors.ignored, *ends)!r}: expected words"


def _are_words(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)


def _careful(read: Read, point: Point) -> Read:
    """The same, whose answer is layers of its family, or else a sentence; a ValueError of its own is one."""

    def layers(keys: Keys, name: str) -> list[Config]:
        try:
            with stays_here():
                found = [*read(keys, name)]
        except (ValueError, KeyboardInterrupt):
            raise
        except BaseException as error:  # a stranger's code may fail in any way: its reason is said
            raise Refused(f"{point}: {keys.where} is not read: {told(error)}", f"mend {point.package}") from error
        of: list[object] = [*found]
        strange = [one for one in of if not isinstance(one, Config) or one.family != point.entry.name]
        if strange or not 1 <= len(found) <= MOST_LAYERS:
            got = f"{strange[0]!r}"[:80] if strange else f"{len(found)} layers"
            expected = f"a Config of the family {point.entry.name} for each layer, from 1 to {MOST_LAYERS:,}"
            raise Refused(f"{point}: of {keys.where} expected {expected}, got {got}", f"mend {point.package}")
        return found

    return layers
