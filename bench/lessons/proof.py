"""That a lab grades: the starter fails, the solution passes, each wrong answer is caught for the reason it states."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from oneblock.bench.format.out import note
from oneblock.bench.lessons.answers import Answers
from oneblock.bench.lessons.attempt import SCRIPT, Attempt, passed, verdicts
from oneblock.bench.lessons.item import Answer, Artifact, Item, Part, Shape, Standing, Verdict, same
from oneblock.bench.lessons.lab import Lab, labs, module, named
from oneblock.bench.records.scratch import scratch


def proven(lab: Lab, seed: int, folder: Path, *, whole: bool = False) -> Iterator[str]:
    """What is at fault with a lab at a seed: nothing, if it grades; `whole`: also each item that stays ungraded."""
    attempt = Attempt.start(lab, folder / "starter", seed)
    shape, lesson = attempt.shape, lab.lesson
    artifact = lesson.run(shape, folder)
    empty: dict[Part, Answers] = {}
    if passed(verdicts(lab, empty, shape, artifact, attempt.folder / SCRIPT)):
        yield f"{lab.name}: the starter passes as it is"
    script = folder / "solution.py"
    script.write_text(lab.solution(), encoding="utf-8")
    given = by_part(lesson.items, lab.solve(shape, artifact))
    for one in verdicts(lab, given, shape, artifact, script):
        if one.standing is not Standing.RIGHT and (whole or one.standing is not Standing.UNGRADED):
            yield f"{lab.name}, seed {seed}: the solution's {one.item} = {one.answer!r} is {one.standing}: {one.hint}"
    for path in lab.wrong():
        yield from _wrong(lab, path, shape, artifact, folder)


def _wrong(lab: Lab, path: Path, shape: Shape, artifact: Artifact, folder: Path) -> Iterator[str]:
    """What is at fault with one wrong answer, which has to be caught by the item and misconception it names."""
    name, _, misconception = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").partition(": ")
    item = next((one for one in lab.lesson.items if one.name == name), None)
    if item is None or misconception not in (one.name for one in item.misconceptions):
        yield f"{path}: its first line names {name}: {misconception}, which check.py has not"
        return
    idea = next(one for one in item.misconceptions if one.name == misconception)
    known = item.needs is None or artifact.get(item.needs) is not None
    if known and same(idea.answer(shape, artifact), item.truth(shape, artifact), item.within):
        return  # at this shape the wrong idea gives the right answer: nobody can tell
    found = judged(lab, item, path, shape, artifact, folder)
    if found.standing is not Standing.UNGRADED and found.misconception != misconception:
        yield f"{path}: {item.name} = {found.answer!r} is {found.standing} by {found.misconception}: {found.hint}"


def judged(lab: Lab, item: Item, path: Path, shape: Shape, artifact: Artifact, folder: Path) -> Verdict:
    """The verdict on a wrong answer: what `answer` in it says, or as a learner's lab.py."""
    given: dict[Part, Answers] = {}
    script = None
    if item.measure is None:
        given = {item.part: {item.name: module(path).answer(shape, artifact)}}
    else:
        script = folder / path.name
        script.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    of_it = verdicts(lab, given, shape, artifact, script)
    return next(one for one in of_it if one.item == item.name)


def by_part(items: tuple[Item, ...], answers: Mapping[str, Answer]) -> dict[Part, Answers]:
    """Answers as a form has them."""
    return {part: {i.name: answers.get(i.name) for i in items if i.part is part} for part in Part}


def main(words: list[str]) -> None:
    """`python -m oneblock.bench.lessons.proof SEED LAB...`: prove labs, all by default, with every toolchain here."""
    seed, *chosen = words
    faults = []
    for lab in [named(word) for word in chosen] or labs():
        with scratch("labs") as folder:
            faults += [*proven(lab, int(seed), folder, whole=True)]
        note(f"{lab.name}, seed {seed}: {len(lab.lesson.items)} items, {len(lab.wrong())} wrong answers tried")
    for fault in faults:
        note(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
