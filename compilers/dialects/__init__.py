"""What is known of each dialect of stage text: whose step a line is, its opcodes, its noise, its colours, its words.

A public file here has DIALECTS, and the directory is the list; others register a Dialect as an entry point
`oneblock.dialects`. Whoever reads stages asks here, with the dialect as an artifact spells it: "ptx:norm_kernel".
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import NoneType
from typing import NamedTuple, TypeVar

from oneblock.compilers.api.facts import Facts
from oneblock.compilers.dialects import _context, _noise
from oneblock.compilers.dialects._dialect import Dialect, File
from oneblock.compilers.dialects._lexer import PLAIN, Lexer
from oneblock.compilers.dialects._lines import Context, Lines, Steps, checked
from oneblock.compilers.dialects._noise import Names, Noise
from oneblock.compilers.dialects._stage_name import StageName
from oneblock.compilers.dialects._words import NONE, Words

__all__ = [
    "Context", "Dialect", "File", "Lexer", "Lines", "Names", "Noise", "StageName", "Steps", "Words", "context", "find",
    "languages", "lexer", "names", "normalised", "opcode", "read", "refused", "rows", "schedule", "words",
]  # fmt: skip
ENTRY_POINTS = "oneblock.dialects"
T = TypeVar("T")


class Registry(NamedTuple):
    """Every dialect, and of others' where each is from and why one is left out or a text of it is not read."""

    known: dict[str, Dialect]  # by each of its names
    theirs: dict[str, str]  # the entry point's object, by each name of a dialect that is not ours
    refused: dict[str, str]  # by the entry point's name, or that of a dialect whose function failed


@cache
def registry() -> Registry:
    """What there is; found once, and told of failures as they occur."""
    known: dict[str, Dialect] = {}
    theirs: dict[str, str] = {}
    refusals: dict[str, str] = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = importlib.import_module(f"oneblock.compilers.dialects.{path.stem}")
        known |= {name: dialect for dialect in module.DIALECTS for name in dialect.names}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: (point.name, point.value)):
        found = _loaded(point, known)
        if isinstance(found, Dialect):
            known |= dict.fromkeys(found.names, found)
            theirs |= dict.fromkeys(found.names, point.value)
        else:
            refusals[point.name] = f"dialect {point.name} of {point.value} is left out: {found}"
    return Registry(known, theirs, refusals)


def _asked(dialect: str, what: str, ask: Callable[[], T], instead: T) -> T:
    """What a function of a dialect answers; `instead` where somebody else's fails, which `refused` then tells."""
    try:
        return ask()
    except (Exception, SystemExit) as error:
        family = StageName.parse(dialect).family
        of = registry().theirs.get(family)
        if of is None:
            raise
        refused()[family] = f"dialect {family} of {of}: its {what} fails: {type(error).__name__}: {error}"
        return instead


def _loaded(point: EntryPoint, known: Mapping[str, Dialect]) -> Dialect | str:
    """Somebody else's dialect, or why it cannot be used."""
    try:
        found = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  a stranger's module may raise anything: it is named, and the rest works
        return f"{type(error).__name__}: {error}"
    if not isinstance(found, Dialect):
        return f"expected a Dialect, got {type(found).__name__}; see compilers/dialects/_dialect.py"
    if point.name not in found.names:
        return f"the entry point has to be named after it, {' or '.join(map(repr, found.names))}"
    taken = [name for name in found.names if name in known]
    return f"there is a dialect of that name already: {', '.join(taken)}" if taken else found


def refused() -> dict[str, str]:
    """Why others' dialects are left out, or their texts not read so far, a sentence for each, by its name."""
    return registry().refused


def names() -> list[str]:
    """Every dialect there is, ours and others'."""
    return sorted(registry().known)


def find(dialect: str) -> Dialect | None:
    """What is known of a dialect as an artifact spells it, "ptx:KERNEL"; None for one of another day or program."""
    return registry().known.get(StageName.parse(dialect).family)


def read(dialect: str, text: str, beside: Context) -> Lines | None:
    """The steps of a stage's lines; None without step attribution for this dialect, such as a table of passes."""
    found = find(dialect)
    if found is None or (reader := found.reader) is None:
        return None
    of = StageName.parse(dialect).of
    return _asked(dialect, "reader", lambda: checked(reader(of, text, beside), text, beside), None)


def opcode(dialect: str, line: str) -> str:
    """The operation of a line; "(other)" where its name is not recognised."""
    found = find(dialect)
    if found is None or (name_of := found.opcode) is None:
        return "(other)"
    return _asked(dialect, "opcode", lambda: _word(name_of(line)), None) or "(other)"


def _word(name: object) -> str | None:
    if not isinstance(name, (str, NoneType)):
        raise TypeError(f"expected a name or None, got {name!r}")
    return name


def schedule(dialect: str, text: str, steps: Sequence[str]) -> Mapping[str, Counter[str]]:
    """By step how often each operation is scheduled; empty for a text that has no schedule or is cut off."""
    found = find(dialect)
    if found is None or (by_step := found.schedule) is None or dialect not in found.names:
        return {}
    nothing: dict[str, Counter[str]] = {}
    return _asked(
        dialect, "schedule", lambda: {step: Counter(of) for step, of in by_step(text, steps).items()}, nothing
    )


def lexer(dialect: str) -> Lexer:
    """The colours of a stage; of a dialect that is not known, those of plain text."""
    found = find(dialect)
    return PLAIN if found is None else found.lexer


def words(dialect: str) -> Words:
    """What the words of a stage mean; of a dialect that is not known, nothing."""
    found = find(dialect)
    return NONE if found is None else found.words


def languages() -> list[Words]:
    """The words of every dialect, those of one language once, in the order of their names."""
    by_name = {dialect.words.of: dialect.words for dialect in registry().known.values() if dialect.words.told}
    return [by_name[of] for of in sorted(by_name)]


def rows(dialect: str, text: str) -> list[str]:
    """A stage's lines to compare, empty where one has nothing to compare; without known noise, as they are."""
    found = find(dialect)
    as_it_is = text.splitlines()
    if found is None or (noise := found.noise) is None:
        return as_it_is
    return _asked(dialect, "noise", lambda: _noise.without(noise, text), as_it_is)


def normalised(dialect: str, text: str) -> str:
    """The text to compare, or what of it is wanted; of a dialect that has no such noise, as it is."""
    return "\n".join(row for row in rows(dialect, text) if row)


def context(facts: Facts | None, texts: Mapping[str, str], steps: Sequence[str]) -> Context:
    """The context of one record's stages; `texts` are those of them that are at hand, by dialect.

    The names: a kernel's (of a GPU also that of its entry, and the label of "ttir:LABEL"), a function's of TVM,
    "03-linear" of a call in "instructions:03-linear", and of NKI's sources "linear.py" and "linear.py:73".
    """
    return _context.context(facts, (_kernels(name, texts, steps) for name in texts), steps)


def _kernels(dialect: str, texts: Mapping[str, str], steps: Sequence[str]) -> list[tuple[str, Steps]]:
    """What a text tells of the kernels that others are of: (a kernel, the steps that it serves)."""
    found = find(dialect)
    if found is None or (pairs := found.kernels) is None or dialect not in found.names:
        return []
    text = texts[dialect]
    return _asked(
        dialect,
        "kernels",
        lambda: [(str(name), tuple(set(of))) for name, of in pairs(text, steps, texts)],
        [],
    )
