"""Requests of two days, a seed each, and ways to choose the lengths that they are padded to."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any

LEAST = 16  # the smallest power of two to pad to
PAIRS = 4  # of calls: served.py has them
APART = 10  # positions, by which the best number of lengths is better than any other
MANY = 120


def powers(length: int) -> int:
    """The power of two that a request is padded to."""
    return max(LEAST, 1 << (length - 1).bit_length())


def padded(lengths: Iterable[int], buckets: Sequence[int]) -> int:
    """Positions that are computed and that no request asked for."""
    return sum(min(size for size in buckets if size >= length) - length for length in lengths)


@cache
def best(lengths: tuple[int, ...], many: int) -> int:
    """The fewest padded positions with so many buckets: one of them has to be the longest request's."""
    each = sorted(set(lengths))
    rest = itertools.combinations(each[:-1], min(many, len(each)) - 1)
    return min(padded(lengths, (*chosen, each[-1])) for chosen in rest)


def steps(lengths: Sequence[int], many: int) -> list[int]:
    """Buckets in equal steps up to the longest."""
    return [-(-max(lengths) * (n + 1) // many) for n in range(many)]


def shares(lengths: Sequence[int], many: int) -> list[int]:
    """Buckets with as many requests in each."""
    ordered = sorted(lengths)
    return [ordered[-(-len(ordered) * (n + 1) // many) - 1] for n in range(many)]


def longest(lengths: Sequence[int], many: int) -> list[int]:
    """One bucket for all."""
    return [max(lengths)]


def sums(lengths: Sequence[int], worth: int) -> list[int]:
    """Padded positions, and what compilations are worth in positions, for 1, 2, 3... buckets."""
    return [best(tuple(lengths), many) + many * worth for many in range(1, len(set(lengths)) + 1)]


def shapes(many: int = MANY) -> list[dict[str, Any]]:
    """The first whose questions have one answer, and whose wrong ideas have others."""
    drawn = (_drawn(number) for number in itertools.count())
    return list(itertools.islice((shape for shape in drawn if _tells(shape)), many))


def _drawn(number: int) -> dict[str, Any]:
    draw = Random(number).random  # the one of its numbers that Python keeps from release to release
    first = [5 + int(240 * draw() ** 2) for _ in range(6 + number % 6)] + [1] * (number % 3 == 0)
    today = first + [first[int(draw() * 5)] for _ in range(14 - len(first))]
    new = [5 + int(240 * draw() ** 2) for _ in range(6)]
    return {
        "C": 32, "today": sorted(today, key=lambda _: draw()), "most": 3 + number % 2, "worth": 30 + 10 * (number % 5),
        "tomorrow": sorted([*first[:5], *new, new[0]], key=lambda _: draw()), "pair": number % PAIRS,
    }  # fmt: skip


def _tells(shape: Mapping[str, Any]) -> bool:
    least, second, *_ = sorted(sums(shape["tomorrow"], shape["worth"]))
    alike = len({*shape["today"]}) == len({*map(powers, shape["today"])})
    return second - least >= APART and not alike and all(_apart(shape[day], shape["most"]) for day in DAYS)


def _apart(lengths: Sequence[int], most: int) -> bool:
    ways = {padded(lengths, way(lengths, most)) for way in (steps, shares, longest)}
    return len(ways | {best(tuple(lengths), most)}) == 4


DAYS = ("today", "tomorrow")
