"""What attempts tell: each prediction beside what the learner's own run made, and the misconceptions that were met."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from oneblock.bench.format.errors import Refused
from oneblock.bench.lessons.attempt import Attempt
from oneblock.bench.lessons.grading import attempts
from oneblock.bench.lessons.item import Answer, Item, Part, same
from oneblock.bench.lessons.lab import Lab


@dataclass(frozen=True)
class Prediction:
    """One that was locked, and what was observed."""

    learner: str
    item: Item
    question: str  #: with the sizes of this learner
    predicted: Answer
    observed: Answer

    @property
    def right(self) -> bool:
        """Whether it was."""
        return same(self.predicted, self.observed, self.item.within)


@dataclass(frozen=True)
class Told:
    """One attempt; what a check has not looked at yet is not told."""

    learner: str
    attempt: Attempt

    @property
    def lab(self) -> Lab:
        """The lab."""
        return self.attempt.lab

    @property
    def last(self) -> dict[str, Any]:
        """The last check; nothing where there was none."""
        return self.attempt.state.last("check") or {"standings": {}, "held": {}}

    def times(self, what: str) -> int:
        """How often something was done."""
        return sum(event["what"] == what for event in self.attempt.state.events)

    def standing(self, word: str) -> int:
        """How many items stand so since the last check."""
        return [*self.last["standings"].values()].count(word)

    @cached_property
    def predictions(self) -> tuple[Prediction, ...]:
        """Each that an artifact can answer, once a check was made: before that the truth is the learner's to find."""
        locked, checked = self.attempt.state.last("predict"), self.attempt.state.last("check")
        if locked is None or checked is None:
            return ()
        artifact, found = self.attempt.artifact(), []
        for item in (one for one in self.lab.lesson.items if one.part is Part.PREDICT):
            given = locked["answers"].get(item.name)
            if given is None or (item.needs is not None and artifact.get(item.needs) is None):
                continue
            try:
                observed = item.truth(self.attempt.shape, artifact)
            except Exception as error:  # an artifact of anybody's making may lack anything
                raise Refused(f"{self.attempt.folder}: its artifact does not answer {item.name}: {error!r}") from error
            question = item.question.format(**self.attempt.shape)
            found.append(Prediction(self.learner, item, question, given, observed))
        return tuple(found)

    @cached_property
    def met(self) -> dict[tuple[str, str], bool]:
        """Each misconception (item, name) that a check met, and whether the last met it still."""
        found: dict[tuple[str, str], bool] = {}
        for event in self.attempt.state.events:
            if event["what"] == "check":
                found = dict.fromkeys(found, False) | dict.fromkeys(event["held"].items(), True)
        return found


@dataclass(frozen=True)
class Held:
    """A misconception of a lab, and the learners who met its hint."""

    lab: Lab
    item: Item
    name: str
    hint: str
    by: tuple[str, ...]
    still: tuple[str, ...]  #: those whose last check met it


def tell(folders: Sequence[Path]) -> tuple[list[Told], list[str]]:
    """Every attempt of learners, a folder each, by lab; and of what cannot be read why."""
    found, refused = [], []
    names = [folder.resolve().name for folder in folders]
    for folder, name in zip(folders, names, strict=True):
        for path in attempts(folder):
            try:
                told = Told(name if names.count(name) == 1 else str(folder), Attempt.open(path))
                assert told.predictions is not None  # reads the artifact: what is at fault with it is told here
                found.append(told)
            except Refused as error:
                refused.append(str(error))
            except OSError as error:  # a link or a pipe in the place of a file, say: the others are drawn
                refused.append(f"{error.filename}: {error.strerror}")
    return sorted(found, key=lambda one: (one.lab.name, one.learner)), refused


def held(told: Iterable[Told]) -> list[Held]:
    """The misconceptions that were met, by lab, those of most learners first."""
    of: dict[tuple[str, str, str], list[Told]] = {}
    for one in told:
        for item, name in one.met:
            of.setdefault((one.lab.name, item, name), []).append(one)
    found = [_held(having, item, name) for (_, item, name), having in of.items()]
    return sorted((one for one in found if one is not None), key=lambda one: (one.lab.name, -len(one.by), one.name))


def _held(having: Sequence[Told], item: str, name: str) -> Held | None:
    """With its hint; None where a state names what its lab has not."""
    lab = having[0].lab
    for asked in (one for one in lab.lesson.items if one.name == item):
        for idea in (one for one in asked.misconceptions if one.name == name):
            hint = idea.hint.format(**having[0].attempt.shape)
            still = tuple(one.learner for one in having if one.met[item, name])
            return Held(lab, asked, name, hint, tuple(one.learner for one in having), still)
    return None
