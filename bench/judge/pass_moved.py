"""Which pass moved a program between two releases: where the texts after each pass part, and where their counts do.

What counts is where two programs part for good: a front end that writes the same otherwise, which a later pass undoes,
moved nothing. From there on two pipelines are aligned by the names of their passes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cache
from hashlib import sha256

from oneblock.bench.records.record import ArtifactRef, Record
from oneblock.bench.records.stages import StageText, normal
from oneblock.bench.records.store import Store
from oneblock.compilers.dialects import StageName, context, read
from oneblock.workloads.ops.definitions import STEPS

_COUNTED = {"fusions": "fusion", "custom calls": "custom-call"}  # figures that are one operation's count in a text
_Place = tuple[int, int]  # in the two pipelines


@dataclass(frozen=True)
class Parting:
    """Where a program of two releases parts for good, in its text or in a count.

    To blame is `common`, a pass of both that made two of one, or else what stands between: passes that changed the
    program in one release alone.
    """

    of: str  # the kernel; "" of the whole program
    what: str  # "text", "text and operations by kind", "fusions"
    same_until: tuple[str, str] | None  # passes of the two, with their numbers; None: it differs from the start
    common: tuple[str, str] | None
    alone: tuple[tuple[str, ...], tuple[str, ...]]
    operations: dict[str, tuple[int, int]]  # whose number differs there


@dataclass(frozen=True)
class PassSearch:
    """What the passes of two releases tell of a program; `refused` says why they tell nothing."""

    counted: str = ""  # "fusions"; "operations by kind" of a figure that no text tells, as scratch is
    partings: tuple[Parting, ...] = ()
    same: tuple[str, ...] = ()  # kernels whose text is the same in the end
    single: tuple[str, ...] = ()  # kernels of one release alone
    refused: str | None = None


class Pipeline:
    """A program after each pass that left a text."""

    def __init__(self, refs: Sequence[ArtifactRef], store: Store) -> None:
        self.refs, self.store = refs, store
        self.names = [StageName.parse(ref.dialect).after_pass or "" for ref in refs]
        self.text, self.operations = cache(self._text), cache(self._operations)

    def label(self, n: int) -> str:
        """A pass with its number, "012 CSE"; what stands before the first is the start."""
        number = StageName.parse(self.refs[n].dialect).number
        return "the start" if f":{number:03d}.before." in self.refs[n].dialect else f"{number:03d} {self.names[n]}"

    def labels(self, start: int, end: int) -> tuple[str, ...]:
        """Of a stretch of passes."""
        return tuple(map(self.label, range(start, end)))

    def _text(self, n: int) -> str:
        """A hash of the program without what no reader of a difference asks for."""
        ref = self.refs[n]
        return sha256("\n".join(normal(ref.dialect, self.store.text(ref).splitlines())).encode()).hexdigest()

    def _operations(self, n: int) -> Counter[str]:
        ref = self.refs[n]
        text = self.store.text(ref)
        return StageText(ref, text, read(ref.dialect, text, context(None, {}, STEPS))).operations()


_Value = Callable[[Pipeline, int], object]


def pass_moved(before: Record, after: Record, store: Store, figure: str) -> PassSearch:
    """Where each program of a cell parts between two releases, in its text and in what is counted of the figure."""
    left, right = ({of: Pipeline(refs, store) for of, refs in _by_program(one).items()} for one in (before, after))
    if not left or not right:
        return PassSearch(refused=f"{after.cell.backend} keeps no text after each pass")
    both = sorted(left.keys() & right.keys())
    found = {key: _partings(key[1], left[key], right[key], figure) for key in both}
    return PassSearch(
        figure if figure in _COUNTED else "operations by kind",
        tuple(one for each in found.values() for one in each),
        tuple(of for (_, of), each in found.items() if not each),
        tuple(sorted(of for _, of in left.keys() ^ right.keys())),
    )


def _by_program(record: Record) -> dict[tuple[str, str], list[ArtifactRef]]:
    """The texts after passes by (family, kernel), in the order in which the passes ran."""
    found: dict[tuple[str, str], list[ArtifactRef]] = {}
    for ref in record.artifacts:
        name = StageName.parse(ref.dialect)
        if name.is_pass:
            found.setdefault((name.family, name.of), []).append(ref)
    return found


def _partings(of: str, a: Pipeline, b: Pipeline, figure: str) -> list[Parting]:
    """In the text, and in a count; none where it is the same program in the end."""
    texts = _aligned(*([one.text(n) for n in range(len(one.refs))] for one in (a, b)))
    if texts and texts[-1] == (len(a.refs) - 1, len(b.refs) - 1):
        return []
    i, j = texts[-1] if texts else (-1, -1)
    named = [(i + 1 + p, j + 1 + q) for p, q in _aligned(a.names[i + 1 :], b.names[j + 1 :])]
    places = [*texts[-1:], *named, (len(a.refs), len(b.refs))]
    counted = _COUNTED.get(figure)

    def count(one: Pipeline, n: int) -> object:
        return one.operations(n)[counted] if counted else one.operations(n)

    text = _parting(of, "text", a, b, places, lambda one, n: one.text(n))
    found = _parting(of, figure if counted else "operations by kind", a, b, places, count)
    if text is not None and found is not None and replace(found, what=text.what) == text:
        return [replace(text, what=f"{text.what} and {found.what}")]
    return [one for one in (text, found) if one is not None]


def _aligned(a: Sequence[str], b: Sequence[str]) -> list[_Place]:
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return [(one.a + n, one.b + n) for one in blocks for n in range(one.size)]


def _parting(of: str, what: str, a: Pipeline, b: Pipeline, places: Sequence[_Place], value: _Value) -> Parting | None:
    """Behind the last of the places, pairs of passes of one name and the two ends, at which a value is the same."""

    def same(place: _Place) -> bool:
        i, j = (min(n, len(one.refs) - 1) for n, one in zip(place, (a, b), strict=True))
        return value(a, i) == value(b, j)

    agree = [n for n, place in enumerate(places) if same(place)]
    last = agree[-1] if agree else -1
    if last == len(places) - 1:
        return None
    (i, j), (p, q) = places[last] if agree else (-1, -1), places[last + 1]
    alone = (a.labels(i + 1, p), b.labels(j + 1, q))
    by_both = p < len(a.refs) and (not any(alone) or (p > 0 < q and same((p - 1, q - 1))))
    at = (p, q) if by_both else (max(p - 1, 0), max(q - 1, 0))
    counts = [one.operations(n) for one, n in zip((a, b), at, strict=True)]
    moved = {name: (counts[0][name], counts[1][name]) for name in sorted(counts[0] | counts[1])}
    return Parting(
        of, what, (a.label(i), b.label(j)) if agree else None, (a.label(p), b.label(q)) if by_both else None, alone,
        {name: both for name, both in moved.items() if both[0] != both[1]},
    )  # fmt: skip
