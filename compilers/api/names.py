"""The names of a kernel language as its maker documents them, and what of each is interpreted here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Known(StrEnum):
    """How an interpreter stands to a documented name."""

    INTERPRETED = "interpreted"
    REFUSED = "refused"  # it knows the name, and says why it does not interpret it
    UNKNOWN = "unknown"  # it has nothing of that name, and says so where a kernel asks for it


@dataclass(frozen=True)
class DocumentedName:
    """One name."""

    module: str  #: as it is imported: "nki.isa"
    name: str
    known: Known
    why: str = ""  #: of one that is refused, or that is interpreted in part


@dataclass(frozen=True)
class DocumentedLanguage:
    """All names of a document."""

    version: str  #: of the language and its release
    source: str  #: where the document is, with its commit
    names: Sequence[DocumentedName]
