"""What a lab asks: items, the misconceptions that each is there to find, and the verdict on an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

Answer = int | float | str
Shape = Mapping[str, Any]  # what a seed gives: names and sizes, made of what JSON has
Artifact = Mapping[str, Any]  # what a run made: JSON; a part that no toolchain here could make is absent
Value = Callable[[Shape, Artifact], Answer]


class Part(StrEnum):
    """Where an item stands in a lab, and in answers.toml."""

    PREDICT = "predict"  # before the run; a wrong one costs nothing
    OBSERVE = "observe"  # read off one's own artifact
    EXPLAIN = "explain"  # a cause among plausible ones
    APPLY = "apply"  # a shape that the run did not have
    MAKE = "make"  # a kernel, say, in the learner's lab.py; graded by its answer and its counts


class Standing(StrEnum):
    """How an answer stands."""

    RIGHT = "right"
    WRONG = "wrong"
    UNANSWERED = "unanswered"
    UNGRADED = "ungraded"  # nothing here can say: never counted as right


@dataclass(frozen=True)
class Misconception:
    """A wrong idea that plausible answers come from, and the sentence for who holds it."""

    name: str
    answer: Value  #: what somebody answers who holds it
    hint: str


@dataclass(frozen=True)
class Item:
    """One question. The truth is computed from the shape and the artifact, and is stored nowhere."""

    name: str
    part: Part
    question: str  #: with {names} of the shape
    truth: Value
    hint: str  #: for an answer that no misconception explains
    misconceptions: tuple[Misconception, ...] = ()
    choices: Mapping[str, str] = field(default_factory=dict)  #: word -> what it means; empty: a number is asked for
    within: float = 0.0  #: a relative error that is still right
    unit: str = ""  #: of a number, where its name does not end in it, as `decode_mb` does, and it is no count
    needs: str | None = None  #: the part of the artifact without which it is ungraded
    measure: Callable[[Path, Shape], Answer] | None = None  #: of an item to make: counts the learner's lab.py (a path)


@dataclass(frozen=True)
class Lesson:
    """What a lab's check.py declares."""

    shapes: Sequence[Shape]  #: validated: each compiles in a minute
    run: Callable[[Shape, Path], Artifact]  #: makes the artifact; what the learner is to read goes into the folder
    items: tuple[Item, ...]
    rule: str  #: one line to choose hardware and compiler by, told to who has finished
    demonstration: Shape = field(default_factory=dict)  #: of what is kept to be read without a toolchain; no seed's

    def shape(self, seed: int) -> Shape:
        """The shape of a seed; neighbours get shapes that lie apart."""
        many = len(self.shapes)
        step = next(one for one in range(round(many * 0.618), 0, -1) if math.gcd(one, many) == 1)
        return self.shapes[seed * step % many]


@dataclass(frozen=True)
class Verdict:
    """How the answer to an item stands, and what to say of it."""

    item: str
    part: Part
    standing: Standing
    answer: Answer | None = None
    misconception: str | None = None
    hint: str | None = None

    @property
    def blocks(self) -> bool:
        """Whether the lab is not passed because of it."""
        return self.part is not Part.PREDICT and self.standing in (Standing.WRONG, Standing.UNANSWERED)


def grade(item: Item, answer: Answer | None, shape: Shape, artifact: Artifact) -> Verdict:
    """The verdict on an answer; None is unanswered."""
    if item.needs is not None and artifact.get(item.needs) is None:
        why = artifact.get("absent", {}).get(item.needs, "it could not be made here")
        return Verdict(item.name, item.part, Standing.UNGRADED, answer, hint=f"{item.needs}: {why}")
    if answer is None:
        return Verdict(item.name, item.part, Standing.UNANSWERED)
    if same(answer, item.truth(shape, artifact), item.within):
        return Verdict(item.name, item.part, Standing.RIGHT, answer)
    for one in item.misconceptions:
        if same(answer, one.answer(shape, artifact), item.within):
            return Verdict(item.name, item.part, Standing.WRONG, answer, one.name, one.hint.format(**shape))
    return Verdict(item.name, item.part, Standing.WRONG, answer, hint=item.hint.format(**shape))


def same(answer: Answer, truth: Answer, within: float) -> bool:
    """Words are equal or not; of numbers the relative error counts."""
    if isinstance(answer, str) or isinstance(truth, str):
        return answer == truth
    return math.isfinite(answer) and abs(answer - truth) <= within * abs(truth)
