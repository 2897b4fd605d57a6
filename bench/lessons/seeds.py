"""Labs at many seeds: each is solvable, with answers of its own; what was found is kept, and gone on with.

A seed's file in the folder KEPT names what it was found of: the lab's files and the toolchains. Of others it is found
anew, and so is one that has a fault.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

from oneblock.bench.format.out import note, say
from oneblock.bench.lessons.attempt import verdicts, versions
from oneblock.bench.lessons.item import Standing
from oneblock.bench.lessons.lab import Lab, labs, named
from oneblock.bench.lessons.proof import by_part
from oneblock.bench.records.environment import default_threads
from oneblock.bench.records.files import write_whole
from oneblock.bench.records.scratch import scratch
from oneblock.compilers.api.files import read_plain

OWN = 0.95  # of the seeds have answers that no other has, as far as there are shapes
_MOST_BYTES = 2**20


@dataclass
class Found:
    """What is known of one lab."""

    lab: Lab
    answers: dict[int, str] = field(default_factory=dict)  #: by seed, as text
    faults: list[str] = field(default_factory=list)

    def lacks(self, seeds: int) -> list[str]:
        """The faults, and whether too many seeds share their answers; the latter once all are there."""
        different, of = len({*self.answers.values()}), min(seeds, len(self.lab.lesson.shapes))
        if len(self.answers) == seeds and different < OWN * of:
            return [*self.faults, f"{self.lab.name}: {different} different sets of answers, expected {OWN:.0%} of {of}"]
        return self.faults


def solved(lab: Lab, seed: int) -> dict[str, Any]:
    """The faults of a lab at a seed, by its run and its solution's answers, without what is to be made."""
    shape, lesson = lab.lesson.shape(seed), lab.lesson
    with scratch("labs") as folder:
        artifact = lesson.run(shape, folder)
    answers = lab.solve(shape, artifact)
    judged = verdicts(lab, by_part(lesson.items, answers), shape, artifact, None)
    made = {item.name for item in lesson.items if item.measure is not None}
    faults = [
        f"{lab.name}, seed {seed}: {one.item} = {one.answer!r} is {one.standing}: {one.hint}"
        for one in judged if one.item not in made and one.standing is not Standing.RIGHT
    ]  # fmt: skip
    return {"faults": faults, "answers": json.dumps({name: str(value) for name, value in sorted(answers.items())})}


def source(lab: Lab) -> str:
    """What a finding is of: the files of the lab, and the versions of the toolchains."""
    texts = [path.read_bytes() for path in sorted(lab.folder.glob("*.py"))]
    return sha256(b"\0".join([*texts, json.dumps(versions(), sort_keys=True).encode()])).hexdigest()


def kept(path: Path, of: str) -> dict[str, Any] | None:
    """What was found before; None where nothing was, or of something else, or at fault."""
    try:
        found = json.loads(read_plain(path, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("of") != of or found.get("faults") != []:
        return None
    return found if isinstance(found.get("answers"), str) else None


def go_on(chosen: Iterable[Lab], seeds: int, folder: Path, seconds: float) -> list[Found]:
    """Every lab at seed 0, then at 1, and so on, until the time is over: what is left, the next call begins with.

    As many at a time as there are cores: what a run takes long for are processes of its own.
    """
    until = time.monotonic() + seconds
    found = [Found(lab) for lab in chosen]
    of = {one.lab.name: source(one.lab) for one in found}

    def told(turn: tuple[int, Found]) -> dict[str, Any] | None:
        seed, one = turn
        path = folder / one.lab.name / f"{seed}.json"
        known = kept(path, of[one.lab.name])
        if known is None and time.monotonic() < until:
            known = {"of": of[one.lab.name], **solved(one.lab, seed)}
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(known).encode())
        return known

    turns = [*product(range(seeds), found)]
    with ThreadPoolExecutor(default_threads()) as pool:
        for (seed, one), known in zip(turns, pool.map(told, turns), strict=True):
            if known is not None:
                one.answers[seed] = known["answers"]
                one.faults += known["faults"]
    return found


def main(words: Sequence[str]) -> None:
    """`python -m oneblock.bench.lessons.seeds KEPT SEEDS MINUTES LAB...`: labs, all by default, with what is here."""
    folder, seeds, minutes, *chosen = words
    found = go_on([named(word) for word in chosen] or labs(), int(seeds), Path(folder), 60 * float(minutes))
    for one in found:
        left, different = int(seeds) - len(one.answers), len({*one.answers.values()})
        say(f"{one.lab.name}: {len(one.answers)} seeds, {different} different sets of answers, {left} left")
    faults = [fault for one in found for fault in one.lacks(int(seeds))]
    for fault in faults:
        note(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
