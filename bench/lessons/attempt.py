"""One learner's attempt at a lab: started, predicted, run, checked, each in its turn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from pprint import pformat
from typing import Any

from oneblock.bench.format.errors import Refused
from oneblock.bench.lessons import answers as form
from oneblock.bench.lessons.item import Answer, Artifact, Part, Shape, Standing, Verdict, grade
from oneblock.bench.lessons.lab import Lab, named
from oneblock.bench.lessons.state import State
from oneblock.bench.records.files import write_whole
from oneblock.compilers.api.files import read_plain

ARTIFACT = "artifact.json"
SCRIPT = "lab.py"
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Attempt:
    """The folder of one attempt, whose state was found as it was written."""

    lab: Lab
    folder: Path
    seed: int
    shape: Shape
    state: State

    @classmethod
    def start(cls, lab: Lab, folder: Path, seed: int) -> Attempt:
        """Write the starter, the form and the state; Refused where something is there already."""
        if folder.exists() and any(folder.iterdir()):
            raise Refused(f"{folder} is there already, and nothing in it is overwritten: go on with it, or move it")
        lesson = lab.lesson
        shape = lesson.shape(seed)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / SCRIPT, lab.starter(pformat(dict(shape), sort_dicts=False)).encode())
        write_whole(folder / form.FILE, form.form(lab.name, lesson, seed, shape).encode())
        state = State(folder / "state.json")
        state.add("start", lab=lab.name, seed=seed, shape=dict(shape))
        return cls(lab, folder, seed, shape, state)

    @classmethod
    def open(cls, folder: Path) -> Attempt:
        """The attempt in a folder; Refused where its state was edited, or is of a seed that gives another shape."""
        state = State.read(folder)
        name, seed, shape = (state.events[0].get(one) for one in ("lab", "seed", "shape"))
        if not isinstance(name, str) or not isinstance(seed, int) or isinstance(seed, bool):
            raise Refused(f"{state.path}: expected a lab and a seed, got {name!r:.60} and {seed!r:.60}")
        lab = named(name)
        if shape != dict(lab.lesson.shape(seed)):
            raise Refused(f"{state.path}: seed {seed} of {lab.name} has another shape: of another lab or version")
        return cls(lab, folder, seed, lab.lesson.shape(seed), state)

    def answers(self) -> dict[Part, form.Answers]:
        """What is filled in; Refused where a locked prediction is no longer what it was."""
        found = form.read(self.folder, self.lab.name, self.lab.lesson, self.seed)
        locked = self.state.last("predict")
        if locked is not None and found[Part.PREDICT] != locked.get("answers"):
            changed = [name for name, value in found[Part.PREDICT].items() if locked["answers"].get(name) != value]
            raise Refused(
                f"{self.folder / form.FILE}: {', '.join(changed)}: locked as "
                f"{', '.join(repr(locked['answers'].get(name)) for name in changed)}: put that back; "
                "a wrong prediction costs nothing"
            )
        return found

    def predict(self) -> form.Answers:
        """Lock the predictions, and ask the rest; Refused where one is missing, or all are locked."""
        given = self.answers()[Part.PREDICT]
        if self.state.last("predict") is not None:
            raise Refused(f"{self.folder}: the predictions are locked already: `oneblock lab run {self.lab.number}`")
        if empty := [name for name, answer in given.items() if answer is None]:
            raise Refused(f"{self.folder / form.FILE}: [predict] {', '.join(empty)}: not filled in; guess")
        form.add_later(self.folder, self.lab.lesson, self.shape)
        self.state.add("predict", answers=given)
        return given

    def run(self) -> Artifact:
        """Make the artifact anew; Refused before the predictions are locked, and while another run is at work."""
        if self.state.last("predict") is None:
            raise Refused(f"{self.folder}: predict first: fill in [predict], then `oneblock lab predict`")
        self.answers()
        with self._alone():
            made = self.lab.lesson.run(self.shape, self.folder)
            raw = written(made)
            write_whole(self.folder / ARTIFACT, raw)
            self.state.add("run", sha256=sha256(raw).hexdigest(), software=versions())
        return made

    def artifact(self) -> Artifact:
        """What the last run made; Refused where it is not there, or is not what that made."""
        ran, path = self.state.last("run"), self.folder / ARTIFACT
        again = f"`oneblock lab run {self.lab.number}` makes it"
        if ran is None:
            raise Refused(f"{self.folder}: nothing was run here: {again}")
        try:
            raw = read_plain(path, _MOST_BYTES)
        except FileNotFoundError:
            raise Refused(f"{path} is gone: {again}") from None
        if sha256(raw).hexdigest() != ran.get("sha256"):
            raise Refused(f"{path} is not what the run made: it was edited; {again} anew")
        made: dict[str, Any] = json.loads(raw)
        return made

    def check(self, *, run_code: bool = True) -> list[Verdict]:
        """The verdict on each item, by the artifact of this folder."""
        artifact = self.artifact()
        with self._alone():
            found = verdicts(self.lab, self.answers(), self.shape, artifact, self.folder / SCRIPT if run_code else None)
        held = {one.item: one.misconception for one in found if one.misconception is not None}
        self.state.add("check", standings={one.item: one.standing for one in found}, held=held)
        return found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """As the only one at work in the folder; Refused else."""
        from filelock import FileLock, Timeout  # and with it asyncio, which a form does not wait for

        try:
            with FileLock(self.folder / ".lock", timeout=0):
                yield
        except Timeout:
            raise Refused(f"{self.folder}: another `oneblock lab` is at work here: wait for it") from None


def written(artifact: Artifact) -> bytes:
    """An artifact as its file has it: the same wherever the same toolchain makes it, without lines for a terminal."""
    kept = {name: value for name, value in artifact.items() if name != "told"}
    return (json.dumps(kept, indent=1, sort_keys=True) + "\n").encode()


def versions() -> dict[str, str]:
    """Of the packages that artifacts depend on, as far as they are here."""
    found = {}
    for package in ("numpy", "jax", "libtpu", "torch", "triton", "apache-tvm"):
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def verdicts(
    lab: Lab, given: Mapping[Part, form.Answers], shape: Shape, artifact: Artifact, script: Path | None
) -> list[Verdict]:
    """The verdict on each item; without a script what is to be made is ungraded."""
    found = []
    for item in lab.lesson.items:
        answer: Answer | None = given.get(item.part, {}).get(item.name)
        if item.measure is None or (item.needs is not None and artifact.get(item.needs) is None):
            found.append(grade(item, answer, shape, artifact))
        elif script is None:
            why = "running somebody's lab.py was not asked for (--run-code)"
            found.append(Verdict(item.name, item.part, Standing.UNGRADED, hint=why))
        else:
            try:
                found.append(grade(item, item.measure(script, shape), shape, artifact))
            except Refused as refused:  # it did not run, or its answer is wrong: there is nothing to be counted
                found.append(Verdict(item.name, item.part, Standing.WRONG, hint=str(refused)))
    return found


def passed(found: list[Verdict]) -> bool:
    """Whether nothing is wrong or open, and enough was graded to say so."""
    return enough(found) and not any(one.blocks for one in found)


def enough(found: list[Verdict]) -> bool:
    """Whether half of the items or more were graded, and right one that is no prediction."""
    graded = sum(one.standing is not Standing.UNGRADED for one in found)
    right = any(one.standing is Standing.RIGHT and one.part is not Part.PREDICT for one in found)
    return right and 2 * graded >= len(found)
