"""XLA's refusals for want of memory, read into numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from oneblock.compilers.api.errors import OutOfMemory
from oneblock.compilers.api.facts import Buffer, Memory
from oneblock.compilers.hlo import parser as _hlo

_UNITS = {"": 1, "B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = r"([\d.]+)([BKMGT]?)"
# (which memory, needed, available) as XLA:TPU words it: before allocation, after it, for one kernel, and by Mosaic.
_FORMS = (
    ("hbm", re.compile(rf"HLO temporaries \({_SIZE}\) exceeds available HBM \({_SIZE}\)")),
    ("hbm", re.compile(rf"Used {_SIZE} of {_SIZE} hbm")),
    ("vmem", re.compile(rf"Scoped allocation with size {_SIZE} and limit {_SIZE} exceeded scoped vmem")),
    ("vmem", re.compile(rf"Used {_SIZE} of {_SIZE} vmem")),
    ("vmem", re.compile(rf"\(size={_SIZE}\) would exceed memory \(size={_SIZE}\)")),
)
_LISTED = re.compile(rf"\d+\. Size: {_SIZE}\s(.*?)(?:={{10,}}|$)", re.DOTALL)
_NAMED = 5


@contextmanager
def typed(hlo: str | None = None) -> Iterator[None]:
    """Turn XLA's refusal into OutOfMemory; other errors pass as they are.

    `hlo` is the program before optimisation, of which the largest arrays are named where the compiler names none.
    """
    try:
        yield
    except Exception as error:
        text = str(error)
        if "RESOURCE_EXHAUSTED" not in text and "would exceed memory" not in text:
            raise
        raise OutOfMemory(read(text, hlo), text) from error


def read(text: str, hlo: str | None = None) -> Memory:
    """The numbers in a refusal; those that it does not have are None."""
    largest = tuple(Buffer(_bytes(*m.groups()[:2]), " ".join(m[3].split())[:200]) for m in _LISTED.finditer(text))
    for space, form in _FORMS:
        found = form.search(text)
        if found is not None:
            needed, available = _bytes(*found.groups()[:2]), _bytes(*found.groups()[2:])
            named = largest or (_arrays(hlo) if hlo is not None and space == "hbm" else ())
            return Memory(space, needed, available, named[:_NAMED])
    return Memory("unknown", None, None, largest[:_NAMED])


def _bytes(number: str, unit: str) -> int:
    return int(float(number) * _UNITS[unit])


def _arrays(hlo: str) -> tuple[Buffer, ...]:
    """The arrays that a program writes down, the largest first, one of each size."""
    found: dict[int, str] = {}
    for instruction in _hlo.parse(hlo).entry.instructions:
        for array in _hlo.arrays(instruction.shape):
            dims = ",".join(map(str, array.dims))
            found.setdefault(array.bytes, f"{array.dtype}[{dims}] {instruction.op_name or instruction.name}")
    return tuple(Buffer(nbytes, found[nbytes]) for nbytes in sorted(found, reverse=True))
