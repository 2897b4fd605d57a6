"""One record of all that is known of a dialect of stage text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects._lexer import PLAIN, Lexer
from oneblock.compilers.dialects._lines import Reader
from oneblock.compilers.dialects._noise import Noise
from oneblock.compilers.dialects._words import NONE, Words

Opcode = Callable[[str], str | None]  # of a line, the name of its operation as the dialect spells it
# (text, the block's steps, the dialects of all texts of the record): names of kernels, each with steps that it serves
Kernels = Callable[[str, Sequence[str], Collection[str]], Iterable[tuple[str, Sequence[str]]]]
# (text, the block's steps): by step how often each operation is scheduled; empty for a text that is cut off
Schedule = Callable[[str, Sequence[str]], Mapping[str, Counter[str]]]
_SUFFIX = re.compile(r"(\.[a-z0-9]+)+")
_NAME = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class File:
    """How other programs open a text of this dialect when a report exports it."""

    suffix: str  # ".mlir"
    readme: str  # what opens it, and what stands in it

    def __post_init__(self) -> None:
        if not isinstance(self.suffix, str) or not _SUFFIX.fullmatch(self.suffix):
            raise ValueError(f"expected the suffix of a file's name such as .mlir, got {self.suffix!r}")
        if not isinstance(self.readme, str):
            raise ValueError(f"expected in words what opens a {self.suffix}, got {self.readme!r}")


@dataclass(frozen=True)
class Dialect:
    """What is known of one dialect of stage text: where it is captured, whose step a line is, its opcodes, its colours.

    Whatever is None is not known of the dialect, and is then told of no text: nothing else need change.
    """

    names: tuple[str, ...]  # by which artifacts call it, before any colon: ("hlo-before", "hlo-cublas")
    stages: tuple[Stage, ...]  # as which it is captured, the usual one first
    reader: Reader | None = None  # the steps of its lines
    opcode: Opcode | None = None
    noise: Noise | None = None  # what differs between two compilations of one program
    lexer: Lexer = PLAIN
    words: Words = NONE  # what they mean, which a report says of the one under the pointer
    kernels: Kernels | None = None  # what its text tells of the kernels that other texts are of
    schedule: Schedule | None = None
    file: File | None = None
    timeline: bool = False  # its text is a trace in Chrome's format, of which a report exports one a record

    def __post_init__(self) -> None:
        for field, kinds in _FIELDS.items():
            value: Any = getattr(self, field)
            if not (callable(value) or value is None if kinds is None else isinstance(value, kinds)):
                wanted = " or ".join(kind.__name__ for kind in kinds or ()) or "a function or None"
                raise TypeError(f"expected {field} to be {wanted}, got {value!r}")
        odd = [name for name in self.names if not isinstance(name, str) or not _NAME.fullmatch(name)]
        if odd or not self.names:
            raise ValueError(f"expected names of small letters, digits and hyphens, got {self.names!r}")
        if not self.stages or not all(isinstance(stage, Stage) for stage in self.stages):
            raise ValueError(f"expected stages among {', '.join(Stage)}, got {self.stages!r}")


# Of what type each field is; None stands for a function, which may be absent.
_FIELDS: dict[str, tuple[type, ...] | None] = {
    "names": (tuple,), "stages": (tuple,), "reader": None, "opcode": None, "noise": (Noise, NoneType),
    "lexer": (Lexer,), "words": (Words,), "kernels": None, "schedule": None, "file": (File, NoneType),
    "timeline": (bool,),
}  # fmt: skip
