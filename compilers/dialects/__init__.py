"""What is known of each dialect of stage text: whose step a line is, its opcodes, its noise, its colours.

A public file here has DIALECTS, and the directory is the list; others register a Dialect as an entry point
`oneblock.dialects`. Whoever reads stages asks here, with the dialect as an artifact spells it: "ptx:norm_kernel".
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from oneblock.compilers.api.facts import Facts
from oneblock.compilers.dialects import _context, _noise
from oneblock.compilers.dialects._dialect import Dialect, File
from oneblock.compilers.dialects._lexer import PLAIN, Lexer
from oneblock.compilers.dialects._lines import Context, Lines, Steps
from oneblock.compilers.dialects._noise import Names, Noise
from oneblock.compilers.dialects._stage_name import StageName

__all__ = [
    "Context", "Dialect", "File", "Lexer", "Lines", "Names", "Noise", "StageName", "Steps",
    "context", "find", "lexer", "names", "normalised", "opcode", "read", "refused", "rows",
]  # fmt: skip
ENTRY_POINTS = "oneblock.dialects"


@cache
def registry() -> tuple[dict[str, Dialect], dict[str, str]]:
    """(each dialect by each of its names, why an entry point's was refused by the entry point's name)."""
    known: dict[str, Dialect] = {}
    refusals: dict[str, str] = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = importlib.import_module(f"oneblock.compilers.dialects.{path.stem}")
        known |= {name: dialect for dialect in module.DIALECTS for name in dialect.names}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: (point.name, point.value)):
        found = _loaded(point, known)
        if isinstance(found, Dialect):
            known |= dict.fromkeys(found.names, found)
        else:
            refusals[point.name] = f"dialect {point.name} of {point.value} is left out: {found}"
    return known, refusals


def _loaded(point: EntryPoint, known: Mapping[str, Dialect]) -> Dialect | str:
    """Somebody else's dialect, or why it cannot be used."""
    try:
        found = point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001  a stranger's module may raise anything: it is named, and the rest works
        return f"{type(error).__name__}: {error}"
    if not isinstance(found, Dialect):
        return f"expected a Dialect, got {type(found).__name__}; see compilers/dialects/_dialect.py"
    if point.name not in found.names:
        return f"the entry point has to be named after it, {' or '.join(map(repr, found.names))}"
    taken = [name for name in found.names if name in known]
    return f"there is a dialect of that name already: {', '.join(taken)}" if taken else found


def refused() -> dict[str, str]:
    """Why others' dialects are left out, a sentence for each, by the entry point's name."""
    return registry()[1]


def names() -> list[str]:
    """Every dialect there is, ours and others'."""
    return sorted(registry()[0])


def find(dialect: str) -> Dialect | None:
    """What is known of a dialect as an artifact spells it, "ptx:KERNEL"; None for one of another day or program."""
    return registry()[0].get(StageName.parse(dialect).family)


def read(dialect: str, text: str, beside: Context) -> Lines | None:
    """The steps of a stage's lines; None without step attribution for this dialect, such as a table of passes."""
    found = find(dialect)
    return None if found is None or found.reader is None else found.reader(StageName.parse(dialect).of, text, beside)


def opcode(dialect: str, line: str) -> str:
    """The operation of a line; "(other)" where its name is not recognised."""
    found = find(dialect)
    return (found.opcode(line) if found is not None and found.opcode is not None else None) or "(other)"


def lexer(dialect: str) -> Lexer:
    """The colours of a stage; of a dialect that is not known, those of plain text."""
    found = find(dialect)
    return PLAIN if found is None else found.lexer


def rows(dialect: str, text: str) -> list[str]:
    """A stage's lines to compare, empty where one has nothing to compare; without known noise, as they are."""
    found = find(dialect)
    return text.splitlines() if found is None or found.noise is None else _noise.without(found.noise, text)


def normalised(dialect: str, text: str) -> str:
    """The text to compare, or what of it is wanted; of a dialect that has no such noise, as it is."""
    return "\n".join(row for row in rows(dialect, text) if row)


def context(facts: Facts | None, texts: Mapping[str, str], steps: Sequence[str]) -> Context:
    """The context of one record's stages; `texts` are those of them that are at hand, by dialect.

    The names: a kernel's (of a GPU also that of its entry, and the label of "ttir:LABEL"), a function's of TVM,
    "03-linear" of a call in "instructions:03-linear", and of NKI's sources "linear.py" and "linear.py:73".
    """
    kernels = {name: one.kernels for name in texts if (one := find(name)) and name in one.names}
    told = (pairs(texts[name], steps, texts) for name, pairs in kernels.items() if pairs is not None)
    return _context.context(facts, told, steps)
