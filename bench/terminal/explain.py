"""What a word or a column means: what stands beside each definition, looked up by the name that tables print."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, get_args

from rich.console import RenderableType

from oneblock.bench.format.terms import TERMS
from oneblock.bench.judge.estimates import METHODS
from oneblock.bench.terminal.fitted import glossary
from oneblock.bench.terminal.programs import COLUMNS as COMPILED
from oneblock.bench.terminal.records import COLUMNS as MEASURED
from oneblock.compilers.api.call import Call
from oneblock.compilers.api.calls import AnyCall
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.dialects import languages
from oneblock.workloads.ops.nearest import unknown


class Explanation(NamedTuple):
    """One meaning of a name; some have several, of different tables."""

    name: str
    of: str  # "a column of compiled cells"
    words: str


def explanations() -> Iterator[Explanation]:
    """All there are."""
    for name, words in MEASURED.items():
        yield Explanation(name, "a column of measured cells", words)
    for name, words in COMPILED.items():
        yield Explanation(name, "a column of compiled cells", words)
    for of in (Call, *get_args(AnyCall)):
        for name, words in vars(of).get("says", {}).items():
            yield Explanation(name, f"a column of {of.noun}s" if of is not Call else "a column of calls", words)
    for method, words in METHODS.items():
        yield Explanation(method.name, f"an estimate of time ({method.kind})", words)
    for kind in Kind:
        yield Explanation(kind.value, "a kind of evidence", kind.words)
    for name, words in TERMS.items():
        yield Explanation(name, "a word", words)
    for language in languages():
        for name, words in language.told.items():
            yield Explanation(name, f"a word of {language.of}", words)


def names() -> list[str]:
    """Every name that has an explanation, once."""
    return list(dict.fromkeys(one.name for one in explanations()))


def listed() -> list[RenderableType]:
    """All of them, those together that are names of the same."""
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for one in explanations():
        by_kind.setdefault(one.of, []).append((one.name, one.words))
    return [glossary(f"\nEach is {of}", meanings) for of, meanings in by_kind.items()]


def explain(name: str) -> list[Explanation]:
    """What a name means, whatever its case, or a word as a stage has it; LookupError offers the nearest names."""
    found = [one for one in explanations() if one.name.casefold() == name.casefold()]
    if not found:
        of_words = [(language.of, language.find(name)) for language in languages()]
        found = [Explanation(word[0], f"a word of {of}", word[1]) for of, word in of_words if word is not None]
    if not found:
        raise LookupError(unknown("term", name, names(), "`oneblock explain` lists all"))
    return found


def hovers() -> dict[str, str]:
    """What the page says of a heading that the pointer stays on: of columns of cells, and words."""
    return TERMS | MEASURED | COMPILED
