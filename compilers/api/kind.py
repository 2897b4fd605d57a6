"""What sort of evidence a number is, and where one comes from that others measured."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

# How the plain data of a record is read: a field that this version does not know is a file that it does not understand,
# what is not finite is no figure, and no text is longer than a person reads.
STRICT = {"extra": "forbid", "allow_inf_nan": False, "str_max_length": 100_000}


class Kind(StrEnum):
    """What sort of evidence a number is. Kinds never share a column."""

    MEASURED = "measured"  #: on this device
    COMPILED = "compiled"  #: read off a compiler's output
    INTERPRETED = "interpreted"  #: a kernel run by an interpreter: correctness only
    SIMULATED = "simulated"  #: the vendor's simulator
    MODELLED = "modelled"  #: a formula
    REPORTED = "reported"  #: measured elsewhere by others; what it is worth is its source's word

    @property
    def words(self) -> str:
        """What it is, for people."""
        return _WORDS[self]


_WORDS = {
    Kind.MEASURED: "timed on the device named, in processes of its own",
    Kind.COMPILED: "read off a compiler's output, for a device that is not here; it was not run",
    Kind.INTERPRETED: "run by an interpreter of kernels: says whether the answer is right, never how fast it is",
    Kind.SIMULATED: "run by the vendor's simulator of the device",
    Kind.MODELLED: "computed by a formula from the shapes",
    Kind.REPORTED: "measured elsewhere by others, on the device and with the software that its source names",
}


@dataclass(frozen=True)
class Reported:
    """Where a reported number comes from. Without all four it is hearsay, and refused."""

    __pydantic_config__: ClassVar[Any] = STRICT
    device: str  #: "NVIDIA H100 SXM", as the source names it
    software: str  #: "vLLM"
    version: str  #: of the software
    source: str  #: where it can be read again: an address, or a title with its date

    def __post_init__(self) -> None:
        """Refuse a blank: a source that names nothing cannot be looked up."""
        if missing := [name for name in ("device", "software", "version", "source") if not getattr(self, name).strip()]:
            raise ValueError(
                f"a reported number says its device, software, version and source; {', '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} blank: fill in what the source states, or leave the number out"
            )
